//! Session streams: sealed envelopes on one long-lived stream.

mod carrying;
mod hostile;
mod raw;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use libp2p_core::upgrade::Version;
use libp2p_identity::Keypair;
use libp2p_swarm::Swarm;
use peer_behaviours::secure::{Behaviour, EventKind, GateConfig};
use peer_protocol::id::MessageId;
use peer_protocol::link::{Event, LinkConfig};
use peer_protocol::message::{Body, Message, StatusReport};
use peer_protocol::rate_limit::Quota;
use peer_protocol::time::Instant;

use self::wire::{Wire, wired};
use crate::common::{behaviour, drive, listen, sessions};

const FAR: Instant = Instant::from_start(Duration::from_secs(3600));

/// Rates are not what is tested here.
fn unlimited(config: &mut LinkConfig) {
    config.rate.task = Quota { per_minute: 1_000_000, burst: 1_000_000 };
}

fn report(text: &str) -> Message {
    let report = StatusReport { status: text.to_owned(), ..StatusReport::default() };
    Message::new(&mut rand::rng(), &Body::from(report), None).unwrap()
}

/// A watched node; `adjust` changes its behaviour.
fn node(
    name: &str,
    version: Version,
    adjust: impl FnOnce(Behaviour) -> Behaviour,
) -> (Swarm<Behaviour>, Arc<Wire>) {
    let keypair = Keypair::generate_ed25519();
    let secure = behaviour(name, keypair.clone(), GateConfig::default(), unlimited);
    wired(&keypair, version, adjust(secure))
}

/// Two watched nodes with a session.
struct Pair {
    a: Swarm<Behaviour>,
    b: Swarm<Behaviour>,
    wire: Arc<Wire>,
}

impl Pair {
    async fn new(version: Version) -> Self {
        Self::with(version, |b| b).await
    }

    async fn with(version: Version, adjust: impl FnOnce(Behaviour) -> Behaviour) -> Self {
        let (mut a, wire) = node("entity_a", version, |a| a);
        let (mut b, _) = node("entity_b", version, adjust);
        let (address, peer) = (listen(&mut b).await, *b.local_peer_id());
        a.dial(address).unwrap();
        a.behaviour_mut().open(peer).unwrap();
        sessions(&mut a, &mut b).await;
        Self { a, b, wire }
    }

    /// Sends `count` messages from one side, `window` at a time, until all are acknowledged; returns how
    /// often each arrived.
    async fn exchange(&mut self, count: usize, window: usize) -> HashMap<MessageId, usize> {
        let peer = *self.b.local_peer_id();
        let (mut sent, mut waiting) = (0, HashSet::new());
        let mut arrived = HashMap::new();
        while sent < count || !waiting.is_empty() || arrived.len() < count {
            while sent < count && waiting.len() < window {
                let message = report("one of many");
                let id = message.id;
                if self.a.behaviour_mut().send(peer, message, FAR).is_err() {
                    break;
                }
                waiting.insert(id);
                sent += 1;
            }
            let done = drive(&mut self.a, &mut self.b, |side, _, event| match (side, event) {
                (1, EventKind::Link(Event::Message(message))) => {
                    *arrived.entry(message.id).or_default() += 1;
                    Some(None)
                }
                (0, EventKind::Link(Event::Receipts { ids, .. })) => Some(Some(ids)),
                (_, EventKind::Link(Event::Failed { id, why })) => panic!("{id}: {why}"),
                (_, EventKind::Link(Event::SessionEnded { why, .. })) => panic!("{why:?}"),
                _ => None,
            })
            .await;
            waiting.retain(|id| !done.iter().flatten().any(|done| done == id));
        }
        arrived
    }

    /// Lets messages pass until they go over a stream.
    async fn move_to_stream(&mut self) {
        for _ in 0..100 {
            let before = self.wire.opened();
            self.exchange(1, 1).await;
            if self.wire.sessions() > 0 && self.wire.opened() == before {
                return;
            }
        }
        panic!("nothing goes over a stream");
    }
}
