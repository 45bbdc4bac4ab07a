//! Nonces that were seen.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::error::ErrorCode;
use crate::limits::{MAX_NONCES, NONCE_LIFETIME};
use crate::time::Timestamp;

/// Bytes in a nonce.
pub const NONCE_LEN: usize = 16;

/// What makes a message unique.
pub type Nonce = [u8; NONCE_LEN];

/// Why a message counts as a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// Its nonce was seen.
    #[error("the nonce was seen before")]
    Seen,
    /// It is as old as nonces that are no longer remembered, so it may have been seen.
    #[error("the message is older than what is remembered")]
    Forgotten,
}

impl ReplayError {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Seen | Self::Forgotten => ErrorCode::ReplayDetected,
        }
    }
}

/// The nonces of one peer, bounded in time and number.
///
/// Keep one per peer, for as long as a session with it lives and across its sessions: version 1.0
/// does not sign the session id, so a message of one session could be replayed in another. One peer
/// can then only crowd out its own nonces.
///
/// Forgetting is safe: whatever is removed, by age or for want of room, raises a floor, and messages
/// sent at or before the floor are refused.
#[derive(Debug, Clone)]
pub struct NonceMemory {
    capacity: usize,
    seen: BTreeMap<Nonce, Timestamp>,
    by_time: BTreeSet<(Timestamp, Nonce)>,
    floor: Option<Timestamp>,
}

impl Default for NonceMemory {
    fn default() -> Self {
        Self::new(MAX_NONCES)
    }
}

impl NonceMemory {
    /// An empty memory for at most `capacity` nonces.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, seen: BTreeMap::new(), by_time: BTreeSet::new(), floor: None }
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether a message sent at `sent` with `nonce` is new; remembers nothing.
    ///
    /// # Errors
    /// [`ReplayError`] says why it counts as a replay.
    pub fn check(&self, nonce: &Nonce, sent: Timestamp) -> Result<(), ReplayError> {
        if self.seen.contains_key(nonce) {
            return Err(ReplayError::Seen);
        }
        if self.floor.is_some_and(|floor| sent <= floor) {
            return Err(ReplayError::Forgotten);
        }
        Ok(())
    }

    /// Remembers the nonce of a message that passed every other check.
    ///
    /// # Errors
    /// [`ReplayError`] as from [`NonceMemory::check`]; the memory is then unchanged.
    pub fn record(
        &mut self,
        nonce: Nonce,
        sent: Timestamp,
        now: Timestamp,
    ) -> Result<(), ReplayError> {
        self.check(&nonce, sent)?;
        self.seen.insert(nonce, sent);
        self.by_time.insert((sent, nonce));
        while self.by_time.len() > self.capacity || self.oldest_expired(now) {
            self.forget_oldest();
        }
        Ok(())
    }

    fn oldest_expired(&self, now: Timestamp) -> bool {
        self.by_time.first().is_some_and(|(sent, _)| *sent + NONCE_LIFETIME < now)
    }

    fn forget_oldest(&mut self) {
        if let Some((sent, nonce)) = self.by_time.pop_first() {
            self.seen.remove(&nonce);
            // Never lower than before: nothing at or below the floor gets in.
            self.floor = Some(sent);
        }
    }
}
