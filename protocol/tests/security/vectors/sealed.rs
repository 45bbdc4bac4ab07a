//! Sealed messages: records of the sessions that the six-step vectors open.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use peer_protocol::delivery::Order;
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::message::{Body, Message, MessageKind};

use super::format::{self, Hex, Inner, Place, Record, Sealed, Side};
use super::handshake::six_steps;
use super::inputs::{CLOCK, short, uuid_v4};
use super::{about, checked, reproduce};
use crate::wire::{
    Direction, Item, Map, open, record_nonce, sealed_letter, sealed_signature_input,
};

/// A message called `name`.
fn inner(name: &str, kind: &str, in_reply_to: Option<&str>, body: &Map) -> Inner {
    let id = |name: &str| Hex::of(uuid_v4(&short(&format!("message id: {name}"))));
    Inner {
        id: id(name),
        r#type: kind.to_owned(),
        in_reply_to: in_reply_to.map(id),
        order: None,
        body: Hex(body.encode()),
    }
}

/// The same in its place in the stream of its sender.
fn ordered(inner: Inner, stream: &str, number: u64, after: Option<u64>) -> Inner {
    let stream = Hex::of(uuid_v4(&short(&format!("stream id: {stream}"))));
    Inner { order: Some(Place { after, number, stream }), ..inner }
}

fn task(content: &[u8], content_type: &str) -> Map {
    Map::from([("content", Item::bytes(content)), ("content_type", Item::text(content_type))])
}

/// What is said: by whom, and the messages of each record.
fn conversation() -> Vec<(usize, Vec<Inner>)> {
    let mut greeting = task("お元気ですか".as_bytes(), "text/plain");
    greeting.set("conversation", Item::text("greetings"));
    let question = inner("question", "task", None, &greeting);
    let mut outcome = task(b"well, thank you", "text/plain");
    outcome.set("outcome", Item::text("done"));
    let result = inner("result", "task_result", Some("question"), &outcome);
    let received = |ids: &[&Inner]| {
        let ids = ids.iter().map(|inner| Item::bytes(&inner.id.0)).collect();
        Map::from([("status", Item::text("received")), ("message_ids", Item::List(ids))])
    };
    let mut file =
        task(&(0..=255).cycle().take(300).collect::<Vec<u8>>(), "application/octet-stream");
    file.set("name", Item::text("numbers.bin"));
    let file = inner("file", "task", None, &file);
    let go_on = Map::from([("reason", Item::text("go on")), ("attempt", Item::Uint(1))]);
    let wake = inner("wake", "wake_up", None, &go_on);
    let mut status = task(b"", "text/plain");
    status.set("status", Item::text("half done"));
    status.set("next_action", Item::text("the other half"));
    let report = inner("report", "status_report", None, &status);
    let receipt = inner("receipt", "receipt", None, &received(&[&file, &wake]));
    let limited = Map::from([
        ("code", Item::text("RATE_LIMITED")),
        ("detail", Item::text("over the rate limit; try again in 2000 ms")),
        ("retry_after_ms", Item::Uint(2001)),
    ]);
    let refusal = inner("refusal", "error", Some("report"), &limited);
    let heartbeat = inner("heartbeat", "heartbeat", None, &Map::default());
    let mut first = task(b"", "text/plain");
    first.set("status", Item::text("kept"));
    let first = inner("kept", "status_report", None, &first);
    let first = ordered(first, "of the initiator", 0, None);
    let second = inner("kept question", "task", None, &task(b"and this?", "text/plain"));
    let second = ordered(second, "of the initiator", 300, Some(0));
    let mut answer = task(b"that too", "text/plain");
    answer.set("outcome", Item::text("done"));
    let answer = inner("kept answer", "task_result", Some("kept question"), &answer);
    let answer = ordered(answer, "of the responder", 70_000, Some(65_536));
    let good_night = Map::from([("reason", Item::text("good night"))]);
    let close = inner("close", "session_close", None, &good_night);
    vec![
        (0, vec![question]),
        (1, vec![result]),
        (0, vec![file, wake, report, heartbeat]),
        (1, vec![receipt, refusal]),
        (0, vec![first, second]),
        (1, vec![answer]),
        (0, vec![close]),
    ]
}

fn record(
    vector: &format::Handshake,
    side: usize,
    sequence: u64,
    place: u64,
    messages: Vec<Inner>,
) -> Record {
    let parties = [&vector.initiator, &vector.responder];
    let keys = [&vector.initiator_keys, &vector.responder_keys][side];
    let keys = Direction {
        key: keys.traffic_key.array(),
        iv: keys.iv.array(),
        confirm: keys.confirm_key.array(),
    };
    let plaintext = Item::List(
        messages
            .iter()
            .map(|message| {
                let mut map = Map::from([
                    ("id", Item::bytes(&message.id.0)),
                    ("body", Item::bytes(&message.body.0)),
                    ("type", Item::text(message.r#type.as_str())),
                ]);
                if let Some(place) = &message.order {
                    let mut order = Map::from([
                        ("number", Item::Uint(place.number)),
                        ("stream", Item::bytes(&place.stream.0)),
                    ]);
                    if let Some(after) = place.after {
                        order.set("after", Item::Uint(after));
                    }
                    map.set("order", Item::Map(order));
                }
                if let Some(id) = &message.in_reply_to {
                    map.set("in_reply_to", Item::bytes(&id.0));
                }
                Item::Map(map)
            })
            .collect(),
    )
    .to_vec();
    let timestamp = CLOCK + 10_000 + 1000 * place;
    let nonce = short(&format!("{}: nonce of record {place}", vector.name));
    let header = Map::from([
        ("sender_id", Item::text(parties[side].entity_id.as_str())),
        ("recipient_id", Item::text(parties[1 - side].entity_id.as_str())),
        ("session_id", Item::bytes(&vector.session_id.0)),
        ("timestamp", Item::Uint(timestamp)),
        ("nonce", Item::bytes(nonce)),
    ]);
    let letter = sealed_letter(header, &vector.suite, &keys, sequence, &plaintext);
    let key = SigningKey::from_bytes(&parties[side].identity_seed.array());
    let input = sealed_signature_input(&vector.suite, &letter.unsigned());
    Record {
        from: ["initiator", "responder"][side].to_owned(),
        sequence_num: sequence,
        timestamp,
        nonce: Hex::of(nonce),
        messages,
        plaintext: Hex(plaintext),
        aead_nonce: Hex::of(record_nonce(&keys.iv, sequence)),
        aad: Hex(letter.aad()),
        payload: Hex::of(letter.get("payload").as_bytes()),
        signature: Hex::of(key.sign(&input).to_bytes()),
        signature_input: Hex(input),
        envelope: Hex(letter.signed_in(&vector.suite, &key)),
    }
}

fn side(party: &format::Party, keys: &format::Keys) -> Side {
    Side {
        entity_id: party.entity_id.clone(),
        identity_seed: party.identity_seed.clone(),
        identity_public_key: party.identity_public_key.clone(),
        traffic_key: keys.traffic_key.clone(),
        iv: keys.iv.clone(),
    }
}

fn vectors() -> Vec<Sealed> {
    let sealed = |vector: format::Handshake| {
        // Record 0 of the responder was in `ready`.
        let mut next = [0, 1];
        let conversation = conversation().into_iter().enumerate();
        let records = conversation.map(|(place, (side, messages))| {
            let sequence = next[side];
            next[side] += 1;
            record(&vector, side, sequence, place as u64, messages)
        });
        Sealed {
            records: records.collect(),
            name: format!("sealed messages, {}", vector.suite),
            continues: format!("six_step.json: {}", vector.name),
            suite: vector.suite,
            session_id: vector.session_id,
            initiator: side(&vector.initiator, &vector.initiator_keys),
            responder: side(&vector.responder, &vector.responder_keys),
        }
    };
    six_steps().into_iter().map(sealed).collect()
}

/// What a receiver does, with primitives only.
fn opens(vector: &Sealed, record: &Record) {
    let sender = if record.from == "initiator" { &vector.initiator } else { &vector.responder };
    let (key, nonce) = (sender.traffic_key.array(), record.aead_nonce.array());
    let plaintext = open(&vector.suite, &key, &nonce, &record.aad.0, &record.payload.0);
    assert_eq!(Hex(plaintext), record.plaintext);
    let key = VerifyingKey::from_bytes(&sender.identity_public_key.array()).unwrap();
    let signature = Signature::from_bytes(&record.signature.array());
    key.verify_strict(&record.signature_input.0, &signature).unwrap();
}

fn message(inner: &Inner) -> Message {
    let kind = MessageKind::named(&inner.r#type).unwrap();
    let id = |bytes: &Hex| MessageId::from_bytes(bytes.array()).unwrap();
    // The body is what the crate makes of it, too.
    let body = Body::decode(kind, &inner.body.0).unwrap().encode().unwrap();
    assert_eq!(Hex::of(&body), inner.body);
    let in_reply_to = inner.in_reply_to.as_ref().map(id);
    let order = inner.order.as_ref().map(|place| Order {
        after: place.after,
        number: place.number,
        stream: StreamId::from_bytes(place.stream.array()).unwrap(),
    });
    Message { id: id(&inner.id), kind, in_reply_to, order, body: body.into() }
}

#[test]
fn sealed_message_vectors_hold() {
    let all = checked("sealed_messages.json", about::SEALED, vectors);
    assert_eq!(all, vectors(), "recomputed from primitives");
    for vector in &all {
        vector.records.iter().for_each(|record| opens(vector, record));
    }
    for (vector, handshake) in all.iter().zip(six_steps()) {
        let (mut players, mut sessions) = reproduce::handshake(HandshakeKind::SixStep, &handshake);
        for record in &vector.records {
            let side = usize::from(record.from == "responder");
            let messages: Vec<_> = record.messages.iter().map(message).collect();
            let now = reproduce::now(record.timestamp);
            let player = &mut players[side];
            player.rng.append(&record.nonce.0);
            let identity = &player.config.identity;
            let sealed =
                sessions[side].seal(&messages, identity, &mut player.rng, now).unwrap().bytes;
            assert_eq!(Hex::of(&sealed), record.envelope, "{}", vector.name);

            let envelope = Envelope::decode(sealed).unwrap();
            assert_eq!(envelope.header().sequence, record.sequence_num);
            assert_eq!(Hex::of(envelope.payload()), record.payload);
            let receiver = &mut sessions[1 - side];
            let opened = receiver.open(envelope, &players[1 - side].config.identity, now).unwrap();
            let opened = receiver.accept(opened, now).unwrap();
            let received: Result<Vec<_>, _> = opened.messages.into_iter().collect();
            assert_eq!(received.unwrap(), messages);
        }
    }
}
