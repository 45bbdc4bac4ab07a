//! Seeds for the corpora: for each target a few inputs that are valid, and some that nearly are.

use std::borrow::Cow;

use bytes::Bytes;
use peer_protocol::envelope::{Envelope, EnvelopeKind, Header, plain};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind};
use peer_protocol::id::{MessageId, Nonce};
use peer_protocol::identity::{Fingerprint, TrustPolicy, TrustStore};
use peer_protocol::message::{
    Body, ErrorReport, Heartbeat, HeartbeatAck, MessageKind, Receipt, ReceiptStatus, Task,
    TaskResult,
};
use peer_protocol::replay::ReplayGuard;
use peer_protocol::routing::{Outcome, Packet, PacketId, Reason, Refusal};
use peer_protocol::time::{Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::people::{Trust, identity};

/// The seeds of one target, with a name for each.
///
/// # Panics
/// If there is no such target.
#[must_use]
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let valid: Vec<Vec<u8>> = match target {
        "batch" => vec![batch(&bodies()[..1]), batch(&bodies()), ordered_batch()],
        "body" => bodies().iter().map(with_kind).collect(),
        "cbor" => cbor(),
        "delivery" => schedules(300),
        "envelope" => handshake_steps(),
        "guards" => super::guards::seeds(),
        "handshake" => schedules(160),
        "handshake_edits" => schedules(200),
        "handshake_body" => handshake_bodies(),
        "hop" => hops(),
        "legacy_message" => legacy_messages(),
        "legacy_session" => schedules(200),
        "legacy_value" => legacy_values(),
        "links" => schedules(400),
        "mailbox" => super::mailboxes::seeds(),
        "names" => super::names::seeds(),
        "registry" => super::registry::seeds(),
        "request" => handshake_steps(),
        "session" => schedules(200),
        "stream" => super::streams::seeds(),
        "transfer" => super::transfers::seeds(),
        "trust_store" => trust_stores(),
        #[cfg(feature = "nodes")]
        other => super::nodes::seeds(other).unwrap_or_else(|| panic!("no target {other:?}")),
        #[cfg(not(feature = "nodes"))]
        other => panic!("there is no target {other:?}"),
    };
    let mut seeds = Vec::new();
    for (number, bytes) in valid.into_iter().enumerate() {
        let mut cut = bytes.clone();
        cut.truncate(bytes.len() * 3 / 4);
        let mut changed = bytes.clone();
        if let Some(byte) = changed.get_mut(bytes.len() / 2) {
            *byte ^= 0x11;
        }
        seeds.push((format!("valid-{number}"), bytes));
        if number == 0 {
            seeds.push(("cut".to_owned(), cut));
            seeds.push(("changed".to_owned(), changed));
        }
    }
    seeds
}

pub(super) fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

/// Packets to carry and to take in, and outcomes of both kinds.
pub(super) fn hops() -> Vec<Vec<u8>> {
    let envelope = Bytes::from_static(b"opaque");
    let packet = |destination: usize, hop_limit, life: u64| {
        let header = peer_protocol::routing::Header {
            id: PacketId::random(&mut rng()),
            origin: *identity(7).public_key(),
            destination: *identity(destination).public_key(),
            hop_limit,
            expiry: Timestamp::from_millis(1_800_000_000_000 + life),
        };
        Packet { header, envelope: envelope.clone() }.encode()
    };
    let limited = Refusal {
        reason: Reason::RateLimited,
        retry_after: Some(std::time::Duration::from_millis(500)),
    };
    vec![
        packet(9, 10, 10_000),
        packet(0, 1, 10_000),
        packet(3, 2, 0),
        packet(9, 10, 500_000),
        Outcome::Answered { hops: 3, envelope: envelope.clone() }.encode(),
        Outcome::Refused(Reason::NoRoute.into()).encode(),
        Outcome::Refused(limited).encode(),
    ]
}

fn bodies() -> Vec<Body<'static>> {
    let content = || Cow::Borrowed(&b"hello"[..]);
    let content_type = || "text/plain".to_owned();
    let id = MessageId::random(&mut rng());
    vec![
        Task {
            content: content(),
            content_type: content_type(),
            name: Some("a.txt".to_owned()),
            ..Task::default()
        }
        .into(),
        TaskResult { content: content(), content_type: content_type(), ..TaskResult::default() }
            .into(),
        Heartbeat {}.into(),
        HeartbeatAck {
            agent: peer_protocol::message::AgentLife::Attached,
            uptime_ms: 70_000,
            agent_idle_ms: None,
        }
        .into(),
        Receipt { status: ReceiptStatus::Delivered, message_ids: vec![id] }.into(),
    ]
}

fn with_kind(body: &Body<'_>) -> Vec<u8> {
    let kind = MessageKind::ALL.iter().position(|kind| *kind == body.kind()).unwrap_or(0);
    let mut bytes = vec![u8::try_from(kind).unwrap_or(0)];
    bytes.extend(body.encode().expect("a valid body"));
    bytes
}

/// A batch, written by hand: `[{"id": …, "body": …, "type": …}, …]`.
fn batch(bodies: &[Body<'_>]) -> Vec<u8> {
    let mut out = vec![0x80 | u8::try_from(bodies.len()).unwrap_or(0)];
    for body in bodies {
        let bytes = body.encode().expect("a valid body");
        let kind = body.kind().as_str();
        out.extend_from_slice(b"\xa3\x62id\x50");
        out.extend_from_slice(MessageId::random(&mut rng()).as_bytes());
        out.extend_from_slice(b"\x64body");
        push_head(&mut out, 0x40, bytes.len());
        out.extend_from_slice(&bytes);
        out.extend_from_slice(b"\x64type");
        push_head(&mut out, 0x60, kind.len());
        out.extend_from_slice(kind.as_bytes());
    }
    out
}

/// Two ordered messages, one of which comes after another.
fn ordered_batch() -> Vec<u8> {
    let stream = *MessageId::random(&mut rng()).as_bytes();
    let mut out = vec![0x82];
    for order in [&b"\xa2\x66number\x00"[..], &b"\xa3\x65after\x00\x66number\x19\x01\x2c"[..]] {
        out.extend_from_slice(b"\xa4\x62id\x50");
        out.extend_from_slice(MessageId::random(&mut rng()).as_bytes());
        out.extend_from_slice(b"\x64body\x41\xa0\x64type\x64task\x65order");
        out.extend_from_slice(order);
        out.extend_from_slice(b"\x66stream\x50");
        out.extend_from_slice(&stream);
    }
    out
}

fn push_head(out: &mut Vec<u8>, major: u8, len: usize) {
    match u8::try_from(len).unwrap_or(u8::MAX) {
        len @ 0..=23 => out.push(major | len),
        len => out.extend_from_slice(&[major | 24, len]),
    }
}

fn cbor() -> Vec<Vec<u8>> {
    let hand_made: [&[u8]; 8] = [
        b"\xa2\x61a\x01\x61b\x82\xf4\xf5",
        b"\xa2\x61b\x01\x61a\x02",
        b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x18\x17",
        b"\x9f\x01\xff",
        b"\x81\x81\x81\x81\x81\x81\x81\x81\x01",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x63\xe2\x82\xac",
    ];
    hand_made.iter().map(|bytes| bytes.to_vec()).collect()
}

/// All envelopes of both handshakes, and an error.
pub(super) fn handshake_steps() -> Vec<Vec<u8>> {
    let kinds = [HandshakeKind::SixStep, HandshakeKind::ThreeWay];
    kinds.into_iter().flat_map(run_handshake).chain([error_envelope()]).collect()
}

fn run_handshake(kind: HandshakeKind) -> Vec<Vec<u8>> {
    let configs = [0, 1].map(|number| {
        let mut config = Config::new(identity(number));
        config.accept_three_way = true;
        config
    });
    let (trust, mut rng) = (Trust::default(), rng());
    let mut replay = [ReplayGuard::default(), ReplayGuard::default()];
    let now = Now { timestamp: Timestamp::from_millis(1_800_000_000_000), ..Now::default() };
    let mut with = |party: usize, run: &mut dyn FnMut(&mut Context<'_>) -> Option<Vec<u8>>| {
        let (config, replay) = (&configs[party], &mut replay[party]);
        run(&mut Context { config, trust: &trust, replay, rng: &mut rng, now })
    };
    let mut machines: [Option<Handshake>; 2] = [None, None];
    let mut steps: Vec<Vec<u8>> = Vec::new();
    let expected = Expected::key(*identity(1).public_key());
    let mut next = with(0, &mut |cx| {
        let (machine, progress) = Handshake::start(kind, expected.clone(), cx).ok()?;
        machines[0] = Some(machine);
        progress.reply
    });
    let mut party = 1;
    while let Some(bytes) = next.take() {
        steps.push(bytes.clone());
        let envelope = Envelope::decode(bytes).expect("an envelope");
        next = with(party, &mut |cx| match &mut machines[party] {
            Some(machine) => machine.handle(&envelope, cx).expect("an honest handshake").reply,
            empty => {
                let (machine, progress) =
                    Handshake::accept(&envelope, &Expected::default(), cx).ok()?;
                *empty = Some(machine);
                progress.reply
            }
        });
        party = 1 - party;
    }
    steps
}

/// The bodies of those envelopes, each behind the number of its kind.
fn handshake_bodies() -> Vec<Vec<u8>> {
    let with_kind = |bytes: Vec<u8>| {
        let envelope = Envelope::decode(bytes).expect("an envelope");
        let kind = envelope.header().kind;
        let kind = EnvelopeKind::ALL.iter().position(|other| *other == kind).unwrap_or(0);
        let mut seed = vec![u8::try_from(kind).unwrap_or(0)];
        seed.extend_from_slice(envelope.payload());
        seed
    };
    handshake_steps().into_iter().map(with_kind).collect()
}

/// Schedules that no fuzzer would come upon soon: long, and with something in them.
pub(super) fn schedules(len: usize) -> Vec<Vec<u8>> {
    use rand::Rng as _;
    let mut rng = rng();
    let mut schedules: Vec<Vec<u8>> = (0..3)
        .map(|_| {
            let mut bytes = vec![0; len];
            rng.fill_bytes(&mut bytes);
            bytes
        })
        .collect();
    // The usual course of things: everything arrives, one after the other.
    schedules.push(vec![11; len]);
    schedules
}

pub(super) fn legacy_messages() -> Vec<Vec<u8>> {
    let vectors = include_str!("../../../protocol/tests/vectors/v1_0_signed_messages.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("the vectors are JSON");
    let vectors = vectors["vectors"].as_array().expect("a list of vectors");
    let text = |vector: &serde_json::Value| vector["message_json"].as_str().map(str::to_owned);
    vectors.iter().filter_map(text).map(String::into_bytes).take(6).collect()
}

fn legacy_values() -> Vec<Vec<u8>> {
    let hand_made: [&[u8]; 6] = [
        br#"{"a":[1,-0.0,1e22,1.5E-7,12345678901234567890123],"b":{"\u00e9":null,"z":true}}"#,
        br#""\ud83d\ude00 \" \\ \/ \b\f\n\r\t""#,
        br#"{"a":1,"a":2}"#,
        br#""\ud800""#,
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        b"1e400",
    ];
    hand_made.iter().map(|bytes| bytes.to_vec()).collect()
}

pub(super) fn trust_stores() -> Vec<Vec<u8>> {
    let mut store = TrustStore::new(TrustPolicy::PinnedOnly);
    let now = Timestamp::from_millis(1_800_000_000_000);
    for number in 0..3 {
        let identity = identity(number);
        let fingerprint = Fingerprint::of(identity.public_key());
        store.pin(identity.entity().clone(), fingerprint, now);
        if number == 2 {
            store.revoke(fingerprint);
        }
    }
    let full = serde_json::to_vec(&store).expect("a store can always be written");
    vec![full, b"{}".to_vec(), br#"{"policy":"open","entities":{}}"#.to_vec()]
}

/// An error, which no handshake has.
fn error_envelope() -> Vec<u8> {
    let header = Header {
        kind: EnvelopeKind::Error,
        sender: identity(0).entity().clone(),
        recipient: identity(1).entity().clone(),
        session: None,
        sequence: 0,
        timestamp: Timestamp::from_millis(1_800_000_000_000),
        nonce: Nonce::from_bytes([7; 16]),
    };
    let body = ErrorReport::new(ErrorCode::SessionNotFound, "no such session");
    plain(&header, &Body::from(body).encode().expect("a valid body"), &identity(0))
}
