//! What the gateway has done since it was started.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use peer_protocol::error::ErrorCode;

/// Counts of messages.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Posted to this node.
    pub(super) received: Count,
    /// Of those, taken.
    pub(super) taken: Count,
    /// Posted to peers, and answered.
    pub(super) sent: Count,
    /// Posted to peers without an answer that counts.
    pub(super) failed: Count,
    /// Passed on to version 1.1.
    pub(super) inward: Count,
    /// Passed on to version 1.0.
    pub(super) outward: Count,
    /// Refused, by code.
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(super) fn refuse(&self, code: ErrorCode) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(code.as_str()).or_default() += 1;
    }

    /// All but what was refused, by what became of it.
    pub(crate) fn all(&self) -> [(&'static str, u64); 6] {
        [
            ("received", self.received.get()),
            ("taken", self.taken.get()),
            ("sent", self.sent.get()),
            ("failed", self.failed.get()),
            ("passed_inward", self.inward.get()),
            ("passed_outward", self.outward.get()),
        ]
    }

    pub(crate) fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
