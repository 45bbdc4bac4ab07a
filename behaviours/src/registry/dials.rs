//! Dials that walks wait for, and peers that could not be reached.
//!
//! Whoever has gone stays in the tables of others for a while, and is named by them. A walk that waited for
//! each of them, three at a time, would run out of time before it has asked those that live.

use std::collections::HashMap;
use std::time::Duration;

use hashlink::LruCache;
use libp2p_core::PeerId;
use peer_protocol::time::Instant;

/// Most peers that are remembered.
const MAX_PEERS: usize = 1_024;
/// Most dials that are watched at once; libp2p's walks have at most 48.
const MAX_DIALS: usize = 256;
/// How long nobody is dialled again who could not be reached once; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// Whoever comes back is asked again after so long, even if nobody is told.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Failures in a row after which a peer leaves the routing table.
pub(super) const GIVEN_UP: u32 = 3;

/// Dials under way, and those that failed.
pub(super) struct Dials {
    /// How long a walk waits for one.
    patience: Duration,
    under_way: HashMap<PeerId, Instant>,
    missed: LruCache<PeerId, Missed>,
}

struct Missed {
    /// In a row.
    times: u32,
    until: Instant,
}

impl Dials {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, under_way: HashMap::new(), missed: LruCache::new(MAX_PEERS) }
    }

    /// Whether a walk may wait for this peer.
    pub(super) fn may_dial(&self, peer: &PeerId, now: Instant) -> bool {
        self.missed.peek(peer).is_none_or(|missed| missed.until <= now)
    }

    /// A walk waits for a connection to this peer.
    pub(super) fn begin(&mut self, peer: PeerId, now: Instant) {
        if self.under_way.len() < MAX_DIALS {
            self.under_way.entry(peer).or_insert(now);
        }
    }

    /// There is a connection.
    pub(super) fn reached(&mut self, peer: &PeerId) {
        self.under_way.remove(peer);
        self.missed.remove(peer);
    }

    /// The dial has failed; returns how often it has in a row, if a walk waited for it.
    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant) -> Option<u32> {
        self.under_way.remove(peer)?;
        let before = self.missed.peek(peer).map_or(0, |missed| missed.times);
        let pause = FIRST_PAUSE.saturating_mul(1 << before.min(8)).min(LONGEST_PAUSE);
        let times = before.saturating_add(1);
        self.missed.insert(*peer, Missed { times, until: now + pause });
        Some(times)
    }

    /// Nobody waits for the dial any more, and it says nothing of the peer.
    pub(super) fn abandon(&mut self, peer: &PeerId) {
        self.under_way.remove(peer);
    }

    /// A peer for which a walk has waited too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<PeerId> {
        let over = |since: Instant| now.since(since) >= self.patience;
        self.under_way.iter().find(|(_, since)| over(**since)).map(|(peer, _)| *peer)
    }

    /// When the next one is overdue.
    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.values().min().map(|since| *since + self.patience)
    }

    /// What failed before says nothing any more.
    pub(super) fn forget_failures(&mut self) {
        self.missed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn pauses_double_up_to_two_minutes_and_end_with_a_connection() {
        let (mut dials, peer) = (Dials::new(PATIENCE), PeerId::random());
        let mut now = 0;
        for (times, pause) in [15, 30, 60, 120, 120, 120].into_iter().enumerate() {
            assert!(dials.may_dial(&peer, at(now)));
            dials.begin(peer, at(now));
            assert_eq!(dials.failed(&peer, at(now)), Some(u32::try_from(times).unwrap() + 1));
            assert!(!dials.may_dial(&peer, at(now + pause - 1)));
            now += pause;
        }
        dials.begin(peer, at(now));
        dials.reached(&peer);
        assert_eq!(dials.due(), None);
        dials.begin(peer, at(now));
        assert_eq!(dials.failed(&peer, at(now)), Some(1));
        dials.forget_failures();
        assert!(dials.may_dial(&peer, at(now)));
    }

    #[test]
    fn dials_that_no_walk_waits_for_do_not_count() {
        let (mut dials, peer) = (Dials::new(PATIENCE), PeerId::random());
        assert_eq!(dials.failed(&peer, at(0)), None);
        dials.begin(peer, at(0));
        dials.abandon(&peer);
        assert_eq!(dials.failed(&peer, at(0)), None);
        assert!(dials.may_dial(&peer, at(0)));
    }

    #[test]
    fn whoever_takes_longer_than_a_request_may_is_overdue() {
        let (mut dials, peer) = (Dials::new(PATIENCE), PeerId::random());
        dials.begin(peer, at(1));
        // Another walk wants it too: the first one's time counts.
        dials.begin(peer, at(3));
        assert_eq!((dials.overdue(at(3)), dials.due()), (None, Some(at(4))));
        assert_eq!(dials.overdue(at(4)), Some(peer));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut dials = Dials::new(PATIENCE);
        for _ in 0..2 * MAX_PEERS {
            let peer = PeerId::random();
            dials.begin(peer, at(0));
            dials.failed(&peer, at(0));
        }
        assert_eq!(dials.missed.len(), MAX_PEERS);
        for _ in 0..2 * MAX_DIALS {
            dials.begin(PeerId::random(), at(0));
        }
        assert_eq!(dials.under_way.len(), MAX_DIALS);
    }
}
