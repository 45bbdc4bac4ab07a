//! What happens, as clients follow it.

use super::*;
use crate::NodeEvent;
use crate::model::{EventLine, Reset, ResetReason};

fn lost(peer: &(impl ToString + ?Sized)) -> NodeEvent {
    NodeEvent::Disconnected { peer_id: peer.to_string() }
}

fn agents(count: usize) -> NodeEvent {
    NodeEvent::Agents { count }
}

async fn event(stream: &mut EventStream) -> NodeEvent {
    match tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap().unwrap() {
        Told::Event(line) => line.event,
        Told::Reset(reset) => panic!("{reset:?}"),
    }
}

async fn reset(stream: &mut EventStream) -> ResetReason {
    match tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap().unwrap() {
        Told::Event(line) => panic!("{line:?}"),
        Told::Reset(Reset { reason }) => reason,
    }
}

/// Tells an event, and waits until a client has got it.
async fn tell(rig: &Rig, stream: &mut EventStream, told: NodeEvent) {
    rig.fake.tell(told.clone());
    assert_eq!(event(stream).await, told);
}

#[tokio::test]
async fn events_come_in_order_and_each_client_goes_on_where_it_was() {
    let rig = rig().await;
    let client = &rig.client;
    let mut stream = client.events(&[], None).await.unwrap();
    tell(&rig, &mut stream, lost("a")).await;
    let here = stream.last_id().unwrap().to_owned();
    drop(stream);
    for number in 0..100 {
        rig.fake.tell(lost(&number));
    }
    for _ in 0..2 {
        let mut stream = client.events(&[], Some(&here)).await.unwrap();
        for number in 0..100 {
            assert_eq!(event(&mut stream).await, lost(&number));
        }
    }
    rig.client.shutdown().await.unwrap();
    let mut stream = rig.client.events(&[], Some(&here)).await.unwrap();
    for _ in 0..100 {
        event(&mut stream).await;
    }
    assert!(matches!(stream.next().await, Err(ClientError::Stopped { .. })));
}

#[tokio::test]
async fn a_client_has_a_place_to_go_on_from_before_anything_happens() {
    let rig = rig().await;
    let mut first = rig.client.events(&[], None).await.unwrap();
    let mut second = rig.client.events(&["agents"], None).await.unwrap();
    tell(&rig, &mut first, lost("a")).await;
    tell(&rig, &mut second, agents(1)).await;
    assert_eq!(event(&mut first).await, agents(1));
    assert_eq!(first.last_id(), second.last_id(), "one numbering for all");

    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    while !text.contains("id: ") {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains(&format!("id: {}\n\n", first.last_id().unwrap())), "{text}");
}

#[tokio::test]
async fn only_kinds_that_were_asked_for_are_told() {
    let rig = rig().await;
    let mut stream = rig.client.events(&["agents", "outbox"], None).await.unwrap();
    for number in 0..200 {
        rig.fake.tell(lost(&number));
    }
    tell(&rig, &mut stream, agents(2)).await;
    let (status, _, answer) = raw(&rig, "GET", "/v1/events?kinds=agents,nonsense", b"").await;
    let problem: Problem = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 400);
    for part in ["\"nonsense\"", "handshake_step", "transfer"] {
        assert!(problem.detail.contains(part), "{}", problem.detail);
    }
}

#[tokio::test]
async fn who_missed_something_begins_anew() {
    let rig = rig().await;
    let client = &rig.client;
    let mut stream = client.events(&[], None).await.unwrap();
    tell(&rig, &mut stream, agents(0)).await;
    let here = stream.last_id().unwrap().to_owned();

    // The bounds of the log push it out.
    for number in 0..5000 {
        tell(&rig, &mut stream, lost(&number)).await;
    }
    let mut late = client.events(&[], Some(&here)).await.unwrap();
    assert_eq!(reset(&mut late).await, ResetReason::TooOld);
    assert_eq!(late.last_id(), stream.last_id(), "it goes on from now");
    tell(&rig, &mut late, agents(1)).await;

    let (run, number) = here.split_once('-').unwrap();
    let other = format!("{:08x}-{number}", u32::from_str_radix(run, 16).unwrap() ^ 1);
    let mut other = client.events(&[], Some(&other)).await.unwrap();
    assert_eq!(reset(&mut other).await, ResetReason::OtherRun);
    let mut never = client.events(&[], Some(&format!("{run}-99999"))).await.unwrap();
    assert_eq!(reset(&mut never).await, ResetReason::TooOld);

    for id in ["nonsense", "1-1", "00000000-x"] {
        let refused = client.events(&[], Some(id)).await.unwrap_err().into_failure();
        assert_eq!(refused.kind, "invalid", "{id}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_nothing_and_hears_of_it() {
    let rig = rig().await;
    let mut quick = rig.client.events(&[], None).await.unwrap();
    let mut slow = rig.client.events(&[], None).await.unwrap();
    tell(&rig, &mut quick, agents(0)).await;
    assert_eq!(event(&mut slow).await, agents(0));
    // More than its connection takes and the log keeps.
    let long = "x".repeat(16 << 10);
    for _ in 0..1000 {
        tell(&rig, &mut quick, lost(&long)).await;
    }
    let mut got = 0;
    loop {
        match slow.next().await.unwrap() {
            Told::Event(_) => got += 1,
            Told::Reset(reset) => {
                assert_eq!(reset.reason, ResetReason::TooOld);
                break;
            }
        }
    }
    assert!(got < 1000, "{got}");
    tell(&rig, &mut slow, agents(1)).await;
}

#[test]
fn events_are_named_in_json_as_the_filter_names_them() {
    for event in [lost("a"), agents(1), NodeEvent::Route { peer_id: String::new(), hops: 2 }] {
        let line = EventLine { at: peer_protocol::time::Timestamp::from_millis(5), event };
        let value = serde_json::to_value(&line).unwrap();
        assert_eq!(value["event"], line.event.kind());
        assert_eq!(value["at"], 5);
        assert!(NodeEvent::KINDS.contains(&line.event.kind()));
        assert_eq!(serde_json::from_value::<EventLine>(value).unwrap(), line);
    }
    let outbox = NodeEvent::Outbox {
        message_id: "m".to_owned(),
        peer: entity("entity_b"),
        peer_id: "p".to_owned(),
        status: Delivery::Failed { code: ErrorCode::RateLimited, detail: "no".to_owned() },
    };
    let value = serde_json::to_value(&outbox).unwrap();
    assert_eq!((&value["event"], &value["status"]), (&json!("outbox"), &json!("failed")));
    assert_eq!(serde_json::from_value::<NodeEvent>(value).unwrap(), outbox);
}

#[tokio::test]
async fn a_listener_that_comes_back_says_how_far_it_got() {
    let rig = rig().await;
    let mut messages = rig.client.messages(None).await.unwrap();
    rig.fake.deliver(task("volatile", "x")).await;
    messages.next().await.unwrap();
    assert_eq!(messages.last_id(), None, "it is not in the inbox");
    let kept = crate::model::Incoming { inbox_number: Some(17), ..task("task-1", "x") };
    rig.fake.deliver(kept).await;
    messages.next().await.unwrap();
    assert_eq!(messages.last_id(), Some("n17"));

    let _again = rig.client.messages_after(Some(3), Some("n17")).await.unwrap();
    assert_eq!(rig.fake.look(|memory| memory.after.clone()), [None, Some(17)]);
    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    let head = "GET /v1/messages?again=true HTTP/1.1\r\nhost: a\r\nlast-event-id: n17\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    assert_eq!(rig.fake.look(|memory| memory.after[2]), None);

    for id in ["17", "n", "abcdef", "nx"] {
        let refused = rig.client.messages_after(None, Some(id)).await.unwrap_err().into_failure();
        assert_eq!(refused.kind, "invalid", "{id}");
    }
}
