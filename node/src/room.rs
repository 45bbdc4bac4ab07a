//! How much of the inbox is taken, and by whom. Links ask before they acknowledge a message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::Fingerprint;
use peer_protocol::link::Admission;
use peer_protocol::message::{ErrorReport, Message, MessageKind};

use crate::transfer::Intake;
use crate::trust::SharedTrust;

/// Most messages held for agents.
const MAX_MESSAGES: usize = 4096;
/// Most bytes of messages held for agents.
const MAX_BYTES: usize = 64 << 20;
/// Of both, one peer gets at most one part in so many.
const SHARES: usize = 8;
/// When a sender tries again that met a full inbox, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// Whose share a message counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// A peer's own.
    Peer([u8; 32]),
    /// The one that all version 1.0 peers have together.
    Legacy,
}

impl Share {
    pub(crate) fn of(key: &PublicKey) -> Self {
        Self::Peer(*key.as_bytes())
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    messages: usize,
    bytes: usize,
}

impl Taken {
    /// Whether one more message of `bytes` stays within one part in `parts` of the whole.
    const fn fits(self, bytes: usize, parts: usize) -> bool {
        self.messages < MAX_MESSAGES / parts && self.bytes + bytes <= MAX_BYTES / parts
    }

    const fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    const fn subtract(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[derive(Debug, Default)]
struct Usage {
    total: Taken,
    shares: HashMap<Share, Taken>,
}

/// The room for messages that wait for an agent. The last share is kept for pinned peers, so that
/// strangers cannot shut them out.
#[derive(Debug)]
pub(crate) struct Room {
    trust: Arc<SharedTrust>,
    intake: Arc<Intake>,
    usage: Mutex<Usage>,
    closed: AtomicBool,
}

impl Room {
    pub(crate) fn new(trust: Arc<SharedTrust>, intake: Arc<Intake>) -> Self {
        Self { trust, intake, usage: Mutex::default(), closed: AtomicBool::new(false) }
    }

    /// Takes nothing more in.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Takes a message of `share` in, if there is room.
    ///
    /// # Errors
    /// What the sender is told.
    pub(crate) fn take(&self, share: Share, message: &Message) -> Result<(), ErrorReport> {
        match message.kind {
            MessageKind::Task | MessageKind::StatusReport | MessageKind::WakeUp => {}
            _ => return Ok(()),
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(later("the node is shutting down"));
        }
        let bytes = message.body.len();
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let own = usage.shares.get(&share).copied().unwrap_or_default();
        if !own.fits(bytes, SHARES) {
            return Err(later("this peer's share of the inbox is full: no agent takes messages"));
        }
        let mut wider = usage.total;
        wider.bytes += MAX_BYTES / SHARES;
        wider.messages += MAX_MESSAGES / SHARES;
        // A wake-up is small, and what brings the agent that makes room: it may use the last share.
        let entitled = || message.kind == MessageKind::WakeUp || self.is_pinned(share);
        if !(wider.fits(bytes, 1) || (usage.total.fits(bytes, 1) && entitled())) {
            return Err(later("the inbox is full: no agent takes messages"));
        }
        usage.total.add(bytes);
        usage.shares.entry(share).or_default().add(bytes);
        Ok(())
    }

    /// A message of `bytes` that was taken in has left.
    pub(crate) fn leave(&self, share: Share, bytes: usize) {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.total.subtract(bytes);
        if let Some(own) = usage.shares.get_mut(&share) {
            own.subtract(bytes);
            if own.messages == 0 {
                usage.shares.remove(&share);
            }
        }
    }

    fn is_pinned(&self, share: Share) -> bool {
        match share {
            Share::Peer(key) => PublicKey::from_bytes(&key)
                .is_ok_and(|key| self.trust.is_pinned(Fingerprint::of(&key))),
            Share::Legacy => false,
        }
    }
}

impl Admission for Room {
    fn admit(&self, from: &PublicKey, message: &Message) -> Result<(), ErrorReport> {
        match message.kind {
            MessageKind::Chunk => self.intake.admit(from, message),
            _ => self.take(Share::of(from), message),
        }
    }
}

fn later(detail: &str) -> ErrorReport {
    ErrorReport {
        retry_after_ms: Some(RETRY_AFTER_MS),
        ..ErrorReport::new(ErrorCode::RateLimited, detail)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
    use peer_protocol::identity::TrustPolicy;
    use peer_protocol::message::{Body, StatusReport, WakeUp};
    use peer_protocol::time::Timestamp;

    use super::*;
    use crate::trust_file::TrustFile;

    fn key(seed: u8) -> PublicKey {
        Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
    }

    fn report(bytes: usize) -> Message {
        let report =
            StatusReport { content: Cow::Owned(vec![0; bytes]), ..StatusReport::default() };
        Message::new(&mut rand::rng(), &Body::from(report), None).unwrap()
    }

    fn room() -> Room {
        let trust = SharedTrust::new(TrustFile::in_memory(TrustPolicy::Open)).0;
        let clock = Arc::new(peer_behaviours::SystemClock::new());
        let intake =
            Intake::new(&crate::config::TransferConfig::default(), Arc::clone(&trust), clock);
        Room::new(trust, Arc::new(intake))
    }

    #[test]
    fn one_peer_gets_no_more_than_its_share() {
        let room = room();
        let message = report(1000);
        let taken = (0..5000).filter(|_| room.admit(&key(1), &message).is_ok()).count();
        assert_eq!(taken, MAX_MESSAGES / SHARES);
        assert!(room.admit(&key(2), &message).is_ok());
        room.leave(Share::of(&key(1)), message.body.len());
        assert!(room.admit(&key(1), &message).is_ok());
    }

    #[tokio::test]
    async fn strangers_cannot_shut_out_pinned_peers_or_wake_ups() {
        let room = room();
        let message = report(1 << 20);
        for seed in 10..40 {
            while room.admit(&key(seed), &message).is_ok() {}
        }
        assert!(room.admit(&key(50), &message).is_err(), "strangers have filled their part");
        let wake = Message::new(&mut rand::rng(), &Body::from(WakeUp::default()), None).unwrap();
        assert!(room.admit(&key(50), &wake).is_ok());
        drop(room.trust.pin(
            "friend".parse().unwrap(),
            Fingerprint::of(&key(1)),
            Timestamp::default(),
        ));
        assert!(room.admit(&key(1), &message).is_ok());
    }

    #[test]
    fn after_closing_nothing_is_taken() {
        let room = room();
        room.close();
        let refused = room.admit(&key(1), &report(1)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
    }
}
