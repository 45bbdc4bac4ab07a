//! The links of the behaviour: made when needed, fed, and forgotten when there are too many.

use std::sync::Arc;

use libp2p_core::PeerId;
use libp2p_swarm::{NotifyHandler, ToSwarm};
use peer_protocol::link::Ended;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};

use super::driver::{Driver, Input, Reach};
use super::link::Link;
use super::peers::{INPUTS, LinkHandle, Peer};
use super::{Behaviour, Event, EventKind, SendError};
use crate::keep_alive::FromBehaviour;
use crate::secure::key_of;

/// Most peers with a link at once.
const MAX_LINKS: usize = 1024;

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
            self.make_room()?;
            let (inputs, inputs_receiver) = mpsc::channel(INPUTS);
            let (reach, reach_receiver) = watch::channel(Reach::default());
            let rng = rand::make_rng::<StdRng>();
            let driver = Driver {
                peer: id,
                link: Link::new(Arc::clone(&self.config), Arc::clone(&self.trust), key, rng),
                clock: Arc::clone(&self.clock),
                inputs: inputs_receiver,
                reach: reach_receiver,
                outputs: self.outputs_sender.clone(),
            };
            tokio::spawn(driver.run());
            let peer = self.peers.entry(id).or_default();
            let link = LinkHandle::new(inputs, reach);
            link.reached(!peer.connections.is_empty());
            peer.link = Some(link);
            self.links += 1;
        }
        self.link_of(&id).ok_or(SendError::Busy)
    }

    /// Forgets a link if there are too many: one that is neither connected nor has anything to send.
    /// Its session is lost with it; the next message opens another one.
    fn make_room(&mut self) -> Result<(), SendError> {
        if self.links < MAX_LINKS {
            return Ok(());
        }
        let idle = |(_, peer): &(&PeerId, &Peer)| {
            peer.connections.is_empty() && peer.link.as_ref().is_some_and(|l| l.unsettled == 0)
        };
        let idle = self.peers.iter().find(idle).map(|(id, _)| *id).ok_or(SendError::Busy)?;
        self.links -= 1;
        if let Some(id) = self.peers.remove(&idle).and_then(|peer| peer.link?.session) {
            let kind = EventKind::SessionEnded { id, why: Ended::Closed };
            self.pending.push_back(ToSwarm::GenerateEvent(Event { peer: idle, kind }));
        }
        Ok(())
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
            | EventKind::HandshakeFailed { .. }
            | EventKind::Message { .. } => {}
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
