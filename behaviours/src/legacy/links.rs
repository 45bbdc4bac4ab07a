//! The links of the behaviour: made when needed, fed, and forgotten when there are too many.

use std::sync::Arc;

use libp2p_core::PeerId;
use libp2p_swarm::{NotifyHandler, ToSwarm};
use peer_protocol::link::Ended;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};

use super::driver::{Driver, Input, Reach};
use super::link::Link;
use super::peers::{INPUTS, LinkHandle};
use super::{Behaviour, Event, EventKind, SendError};
use crate::keep_alive::FromBehaviour;
use crate::secure::key_of;

/// Most peers with a link at once.
const MAX_LINKS: usize = 1024;
/// Most of them for peers without a connection that nobody here has named.
const MAX_CALLERS: usize = 256;

impl Behaviour {
    pub(super) fn link_of(&mut self, peer: &PeerId) -> Option<&mut LinkHandle> {
        self.peers.get_mut(peer)?.link.as_mut()
    }

    pub(super) fn offer(&mut self, peer: PeerId, input: Input) -> Result<(), SendError> {
        let link = self.link(peer)?;
        if link.offer(input) { Ok(()) } else { Err(SendError::Busy) }
    }

    /// The peer's link, made now if there is none.
    fn link(&mut self, id: PeerId) -> Result<&mut LinkHandle, SendError> {
        if self.link_of(&id).is_none() {
            let key = key_of(&id).ok_or(SendError::ForeignKey)?;
            self.make_room(&id)?;
            let (inputs, inputs_receiver) = mpsc::channel(INPUTS);
            let (reach, reach_receiver) = watch::channel(Reach::default());
            let rng = rand::make_rng::<StdRng>();
            let driver = Driver {
                peer: id,
                link: Link::new(
                    Arc::clone(&self.config),
                    Arc::clone(&self.trust),
                    key,
                    self.config.terms.get(&id).cloned().unwrap_or_default(),
                    self.started,
                    rng,
                ),
                clock: Arc::clone(&self.clock),
                inputs: inputs_receiver,
                reach: reach_receiver,
                outputs: self.outputs_sender.clone(),
            };
            tokio::spawn(driver.run());
            let by_courier = self.is_by_courier(&id);
            let peer = self.peers.entry(id).or_default();
            let link = LinkHandle::new(inputs, reach);
            link.reached(by_courier || !peer.connections.is_empty());
            peer.link = Some(link);
            self.links += 1;
        }
        self.uses += 1;
        let uses = self.uses;
        let link = self.link_of(&id).ok_or(SendError::Busy)?;
        link.used = uses;
        Ok(link)
    }

    /// Whether the courier reaches a peer.
    pub(super) fn is_by_courier(&self, id: &PeerId) -> bool {
        let by_courier = self.config.terms.get(id).is_some_and(|terms| terms.by_courier);
        by_courier && self.config.courier.is_some()
    }

    /// Forgets a link if there are too many: one that is neither connected nor has anything to send. Its
    /// session is lost with it; the next message opens another one. Keys are free, so peers that only call
    /// have places of their own: they crowd out each other.
    fn make_room(&mut self, id: &PeerId) -> Result<(), SendError> {
        let connected = self.peers.get(id).is_some_and(|peer| !peer.connections.is_empty());
        let calls = !connected && !self.config.terms.contains_key(id);
        let callers = if calls { self.idle().count() } else { 0 };
        if self.links < MAX_LINKS && callers < MAX_CALLERS {
            return Ok(());
        }
        let idle = self.idle().min_by_key(|(_, link)| (link.session.is_some(), link.used));
        let idle = idle.map(|(id, _)| *id).ok_or(SendError::Busy)?;
        self.links -= 1;
        if let Some(id) = self.peers.remove(&idle).and_then(|peer| peer.link?.session) {
            let kind = EventKind::SessionEnded { id, why: Ended::Closed };
            self.pending.push_back(ToSwarm::GenerateEvent(Event { peer: idle, kind }));
        }
        Ok(())
    }

    /// Links that may be forgotten.
    fn idle(&self) -> impl Iterator<Item = (&PeerId, &LinkHandle)> {
        self.peers.iter().filter_map(|(id, peer)| {
            let link = peer.link.as_ref()?;
            let idle = peer.connections.is_empty() && link.unsettled == 0;
            (idle && !self.config.terms.contains_key(id)).then_some((id, link))
        })
    }

    /// Keeps connections open while there is a session, and counts what is under way.
    pub(super) fn note(&mut self, id: PeerId, event: &EventKind) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(link) = &mut peer.link else { return };
        let before = link.session.is_some();
        match event {
            EventKind::SessionReady(info) => link.session = Some(info.id),
            EventKind::SessionEnded { id, .. } => {
                link.session.take_if(|session| session == id);
            }
            EventKind::Delivered { .. } | EventKind::Failed { .. } => {
                link.unsettled = link.unsettled.saturating_sub(1);
            }
            EventKind::NeedConnection
            | EventKind::Unsupported
            | EventKind::Uncarried { .. }
            | EventKind::HandshakeFailed { .. }
            | EventKind::Message { .. }
            | EventKind::ForOther { .. } => {}
        }
        let after = link.session.is_some();
        if before != after {
            for connection in peer.connections.keys() {
                self.pending.push_back(ToSwarm::NotifyHandler {
                    peer_id: id,
                    handler: NotifyHandler::One(*connection),
                    event: FromBehaviour::Keep(after),
                });
            }
        }
    }
}
