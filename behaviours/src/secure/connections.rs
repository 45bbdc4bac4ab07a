//! The connections to each peer, and which of them to close.
//!
//! Requests go over any connection of a peer, so one that is dead makes many of them fail. And two
//! nodes that dial each other at once get two connections, of which one is enough. Which surplus
//! connection goes is decided by one side alone, that with the smaller peer id: two that decide for
//! themselves may each close the other's choice. Dead ones are closed by whoever notices, and so are
//! those over a relay once there is a direct one, about which there is no doubt. The last connection to
//! a peer is never closed here.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_swarm::ConnectionId;
use peer_protocol::time::Instant;

use crate::prefix::Prefix;

/// Connections made within this time of each other may come from dials that crossed. A later one was
/// made because somebody had a reason to.
const CROSSING: Duration = Duration::from_secs(2);
/// How long a surplus connection stays, so that what is under way on it can end.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// How long one made long after the others may go unused before it takes their place. One that was made
/// to test an address is closed long before.
const UNUSED: Duration = Duration::from_secs(5);

/// One connection.
#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    prefix: Prefix,
    /// Whether this side dialled.
    dialed: bool,
    /// Whether it goes over a relay.
    relayed: bool,
    since: Instant,
    /// When a request or an answer last came over it.
    heard: Option<Instant>,
    /// When the first request was sent over it of which nothing has come back.
    asked: Option<Instant>,
    /// The link complained while it was there.
    suspect: bool,
    /// It is being closed.
    closing: bool,
}

impl Connection {
    fn is_silent(&self, patience: Duration, now: Instant) -> bool {
        self.suspect || self.asked.is_some_and(|asked| now.since(asked) >= patience)
    }
}

/// Those to one peer.
#[derive(Debug, Default)]
struct ToPeer {
    list: Vec<Connection>,
    /// Whether it stands in `surplus`.
    queued: bool,
}

impl ToPeer {
    /// Those that are not being closed.
    fn open(&self) -> impl Iterator<Item = &Connection> {
        self.list.iter().filter(|connection| !connection.closing)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.list.iter_mut().find(|connection| connection.id == id)
    }

    /// Marks what is to be closed, unless nothing would be left.
    fn close(&mut self, which: impl Fn(&Connection) -> bool) -> Vec<ConnectionId> {
        if self.open().all(&which) {
            return Vec::new();
        }
        let going = self.list.iter_mut().filter(|connection| !connection.closing);
        going
            .filter(|connection| which(connection))
            .map(|connection| {
                connection.closing = true;
                connection.id
            })
            .collect()
    }
}

/// All connections. There are as many as the swarm allows.
#[derive(Debug)]
pub(super) struct Connections {
    peers: HashMap<PeerId, ToPeer>,
    /// Peers with more than one, and when to choose, in order; only those for which this side has a
    /// choice to make.
    surplus: VecDeque<(Instant, PeerId)>,
    own: Option<PeerId>,
    /// How long a connection may leave requests unanswered before it counts as silent.
    patience: Duration,
}

impl Connections {
    pub(super) fn new(own: Option<PeerId>, patience: Duration) -> Self {
        Self { peers: HashMap::new(), surplus: VecDeque::new(), own, patience }
    }

    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    pub(super) fn ids(&self, peer: &PeerId) -> impl Iterator<Item = ConnectionId> {
        self.peers.get(peer).into_iter().flat_map(|to| to.list.iter().map(|it| it.id))
    }

    pub(super) fn prefix(&self, peer: &PeerId, id: ConnectionId) -> Prefix {
        let mut list = self.peers.get(peer).into_iter().flat_map(|to| &to.list);
        list.find(|it| it.id == id).map_or(Prefix::Other, |it| it.prefix)
    }

    /// There is a new one. It takes the place of those that went silent, which are returned.
    pub(super) fn opened(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        prefix: Prefix,
        dialed: bool,
        now: Instant,
    ) -> Vec<ConnectionId> {
        let to = self.peers.entry(peer).or_default();
        to.list.push(Connection {
            id,
            prefix,
            dialed,
            relayed: matches!(prefix, Prefix::Relay(_)),
            since: now,
            heard: None,
            asked: None,
            suspect: false,
            closing: false,
        });
        let silent = to.close(|it| it.is_silent(self.patience, now));
        self.queue(peer, now);
        silent
    }

    /// One is gone. Returns whether it was the last.
    pub(super) fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> bool {
        let Some(to) = self.peers.get_mut(peer) else { return false };
        to.list.retain(|it| it.id != id);
        let last = to.list.is_empty();
        if last {
            self.peers.remove(peer);
        }
        last
    }

    /// A request went out over it.
    pub(super) fn asked(&mut self, peer: &PeerId, id: ConnectionId, now: Instant) {
        if let Some(it) = self.get_mut(peer, id) {
            it.asked.get_or_insert(now);
        }
    }

    /// Something came over it that shows that it is alive.
    pub(super) fn alive(&mut self, peer: &PeerId, id: ConnectionId) {
        if let Some(it) = self.get_mut(peer, id) {
            it.asked = None;
            it.suspect = false;
        }
    }

    /// A request or an answer came over it.
    pub(super) fn heard(&mut self, peer: PeerId, id: ConnectionId, now: Instant) {
        self.alive(&peer, id);
        if let Some(it) = self.get_mut(&peer, id) {
            it.heard = Some(now);
        }
        self.queue(peer, now);
    }

    /// The peer leaves requests unanswered. Those that carry some are to be closed if another one
    /// does not: what is under way fails and is sent over that one.
    pub(super) fn suspect(&mut self, peer: &PeerId) -> Vec<ConnectionId> {
        let Some(to) = self.peers.get_mut(peer) else { return Vec::new() };
        for it in &mut to.list {
            it.suspect = true;
        }
        to.close(|it| it.asked.is_some())
    }

    /// Those that are silent while another one is alive; they are to be closed.
    pub(super) fn dead(&mut self, peer: &PeerId, now: Instant) -> Vec<ConnectionId> {
        let Some(to) = self.peers.get_mut(peer) else { return Vec::new() };
        if to.list.len() < 2 {
            return Vec::new();
        }
        let alive = to.open().filter(|it| !it.is_silent(self.patience, now));
        let Some(heard) = alive.filter_map(|it| it.heard).max() else { return Vec::new() };
        to.close(|it| {
            it.is_silent(self.patience, now) && it.asked.is_none_or(|asked| asked < heard)
        })
    }

    /// The peer starts a handshake over this one. If it made the connection long after the others,
    /// and has not used those since, it does not know them any more; they are to be closed.
    pub(super) fn restarted(&mut self, peer: &PeerId, id: ConnectionId) -> Vec<ConnectionId> {
        let Some(to) = self.peers.get_mut(peer) else { return Vec::new() };
        let Some(since) = to.open().find(|it| it.id == id).map(|it| it.since) else {
            return Vec::new();
        };
        to.close(|it| it.since + CROSSING <= since && it.heard.is_none_or(|heard| heard < since))
    }

    /// When [`Connections::surplus`] is due.
    pub(super) fn next_choice(&self) -> Option<Instant> {
        self.surplus.front().map(|(due, _)| *due)
    }

    /// The surplus connections of a peer whose time has come; they are to be closed. `None` if there
    /// is no such peer.
    pub(super) fn surplus(&mut self, now: Instant) -> Option<(PeerId, Vec<ConnectionId>)> {
        let (_, peer) = *self.surplus.front().filter(|(due, _)| *due <= now)?;
        self.surplus.pop_front();
        let Some(to) = self.peers.get_mut(&peer) else { return Some((peer, Vec::new())) };
        to.queued = false;
        // A peer that only speaks something else is none of this protocol's business.
        if to.open().all(|it| it.heard.is_none()) {
            return Some((peer, Vec::new()));
        }
        let silent = |it: &Connection| it.is_silent(self.patience, now);
        let mut going = Vec::new();
        if to.open().any(|it| !it.relayed && !silent(it)) {
            going = to.close(|it| it.relayed);
        }
        if !self.chooses(&peer) {
            return Some((peer, going));
        }
        let Some(to) = self.peers.get_mut(&peer) else { return Some((peer, going)) };
        let newest = to.open().map(|it| it.since).max().unwrap_or(now);
        let is_new = |it: &Connection| newest.since(it.since) < CROSSING;
        let in_use = to.open().any(|it| !is_new(it) && it.heard.is_some() && !silent(it));
        let new: Vec<_> = to.open().filter(|it| is_new(it)).map(|it| it.heard).collect();
        if in_use && new == [None] {
            let judged = newest + UNUSED;
            if now < judged {
                to.queued = true;
                self.schedule(judged, peer);
                return Some((peer, going));
            }
        }
        let crossing = to.open().filter(|it| is_new(it));
        let keep = crossing.max_by_key(|it| (!silent(it), it.dialed, it.since)).map(|it| it.id);
        going.extend(to.close(|it| Some(it.id) != keep));
        Some((peer, going))
    }

    /// Whether it is for this side to choose among connections that are equally good.
    fn chooses(&self, peer: &PeerId) -> bool {
        self.own.is_some_and(|own| own < *peer)
    }

    /// Notes that there may be a choice to make.
    fn queue(&mut self, peer: PeerId, now: Instant) {
        let chooses = self.chooses(&peer);
        let Some(to) = self.peers.get_mut(&peer) else { return };
        if to.queued || to.open().count() < 2 {
            return;
        }
        let mixed = to.open().any(|it| it.relayed) && to.open().any(|it| !it.relayed);
        if chooses || mixed {
            to.queued = true;
            self.schedule(now + GRACE, peer);
        }
    }

    /// Keeps the times in order: one that waits longer must not hold up the others.
    fn schedule(&mut self, due: Instant, peer: PeerId) {
        let place = self.surplus.partition_point(|(other, _)| *other <= due);
        self.surplus.insert(place, (due, peer));
    }

    fn get_mut(&mut self, peer: &PeerId, id: ConnectionId) -> Option<&mut Connection> {
        self.peers.get_mut(peer)?.get_mut(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    /// Two peers, the smaller one first.
    fn pair() -> (PeerId, PeerId) {
        let (a, b) = (PeerId::random(), PeerId::random());
        (a.min(b), a.max(b))
    }

    fn opened(
        connections: &mut Connections,
        peer: PeerId,
        number: usize,
        dialed: bool,
        millis: u64,
    ) -> Vec<ConnectionId> {
        connections.opened(peer, id(number), Prefix::Other, dialed, at(millis))
    }

    #[test]
    fn of_crossing_dials_that_of_the_smaller_peer_stays_and_only_it_decides() {
        let (small, large) = pair();
        for first in [1, 2] {
            let mut at_small = Connections::new(Some(small), PATIENCE);
            let mut at_large = Connections::new(Some(large), PATIENCE);
            // Number one is dialled by the smaller peer, number two by the larger.
            for number in [first, 3 - first] {
                opened(&mut at_small, large, number, number == 1, 0);
                opened(&mut at_large, small, number, number == 2, 0);
            }
            at_small.heard(large, id(2), at(100));
            at_large.heard(small, id(1), at(100));
            assert_eq!(at_large.next_choice(), None);
            assert_eq!(at_small.surplus(at(999)), None);
            assert_eq!(at_small.surplus(at(1_000)), Some((large, vec![id(2)])));
            at_small.heard(large, id(1), at(1_100));
            assert_eq!(at_small.next_choice(), None, "the other one is closing already");
        }
    }

    #[test]
    fn a_connection_made_much_later_replaces_the_old_one() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(small), PATIENCE);
        opened(&mut connections, large, 1, true, 0);
        connections.heard(large, id(1), at(10));
        opened(&mut connections, large, 2, false, 60_000);
        connections.heard(large, id(2), at(60_010));
        assert_eq!(connections.surplus(at(61_000)), Some((large, vec![id(1)])));
    }

    /// It may have been made to test an address, and then goes by itself.
    #[test]
    fn one_that_nobody_uses_replaces_the_old_one_only_after_a_while() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(small), PATIENCE);
        opened(&mut connections, large, 1, true, 0);
        connections.heard(large, id(1), at(10));
        opened(&mut connections, large, 2, false, 60_000);
        assert_eq!(connections.surplus(at(61_000)), Some((large, vec![])));
        assert_eq!(connections.surplus(at(64_999)), None);
        connections.heard(large, id(1), at(64_000));
        assert_eq!(connections.surplus(at(65_000)), Some((large, vec![id(1)])));
        opened(&mut connections, large, 3, false, 70_000);
        connections.closed(&large, id(3));
        assert_eq!(connections.surplus(at(71_000)), Some((large, vec![])));
    }

    #[test]
    fn a_direct_connection_replaces_one_over_a_relay_on_both_sides() {
        let (small, large) = pair();
        let circuit = Prefix::Relay(PeerId::random());
        for (own, peer) in [(small, large), (large, small)] {
            let mut connections = Connections::new(Some(own), PATIENCE);
            connections.opened(peer, id(1), circuit, true, at(0));
            connections.heard(peer, id(1), at(100));
            assert_eq!(connections.next_choice(), None);
            // The relay's neighbour may well win the race again: what counts is not who came first.
            opened(&mut connections, peer, 2, false, 5_000);
            connections.opened(peer, id(3), circuit, true, at(5_500));
            assert_eq!(connections.surplus(at(5_999)), None, "what is under way may end");
            assert_eq!(connections.surplus(at(6_000)), Some((peer, vec![id(1), id(3)])));
        }
    }

    #[test]
    fn a_silent_direct_connection_does_not_replace_one_over_a_relay() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(large), PATIENCE);
        connections.opened(small, id(1), Prefix::Relay(PeerId::random()), true, at(0));
        connections.heard(small, id(1), at(100));
        opened(&mut connections, small, 2, false, 5_000);
        connections.asked(&small, id(2), at(3_000));
        assert_eq!(connections.surplus(at(6_000)), Some((small, vec![])));
    }

    #[test]
    fn a_peer_that_never_spoke_keeps_its_connections() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(small), PATIENCE);
        opened(&mut connections, large, 1, true, 0);
        opened(&mut connections, large, 2, true, 0);
        assert_eq!(connections.surplus(at(1_000)), Some((large, vec![])));
        connections.heard(large, id(1), at(5_000));
        assert_eq!(connections.surplus(at(6_000)).map(|(_, closed)| closed.len()), Some(1));
    }

    #[test]
    fn a_silent_connection_is_closed_once_another_is_alive_and_never_the_last() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(large), PATIENCE);
        opened(&mut connections, small, 1, true, 0);
        opened(&mut connections, small, 2, true, 0);
        connections.asked(&small, id(1), at(100));
        connections.asked(&small, id(2), at(100));
        assert!(connections.dead(&small, at(10_000)).is_empty(), "nothing shows that one is alive");
        connections.heard(small, id(2), at(10_000));
        assert_eq!(connections.dead(&small, at(10_000)), [id(1)]);
        assert!(connections.dead(&small, at(10_000)).is_empty(), "it is closing already");
        connections.asked(&small, id(2), at(10_100));
        assert!(connections.dead(&small, at(20_000)).is_empty());
        assert!(!connections.closed(&small, id(1)));
        assert!(connections.closed(&small, id(2)));
        assert!(!connections.is_connected(&small));
    }

    #[test]
    fn a_new_connection_takes_the_place_of_silent_ones() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(large), PATIENCE);
        opened(&mut connections, small, 1, true, 0);
        connections.asked(&small, id(1), at(0));
        assert!(opened(&mut connections, small, 2, true, 1_999).is_empty());
        assert_eq!(opened(&mut connections, small, 3, true, 2_000), [id(1)]);
        assert!(connections.suspect(&small).is_empty(), "none carries a request");
        connections.alive(&small, id(3));
        assert_eq!(opened(&mut connections, small, 4, true, 2_100), [id(2)]);
    }

    #[test]
    fn of_a_peer_that_does_not_answer_the_connections_that_were_asked_go_first() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(large), PATIENCE);
        opened(&mut connections, small, 1, true, 0);
        opened(&mut connections, small, 2, true, 0);
        connections.asked(&small, id(1), at(100));
        assert_eq!(connections.suspect(&small), [id(1)]);
        connections.closed(&small, id(1));
        connections.asked(&small, id(2), at(2_100));
        assert!(connections.suspect(&small).is_empty(), "it is the last");
    }

    #[test]
    fn a_handshake_on_a_new_connection_closes_those_from_before_a_restart() {
        let (small, large) = pair();
        let mut connections = Connections::new(Some(large), PATIENCE);
        opened(&mut connections, small, 1, true, 0);
        connections.heard(small, id(1), at(100));
        opened(&mut connections, small, 2, false, 1_000);
        assert!(connections.restarted(&small, id(2)).is_empty(), "the dials may have crossed");
        opened(&mut connections, small, 3, false, 10_000);
        connections.heard(small, id(2), at(10_100));
        assert_eq!(connections.restarted(&small, id(3)), [id(1)], "the second is in use");
    }
}
