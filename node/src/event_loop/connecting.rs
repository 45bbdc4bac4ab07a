//! Dialling: on demand, to stay connected, and for callers that wait for a session.

use std::time::Duration;

use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};
use peer_protocol::identity::Fingerprint;
use peer_protocol::time::Instant;
use rand::Rng as _;

use super::asks::Connecting;
use super::versions::Version;
use super::{EventLoop, TICK};
use crate::directory::{Peer, peer_of};
use crate::error::NodeError;
use crate::events::NodeEvent;
use crate::handle::Reply;
use crate::metrics::DialEnd;
use crate::model::PeerStatus;

/// Time for a caller's dial and handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer that connected has to open a session before this node does.
const OPEN_AFTER: Duration = Duration::from_millis(500);
/// Most peers that a tick looks at, on average.
const LOOKED_AT: usize = 256;

impl EventLoop {
    /// Dials for a caller, who waits for the session.
    pub(super) fn connect(&mut self, address: Multiaddr, reply: Reply<PeerStatus>) {
        let deadline = self.clock.now().instant + CONNECT_TIMEOUT;
        let text = address.to_string();
        let peer = peer_of(&address);
        let mut connecting =
            Connecting { address: text.clone(), dial: None, peer, deadline, reply };
        if let Some(id) = peer {
            let Some(known) = self.directory.entry(id) else {
                let reason = "its peer id is not that of an Ed25519 key".to_owned();
                let _ = connecting.reply.send(Err(NodeError::BadAddress { address: text, reason }));
                return;
            };
            known.add_address(address.clone());
            known.redial.keep();
            if known.is_connected() {
                self.open_session(id);
                self.connecting.push(connecting);
                return self.settle_connecting(id);
            }
        }
        let opts = match peer {
            Some(id) => DialOpts::peer_id(id)
                .addresses(vec![address])
                .condition(PeerCondition::Always)
                .build(),
            None => DialOpts::unknown_peer_id().address(address).build(),
        };
        match self.dial(opts) {
            Ok(dial) => {
                if let Some(known) = peer.and_then(|id| self.directory.get_mut(&id)) {
                    known.redial.dialing();
                }
                connecting.dial = Some(dial);
                self.connecting.push(connecting);
            }
            Err(error) => {
                let error = NodeError::Unreachable { peer: text, reason: explain(&error) };
                let _ = connecting.reply.send(Err(error));
            }
        }
    }

    /// Between 0 and 1, for pauses.
    pub(super) fn jitter(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / f64::from(u32::MAX)
    }

    pub(super) fn on_connected(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        at: &ConnectedPoint,
    ) {
        if self.dials.ended(connection) {
            self.metrics().dialled(DialEnd::Connected);
        }
        let now = self.clock.now().instant;
        let address = remote(at);
        let dialed = at.is_dialer();
        tracing::debug!(peer = %self.directory.name(&id), %address, dialed, "connected");
        let (peer_id, at) = (id.to_string(), address.to_string());
        self.events.tell(NodeEvent::Connected { peer_id, address: at });
        self.leave_hops(&id);
        let mut asked = false;
        for connecting in &mut self.connecting {
            if connecting.dial == Some(connection) {
                connecting.dial = None;
                connecting.peer = Some(id);
                asked = true;
            }
        }
        asked |= self.bootstrap_connected(connection);
        let mut wanted = false;
        let mut first = false;
        if let Some(peer) = self.directory.entry(id) {
            first = !peer.is_connected();
            peer.connections.insert(connection, address.clone());
            peer.connected_at = Some(now);
            peer.seen = now;
            if dialed {
                let full = address.with_p2p(id).unwrap_or_else(|address| address);
                peer.add_address(full);
                if asked || peer.redial.is_dialing() {
                    peer.redial.connected(now);
                }
            }
            if asked {
                peer.redial.keep();
            }
            wanted = peer.redial.is_kept() || self.trust.knows(Fingerprint::of(&peer.key));
        }
        wanted |= self.is_awaited(&id);
        self.attach_if_ready(id);
        // Whoever dials opens the session, so that normally only one side does. The registry dials too,
        // and strangers on the same network are dialled: a session comes when there is something to say.
        if dialed && wanted {
            self.open_session(id);
            self.settle_connecting(id);
        }
        if first {
            self.transfers_interrupted(&id);
        }
    }

    pub(super) fn on_disconnected(&mut self, id: PeerId, connection: ConnectionId) {
        let (now, jitter) = (self.clock.now().instant, self.jitter());
        if let Some(peer) = self.directory.get_mut(&id) {
            peer.connections.remove(&connection);
            peer.punched.remove(&connection);
            peer.pings.remove(&connection);
            if !peer.is_connected() {
                peer.identified = false;
                peer.rtt = None;
                peer.redial.lost(jitter, now);
                self.events.tell(NodeEvent::Disconnected { peer_id: id.to_string() });
            }
        }
        self.detach_if_gone(&id);
        self.lost_neighbour();
    }

    pub(super) fn on_dial_failed(
        &mut self,
        connection: ConnectionId,
        id: Option<PeerId>,
        error: &DialError,
    ) {
        // Other behaviours dial too, to test an address or to punch a hole; that says little.
        if !self.dials.ended(connection) {
            return;
        }
        self.metrics().dialled(error.into());
        let reason = explain(error);
        if let Some(id) = id {
            self.dial_failed(id, &reason);
        }
        self.bootstrap_failed(connection, id, &reason);
        let (failed, waiting): (Vec<_>, _) = std::mem::take(&mut self.connecting)
            .into_iter()
            .partition(|connecting| connecting.dial == Some(connection));
        self.connecting = waiting;
        for connecting in failed {
            let error = NodeError::Unreachable { peer: connecting.address, reason: reason.clone() };
            let _ = connecting.reply.send(Err(error));
        }
    }

    /// Looks at all peers: who is to be dialled, and with whom a session is missing.
    pub(super) fn tick_peers(&mut self, now: Instant) {
        if now >= self.walk_at {
            self.walk_at = now + pause_between_walks(self.directory.len());
            self.redial(now);
            self.open_missing_sessions(now);
        }
    }

    /// Dials the peers whose time has come, kept ones first, as far as there is room; the rest gets its
    /// turn when there is.
    fn redial(&mut self, now: Instant) {
        let mut due: Vec<(bool, u32, PeerId)> = self
            .directory
            .iter()
            .filter(|(_, peer)| !peer.is_nowhere())
            .filter(|(id, peer)| peer.redial.is_due(peer.is_missed() || self.is_over_hops(id), now))
            .map(|(id, peer)| (!peer.redial.is_kept(), peer.redial.failures(), *id))
            .collect();
        due.sort_unstable();
        for (_, _, id) in due {
            if !self.dials.have_room() {
                return;
            }
            self.dial_known(id);
        }
    }

    /// A message waits for this peer: dial at once, even if a dead connection seems to exist.
    pub(super) fn need_connection(&mut self, id: PeerId) {
        if self.stopping {
            return;
        }
        let Some(peer) = self.directory.get_mut(&id) else { return };
        if peer.is_nowhere() {
            peer.last_error = Some("no address is known".to_owned());
            self.find_addresses(id);
            self.try_hops(id);
            return;
        }
        peer.redial.hurry();
        let now = self.clock.now().instant;
        if peer.redial.is_due(false, now) && self.dials.have_room() {
            self.dial_known(id);
        }
    }

    /// The registry has told where a peer is now.
    pub(super) fn dial_listed(&mut self, id: PeerId) {
        let now = self.clock.now().instant;
        let Some(peer) = self.directory.get_mut(&id) else { return };
        if peer.is_connected() || peer.is_nowhere() {
            return;
        }
        peer.redial.hurry();
        if peer.redial.is_due(false, now) {
            self.dial_known(id);
        } else {
            // A dial that takes its time need not hold up what neighbours could carry.
            self.try_hops(id);
        }
    }

    pub(super) fn dial_failed(&mut self, id: PeerId, reason: &str) {
        let (now, jitter) = (self.clock.now().instant, self.jitter());
        if let Some(peer) = self.directory.get_mut(&id) {
            tracing::debug!(peer = %peer.name(), %reason, "cannot connect");
            peer.last_error = Some(reason.to_owned());
            peer.redial.failed(jitter, now);
            if !peer.is_connected() {
                // It may have moved, or others may reach it; whoever waits for it learns of that
                // before giving up.
                let sought = self.find_addresses(id);
                if !self.try_hops(id) && !sought {
                    self.not_alive(id, reason);
                }
            }
        }
    }

    /// Opens sessions with peers that connected a while ago and have not done so themselves, as after
    /// a restart of this node, which has forgotten the session that the peer still has. Strangers
    /// connect for the registry's sake too; with them a session is opened when there is something to
    /// say.
    fn open_missing_sessions(&mut self, now: Instant) {
        let missing = |(_, peer): &(&PeerId, &Peer)| {
            peer.is_connected()
                && peer.protocol == Some("1.1")
                && peer.sessions.is_empty()
                && peer.connected_at.is_some_and(|at| now.since(at) > OPEN_AFTER)
        };
        let missing: Vec<_> = self.directory.iter().filter(missing).map(|(id, _)| *id).collect();
        for id in missing {
            let Some(peer) = self.directory.get_mut(&id) else { continue };
            peer.connected_at = None;
            let wanted = peer.redial.is_kept() || self.trust.knows(Fingerprint::of(&peer.key));
            if wanted || self.is_awaited(&id) {
                self.open_session(id);
            }
        }
    }

    pub(super) fn open_session(&mut self, id: PeerId) {
        match self.directory.get(&id) {
            // Identify comes first: it tells whether the peer still speaks only version 1.0.
            Some(peer) if peer.speaks_legacy() => return self.open_legacy(id),
            Some(peer) if peer.protocol == Some("1.0") => return,
            _ => {}
        }
        if let Err(error) = self.swarm.behaviour_mut().secure.open(id) {
            tracing::warn!(peer = %self.directory.name(&id), %error, "cannot open a session");
        }
    }

    /// Tells callers that wait for a session with `id`, if there is one.
    pub(super) fn settle_connecting(&mut self, id: PeerId) {
        let ready = self.directory.get(&id).is_some_and(|peer| !peer.sessions.is_empty());
        if ready {
            self.finish_connecting(id, None);
        } else if let Version::Refused(detail) = self.version(&id) {
            self.refuse_version(id, detail);
        }
    }

    /// Tells callers that wait for a session with `id` how it ended.
    pub(super) fn finish_connecting(&mut self, id: PeerId, error: Option<&NodeError>) {
        let (done, waiting): (Vec<_>, _) = std::mem::take(&mut self.connecting)
            .into_iter()
            .partition(|connecting| connecting.dial.is_none() && connecting.peer == Some(id));
        self.connecting = waiting;
        for connecting in done {
            let result = match error {
                Some(error) => Err(error.clone()),
                None => self.peer_status(&id).ok_or(NodeError::Stopped),
            };
            let _ = connecting.reply.send(result);
        }
    }

    pub(super) fn tick_connecting(&mut self, now: Instant) {
        let (over, waiting): (Vec<_>, _) = std::mem::take(&mut self.connecting)
            .into_iter()
            .partition(|connecting| connecting.deadline <= now);
        self.connecting = waiting;
        for connecting in over {
            let peer = connecting.peer.and_then(|id| self.directory.get(&id));
            let progress = match peer {
                Some(peer) => format!(
                    "the handshake stands at {}{}",
                    peer.phase.unwrap_or("INITIAL"),
                    peer.last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"))
                ),
                None => "nobody answered there".to_owned(),
            };
            let error =
                NodeError::Timeout { peer: connecting.address, waited: CONNECT_TIMEOUT, progress };
            let _ = connecting.reply.send(Err(error));
        }
    }
}

/// Few peers are looked at with every tick; of many the tick must not take longer for that.
fn pause_between_walks(peers: usize) -> Duration {
    let ticks = u32::try_from(peers.div_ceil(LOOKED_AT)).unwrap_or(u32::MAX).max(1);
    // Ticks are not punctual.
    TICK.saturating_mul(ticks) - TICK / 2
}

/// Where the other side is. Who comes over a relay does not say; then it is behind that relay.
fn remote(at: &ConnectedPoint) -> Multiaddr {
    match at {
        ConnectedPoint::Listener { local_addr, send_back_addr } if at.is_relayed() => {
            local_addr.iter().chain(send_back_addr).collect()
        }
        _ => at.get_remote_address().clone(),
    }
}

/// What went wrong with a dial, for people.
pub(super) fn explain(error: &DialError) -> String {
    match error {
        DialError::WrongPeerId { obtained, address } => {
            format!("at {address} there is another peer: {obtained}")
        }
        DialError::Transport(errors) => {
            let each: Vec<String> = errors
                .iter()
                .map(|(address, error)| format!("{address}: {}", innermost(error)))
                .collect();
            each.join("; ")
        }
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::LocalPeerId { .. } => "that is this node itself".to_owned(),
        other => innermost(other),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_looks_at_no_more_peers_however_many_there_are() {
        for peers in [0, 1, LOOKED_AT, LOOKED_AT + 1, 1_000, 5_000, 20_000] {
            let pause = pause_between_walks(peers);
            let mut ticks = 0;
            while TICK * ticks < pause {
                ticks += 1;
            }
            assert!(peers <= LOOKED_AT * ticks as usize, "{peers} peers every {ticks} ticks");
            assert_eq!(ticks == 1, peers <= LOOKED_AT, "{peers} peers every {ticks} ticks");
        }
        assert!(pause_between_walks(5_000) <= Duration::from_secs(1));
    }
}
