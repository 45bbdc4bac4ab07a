//! Peers that do not keep to the protocol of streams.

use std::collections::{HashMap, HashSet};
use std::task::Poll;
use std::time::Duration;

use futures::AsyncWrite as _;
use libp2p_core::upgrade::Version;
use libp2p_swarm::{Stream, Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{Behaviour, EventKind, GateConfig, Hops, RoutedId};
use peer_protocol::envelope::{Envelope, EnvelopeKind};
use peer_protocol::limits::{MAX_ENVELOPE_LEN, MAX_STREAM_BYTES, MAX_STREAM_REQUESTS};
use peer_protocol::link::{Event, LinkConfig};
use peer_protocol::message::{Body, Message, Task};
use peer_protocol::stream::{CREDIT_LEN, Credit, Kind};

use super::raw::{BothEvent, Raw, ends, frame, read, write};
use super::{FAR, node, report, unlimited};
use crate::common::{PATIENCE, Trust, behaviour, custom, listen, trusting};

fn victim() -> Swarm<Behaviour> {
    node("victim", Version::V1Lazy, |secure| secure).0
}

async fn granted(stream: &mut Stream) -> Credit {
    let (head, body) = read(stream).await.unwrap();
    assert_eq!(head.kind, Kind::Credit);
    Credit::decode(<[u8; CREDIT_LEN]>::try_from(body).unwrap())
}

#[tokio::test]
async fn a_stream_is_granted_to_whoever_has_a_session_and_to_nobody_else() {
    let mut raw = Raw::new("entity");
    let peer = raw.meet(victim(), true).await;
    let mut stream = raw.open(peer).await;
    let credit = raw.run(granted(&mut stream)).await;
    assert_eq!(credit, Credit { frames: MAX_STREAM_REQUESTS, bytes: MAX_STREAM_BYTES });

    let mut stranger = Raw::new("stranger");
    let peer = stranger.meet(victim(), false).await;
    let mut stream = stranger.open(peer).await;
    assert!(stranger.run(read(&mut stream)).await.is_err(), "there is no session");
}

#[tokio::test]
async fn what_is_no_request_ends_the_stream_and_nothing_else() {
    let mut raw = Raw::new("entity");
    let peer = raw.meet(victim(), true).await;
    let too_long = u32::try_from(MAX_ENVELOPE_LEN + 1).unwrap().to_be_bytes();
    let handshake = handshake_envelope();
    for (what, bytes) in [
        ("an unknown kind", vec![0, 0, 0, 0, 9, 0, 0, 0, 0]),
        ("an answer", frame(Kind::Answer, 0, b"")),
        ("a drop", frame(Kind::Drop, 0, b"")),
        ("a grant", frame(Kind::Credit, 0, &[0; 8])),
        ("too long", [&too_long[..], &[1, 0, 0, 0, 0]].concat()),
        ("out of order", frame(Kind::Request, 1, b"")),
        ("a handshake", frame(Kind::Request, 0, &handshake)),
        ("a head cut short", vec![0, 0, 0]),
        ("a body cut short", frame(Kind::Request, 0, b"whole")[..12].to_vec()),
    ] {
        println!("{what}");
        let mut stream = raw.open(peer).await;
        raw.run(async {
            granted(&mut stream).await;
            write(&mut stream, &bytes).await;
            if what.ends_with("short") {
                let _ = futures::AsyncWriteExt::close(&mut stream).await;
            }
            ends(&mut stream).await;
        })
        .await;
    }
    // The session and the connection are none the worse.
    let mut stream = raw.open(peer).await;
    raw.run(granted(&mut stream)).await;
}

#[tokio::test]
async fn garbage_in_a_request_is_refused_in_its_answer() {
    let mut raw = Raw::new("entity");
    let peer = raw.meet(victim(), true).await;
    let mut stream = raw.open(peer).await;
    raw.run(async {
        granted(&mut stream).await;
        for id in 0..3 {
            write(&mut stream, &frame(Kind::Request, id, b"garbage")).await;
            let (head, body) = read(&mut stream).await.unwrap();
            assert_eq!((head.kind, head.id.0), (Kind::Answer, id));
            assert_eq!(Envelope::decode(body).unwrap().header().kind, EnvelopeKind::Error);
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_opens_many_streams_keeps_two() {
    let mut raw = Raw::new("entity");
    let peer = raw.meet(victim(), true).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = raw.open(peer).await;
        raw.run(granted(&mut stream)).await;
        streams.push(stream);
    }
    let mut kept = streams.split_off(18);
    for stream in &mut streams {
        assert!(raw.run(read(stream)).await.is_err(), "the oldest are gone");
    }
    for stream in &mut kept {
        raw.run(write(stream, &frame(Kind::Request, 0, b"garbage"))).await;
        assert_eq!(raw.run(read(stream)).await.unwrap().0.kind, Kind::Answer);
    }
}

/// Half of a frame holds up the stream it is on, and nobody else.
#[tokio::test]
async fn half_a_frame_is_waited_for_while_other_streams_go_on() {
    let mut raw = Raw::new("entity");
    let peer = raw.meet(victim(), true).await;
    let mut half = raw.open(peer).await;
    let whole = frame(Kind::Request, 0, b"garbage");
    raw.run(async {
        granted(&mut half).await;
        write(&mut half, &whole[..11]).await;
    })
    .await;
    let mut other = raw.open(peer).await;
    raw.run(async {
        granted(&mut other).await;
        write(&mut other, &whole).await;
        assert_eq!(read(&mut other).await.unwrap().0.kind, Kind::Answer);
        write(&mut half, &whole[11..]).await;
        assert_eq!(read(&mut half).await.unwrap().0.kind, Kind::Answer);
    })
    .await;
}

/// One that asks and asks and reads no answers is not read from any more, at a bounded price.
#[tokio::test]
async fn a_slow_reader_is_held_up_and_nobody_else() {
    let mut raw = Raw::new("entity");
    let mut node = victim();
    let (second, id) = (listen(&mut node).await, *node.local_peer_id());
    let peer = raw.meet(node, true).await;
    let mut stream = raw.open(peer).await;
    raw.run(granted(&mut stream)).await;
    let mut taken = 0;
    let (mut id_sent, mut rest) = (0, Vec::new());
    let stuck = raw.run(async {
        let mut idle = 0;
        // Nothing is taken for a while: it is stuck, not just busy.
        while idle < 200 {
            if rest.is_empty() {
                for _ in 0..1_000 {
                    rest.extend(frame(Kind::Request, id_sent, b"x"));
                    id_sent += 1;
                }
            }
            let written = std::future::poll_fn(|cx| {
                let written = std::pin::Pin::new(&mut stream).poll_write(cx, &rest);
                Poll::Ready(if let Poll::Ready(written) = written { written.ok() } else { None })
            })
            .await;
            match written {
                Some(len) => {
                    rest.drain(..len);
                    (taken, idle) = (taken + len, 0);
                }
                None => {
                    idle += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            assert!(taken < 16 << 20, "it takes in whatever comes");
        }
        taken
    });
    let stuck = stuck.await;
    assert!(stuck > 300 << 10, "it was read from at first: {stuck}");

    let (mut other, _) = super::node("other", Version::V1Lazy, |secure| secure);
    other.dial(second).unwrap();
    let message = report("is anybody there?");
    other.behaviour_mut().send(id, message, FAR).unwrap();
    tokio::time::timeout(PATIENCE, async {
        let acknowledged = |kind| matches!(kind, EventKind::Link(Event::Receipts { .. }));
        while !acknowledged(other.next_behaviour_event().await.kind) {}
    })
    .await
    .unwrap();
}

/// Eight messages of a mebibyte that stay unanswered are more than was granted.
#[tokio::test]
async fn whoever_goes_over_the_credit_loses_the_stream() {
    let mut raw = Raw::new("entity");
    let mut node = patient_victim();
    // The same entity, with nothing but hops, hands over the envelopes that it seals. It has pinned the
    // victim: to others it does not send as much at once.
    let trust = Trust::pinning("victim", node.local_peer_id());
    let gate = GateConfig::default();
    let twin = trusting(trust, "entity", raw.keypair.clone(), gate, unlimited);
    let mut twin = custom(&raw.keypair, Version::V1Lazy, twin);
    let (address, peer, me) =
        (listen(&mut node).await, *node.local_peer_id(), *twin.local_peer_id());
    raw.swarm.dial(address).unwrap();
    twin.behaviour_mut().open(peer).unwrap();
    twin.behaviour_mut().set_hops(&peer, true);
    let mut requests = HashMap::new();
    let mut envelopes = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while envelopes.len() < 8 || !raw.swarm.is_connected(&peer) {
            tokio::select! {
                _ = raw.swarm.next_swarm_event() => {}
                event = twin.next_behaviour_event() => match event.kind {
                    EventKind::Hops(Hops::Request { id, envelope }) if !is_sealed(&envelope) => {
                        let routed = RoutedId(id.0);
                        requests.insert(routed, id);
                        node.behaviour_mut().hop_request(routed, me, me, envelope).unwrap();
                    }
                    EventKind::Hops(Hops::Request { envelope, .. }) => envelopes.push(envelope),
                    // Whom it has pinned it knows by then.
                    EventKind::Link(Event::SessionReady(_)) => {
                        for _ in 0..8 {
                            let content = vec![7; 1 << 20].into();
                            let task = Body::from(Task { content, ..Task::default() });
                            let message = Message::new(&mut rand::rng(), &task, None).unwrap();
                            twin.behaviour_mut().send(peer, message, FAR).unwrap();
                        }
                    }
                    _ => {}
                },
                event = node.next_swarm_event() => {
                    if let Ok(event) = event.try_into_behaviour_event()
                        && let EventKind::Hops(Hops::Answer { request, envelope }) = event.kind
                    {
                        let id = requests.remove(&request).unwrap();
                        twin.behaviour_mut().hop_answered(&peer, id, envelope);
                    }
                }
            }
        }
    })
    .await
    .unwrap();
    tokio::spawn(node.loop_on_next());
    let mut stream = raw.open(peer).await;
    raw.run(async {
        let credit = granted(&mut stream).await;
        let sizes: Vec<_> = envelopes.iter().map(Vec::len).collect();
        assert!(sizes.iter().sum::<usize>() > credit.bytes as usize);
        assert!(sizes[..7].iter().sum::<usize>() <= credit.bytes as usize);
        for (id, envelope) in (0..).zip(&envelopes) {
            write(&mut stream, &frame(Kind::Request, id, envelope)).await;
        }
        // Nothing was answered: what it says is that it hangs up.
        assert!(read(&mut stream).await.is_err());
    })
    .await;
}

fn is_sealed(envelope: &[u8]) -> bool {
    let envelope = Envelope::decode(envelope.to_vec()).unwrap();
    envelope.header().kind == EnvelopeKind::Sealed
}

/// Holds answers back for a long time.
fn patient_victim() -> Swarm<Behaviour> {
    let keypair = libp2p_identity::Keypair::generate_ed25519();
    let adjust = |config: &mut LinkConfig| {
        unlimited(config);
        config.answer_hold = Duration::from_secs(60);
    };
    let secure = behaviour("victim", keypair.clone(), GateConfig::default(), adjust);
    custom(&keypair, Version::V1Lazy, secure)
}

/// A peer that accepts a stream and says nothing: everything goes the other way.
#[tokio::test]
async fn a_stream_that_is_never_granted_holds_nothing_up() {
    let mut raw = Raw::new("mute");
    let (mut node, wire) = node("entity", Version::V1Lazy, |secure| secure);
    let (address, peer) = (listen(&mut raw.swarm).await, *raw.swarm.local_peer_id());
    node.dial(address).unwrap();
    let (mut streams, mut acknowledged) = (Vec::new(), 0);
    node.behaviour_mut().send(peer, report("first"), FAR).unwrap();
    while acknowledged < 20 || streams.is_empty() {
        tokio::select! {
            event = raw.next() => {
                if let SwarmEvent::Behaviour(BothEvent::Streams(stream)) = event {
                    streams.push(stream);
                }
            }
            event = node.next_behaviour_event() => {
                if matches!(event.kind, EventKind::Link(Event::Receipts { .. })) {
                    acknowledged += 1;
                    node.behaviour_mut().send(peer, report("another"), FAR).unwrap();
                }
            }
        }
    }
    assert_eq!(wire.sessions(), 1, "it is not asked for again while it may still come");
}

/// A peer that grants, and then answers what nobody asked: the stream goes, the messages do not.
#[tokio::test]
async fn answers_to_nothing_end_the_stream_and_lose_no_message() {
    let mut raw = Raw::new("liar");
    let (mut node, _) = node("entity", Version::V1Lazy, |secure| secure);
    let (address, peer) = (listen(&mut raw.swarm).await, *raw.swarm.local_peer_id());
    node.dial(address).unwrap();
    let mut sent = HashSet::new();
    let mut lies = 0;
    let send = |node: &mut Swarm<Behaviour>, sent: &mut HashSet<_>| {
        let message = report("one of many");
        sent.insert(message.id);
        node.behaviour_mut().send(peer, message, FAR).unwrap();
    };
    send(&mut node, &mut sent);
    tokio::time::timeout(PATIENCE, async {
        while lies < 2 || !sent.is_empty() {
            tokio::select! {
                event = raw.next() => {
                    if let SwarmEvent::Behaviour(BothEvent::Streams(mut stream)) = event {
                        lies += 1;
                        tokio::spawn(async move {
                            write(&mut stream, &frame(Kind::Credit, 0, &Credit::GRANT.encode())).await;
                            // Once it is used.
                            let asked = read(&mut stream).await.unwrap();
                            assert_eq!(asked.0.kind, Kind::Request);
                            write(&mut stream, &frame(Kind::Answer, 77, b"")).await;
                            ends(&mut stream).await;
                        });
                    }
                }
                event = node.next_behaviour_event() => {
                    if let EventKind::Link(Event::Receipts { ids, .. }) = event.kind {
                        sent.retain(|id| !ids.contains(id));
                        if lies < 2 {
                            send(&mut node, &mut sent);
                        }
                    }
                }
            }
        }
    })
    .await
    .unwrap();
}

/// Any envelope that begins a handshake: the first that a node sends over hops.
fn handshake_envelope() -> Vec<u8> {
    use peer_protocol::crypto::Ed25519Authenticator;
    use peer_protocol::envelope::{Header, plain};
    use peer_protocol::id::Nonce;
    use peer_protocol::identity::Identity;
    use peer_protocol::time::Timestamp;
    let key = std::sync::Arc::new(Ed25519Authenticator::from_seed(&[9; 32]));
    let identity = Identity::new(Some("entity".parse().unwrap()), key).unwrap();
    let header = Header {
        kind: EnvelopeKind::HandshakeInit,
        sender: identity.entity().clone(),
        recipient: "victim".parse().unwrap(),
        session: None,
        sequence: 0,
        timestamp: Timestamp::from_millis(1_800_000_000_000),
        nonce: Nonce::from_bytes([1; 16]),
    };
    plain(&header, b"\xa0", &identity)
}
