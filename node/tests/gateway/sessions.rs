//! A peer that nobody has named: its handshake, step by step and by hand, and its session.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peer_node::NodeError;
use peer_node::config::{DhtMode, NodeConfig};
use peer_node::model::Content;
use peer_protocol::identity::Fingerprint;
use serde_json::{Value, json};

use crate::support::{Gateway, Old, Saying, agent, gateway, gateway_with, next, say};

/// What is signed to answer a challenge (§13.3).
fn proof(label: &str, challenge: &str, signer: &str, verifier: &str) -> Vec<u8> {
    let mut bytes = [label.as_bytes(), &STANDARD.decode(challenge).unwrap()].concat();
    for name in [signer, verifier] {
        bytes.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes
}

fn begin(old: &Old) -> String {
    let challenge = STANDARD.encode([7; 32]);
    let payload = format!(
        r#"{{"challenge":"{challenge}","handshake_type":"initiate","public_key":"{}","supported_versions":["1.0"]}}"#,
        old.key_hex()
    );
    old.write("handshake", Saying { payload: &payload, ..Saying::default() })
}

fn confirm(old: &Old, ack: &Value, label: &str) -> String {
    let session = ack["session_id"].as_str().unwrap();
    let challenge = ack["payload"]["challenge"].as_str().unwrap();
    let answer = STANDARD.encode(old.sign(&proof(label, challenge, &old.entity, "new")));
    let payload = format!(
        r#"{{"challenge_response":"{answer}","handshake_type":"confirm","session_id":"{session}"}}"#
    );
    let saying = Saying { payload: &payload, session: Some(session), ..Saying::default() };
    old.write("handshake_confirm", saying)
}

const CONFIRM: &str = "peer-v1.0-handshake-confirm";

async fn session(old: &Old, gateway: &Gateway) -> String {
    let ack = say(gateway.at, &begin(old)).await;
    assert_eq!((ack.status, &ack.body["msg_type"]), (200, &json!("handshake_ack")), "{ack:?}");
    let confirmed = say(gateway.at, &confirm(old, &ack.body, CONFIRM)).await;
    confirmed.taken();
    ack.body["session_id"].as_str().unwrap().to_owned()
}

fn report<'a>(session: &'a str, number: u64) -> Saying<'a> {
    let payload = r#"{"metadata":{},"status":"ready"}"#;
    Saying { payload, session: Some(session), number: Some(number), ..Saying::default() }
}

/// Keys cost nothing: whoever only begins, or has no session, takes no place among the peers.
#[tokio::test]
async fn a_stranger_is_not_known_before_it_has_proved_its_key() {
    let gateway = gateway_with(vec![], &[], |config| config.with_dht(DhtMode::Off), None).await;
    let (begins, claims) = (Old::new("begins", 6), Old::new("claims", 7));
    assert_eq!(say(gateway.at, &begin(&begins)).await.status, 200);
    let payload = r#"{"handshake_type":"confirm","challenge_response":"AA=="}"#;
    let payload = payload.replace('}', &format!(r#","public_key":"{}"}}"#, claims.key_hex()));
    let saying = Saying { payload: &payload, ..Saying::default() };
    assert_ne!(say(gateway.at, &claims.write("handshake", saying)).await.status, 200);
    for old in [begins, claims] {
        let name = Fingerprint::of(&old.key()).to_string();
        let asked = gateway.handle.talk(&name, Content::from_bytes(b"x"), None, SHORT).await;
        assert!(matches!(asked, Err(NodeError::UnknownPeer { .. })), "{asked:?}");
    }
}

/// Nobody answers within that who is not known.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_stranger_proves_its_key_and_is_heard() {
    let old = Old::new("stranger", 5);
    let gateway = gateway(vec![]).await;
    let mut messages = agent(&gateway.handle).await;
    let id = session(&old, &gateway).await;
    say(gateway.at, &old.write("status_report", report(&id, 0))).await.taken();
    let message = next(&mut messages).await;
    assert_eq!((message.from.as_str(), message.encrypted), ("stranger", false));

    say(gateway.at, &old.write("status_report", report(&id, 0)))
        .await
        .refused(409, "SEQUENCE_ERROR");
    let none = Saying { session: None, ..report(&id, 1) };
    say(gateway.at, &old.write("status_report", none)).await.refused(409, "INVALID_STATE");
    let forged = Old::new("stranger", 6).write("status_report", report(&id, 1));
    say(gateway.at, &forged).await.refused(403, "INVALID_SIGNATURE");

    let beat = Saying { payload: r#"{"message_id":"beat-1"}"#, ..report(&id, 1) };
    let answer = say(gateway.at, &old.write("heartbeat", beat)).await;
    assert_eq!(answer.body["msg_type"], "heartbeat_ack", "{answer:?}");
    assert_eq!(answer.body["payload"]["in_reply_to"], "beat-1");
    assert_eq!((&answer.body["session_id"], &answer.body["sequence_num"]), (&json!(id), &json!(0)));
}

/// The original answers the challenge with a hash that nobody can check.
#[tokio::test]
async fn an_answer_to_the_challenge_that_proves_nothing_opens_no_session() {
    let old = Old::new("original", 5);
    let gateway = gateway(vec![]).await;
    let ack = say(gateway.at, &begin(&old)).await.body;
    let wrong = confirm(&old, &ack, "peer-v1.0-handshake-ack");
    say(gateway.at, &wrong).await.refused(403, "CHALLENGE_INVALID");
    let id = ack["session_id"].as_str().unwrap();
    let message = old.write("status_report", report(id, 0));
    say(gateway.at, &message).await.refused(409, "SESSION_NOT_FOUND");
    let forged = begin(&old).replace(&old.key_hex(), &Old::new("x", 9).key_hex());
    say(gateway.at, &forged).await.refused(403, "INVALID_SIGNATURE");
}

#[tokio::test]
async fn a_named_peer_that_must_open_a_session_is_not_heard_without() {
    let old = Old::new("old", 1);
    let mut named = old.named(None);
    named.require_session = true;
    let gateway = gateway(vec![named]).await;
    say(gateway.at, &old.report("new", "x")).await.refused(409, "INVALID_STATE");
    let id = session(&old, &gateway).await;
    say(gateway.at, &old.write("status_report", report(&id, 0))).await.taken();
}

#[tokio::test]
async fn while_its_session_lives_a_named_peer_is_heard_in_it_only() {
    let old = Old::new("old", 1);
    let gateway = gateway(vec![old.named(None)]).await;
    say(gateway.at, &old.report("new", "x")).await.taken();
    let id = session(&old, &gateway).await;
    say(gateway.at, &old.report("new", "x")).await.refused(409, "SESSION_NOT_FOUND");
    say(gateway.at, &old.write("status_report", report(&id, 0))).await.taken();
}

#[tokio::test]
async fn under_pinned_only_a_named_peer_is_heard_and_no_stranger() {
    let (old, stranger) = (Old::new("old", 1), Old::new("stranger", 5));
    let policy = peer_protocol::identity::TrustPolicy::PinnedOnly;
    let pinned_only = |config: NodeConfig| config.with_trust_policy(policy);
    let gateway = gateway_with(vec![old.named(None)], &[], pinned_only, None).await;
    say(gateway.at, &old.report("new", "x")).await.taken();
    say(gateway.at, &begin(&stranger)).await.refused(403, "INVALID_SIGNATURE");
}

/// §10: sixty tasks at once from who is not pinned, and no more.
#[tokio::test]
async fn a_stranger_over_its_rate_is_told_when_to_come_back() {
    let old = Old::new("stranger", 5);
    let gateway = gateway(vec![]).await;
    let id = session(&old, &gateway).await;
    let mut taken = 0;
    let refused = loop {
        let answer = say(gateway.at, &old.write("status_report", report(&id, taken))).await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
    };
    assert!((60..64).contains(&taken), "{taken}");
    refused.refused(429, "RATE_LIMITED");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
}

/// Whoever names another's key spends nothing of what that one has.
#[tokio::test]
async fn forged_messages_do_not_count_against_whom_they_name() {
    let (old, mallory) = (Old::new("old", 5), Old::new("old", 6));
    let gateway = gateway(vec![]).await;
    let id = session(&old, &gateway).await;
    for number in 0..100 {
        let forged = mallory.write("status_report", report(&id, 1000 + number));
        say(gateway.at, &forged).await.refused(403, "INVALID_SIGNATURE");
    }
    say(gateway.at, &old.write("status_report", report(&id, 0))).await.taken();
}
