//! Attacks by a neighbour: what it can make a node do, and what not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p_core::upgrade::Version;
use libp2p_identity::Keypair;
use libp2p_request_response::{Event, Message, OutboundRequestId};
use libp2p_swarm::{StreamProtocol, Swarm, SwarmEvent};
use peer_behaviours::secure::key_of;
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::envelope::{self, EnvelopeKind};
use peer_protocol::id::Nonce;
use peer_protocol::identity::Identity;
use peer_protocol::link;
use peer_protocol::rate_limit::Quota;
use peer_protocol::routing::{Header, Outcome, Packet, PacketId, Reason};
use peer_protocol::time::Timestamp;

use crate::common::{PATIENCE, custom};
use crate::liars::{RawBehaviour, raw, raw_on};
use crate::node::{Node, Saw};

/// A neighbour that sends whatever it likes.
struct Attacker {
    swarm: Swarm<RawBehaviour>,
    victim: libp2p_core::PeerId,
}

impl Attacker {
    async fn new(victim: &Node) -> Self {
        Self::with(raw(), victim).await
    }

    async fn with(behaviour: RawBehaviour, victim: &Node) -> Self {
        let mut swarm = custom(&Keypair::generate_ed25519(), Version::V1Lazy, behaviour);
        swarm.dial(victim.address.clone()).unwrap();
        while !swarm.is_connected(&victim.id) {
            swarm.select_next_some().await;
        }
        Self { swarm, victim: victim.id }
    }

    fn begin(&mut self, bytes: Vec<u8>) -> OutboundRequestId {
        self.swarm.behaviour_mut().send_request(&self.victim, bytes)
    }

    /// The outcomes of all these, in their order; `None` for those that were not answered.
    async fn outcomes(&mut self, requests: Vec<Vec<u8>>) -> Vec<Option<Outcome>> {
        let ids: Vec<_> = requests.into_iter().map(|bytes| self.begin(bytes)).collect();
        let mut found = HashMap::new();
        let all = async {
            while found.len() < ids.len() {
                match self.swarm.select_next_some().await {
                    SwarmEvent::Behaviour(Event::Message {
                        message: Message::Response { request_id, response },
                        ..
                    }) => drop(found.insert(request_id, Outcome::decode(&response).ok())),
                    SwarmEvent::Behaviour(Event::OutboundFailure { request_id, .. }) => {
                        found.insert(request_id, None);
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("this hangs");
        ids.iter().map(|id| found.remove(id).flatten()).collect()
    }

    async fn reason(&mut self, request: Vec<u8>) -> Option<Reason> {
        match self.outcomes(vec![request]).await.pop().flatten() {
            Some(Outcome::Refused(refusal)) => Some(refusal.reason),
            _ => None,
        }
    }
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A packet in the name of `origin`.
fn packet(origin: &Keypair, destination: libp2p_core::PeerId, envelope: &[u8]) -> Packet {
    let header = Header {
        id: PacketId::random(&mut rand::rng()),
        origin: key_of(&origin.public().to_peer_id()).unwrap(),
        destination: key_of(&destination).unwrap(),
        hop_limit: 10,
        expiry: Timestamp::from_millis(now() + 10_000),
    };
    Packet { header, envelope: Bytes::copy_from_slice(envelope) }
}

/// Catches what `from` sends to `to` over the attacker, without handing it on.
async fn caught(from: &Node, to: &Node) -> Packet {
    let mut swarm = custom(&Keypair::generate_ed25519(), Version::V1Lazy, raw());
    swarm.dial(from.address.clone()).unwrap();
    while !swarm.is_connected(&from.id) {
        swarm.select_next_some().await;
    }
    from.send(to.id, "to be caught");
    loop {
        if let SwarmEvent::Behaviour(Event::Message {
            message: Message::Request { request, .. },
            ..
        }) = swarm.select_next_some().await
        {
            return Packet::decode(&request).unwrap();
        }
    }
}

#[tokio::test]
async fn whoever_announces_too_much_again_and_again_is_disconnected() {
    for protocol in [peer_behaviours::routing::PROTOCOL, StreamProtocol::new("/peer/1.1.0")] {
        let victim = Node::new("entity_v").await;
        let mut attacker = Attacker::with(raw_on(protocol), &victim).await;
        let mut ended = 0;
        let until_closed = async {
            attacker.begin(vec![0xff; 4]);
            loop {
                match attacker.swarm.select_next_some().await {
                    SwarmEvent::ConnectionClosed { .. } => break,
                    SwarmEvent::Behaviour(
                        Event::Message { .. } | Event::OutboundFailure { .. },
                    ) => {
                        ended += 1;
                        attacker.begin(vec![0xff; 4]);
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, until_closed).await.expect("it is still connected");
        assert!((10..30).contains(&ended), "{ended}");
    }
}

#[tokio::test]
async fn what_is_no_packet_is_refused_with_its_reason() {
    let victim = Node::new("entity_v").await;
    let mut attacker = Attacker::new(&victim).await;
    let someone = Keypair::generate_ed25519();
    let elsewhere = Keypair::generate_ed25519().public().to_peer_id();
    let good = packet(&someone, elsewhere, b"opaque");

    let mut loops = good.clone();
    loops.header.origin = key_of(&victim.id).unwrap();
    let mut far = good.clone();
    far.header.hop_limit = 255;
    let mut last = good.clone();
    last.header.hop_limit = 1;
    let mut old = good.clone();
    old.header.expiry = Timestamp::from_millis(now() - 61_000);
    let mut eternal = good.clone();
    eternal.header.expiry = Timestamp::from_millis(now() + 600_000);
    let mut old_arrival = packet(&someone, victim.id, b"opaque");
    old_arrival.header.expiry = old.header.expiry;
    let mut own = good.clone();
    own.header.destination = own.header.origin;
    // The frame announces more than any envelope has.
    let mut oversized = good.encode();
    let at = oversized.len() - 6 - 4;
    oversized[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    for (what, bytes, reason) in [
        ("nowhere to go", good.encode(), Reason::NoRoute),
        ("of the victim", loops.encode(), Reason::Seen),
        ("hop limit 255", far.encode(), Reason::HopLimit),
        ("last hop", last.encode(), Reason::HopLimit),
        ("old", old.encode(), Reason::Expired),
        ("eternal", eternal.encode(), Reason::Expired),
        ("old, for the victim", old_arrival.encode(), Reason::Expired),
        ("to its origin", own.encode(), Reason::Malformed),
        ("oversized", oversized, Reason::TooLarge),
        ("a large head", [0xff; 64].to_vec(), Reason::TooLarge),
        ("no header", [[0, 0, 0, 1, 0xa0].as_slice(), &[0, 0, 0, 0]].concat(), Reason::Malformed),
    ] {
        assert_eq!(attacker.reason(bytes).await, Some(reason), "{what}");
    }
    assert_eq!(attacker.reason(vec![0, 0]).await, None, "half a length is no request");
}

/// Whoever claims another's name gets nothing done in it, and spends nothing of the other's.
#[tokio::test]
async fn a_forged_origin_reaches_no_link_and_locks_nobody_out() {
    let mut victim = Node::new("entity_v").await;
    let mut honest = Node::new("entity_h").await;
    let carrier = Node::new("entity_c").await;
    // The honest one's first step, as it would travel.
    let step = caught(&honest, &victim).await;
    let mut attacker = Attacker::new(&victim).await;

    // Forgeries: another's signature under the honest one's name, and a bit changed.
    let mut bent = step.envelope.to_vec();
    let at = bent.len() / 2;
    bent[at] ^= 1;
    let forged: Vec<_> = (0..25)
        .map(|_| packet(&honest.keypair, victim.id, &bent).encode())
        .chain([packet(&Keypair::generate_ed25519(), victim.id, &step.envelope).encode()])
        .collect();
    for outcome in attacker.outcomes(forged).await {
        let refused = match outcome {
            Some(Outcome::Refused(refusal)) => refusal.reason,
            other => panic!("{other:?}"),
        };
        assert!(matches!(refused, Reason::Unanswered | Reason::Malformed), "{refused:?}");
    }
    let saw = victim.rest();
    assert!(!saw.iter().any(|saw| matches!(saw, Saw::Link(..))), "{saw:?}");

    // The true one, over and over: it counts once, and draws one token of the honest one's ten.
    let again: Vec<_> =
        (0..14).map(|_| packet(&honest.keypair, victim.id, &step.envelope).encode()).collect();
    let answered = attacker.outcomes(again).await;
    let answered = answered.iter().filter(|it| matches!(it, Some(Outcome::Answered { .. })));
    assert_eq!(answered.count(), 1);

    // The honest one still gets its session, as soon as there is an honest way.
    honest.connect(&carrier.address).await;
    victim.connect(&carrier.address).await;
    honest
        .until(|saw| match saw {
            Saw::Link(link::Event::SessionReady(_)) => Some(()),
            _ => None,
        })
        .await;
}

/// The same packet again gets the same answer, and reaches the link once.
#[tokio::test]
async fn a_replayed_packet_is_answered_from_memory() {
    let mut victim = Node::new("entity_v").await;
    let honest = Node::new("entity_h").await;
    let step = caught(&honest, &victim).await;
    let mut attacker = Attacker::new(&victim).await;
    let outcomes = attacker.outcomes(vec![step.encode(), step.encode()]).await;
    let later = attacker.outcomes(vec![step.encode()]).await;
    let Some(Outcome::Answered { hops: 1, envelope }) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    for outcome in outcomes.iter().chain(&later) {
        let Some(Outcome::Answered { envelope: again, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(again, envelope);
    }
    let steps = victim.rest();
    let steps = steps.iter().filter(|saw| matches!(saw, Saw::Link(link::Event::Step { .. })));
    assert_eq!(steps.count(), 2, "one step came in, one went out");
}

#[tokio::test]
async fn a_flood_stops_at_the_rate_and_costs_nobody_else() {
    let quota = Quota { per_minute: 6, burst: 5 };
    let limits = |config: &mut peer_protocol::routing::Config| {
        config.quotas.carried = quota;
        config.quotas.brought = quota;
    };
    let victim = Node::with("entity_v", limits).await;
    let mut honest = Node::new("entity_h").await;
    let mut far = Node::new("entity_f").await;
    far.connect(&victim.address).await;
    let mut attacker = Attacker::new(&victim).await;
    let someone = Keypair::generate_ed25519();
    for destination in [far.id, victim.id] {
        let flood =
            (0..30).map(|_| packet(&someone, destination, b"flood").encode()).collect::<Vec<_>>();
        let outcomes = attacker.outcomes(flood).await;
        let mut limited = 0;
        for outcome in outcomes {
            if let Some(Outcome::Refused(refusal)) = outcome
                && refusal.reason == Reason::RateLimited
            {
                let wait = refusal.retry_after.unwrap();
                assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60), "{wait:?}");
                limited += 1;
            }
        }
        assert_eq!(limited, 25);
    }
    assert!(victim.stats().await.tries <= 5, "the flood went no further");
    // Another neighbour is carried as if nothing had been.
    honest.connect(&victim.address).await;
    let id = honest.send(far.id, "through the flood");
    honest.receipt(id).await;
    drop(far.rest());
}

/// What `keypair` signs, of a kind that begins nothing.
fn signed(keypair: &Keypair, to: &str) -> Vec<u8> {
    let seed = keypair.clone().try_into_ed25519().unwrap().secret();
    let key = Ed25519Authenticator::from_seed(seed.as_ref().try_into().unwrap());
    let identity = Identity::new(None, Arc::new(key)).unwrap();
    let header = envelope::Header {
        kind: EnvelopeKind::Error,
        sender: identity.entity().clone(),
        recipient: to.parse().unwrap(),
        session: None,
        sequence: 0,
        timestamp: Timestamp::from_millis(now()),
        nonce: Nonce::random(&mut rand::rng()),
    };
    envelope::plain(&header, b"\xa0", &identity)
}

/// Keys are free: whoever makes up many gets no more links than handshakes.
#[tokio::test]
async fn new_origins_over_hops_are_charged_to_who_brings_them() {
    let victim = Node::new("entity_v").await;
    let mut attacker = Attacker::new(&victim).await;
    let made_up: Vec<_> = (0..60).map(|_| Keypair::generate_ed25519()).collect();
    let flood =
        |keypair: &Keypair| packet(keypair, victim.id, &signed(keypair, "entity_v")).encode();
    let outcomes = attacker.outcomes(made_up.iter().map(flood).collect()).await;
    let limited = |outcome: &&Option<Outcome>| matches!(outcome, Some(Outcome::Refused(it)) if it.reason == Reason::RateLimited);
    assert_eq!(outcomes.iter().filter(limited).count(), 20);
    // Those that got in may go on.
    let again = attacker.outcomes(made_up[..40].iter().map(flood).collect()).await;
    assert_eq!(again.iter().filter(limited).count(), 0);
}

/// Only so many handshakes come in over one neighbour, whoever is said to begin them; direct ones are
/// not touched by that.
#[tokio::test]
async fn handshakes_over_hops_are_charged_to_who_brings_them() {
    let mut victim = Node::new("entity_v").await;
    let decoy = Node::new("entity_d").await;
    let step = caught(&decoy, &victim).await;
    let mut attacker = Attacker::new(&victim).await;
    let flood: Vec<_> = (0..60)
        .map(|_| packet(&Keypair::generate_ed25519(), victim.id, &step.envelope).encode())
        .collect();
    let outcomes = attacker.outcomes(flood).await;
    let limited = |outcome: &&Option<Outcome>| matches!(outcome, Some(Outcome::Refused(it)) if it.reason == Reason::RateLimited);
    assert_eq!(outcomes.iter().filter(limited).count(), 20);
    let mut direct = Node::new("entity_e").await;
    direct.connect(&victim.address).await;
    let id = direct.send(victim.id, "directly");
    direct.receipt(id).await;
    drop(victim.rest());
}
