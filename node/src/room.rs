//! How much of the inbox is taken, and by whom. Links ask before they acknowledge a message.
//!
//! What is on disk and what is only in memory are counted apart: neither shuts out the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::TransferId;
use peer_protocol::identity::Fingerprint;
use peer_protocol::limits::MAX_BODY_LEN;
use peer_protocol::link::Admission;
use peer_protocol::message::{Body, ErrorReport, Message, MessageKind};

use crate::transfer::{Intake, transfer_of};
use crate::trust::SharedTrust;

/// Most volatile messages held for agents.
const VOLATILE: Bounds = Bounds { messages: 4096, bytes: 64 << 20 };
/// Most ordered messages that wait on disk for agents (§8.5).
const ORDERED: Bounds = Bounds { messages: 65_536, bytes: 512 << 20 };
/// Of both, one peer gets at most one part in so many.
const SHARES: usize = 8;
/// Most bytes of volatile messages of one peer that is not pinned: two of the longest.
const UNPINNED: usize = 2 * MAX_BODY_LEN;
/// When a sender tries again that met a full inbox, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

const FULL_SHARE: &str = "this peer's share of the inbox is full: no agent takes messages";

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

#[derive(Debug, Clone, Copy)]
struct Bounds {
    messages: usize,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    messages: usize,
    bytes: usize,
}

impl Taken {
    /// Whether one more message of `bytes` stays within one part in `parts` of `bounds`.
    const fn fits(self, bytes: usize, bounds: Bounds, parts: usize) -> bool {
        self.messages < bounds.messages / parts && self.bytes + bytes <= bounds.bytes / parts
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

impl Usage {
    /// Whether a message of `bytes` fits in, and if not, why.
    fn check(
        &self,
        share: Share,
        bytes: usize,
        bounds: Bounds,
        entitled: impl FnOnce() -> bool,
    ) -> Result<(), &'static str> {
        let own = self.shares.get(&share).copied().unwrap_or_default();
        if !own.fits(bytes, bounds, SHARES) {
            return Err(FULL_SHARE);
        }
        let mut wider = self.total;
        wider.bytes += bounds.bytes / SHARES;
        wider.messages += bounds.messages / SHARES;
        if wider.fits(bytes, bounds, 1) || (self.total.fits(bytes, bounds, 1) && entitled()) {
            return Ok(());
        }
        Err("the inbox is full: no agent takes messages")
    }

    fn add(&mut self, share: Share, messages: usize, bytes: usize) {
        for taken in [&mut self.total, self.shares.entry(share).or_default()] {
            taken.messages += messages;
            taken.bytes += bytes;
        }
    }

    fn subtract(&mut self, share: Share, bytes: usize) {
        self.total.subtract(bytes);
        if let Some(own) = self.shares.get_mut(&share) {
            own.subtract(bytes);
            if own.messages == 0 {
                self.shares.remove(&share);
            }
        }
    }
}

/// The room for messages that wait for an agent. The last share is kept for pinned peers, so that
/// strangers cannot shut them out.
#[derive(Debug)]
pub(crate) struct Room {
    trust: Arc<SharedTrust>,
    intake: Arc<Intake>,
    volatile: Mutex<Usage>,
    ordered: Mutex<Usage>,
    closed: AtomicBool,
}

impl Room {
    pub(crate) fn new(trust: Arc<SharedTrust>, intake: Arc<Intake>) -> Self {
        Self {
            trust,
            intake,
            volatile: Mutex::default(),
            ordered: Mutex::default(),
            closed: AtomicBool::new(false),
        }
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
        let mut usage = lock(&self.volatile);
        // A wake-up is small, and what brings the agent that makes room: it may use the last share.
        let entitled = || message.kind == MessageKind::WakeUp || self.is_pinned(share);
        let own = usage.shares.get(&share).map_or(0, |own| own.bytes);
        if own + bytes > UNPINNED && share != Share::Legacy && !self.is_pinned(share) {
            return Err(later(FULL_SHARE));
        }
        usage.check(share, bytes, VOLATILE, entitled).map_err(later)?;
        usage.add(share, 1, bytes);
        Ok(())
    }

    /// Takes room for the message of a file, which [`Room::leave`]s with no bytes.
    ///
    /// # Errors
    /// There is none now.
    pub(crate) fn take_file(&self, share: Share) -> Result<(), &'static str> {
        let mut usage = lock(&self.volatile);
        usage.check(share, 0, VOLATILE, || self.is_pinned(share))?;
        usage.add(share, 1, 0);
        Ok(())
    }

    /// A volatile message of `bytes` that was taken in has left.
    pub(crate) fn leave(&self, share: Share, bytes: usize) {
        lock(&self.volatile).subtract(share, bytes);
    }

    /// Ordered messages are on disk, or on their way there.
    pub(crate) fn keep(&self, share: Share, messages: usize, bytes: usize) {
        lock(&self.ordered).add(share, messages, bytes);
    }

    /// What is on disk, in place of what was counted.
    pub(crate) fn keep_only(&self, all: impl Iterator<Item = (Share, usize, usize)>) {
        let mut usage = lock(&self.ordered);
        *usage = Usage::default();
        for (share, messages, bytes) in all.filter(|(_, messages, _)| *messages > 0) {
            usage.add(share, messages, bytes);
        }
    }

    /// An ordered message of `bytes` is not on disk any more, or did not get there.
    pub(crate) fn let_go(&self, share: Share, bytes: usize) {
        lock(&self.ordered).subtract(share, bytes);
    }

    /// How many ordered messages wait for an agent, and their bytes.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let Taken { messages, bytes } = lock(&self.ordered).total;
        (messages, bytes)
    }

    /// Whether there is room for an ordered message. It counts once its owner has it, so that a few more
    /// may come in than that.
    fn check_ordered(&self, share: Share, message: &Message) -> Result<(), ErrorReport> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(later("the node is shutting down"));
        }
        let usage = lock(&self.ordered);
        let entitled = || self.is_pinned(share);
        usage.check(share, message.body.len(), ORDERED, entitled).map_err(later)
    }

    /// Whether a message's content is here. Each has its own, of the same id.
    fn has_content(&self, from: &PublicKey, message: &Message, transfer: TransferId) -> bool {
        message.order.is_some()
            && transfer_of(message.id) == Some(transfer)
            && self.intake.has_content(from, transfer)
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
        if let Some(transfer) = transfer_named(message)
            && !self.has_content(from, message, transfer)
        {
            let detail = "no transfer of this id brought the content of this message here";
            return Err(ErrorReport::new(ErrorCode::ChunkError, detail));
        }
        match (message.order, message.kind) {
            (Some(_), _) => self.check_ordered(Share::of(from), message),
            (None, MessageKind::Chunk) => self.intake.admit(from, message),
            (None, _) => self.take(Share::of(from), message),
        }
    }
}

/// The transfer that went ahead of the message with its content (§9.4): without that the message would seem
/// to say nothing.
fn transfer_named(message: &Message) -> Option<TransferId> {
    match message.decode() {
        Ok(Body::Task(task)) => task.transfer,
        Ok(Body::TaskResult(result)) => result.transfer,
        Ok(Body::StatusReport(report)) => report.transfer,
        _ => None,
    }
}

fn lock(usage: &Mutex<Usage>) -> MutexGuard<'_, Usage> {
    usage.lock().unwrap_or_else(PoisonError::into_inner)
}

fn later(detail: &str) -> ErrorReport {
    ErrorReport {
        retry_after_ms: Some(RETRY_AFTER_MS),
        ..ErrorReport::new(ErrorCode::RateLimited, detail)
    }
}

#[cfg(test)]
pub(crate) mod tests {
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

    pub(crate) fn room() -> Room {
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
        assert_eq!(taken, VOLATILE.messages / SHARES);
        assert!(room.admit(&key(2), &message).is_ok());
        room.leave(Share::of(&key(1)), message.body.len());
        assert!(room.admit(&key(1), &message).is_ok());
    }

    #[tokio::test]
    async fn whoever_is_not_pinned_leaves_little_in_memory() {
        let room = room();
        let message = report(1 << 20);
        assert_eq!((0..100).filter(|_| room.admit(&key(1), &message).is_ok()).count(), 2);
        let friend = Fingerprint::of(&key(2));
        drop(room.trust.pin("friend".parse().unwrap(), friend, Timestamp::default()));
        assert_eq!((0..100).filter(|_| room.admit(&key(2), &message).is_ok()).count(), 7);
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
    fn what_is_on_disk_has_room_of_its_own() {
        let room = room();
        let stream = peer_protocol::id::StreamId::random(&mut rand::rng());
        let order = Some(peer_protocol::delivery::Order { after: None, number: 0, stream });
        let message = Message { order, ..report(1000) };
        while room.admit(&key(1), &report(1000)).is_ok() {}
        let share = Share::of(&key(1));
        let most = ORDERED.messages / SHARES;
        room.keep(share, most - 1, 0);
        assert!(room.admit(&key(1), &message).is_ok());
        room.keep(share, 1, message.body.len());
        assert!(room.admit(&key(1), &message).is_err());
        room.let_go(share, message.body.len());
        assert!(room.admit(&key(1), &message).is_ok());
        for seed in 2..9 {
            room.keep(Share::of(&key(seed)), 1, ORDERED.bytes / SHARES);
        }
        assert_eq!(room.kept().0, most - 1 + 7);
        assert!(room.admit(&key(50), &message).is_err(), "the last share is for pinned peers");
    }

    #[test]
    fn a_message_whose_content_is_not_here_is_refused() {
        let mut rng = rand::rng();
        let transfer = Some(TransferId::random(&mut rng));
        let report = StatusReport { transfer, ..StatusReport::default() };
        let message = Message::new(&mut rng, &Body::from(report), None).unwrap();
        let refused = room().admit(&key(1), &message).unwrap_err();
        assert_eq!(refused.code, ErrorCode::ChunkError);
    }

    #[test]
    fn after_closing_nothing_is_taken() {
        let room = room();
        room.close();
        let refused = room.admit(&key(1), &report(1)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
    }
}
