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
    /// The peer refused a session stream on it.
    streamless: bool,
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

    /// Peers with a connection.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
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
            streamless: false,
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

    /// The best one for a session stream: direct rather than relayed, one that is heard, the newest.
    pub(super) fn for_stream(&self, peer: &PeerId, now: Instant) -> Option<ConnectionId> {
        let good = self.peers.get(peer)?.open().filter(|it| !it.streamless);
        let best = good.max_by_key(|it| {
            (!it.relayed, !it.is_silent(self.patience, now), it.heard.is_some(), it.since)
        });
        best.map(|it| it.id)
    }

    /// The peer refuses session streams on this one.
    pub(super) fn refuses_streams(&mut self, peer: PeerId, id: ConnectionId) {
        if let Some(it) = self.get_mut(&peer, id) {
            it.streamless = true;
        }
    }

    /// Whether this one goes over a relay.
    pub(super) fn is_relayed(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let mut list = self.peers.get(peer).into_iter().flat_map(|to| &to.list);
        list.any(|it| it.id == id && it.relayed)
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
mod tests;
