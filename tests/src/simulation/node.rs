//! One node: its clock, and a link to each other node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::id::SessionId;
use peer_protocol::limits::{MAX_QUEUED_MESSAGES, MAX_SESSIONS_PER_PEER};
use peer_protocol::link::{Event, Link, LinkConfig, SessionInfo};
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::durable::Station;
use super::{Chance, Life};
use crate::people::{Trust, identity};

/// Where wall clocks stand at the start of a simulation.
const EPOCH: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A link, and what can be seen of it from outside.
pub struct Side {
    /// The link.
    pub link: Link,
    /// The sessions that it announced and has not ended since.
    pub sessions: BTreeSet<SessionId>,
    /// Every session that it announced, oldest first.
    pub history: Vec<SessionInfo>,
    /// When either end begins to renew the newest session.
    pub renewal_due: Instant,
    /// Handshakes that it gave up.
    pub failed_handshakes: usize,
    /// Requests that wait for the carrier's report.
    pub(super) pending: usize,
    /// Exchanges that wait for the link's answer.
    pub(super) unanswered: usize,
}

impl Side {
    /// Checks everything that is bounded.
    pub(super) fn check_bounds(&self) {
        /// Sixteen sealed requests, and steps of handshakes that were given up but not yet reported.
        const MOST_PENDING: usize = 16 + 8;
        /// Answers that a link holds back at once.
        const MOST_HELD: usize = 64;
        let Self { link, sessions, pending, unanswered, .. } = self;
        assert!(link.queued() <= MAX_QUEUED_MESSAGES, "{} messages are queued", link.queued());
        assert!(*pending <= MOST_PENDING, "{pending} requests are in flight");
        assert!(*unanswered <= MOST_HELD, "{unanswered} exchanges are unanswered");
        assert!(sessions.len() <= MAX_SESSIONS_PER_PEER, "{} sessions", sessions.len());
    }

    pub(super) fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::SessionReady(info) => {
                assert!(self.sessions.insert(info.id), "session {} is ready twice", info.id);
                self.history.push(info.clone());
                // The initiator is the first of the two, at four fifths of the session's life.
                self.renewal_due = info.expires - info.expires.since(now) / 5;
            }
            Event::SessionEnded { id, .. } => {
                assert!(self.sessions.remove(id), "session {id} ended, but never was");
            }
            Event::HandshakeFailed { .. } => self.failed_handshakes += 1,
            _ => {}
        }
    }
}

/// A node of the simulation.
pub struct Node {
    number: usize,
    config: Arc<LinkConfig>,
    trust: Arc<Trust>,
    /// Its life: the number grows with each restart.
    pub life: Life,
    /// How far its wall clock is off, in milliseconds.
    pub clock_error: i64,
    /// Its links, by the node at the other end.
    pub sides: BTreeMap<usize, Side>,
    /// What it does with ordered messages, if the simulation has any.
    pub station: Option<Station>,
}

impl Node {
    pub(super) fn new(
        number: usize,
        count: usize,
        config: LinkConfig,
        chance: &mut Chance,
    ) -> Self {
        let mut node = Self {
            number,
            config: Arc::new(config),
            trust: Arc::default(),
            life: Life { node: number, number: 0 },
            clock_error: 0,
            sides: BTreeMap::new(),
            station: None,
        };
        for peer in (0..count).filter(|peer| *peer != number) {
            let side = node.side(peer, chance);
            node.sides.insert(peer, side);
        }
        node
    }

    /// Everything in memory is lost; keys and trust are on disk.
    pub(super) fn restart(&mut self, chance: &mut Chance) {
        self.life.number += 1;
        let peers: Vec<_> = self.sides.keys().copied().collect();
        for peer in peers {
            let side = self.side(peer, chance);
            self.sides.insert(peer, side);
        }
    }

    /// Both of its clocks, when the simulation has run until `at`.
    #[must_use]
    pub fn now(&self, at: Instant) -> Now {
        let true_time = EPOCH + at.since(Instant::default());
        let error = Duration::from_millis(self.clock_error.unsigned_abs());
        let timestamp = if self.clock_error < 0 { true_time - error } else { true_time + error };
        Now { instant: at, timestamp }
    }

    /// The link to `peer`.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn side_mut(&mut self, peer: usize) -> &mut Side {
        self.sides.get_mut(&peer).expect("there is a link to each other node")
    }

    /// The key of node `number`.
    fn key(number: usize) -> PublicKey {
        *identity(number).public_key()
    }

    fn side(&self, peer: usize, chance: &mut Chance) -> Side {
        assert_ne!(peer, self.number);
        let seed = chance.below(1 << 30) as u64 * 256 + self.number as u64 * 16 + peer as u64;
        let rng = Box::new(StdRng::seed_from_u64(seed << 8 | u64::from(self.life.number)));
        let trust = Arc::clone(&self.trust);
        Side {
            link: Link::new(Arc::clone(&self.config), trust, Self::key(peer), rng),
            sessions: BTreeSet::new(),
            history: Vec::new(),
            renewal_due: Instant::default(),
            failed_handshakes: 0,
            pending: 0,
            unanswered: 0,
        }
    }
}
