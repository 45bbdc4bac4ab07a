mod limits;

use std::borrow::Cow;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::error::ErrorCode;
use crate::id::{PrekeyId, TransferId};
use crate::mailbox::Prekey;
use crate::time::Timestamp;

/// One body of each kind, with every optional field present.
fn full_bodies() -> Vec<Body<'static>> {
    let rng = &mut StdRng::seed_from_u64(1);
    let id = MessageId::random(rng);
    let transfer = TransferId::random(rng);
    let prekey = Prekey {
        id: PrekeyId::random(rng),
        key: [8; 32],
        expires: Timestamp::from_millis(1_800_000_000_000),
        signature: [9; 64],
    };
    let text = || "text".to_owned();
    let content = || Cow::Borrowed(&b"content"[..]);
    vec![
        Task {
            name: Some(text()),
            content: content(),
            transfer: Some(transfer),
            content_type: text(),
            conversation: Some(text()),
        }
        .into(),
        TaskResult {
            content: content(),
            outcome: TaskOutcome::Failed,
            transfer: Some(transfer),
            content_type: text(),
        }
        .into(),
        StatusReport {
            status: text(),
            content: content(),
            transfer: Some(transfer),
            next_action: Some(text()),
            content_type: text(),
        }
        .into(),
        WakeUp { reason: text(), attempt: 3 }.into(),
        WakeUpAck { detail: text(), outcome: WakeOutcome::HandedToAgent }.into(),
        Heartbeat {}.into(),
        HeartbeatAck { agent: AgentLife::Attached, uptime_ms: 7, agent_idle_ms: Some(9) }.into(),
        CapabilityQuery { names: vec![text()] }.into(),
        CapabilityResponse { capabilities: vec![text(), text()] }.into(),
        Discovery { entity_id: "entity_a".parse().ok(), capability: Some(text()) }.into(),
        DiscoveryResponse {
            entities: vec![FoundEntity {
                addresses: vec![text()],
                entity_id: "エンティティ".parse().unwrap(),
                public_key: [7; 32],
                capabilities: vec![text()],
            }],
        }
        .into(),
        Chunk {
            data: content(),
            offer: Some(Offer {
                name: Some(text()),
                digest: [6; 32],
                purpose: Purpose::File,
                content_type: text(),
            }),
            total: 70_000,
            cancel: Some(text()),
            offset: 65_536,
            transfer,
        }
        .into(),
        ChunkAck { window: 1 << 20, received: 5, transfer }.into(),
        Mailbox::Deposit(Deposit { keys: vec![prekey], reset: true, last_resort: Some(prekey) })
            .into(),
        MailboxResult::Prekeys(Prekeys { keys: vec![prekey, prekey], last_resort: Some(prekey) })
            .into(),
        Receipt { status: ReceiptStatus::Delivered, message_ids: vec![id, id] }.into(),
        ErrorReport {
            in_reply_to: Some([5; 16]),
            retry_after_ms: Some(1_000),
            ..ErrorReport::new(ErrorCode::RateLimited, "slow down")
        }
        .into(),
        SessionClose { reason: text() }.into(),
    ]
}

#[test]
fn every_body_is_deterministic_and_comes_back() {
    let bodies = full_bodies();
    assert_eq!(bodies.iter().map(Body::kind).collect::<Vec<_>>(), MessageKind::ALL);
    for body in &bodies {
        let bytes = body.encode().unwrap();
        assert_eq!(cbor::check(&bytes), Ok(()), "{:?}", body.kind());
        assert_eq!(&Body::decode(body.kind(), &bytes).unwrap(), body);
    }
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    for body in full_bodies() {
        let bytes = body.encode().unwrap();
        let head = bytes[0];
        let mut extra = bytes.clone();
        extra[0] = head + 1;
        cbor::push_text(&mut extra, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzz");
        cbor::push_head(&mut extra, 0, 0);
        assert_eq!(cbor::check(&extra), Ok(()));
        assert!(matches!(
            Body::decode(body.kind(), &extra),
            Err(BodyError::Cbor { error: CborError::Shape { .. }, .. })
        ));
        for cut in 0..bytes.len() {
            assert!(Body::decode(body.kind(), &bytes[..cut]).is_err());
        }
    }
}

#[test]
fn an_enumeration_is_text_and_nothing_else() {
    let mut bytes = Body::from(WakeUpAck { detail: String::new(), outcome: WakeOutcome::NoAgent })
        .encode()
        .unwrap();
    let text = bytes.len() - 9;
    assert_eq!(&bytes[text + 1..], b"no_agent");
    // {"no_agent": true} in place of "no_agent".
    bytes.insert(text, 0xa1);
    bytes.push(0xf5);
    assert_eq!(cbor::check(&bytes), Ok(()));
    assert!(Body::decode(MessageKind::WakeUpAck, &bytes).is_err());
}

#[test]
fn words_that_not_every_peer_knows_have_one_that_every_peer_does() {
    for outcome in ["awake", "handed_to_agent", "no_agent", "refused"] {
        let plain = WakeOutcome::named(outcome).unwrap().plain();
        assert!(["handed_to_agent", "no_agent", "refused"].contains(&plain.as_str()));
        assert_eq!(plain.plain(), plain);
    }
    for (life, plain) in [
        ("attached", "attached"),
        ("absent", "absent"),
        ("unresponsive", "absent"),
        ("unknown", "attached"),
    ] {
        assert_eq!(AgentLife::named(life).unwrap().plain().as_str(), plain);
    }
}

#[test]
fn an_oversized_field_names_itself_its_size_and_the_limit() {
    let limit = crate::limits::MAX_CONTENT_LEN;
    let task = Task { content: Cow::Owned(vec![0; limit + 1]), ..Task::default() };
    let error = Body::from(task).encode().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`content` has {} bytes; at most {limit} are allowed", limit + 1)
    );
    let many = CapabilityQuery { names: vec![String::new(); 65] };
    assert!(Body::from(many).encode().unwrap_err().to_string().contains("65 entries"));
    let most = CapabilityQuery { names: vec![String::new(); 64] };
    assert!(Body::from(most).encode().is_ok());
}

#[test]
fn the_largest_content_fits_a_body() {
    let full = "x".repeat(crate::limits::MAX_NAME_LEN);
    let task = Task {
        content: Cow::Owned(vec![0; crate::limits::MAX_CONTENT_LEN]),
        content_type: full,
        ..Task::default()
    };
    assert!(Body::from(task).encode().unwrap().len() <= MAX_BODY_LEN);
}

fn batch(bodies: &[Body<'_>]) -> Vec<Message> {
    let rng = &mut StdRng::seed_from_u64(2);
    let reply = MessageId::random(rng);
    bodies
        .iter()
        .enumerate()
        .map(|(index, body)| Message::new(rng, body, (index % 2 == 0).then_some(reply)).unwrap())
        .collect()
}

#[test]
fn a_batch_is_as_long_as_announced_deterministic_and_comes_back() {
    let messages = batch(&full_bodies());
    let mut bytes = Vec::new();
    encode_batch(&mut bytes, &messages);
    assert_eq!(bytes.len(), batch_len(&messages));
    assert_eq!(cbor::check(&bytes), Ok(()));
    let decoded: Result<Vec<_>, _> =
        decode_batch(&Bytes::from(bytes)).unwrap().into_iter().collect();
    assert_eq!(decoded.unwrap(), messages);
}

#[test]
fn an_unknown_kind_spoils_only_itself() {
    let messages = batch(&full_bodies()[..2]);
    let mut bytes = Vec::new();
    encode_batch(&mut bytes, &messages);
    let at = bytes.windows(4).rposition(|window| window == b"task").unwrap();
    bytes[at] = b'm';
    let decoded = decode_batch(&Bytes::from(bytes)).unwrap();
    assert_eq!(decoded[0].as_ref().unwrap(), &messages[0]);
    let unknown = decoded[1].as_ref().unwrap_err();
    assert_eq!((unknown.id, unknown.found.as_str()), (messages[1].id, "mask_result"));
}

#[test]
fn a_batch_has_at_least_one_and_at_most_the_limit() {
    let mut bytes = Vec::new();
    encode_batch(&mut bytes, &[]);
    assert_eq!(decode_batch(&Bytes::from(bytes)), Err(BatchError::Length { len: 0 }));
    let one = batch(&[Heartbeat {}.into()]);
    let many = vec![one[0].clone(); crate::limits::MAX_BATCH + 1];
    let mut bytes = Vec::new();
    encode_batch(&mut bytes, &many);
    assert!(matches!(decode_batch(&Bytes::from(bytes)), Err(BatchError::Length { .. })));
    // It is enough that it says so.
    for (head, len) in [([0x99, 0x01, 0x01], 257), ([0x99, 0xff, 0xff], 65_535)] {
        let refused = decode_batch(&Bytes::copy_from_slice(&head));
        assert_eq!(refused, Err(BatchError::Length { len }));
    }
}

/// What is itself about other messages is not acknowledged: nobody answers an answer for ever.
#[test]
fn receipts_errors_and_the_end_are_not_acknowledged() {
    for kind in MessageKind::ALL {
        let about_others = ["receipt", "error", "session_close"].contains(&kind.as_str());
        assert_eq!(kind.is_acknowledged(), !about_others, "{kind}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..256),
        kind in 0_usize..MessageKind::ALL.len(),
    ) {
        let _ = Body::decode(MessageKind::ALL[kind], &bytes);
        let _ = decode_batch(&Bytes::from(bytes));
    }
}
