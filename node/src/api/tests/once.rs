//! Requests that are repeated.

use super::*;
use crate::model::Weight;

/// Posts with a key; returns status, whether it is said to be replayed, and the body.
async fn post(rig: &Rig, path: &str, key: &str, body: &Value) -> (u16, bool, Value) {
    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nidempotency-key: {key}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let replayed = head.contains("idempotency-replayed: true");
    (status, replayed, serde_json::from_str(body).unwrap())
}

fn report(peer: &str, status: &str) -> Value {
    json!({"peer": peer, "status": status})
}

#[tokio::test]
async fn a_repeated_request_is_carried_out_once() {
    let rig = rig().await;
    let first = post(&rig, "/v1/report", "k1", &report("entity_b", "half")).await;
    assert_eq!((first.0, first.1), (200, false), "{first:?}");
    let again = post(&rig, "/v1/report", "k1", &report("entity_b", "half")).await;
    assert_eq!(again, (200, true, first.2));
    assert_eq!(rig.fake.look(|memory| memory.reports.len()), 1);
    assert_eq!(post(&rig, "/v1/report", "k2", &report("entity_b", "half")).await.0, 200);
    assert_eq!(rig.fake.look(|memory| memory.reports.len()), 2);

    for (path, body) in [
        ("/v1/report", report("entity_b", "whole")),
        ("/v1/wake", json!({"peer": "entity_b"})),
        ("/v1/talk", json!({"peer": "entity_b", "content": {"text": "x"}})),
    ] {
        let (status, _, problem) = post(&rig, path, "k1", &body).await;
        assert_eq!((status, &problem["type"]), (422, &json!("urn:peer:idempotency_key_reused")));
    }
    assert_eq!(rig.fake.look(|memory| (memory.reports.len(), memory.wakes.len())), (2, 0));
    let (status, _, problem) = post(&rig, "/v1/report", "k 3", &report("entity_b", "x")).await;
    assert_eq!((status, &problem["type"]), (400, &json!("urn:peer:invalid")));
}

#[tokio::test]
async fn what_failed_without_effect_may_be_tried_again() {
    let rig = rig().await;
    for (peer, status, kept) in [("nobody", 404, false), ("full", 429, false), ("slow", 504, true)]
    {
        let wake = json!({"peer": peer});
        for count in 1..=2 {
            let answer = post(&rig, "/v1/wake", peer, &wake).await;
            assert_eq!((answer.0, answer.1), (status, kept && count == 2), "{peer}");
        }
        let carried_out = rig.fake.look(|memory| std::mem::take(&mut memory.wakes).len());
        assert_eq!(carried_out, if kept { 1 } else { 2 }, "{peer}");
    }
}

#[tokio::test]
async fn whoever_repeats_a_request_under_way_gets_its_answer() {
    let rig = rig().await;
    // "sleepy" is woken by the second attempt, half a second later.
    let body = json!({"peer": "sleepy", "attempts": 3});
    let many = futures::future::join_all((0..8).map(|_| post(&rig, "/v1/restart", "k", &body)));
    let answers = many.await;
    assert!(answers.iter().all(|answer| answer.0 == 200 && answer.2 == answers[0].2));
    assert_eq!(answers.iter().filter(|answer| !answer.1).count(), 1, "one was the first");
    assert_eq!(rig.fake.look(|memory| memory.wakes.len()), 2);
}

#[tokio::test]
async fn a_request_goes_on_when_its_client_leaves() {
    let rig = rig().await;
    let body = json!({"peer": "sleepy", "attempts": 3}).to_string();
    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    let head = format!(
        "POST /v1/restart HTTP/1.1\r\nhost: a\r\nidempotency-key: k\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    while rig.fake.look(|memory| memory.wakes.is_empty()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    let body = serde_json::from_str(&body).unwrap();
    let (status, replayed, answer) = post(&rig, "/v1/restart", "k", &body).await;
    assert_eq!((status, replayed), (200, true));
    assert_eq!(answer["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(rig.fake.look(|memory| memory.wakes.len()), 2, "not begun anew");
}

/// Long contents wait for room in memory, and only as long as they are there: not for the answers.
#[tokio::test]
async fn long_requests_that_wait_for_their_answers_are_in_nobodys_way() {
    let rig = rig().await;
    let long = "x".repeat(MAX_SMALL_BODY_LEN + 1);
    let body = |peer: &str| json!({"peer": peer, "content": {"text": &long}});
    let silent = body("silent");
    let (first, second) =
        (post(&rig, "/v1/talk", "k1", &silent), post(&rig, "/v1/talk", "k2", &silent));
    let (again, also) =
        (post(&rig, "/v1/talk", "k1", &silent), post(&rig, "/v1/talk", "k2", &silent));
    let waiting = futures::future::join4(first, second, again, also);
    let other = async {
        while rig.fake.look(|memory| memory.unanswered.len()) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answer = post(&rig, "/v1/talk", "k3", &body("entity_b")).await;
        rig.fake.look(|memory| memory.unanswered.clear());
        answer
    };
    let both = futures::future::join(waiting, other);
    let (_, other) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    assert_eq!((other.0, other.1), (200, false), "{other:?}");
}

/// A body of unknown length is a long one once more than a short one has has come.
#[tokio::test]
async fn a_short_body_in_chunks_waits_for_no_room() {
    let rig = rig().await;
    let _all = (Weight::take().await, Weight::take().await);
    let body = report("entity_b", "half").to_string();
    let request = format!(
        "POST /v1/report HTTP/1.1\r\nhost: a\r\nconnection: close\r\nidempotency-key: k\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
