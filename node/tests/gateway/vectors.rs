//! Messages that the original implementation signed, at the time when it signed them.

use std::sync::Arc;

use peer_node::config::GatewayPeer;
use peer_protocol::crypto::PublicKey;
use peer_protocol::time::Timestamp;
use serde_json::Value;

use crate::support::{Answer, At, agent, gateway_with, say};

const SIGNED: &str = include_str!("../../../protocol/tests/vectors/v1_0_signed_messages.json");

/// Posts one of them to a node that is called as the message says, by a peer that the operator has named.
async fn posted(vector: &Value) -> (Value, Answer) {
    let text = vector["message_json"].as_str().unwrap();
    let message: Value = serde_json::from_str(text).unwrap();
    // No signature covers the recipient, and the original's are often their own.
    let text = text.replace(r#""recipient_id": "entity_b""#, r#""recipient_id": "new""#);
    let mut key = [0; 32];
    hex_into(vector["public_key_hex"].as_str().unwrap(), &mut key);
    let peer = GatewayPeer {
        entity: message["sender_id"].as_str().unwrap().parse().unwrap(),
        key: PublicKey::from_bytes(&key).unwrap(),
        url: None,
        require_session: false,
    };
    let seconds = message["timestamp"].as_f64().unwrap();
    // The node was started a moment before.
    let date = Timestamp::from_millis((seconds * 1000.0) as u64 - 3_000);
    let clock = Arc::new(At::new(date));
    let gateway = gateway_with(vec![peer], &[], |config| config, Some(clock)).await;
    let _agent = agent(&gateway.handle).await;
    let answer = say(gateway.at, &text).await;
    (message, answer)
}

fn hex_into(text: &str, bytes: &mut [u8; 32]) {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_original_signed_is_taken_and_what_was_changed_is_refused() {
    let file: Value = serde_json::from_str(SIGNED).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 32);
    let mut answered = Vec::new();
    for vector in vectors {
        let (message, answer) = posted(vector).await;
        if vector["valid"] == false {
            answer.refused(403, "INVALID_SIGNATURE");
            continue;
        }
        let says = |member: &str| message["payload"].get(member).is_some();
        match message["msg_type"].as_str().unwrap() {
            "heartbeat" => assert_eq!(answer.body["msg_type"], "heartbeat_ack", "{answer:?}"),
            "wake_up" => assert_eq!(answer.body["msg_type"], "wake_up_ack", "{answer:?}"),
            "task_delegate" if says("message") => {
                assert_eq!(answer.body["msg_type"], "task_result", "{answer:?}");
                assert_eq!(answer.body["payload"]["message"], "こんにちは, PEER \u{2028} 😀");
            }
            "handshake" if says("challenge") => {
                assert_eq!(answer.body["msg_type"], "handshake_ack", "{answer:?}");
            }
            "error" | "wake_up_ack" => answer.taken(),
            "handshake_ack" | "handshake_confirm" => answer.refused(409, "INVALID_STATE"),
            // Types and payloads that go together by chance, or not at all.
            _ => answer.refused(400, "INVALID_VERSION"),
        }
        answered.push(answer.status);
    }
    assert_eq!(answered.len(), 26);
    assert_eq!(answered.iter().filter(|status| **status == 200).count(), 10);
}
