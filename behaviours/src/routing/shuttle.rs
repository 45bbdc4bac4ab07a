//! Between links and packets: what a link has to send goes out as a packet, and what arrives as one
//! goes to the link of its origin.

use std::collections::HashMap;

use libp2p_core::PeerId;
use peer_protocol::link::RequestId;
use peer_protocol::routing::{ArrivalId, PacketId, Reason, Refusal};

use super::{Behaviour, Event};
use crate::secure::{self, HopRefusal, Hops, RoutedId};

/// Remembers which request of which link went out as which packet. There are as many as the router
/// has packets of its own under way.
#[derive(Debug, Default)]
pub struct Shuttle {
    requests: HashMap<PacketId, RequestId>,
}

impl Shuttle {
    /// The link of `peer` has something for hops.
    pub fn on_hops(
        &mut self,
        peer: &PeerId,
        hops: Hops,
        secure: &mut secure::Behaviour,
        routing: &mut Behaviour,
    ) {
        match hops {
            Hops::Request { id, envelope } => match routing.send(peer, envelope) {
                Ok(packet) => drop(self.requests.insert(packet, id)),
                Err(error) => {
                    tracing::debug!(%peer, %error, "cannot send over hops");
                    secure.hop_failed(peer, id);
                }
            },
            Hops::Answer { request: RoutedId(id), envelope } => {
                routing.answer(ArrivalId(id), envelope);
            }
            Hops::Drop { request: RoutedId(id) } => {
                routing.give_up(ArrivalId(id), Reason::Unanswered.into());
            }
            Hops::Misled => {
                tracing::debug!(%peer, "somebody on the way answered in its name");
                routing.penalise(peer);
            }
        }
    }

    /// The routing behaviour has something for a link.
    pub fn on_routing(
        &mut self,
        event: Event,
        secure: &mut secure::Behaviour,
        routing: &mut Behaviour,
    ) {
        match event {
            Event::Answered { packet, peer, envelope, .. } => {
                if let Some(id) = self.requests.remove(&packet) {
                    secure.hop_answered(&peer, id, envelope);
                }
            }
            Event::Failed { packet, peer, refusal } => {
                tracing::debug!(%peer, reason = refusal.reason.as_str(), "a packet failed");
                if let Some(id) = self.requests.remove(&packet) {
                    secure.hop_failed(&peer, id);
                }
            }
            Event::Arrived { arrival, origin, neighbour, envelope } => {
                let id = RoutedId(arrival.0);
                if let Err(why) = secure.hop_request(id, origin, neighbour, envelope) {
                    tracing::debug!(%origin, %neighbour, %why, "a packet is refused");
                    routing.give_up(arrival, refusal(why));
                }
            }
        }
    }
}

fn refusal(why: HopRefusal) -> Refusal {
    match why {
        HopRefusal::Garbage => Reason::Malformed.into(),
        HopRefusal::Busy => Reason::Busy.into(),
        HopRefusal::RateLimited { retry_after } => {
            Refusal { reason: Reason::RateLimited, retry_after: Some(retry_after) }
        }
    }
}
