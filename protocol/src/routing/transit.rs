//! One packet on its way through: to whom it was handed, and who waits for its outcome (§12.5).

use std::time::Duration;

use super::event::{ExchangeId, TryId};
use super::{Packet, Reason};
use crate::crypto::PublicKey;
use crate::limits::{MAX_CARRIED_TRIES, MAX_OWN_TRIES, MAX_PACKET_LIFE};
use crate::time::Instant;

/// Who waits for the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// This node.
    Own,
    /// The neighbour that brought the packet.
    Neighbour { key: PublicKey, exchange: ExchangeId },
}

/// A packet that was handed to one neighbour at least, or is about to be.
#[derive(Debug)]
pub(super) struct Transit {
    pub(super) source: Source,
    /// As it is handed on.
    pub(super) packet: Packet,
    /// To whom it was handed.
    pub(super) tried: Vec<PublicKey>,
    /// Tries whose outcome is not known yet.
    pub(super) open: Vec<TryId>,
    tries: usize,
    /// When the newest try has taken so long that another neighbour is tried beside it.
    pub(super) stalls_at: Option<Instant>,
    deadline: Instant,
    /// What whoever waits is told if nothing else comes.
    pub(super) reason: Reason,
}

impl Transit {
    pub(super) fn new(source: Source, packet: Packet, now: Instant) -> Self {
        let tries = match source {
            Source::Own => MAX_OWN_TRIES,
            Source::Neighbour { .. } => MAX_CARRIED_TRIES,
        };
        Self {
            source,
            packet,
            tried: Vec::new(),
            open: Vec::new(),
            tries,
            stalls_at: None,
            deadline: now + MAX_PACKET_LIFE,
            reason: Reason::NoRoute,
        }
    }

    /// Whether another neighbour may be tried.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.tried.len() < self.tries && now < self.deadline
    }

    /// Whether `neighbour` is none to hand the packet to: it had it already.
    pub(super) fn rules_out(&self, neighbour: &PublicKey) -> bool {
        let brought = match &self.source {
            Source::Own => false,
            Source::Neighbour { key, .. } => key == neighbour,
        };
        brought || *neighbour == self.packet.header.origin || self.tried.contains(neighbour)
    }

    /// When something is to be done about it.
    pub(super) fn due(&self) -> Instant {
        self.stalls_at.map_or(self.deadline, |stalls_at| stalls_at.min(self.deadline))
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.deadline <= now
    }

    /// Notes why a try came to nothing. Whatever goes wrong behind a neighbour is no business of
    /// whoever waits, apart from what it may do better next time.
    pub(super) fn note(&mut self, reason: Reason) {
        match reason {
            Reason::HopLimit | Reason::Expired | Reason::Unanswered => self.reason = reason,
            Reason::NoRoute
            | Reason::Seen
            | Reason::RateLimited
            | Reason::NotCarrying
            | Reason::TooLarge
            | Reason::Busy
            | Reason::Malformed => {}
        }
    }

    /// How long a try may take before another one is made beside it. Nodes nearer to the destination
    /// lose patience first, since they may know another way from there; large envelopes and ways that
    /// are known to be slow get more time.
    pub(super) fn patience(&self, usual: Option<Duration>) -> Duration {
        const BASE: Duration = Duration::from_millis(400);
        const PER_HOP: Duration = Duration::from_millis(60);
        const LONGEST: Duration = Duration::from_secs(4);
        let kib = u64::try_from(self.packet.envelope.len() >> 10).unwrap_or(u64::MAX);
        let hops = u32::from(self.packet.header.hop_limit);
        let patience = BASE + PER_HOP * hops + Duration::from_millis(kib);
        usual.map_or(patience, |usual| patience.max(usual * 2)).min(LONGEST)
    }
}
