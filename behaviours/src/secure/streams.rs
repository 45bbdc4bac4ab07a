//! Which connection a peer's session stream is opened on (`docs/PROTOCOL.md` §14.4). What it carries
//! passes here only once it has failed.

use either::Either;
use libp2p_core::PeerId;
use libp2p_swarm::{ConnectionId, NotifyHandler, ToSwarm};

use super::Behaviour;
use super::driver::Input;
use super::stream::{Open, Opener, Told};
use crate::keep_alive::FromBehaviour;

impl Behaviour {
    /// The link of `peer` has something for a stream.
    pub(super) fn open_stream(&mut self, peer: PeerId) {
        let now = self.clock.now().instant;
        let connection = self.connections.for_stream(&peer, now).filter(|_| self.streams);
        match connection {
            Some(connection) => self.open_stream_on(peer, connection),
            None => self.deny_stream(&peer, false),
        }
    }

    /// There is a new connection. If the stream goes over a relay and this one does not, it moves.
    pub(super) fn move_stream(&mut self, peer: PeerId, to: ConnectionId) {
        let Some(state) = self.peers.get(&peer) else { return };
        if let Some((from, _)) = state.stream
            && self.connections.is_relayed(&peer, from)
            && !self.connections.is_relayed(&peer, to)
        {
            self.open_stream_on(peer, to);
        }
    }

    /// A connection is gone. A stream that was to be opened on it may be had on another.
    pub(super) fn stream_closed(&mut self, peer: &PeerId, connection: ConnectionId) {
        let opening = Some((connection, true));
        if self.peers.get(peer).is_some_and(|state| state.stream == opening) {
            self.stream_came_about(peer);
            self.deny_stream(peer, true);
        }
    }

    /// The connection's handler tells of a stream.
    pub(super) fn on_stream(&mut self, peer: PeerId, connection: ConnectionId, told: Told) {
        if !matches!(told, Told::Accepted(_)) {
            self.stream_came_about(&peer);
        }
        let (opener, stream) = match told {
            Told::Opened(stream) => (Opener::Own, stream),
            Told::Accepted(stream) => (Opener::Peer, stream),
            Told::Failed { unsupported } => {
                if unsupported {
                    self.connections.refuses_streams(peer, connection);
                }
                return self.deny_stream(&peer, false);
            }
        };
        // Who has no link has no session. What is not taken is closed, and the peer asks without it.
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !state.offer(Input::Stream(opener, connection, Box::new(stream)))
            && opener == Opener::Own
        {
            self.deny_stream(&peer, false);
        }
    }

    /// Frames come over a connection.
    pub(super) fn on_frames(&mut self, peer: PeerId, connection: ConnectionId) {
        let now = self.clock.now().instant;
        self.connections.heard(peer, connection, now);
        let dead = self.connections.dead(&peer, now);
        self.close_connections(peer, dead);
    }

    /// Requests on a connection's stream go unanswered.
    pub(super) fn on_unanswered(&mut self, peer: PeerId, connection: ConnectionId) {
        let now = self.clock.now().instant;
        self.connections.asked(&peer, connection, now);
    }

    fn open_stream_on(&mut self, peer: PeerId, connection: ConnectionId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.stream = Some((connection, true));
        }
        self.pending.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: FromBehaviour::Inner(Either::Right(Open)),
        });
    }

    /// The stream that was to be opened is open, or is not to be had.
    fn stream_came_about(&mut self, peer: &PeerId) {
        if let Some((_, opening)) = self.peers.get_mut(peer).and_then(|state| state.stream.as_mut())
        {
            *opening = false;
        }
    }

    fn deny_stream(&self, peer: &PeerId, another_way: bool) {
        if let Some(state) = self.peers.get(peer) {
            state.deliver(Input::NoStream(another_way));
        }
    }
}
