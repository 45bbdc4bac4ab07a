//! What the node tells of itself and its peers.

use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::reachability::scope::is_relayed;
use peer_protocol::identity::{EntityId, Fingerprint, TrustView as _};
use peer_protocol::time::Timestamp;

use super::{EventLoop, path};
use crate::directory::Peer;
use crate::events::NodeEvent;
use crate::model::{HandshakeKind, PeerStatus, QueueDepth, SessionLine, SessionStatus, Status};

impl EventLoop {
    pub(super) fn status(&self) -> Status {
        let peers = || self.directory.iter().map(|(_, peer)| peer);
        let uptime = self.clock.now().instant.since(self.started);
        Status {
            entity: self.identity.entity().clone(),
            fingerprint: self.identity.fingerprint(),
            peer_id: self.swarm.local_peer_id().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: millis(uptime),
            listen: self.listen_addresses(),
            connected: peers().filter(|peer| peer.is_connected()).count(),
            sessions: peers().filter(|peer| !peer.sessions.is_empty()).count(),
            agents: self.inbox.agents(),
            waiting: self.inbox.waiting() + self.inbox.room().kept().0,
            outbox: depth(self.delivery.queued()),
            inbox: {
                let (messages, bytes) = self.inbox.room().kept();
                depth((messages, u64::try_from(bytes).unwrap_or(u64::MAX)))
            },
            transfers: self.open_transfers(),
        }
    }

    /// Tells when agents have come or gone.
    pub(super) fn tell_agents(&mut self) {
        let count = self.inbox.agents();
        if count != self.agents_told {
            self.agents_told = count;
            self.events.tell(NodeEvent::Agents { count });
        }
    }

    /// All sessions, and handshakes that would open one, by peer and age.
    pub(super) fn sessions(&self) -> Vec<SessionLine> {
        let now = self.clock.now().timestamp;
        let mut lines = Vec::new();
        for (id, peer) in self.directory.iter() {
            let opening = peer.phase.filter(|_| peer.sessions.is_empty()).map(opening);
            let newest = peer.sessions.len().saturating_sub(1);
            let sessions = peer.sessions.iter().map(|(_, session)| session.clone());
            for (at, session) in sessions.chain(opening).enumerate() {
                let ready = !session.id.is_empty();
                lines.push(SessionLine {
                    entity: peer.entity.clone(),
                    peer_id: id.to_string(),
                    connected: peer.is_connected(),
                    current: ready && at == newest,
                    age_ms: if ready { millis(now.distance(session.since)) } else { 0 },
                    unsettled: self.queued(id),
                    traffic: peer.traffic,
                    session,
                });
            }
        }
        lines.sort_by(|a, b| (&a.peer_id, a.session.since).cmp(&(&b.peer_id, b.session.since)));
        lines
    }

    pub(super) fn listen_addresses(&self) -> Vec<String> {
        let own = *self.swarm.local_peer_id();
        self.swarm
            .listeners()
            .filter(|address| !is_relayed(address))
            .map(|address| {
                address.clone().with_p2p(own).unwrap_or_else(|address| address).to_string()
            })
            .collect()
    }

    /// Every peer that is connected, has a session, is kept, or is waited for.
    pub(super) fn peers(&self) -> Vec<PeerStatus> {
        let shown = |(id, peer): &(&PeerId, &Peer)| {
            peer.is_connected()
                || !peer.sessions.is_empty()
                || peer.redial.is_kept()
                || peer.http.as_ref().is_some_and(|http| http.named)
                || self.queued(id) > 0
        };
        let mut peers: Vec<_> =
            self.directory.iter().filter(shown).map(|(id, peer)| self.describe(id, peer)).collect();
        peers.sort_by(|a, b| (&a.entity, &a.peer_id).cmp(&(&b.entity, &b.peer_id)));
        peers
    }

    pub(super) fn peer_status(&self, id: &PeerId) -> Option<PeerStatus> {
        self.directory.get(id).map(|peer| self.describe(id, peer))
    }

    /// Messages that wait for the peer, or are on their way to it.
    fn queued(&self, id: &PeerId) -> usize {
        self.swarm.behaviour().secure.unsettled(id) + self.parked.count(id)
    }

    fn describe(&self, id: &PeerId, peer: &Peer) -> PeerStatus {
        let entity = peer.entity.clone();
        let named = entity.clone().unwrap_or_else(|| EntityId::derived(&peer.key));
        let direct_first = peer.connections.values().min_by_key(|address| is_relayed(address));
        let address = direct_first.or_else(|| peer.addresses.last());
        let session = peer.sessions.last().map(|(_, session)| session.clone());
        PeerStatus {
            entity,
            peer_id: id.to_string(),
            fingerprint: Fingerprint::of(&peer.key),
            trust: self.trust.level(&named, &peer.key),
            connected: peer.is_connected(),
            path: self.path(id),
            rtt_us: peer.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            address: address
                .map(ToString::to_string)
                .or_else(|| peer.http.as_ref().and_then(|http| http.url.clone())),
            protocol: peer.protocol.map(str::to_owned),
            encrypted: session.as_ref().is_some_and(|s| s.handshake != HandshakeKind::Legacy),
            session: session.or_else(|| peer.phase.map(opening)),
            round_trip_us: path::round_trip(peer)
                .map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            queued: self.queued(id),
            last_error: peer.last_error.clone(),
        }
    }
}

fn depth((messages, bytes): (usize, u64)) -> QueueDepth {
    QueueDepth { messages: u64::try_from(messages).unwrap_or(u64::MAX), bytes }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A session that is being opened, or that failed to open.
fn opening(state: &'static str) -> SessionStatus {
    SessionStatus {
        id: String::new(),
        state: state.to_owned(),
        suite: String::new(),
        handshake: HandshakeKind::SixStep,
        initiator: false,
        handshake_us: 0,
        since: Timestamp::default(),
        expires: Timestamp::default(),
    }
}
