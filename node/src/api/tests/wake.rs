//! Proofs of being awake, and of being there.

use std::time::Duration;

use super::*;
use crate::api::{Awake, Probe};

const NAME: &str = "00112233445566778899aabbccddeeff";

/// Waits until agents have asked for a question so often.
async fn probes(rig: &Rig, count: usize) -> Vec<(String, Option<u64>)> {
    for _ in 0..2000 {
        let probes = rig.fake.look(|memory| memory.probes.clone());
        if probes.len() >= count {
            return probes;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{count} did not come");
}

#[tokio::test]
async fn a_nonce_goes_to_the_node_and_its_refusal_comes_back() {
    let rig = rig().await;
    let awake = Awake { nonce: NAME.to_owned() };
    assert_eq!(rig.client.awake(&awake).await.unwrap().took_ms, 412);
    assert_eq!(rig.fake.look(|memory| memory.nonces.clone()), [NAME]);
    let body = serde_json::to_vec(&awake).unwrap();
    let again = problem(&rig, "/v1/awake", &body, 404).await;
    assert_eq!(again.kind, "urn:peer:no_such_wake");
}

#[tokio::test]
async fn whoever_takes_messages_answers_questions_by_itself() {
    let rig = rig().await;
    let messages = rig.client.messages(None).await.unwrap();
    let first = probes(&rig, 1).await.remove(0);
    assert_eq!(first.1, None);
    assert!(rig.fake.look(|memory| memory.questions.remove(0)).send(7).is_ok());
    let second = probes(&rig, 2).await.remove(1);
    assert_eq!(second, (first.0, Some(7)), "under the same name");
    drop(messages);
    for _ in 0..2000 {
        if rig.fake.look(|memory| memory.questions[0].is_closed()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it still waits for questions");
}

#[tokio::test]
async fn agents_have_proper_names() {
    let rig = rig().await;
    for name in ["", "zz", "0011", "00112233445566778899aabbccddeeff00"] {
        let probe = Probe { agent: name.to_owned(), answer: None };
        let refused = problem(&rig, "/v1/probe", &serde_json::to_vec(&probe).unwrap(), 400).await;
        assert!(refused.detail.contains("32 hexadecimal digits"), "{}", refused.detail);
    }
    let (status, ..) = raw(&rig, "GET", "/v1/messages?agent=zz", b"").await;
    assert_eq!(status, 400);
}
