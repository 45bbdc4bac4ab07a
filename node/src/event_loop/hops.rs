//! Peers that are reached over other nodes, and what goes to and comes from them that way
//! (`docs/PROTOCOL.md` §12).
//!
//! Hops are for peers without a connection: as soon as there is one it takes over, and while there is
//! none it is tried again and again. Links and sessions do not notice the change.

use libp2p::PeerId;
use peer_behaviours::routing;
use peer_behaviours::secure::Hops;

use super::EventLoop;
use super::versions::Version;
use crate::events::NodeEvent;

/// Most peers whose distance is remembered, so that only news is told.
const MAX_NOTED: usize = 4096;

impl EventLoop {
    /// A link has something that goes over hops.
    pub(super) fn on_hops(&mut self, peer: PeerId, hops: Hops) {
        if hops == Hops::Misled {
            let name = self.directory.name(&peer);
            tracing::warn!(peer = %name, "somebody on the way answered in its name; another way is tried");
        }
        let behaviour = &mut **self.swarm.behaviour_mut();
        self.shuttle.on_hops(&peer, hops, &mut behaviour.secure, &mut behaviour.routing);
    }

    /// A packet of this node was answered, came to nothing, or arrived.
    pub(super) fn on_routing(&mut self, event: routing::Event) {
        if let routing::Event::Answered { peer, hops, .. } = &event {
            self.note_hops(*peer, *hops);
        }
        if let routing::Event::Failed { peer, refusal, .. } = &event {
            self.hops_failed(*peer, refusal.reason.as_str());
        }
        let behaviour = &mut **self.swarm.behaviour_mut();
        self.shuttle.on_routing(event, &mut behaviour.secure, &mut behaviour.routing);
    }

    /// There is no address for `id`, or none that leads anywhere: neighbours may carry what waits for
    /// it. Returns whether any are asked.
    pub(super) fn try_hops(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.directory.get(&id) else { return false };
        let legacy = peer.protocol == Some("1.0");
        if peer.is_connected() || legacy || self.stopping {
            return false;
        }
        let wanted = peer.redial.is_kept() || self.parked.holds(&id) || self.is_awaited(&id);
        let behaviour = &mut **self.swarm.behaviour_mut();
        if !behaviour.routing.has_neighbours() {
            return false;
        }
        if wanted && let Err(error) = behaviour.secure.open(id) {
            tracing::debug!(peer = %self.directory.name(&id), %error, "cannot open a session");
            return false;
        }
        if !behaviour.secure.has_hops(&id) {
            behaviour.secure.set_hops(&id, true);
            tracing::debug!(peer = %self.directory.name(&id), "not reached directly; asking neighbours");
        }
        if self.version(&id) == Version::Secure {
            self.release_parked(id);
        }
        self.is_over_hops(&id)
    }

    /// There is a connection to `id`: it carries everything from now on.
    pub(super) fn leave_hops(&mut self, id: &PeerId) {
        self.swarm.behaviour_mut().secure.set_hops(id, false);
        self.routes.remove(id);
    }

    /// A connection was lost. Without any neighbour there is nobody left to ask.
    pub(super) fn lost_neighbour(&mut self) {
        let behaviour = &mut **self.swarm.behaviour_mut();
        if !behaviour.routing.has_neighbours() {
            behaviour.secure.clear_hops();
            self.routes.clear();
        }
    }

    /// Requests to `id` go unanswered. Whoever carries them may be dead without knowing.
    pub(super) fn hops_unresponsive(&mut self, id: &PeerId) {
        if self.is_over_hops(id) {
            self.swarm.behaviour_mut().routing.penalise(id);
        }
    }

    /// Neighbours do not reach `id` either. Whoever asks only whether it lives need not wait longer,
    /// unless it is being dialled.
    fn hops_failed(&mut self, id: PeerId, reason: &str) {
        let dialing = self.directory.get(&id).is_some_and(|peer| peer.redial.is_dialing());
        if !dialing && self.routes.remove(&id).is_none() {
            let error = self.directory.get(&id).and_then(|peer| peer.last_error.clone());
            let error = error.map_or_else(String::new, |error| format!("{error}; "));
            self.not_alive(id, &format!("{error}and over hops: {reason}"));
        }
    }

    /// Whether `id` is reached over hops, for want of a connection.
    pub(super) fn is_over_hops(&self, id: &PeerId) -> bool {
        let connected = self.directory.get(id).is_some_and(|peer| peer.is_connected());
        !connected && self.swarm.behaviour().secure.has_hops(id)
    }

    /// Tells listeners how far away `peer` is, when that is news.
    fn note_hops(&mut self, peer: PeerId, hops: u8) {
        if self.routes.len() >= MAX_NOTED {
            self.routes.clear();
        }
        if self.routes.insert(peer, hops) != Some(hops) {
            tracing::info!(peer = %self.directory.name(&peer), hops, "reached over hops");
            self.events.tell(NodeEvent::Route { peer_id: peer.to_string(), hops });
        }
    }
}
