//! Outbox, inbox and traces over the socket.

use super::*;
use crate::api::fake::Options;
use crate::api::fake::delivery::{BEHIND, DELIVERED, FAILED, QUEUED, SENT, kept};
use crate::model::{IdPrefix, InboxId, ReportOptions, TalkOptions, Wait};

fn id(text: &str) -> IdPrefix {
    text.parse().unwrap()
}

async fn get(rig: &Rig, path: &str) -> (u16, Value) {
    let (status, _, body) = raw(rig, "GET", path, b"").await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn numbers(count: u64) -> Vec<crate::model::Incoming> {
    let message = |number| kept(number, &format!("{number:08x}-0000-4000-8000-000000000000"), "x");
    (1..=count).map(message).collect()
}

#[tokio::test]
async fn the_outbox_is_listed_as_people_and_programs_need_it() {
    let rig = rig().await;
    let (status, page) = get(&rig, "/v1/outbox").await;
    assert_eq!((status, &page["total"], &page["next"]), (200, &3.into(), &Value::Null));
    assert_eq!(
        page["items"][0],
        json!({
            "message_id": QUEUED, "peer": "entity_b", "peer_id": fake::PEER_ID,
            "kind": "task", "size": 2100, "status": "queued",
            "created": 1_700_000_000_000_u64, "expires": 32_503_680_000_000_u64,
            "attempts": 0, "number": 7, "waits_for": "no connection: connection refused",
        })
    );
    let (_, all) = get(&rig, "/v1/outbox?all=true").await;
    assert_eq!(all["total"], 5);
    let failed = &all["items"][3];
    assert_eq!(failed["message_id"], FAILED);
    assert_eq!((&failed["status"], &failed["code"]), (&"failed".into(), &"INVALID_STATE".into()));
    assert!(failed["detail"].is_string() && failed["waits_for"].is_null(), "{failed}");

    let ask = Outbox { peer: Some("entity_b".to_owned()), ..Outbox::default() };
    let page = rig.client.outbox(&ask).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|line| line.message_id.as_str()).collect();
    assert_eq!(ids, [QUEUED, BEHIND]);
    let strange = Outbox { peer: Some("a b&all=true#é".to_owned()), ..Outbox::default() };
    assert_eq!(rig.client.outbox(&strange).await.unwrap().items, []);
    let nobody = Outbox { peer: Some("nobody".to_owned()), ..Outbox::default() };
    let failure = rig.client.outbox(&nobody).await.unwrap_err().into_failure();
    assert_eq!(failure.kind, "unknown_peer");
}

#[tokio::test]
async fn pages_follow_each_other_and_leave_nothing_out() {
    let rig = rig().await;
    rig.fake.look(|memory| memory.inbox = numbers(7));
    let (mut ids, mut ask) =
        (Vec::new(), Outbox { all: true, limit: Some(2), ..Outbox::default() });
    loop {
        let page = rig.client.outbox(&ask).await.unwrap();
        assert!(page.items.len() <= 2 && page.total == 5);
        ids.extend(page.items.into_iter().map(|line| line.message_id));
        ask.after = page.next;
        if ask.after.is_none() {
            break;
        }
    }
    assert_eq!(ids, [SENT, BEHIND, QUEUED, FAILED, DELIVERED]);

    let (mut found, mut ask) = (Vec::new(), Inbox { limit: Some(3), ..Inbox::default() });
    loop {
        let page = rig.client.inbox(&ask).await.unwrap();
        assert!(page.items.len() <= 3 && page.total == 7);
        found.extend(page.items.iter().map(|line| line.number));
        ask.after = page.next.map(|next| next.parse().unwrap());
        if ask.after.is_none() {
            break;
        }
    }
    assert_eq!(found, (1..=7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_is_named_by_how_its_id_begins() {
    let rig = rig().await;
    let message = rig.client.outbox_message(&id("9d00aa")).await.unwrap();
    assert_eq!(message.message.message_id, SENT);
    assert_eq!(message.status.as_deref(), Some("half done"));
    let settled = rig.client.outbox_message(&id(DELIVERED)).await.unwrap();
    assert_eq!((settled.content, settled.status), (None, None));

    for path in ["/v1/outbox/3f2a", "/v1/messages/3F2A/trace"] {
        let (status, problem) = get(&rig, path).await;
        assert_eq!((status, &problem["type"]), (409, &"urn:peer:ambiguous".into()), "{path}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(QUEUED) && detail.contains(BEHIND), "{detail}");
        assert!(!detail.contains(SENT), "{detail}");
    }
    for (path, status, kind) in [
        ("/v1/outbox/abcd", 404, "no_such_message"),
        ("/v1/outbox/abc", 400, "invalid"),
        ("/v1/outbox/n17", 400, "invalid"),
        ("/v1/outbox/%ff", 400, "invalid"),
        ("/v1/inbox/n17", 404, "no_such_message"),
        ("/v1/inbox/17", 400, "invalid"),
        ("/v1/messages/xyzw/trace", 400, "invalid"),
    ] {
        let (found, problem) = get(&rig, path).await;
        assert_eq!(
            (found, &problem["type"]),
            (status, &format!("urn:peer:{kind}").into()),
            "{path}"
        );
        assert!(problem["next"].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn bad_queries_are_refused_with_the_reason() {
    let rig = rig().await;
    for (path, reason) in [
        ("/v1/outbox?limit=0", "a limit of 0: expected 1 to 1000"),
        ("/v1/inbox?limit=1001", "a limit of 1001"),
        ("/v1/outbox?limit=-1", "query"),
        ("/v1/outbox?pear=x", "unknown field `pear`"),
        ("/v1/inbox?after=abc", "query"),
        ("/v1/messages?limit=x", "query"),
    ] {
        let (status, head, body) = raw(&rig, "GET", path, b"").await;
        assert!(head.contains("content-type: application/problem+json"), "{path}: {head}");
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 400);
        assert!(problem.detail.contains(reason), "{path}: {}", problem.detail);
    }
}

#[tokio::test]
async fn what_was_never_sent_is_cancelled_and_of_the_rest_nobody_can_tell() {
    let rig = rig().await;
    let cancelled = rig.client.cancel(&id(QUEUED)).await.unwrap();
    assert_eq!((cancelled.status, cancelled.waits_for), (Delivery::Cancelled, None));
    assert_eq!(rig.client.cancel(&id(SENT)).await.unwrap().status, Delivery::Unknown);
    for settled in [QUEUED, SENT, DELIVERED] {
        let path = format!("/v1/outbox/{settled}/cancel");
        let refused = problem(&rig, &path, b"", 409).await;
        assert_eq!(refused.kind, "urn:peer:settled");
        assert_eq!(refused.message_id.as_deref(), Some(settled));
        let failure = rig.client.retry(&id(settled)).await.unwrap_err().into_failure();
        assert_eq!((failure.kind.as_str(), failure.message_id), ("settled", Some(settled.into())));
    }
    assert_eq!(rig.client.retry(&id(BEHIND)).await.unwrap().message_id, BEHIND);
    let ask = RetryPeer { peer: "entity_b".to_owned() };
    assert_eq!(rig.client.retry_peer(&ask).await.unwrap().messages, 1);
}

#[tokio::test]
async fn what_is_acknowledged_leaves_the_inbox_once() {
    let rig = rig().await;
    rig.fake.look(|memory| memory.inbox = numbers(4));
    let ask = |ids: &[&str]| Acknowledge { ids: ids.iter().map(ToString::to_string).collect() };
    let done = rig.client.acknowledge(&ask(&["n1", "00000002", "n9", "dead"])).await.unwrap();
    let ids: Vec<_> = done.ids.iter().map(|id| &id[..8]).collect();
    assert_eq!(ids, ["00000001", "00000002"]);
    assert_eq!((done.already, done.unknown), (vec![], vec!["n9".to_owned(), "dead".to_owned()]));
    let done = rig.client.acknowledge(&ask(&["n1"])).await.unwrap();
    assert_eq!((done.ids, done.already), (vec![], vec!["n1".to_owned()]));

    // One that is ambiguous, or no name at all: nothing is acknowledged.
    for (ids, kind) in
        [(&["n3", "0000"][..], "ambiguous"), (&["n3", "3"], "invalid"), (&[], "invalid")]
    {
        let failure = rig.client.acknowledge(&ask(ids)).await.unwrap_err().into_failure();
        assert_eq!(failure.kind, kind, "{ids:?}");
    }
    let many = Acknowledge { ids: vec!["n3".to_owned(); 1001] };
    let failure = rig.client.acknowledge(&many).await.unwrap_err().into_failure();
    assert!(failure.detail.contains("1001 messages"), "{}", failure.detail);
    let left: Vec<_> = rig.fake.look(|memory| memory.inbox.clone());
    assert_eq!(left.iter().map(|it| it.inbox_number).collect::<Vec<_>>(), [Some(3), Some(4)]);
    let shown = rig.client.inbox_message(&InboxId::Number(3)).await.unwrap();
    assert_eq!((shown, rig.fake.look(|memory| memory.inbox.len())), (left[0].clone(), 2));
}

#[tokio::test]
async fn a_trace_is_told_step_by_step() {
    let rig = rig().await;
    let (_, trace) = get(&rig, "/v1/messages/c0ffee00/trace").await;
    assert_eq!((&trace["direction"], &trace["status"]), (&"sent".into(), &"delivered".into()));
    assert_eq!(trace["steps"][0], json!({"at": 1_700_000_000_000_u64, "step": "accepted"}));
    let at = |index: usize| {
        let mut step = trace["steps"][index].clone();
        step.as_object_mut().unwrap().remove("at");
        step
    };
    assert_eq!(at(2), json!({"step": "transmitted", "attempt": 1}));
    assert_eq!(at(5), json!({"step": "paced", "retry_after_ms": 12_000}));
    assert_eq!(at(7), json!({"step": "became", "status": "delivered"}));
    let typed = rig.client.trace(&id("c0ffee00")).await.unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), trace);
}

#[tokio::test]
async fn how_to_deliver_reaches_the_node() {
    let rig = rig().await;
    let body = json!({"peer": "entity_b", "status": "x", "wait": "processed", "ttl_ms": 5000});
    let (status, _, answer) = raw(&rig, "POST", "/v1/report", body.to_string().as_bytes()).await;
    let reported: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &reported["status"]), (200, &"processed".into()));
    assert_eq!(reported["message_id"], QUEUED);
    let ttl = Some(Duration::from_secs(5));
    let timeout = DEFAULT_TIMEOUT;
    let expected = ReportOptions { ttl, wait: Wait::Processed, timeout };
    assert_eq!(rig.fake.look(|memory| memory.options.remove(0)), Options::Report(expected));

    let body = json!({"peer": "entity_b", "content": {"text": "x"}, "volatile": true});
    raw(&rig, "POST", "/v1/talk", body.to_string().as_bytes()).await;
    let expected = TalkOptions { ttl: None, volatile: true, timeout };
    assert_eq!(rig.fake.look(|memory| memory.options.remove(0)), Options::Talk(expected));

    for (path, body, reason) in [
        ("/v1/report", json!({"peer": "a", "status": "x", "ttl_ms": 0}), "time to live of 0 ms"),
        (
            "/v1/talk",
            json!({"peer": "a", "content": {"text": ""}, "ttl_ms": 2_592_000_001_u64}),
            "30 days",
        ),
        ("/v1/report", json!({"peer": "a", "status": "x", "wait": "gone"}), "unknown variant"),
    ] {
        let refused = problem(&rig, path, body.to_string().as_bytes(), 400).await;
        assert!(refused.detail.contains(reason), "{}", refused.detail);
    }
    assert_eq!(rig.fake.look(|memory| memory.options.len()), 0);
}

#[tokio::test]
async fn a_task_without_an_answer_yet_can_be_followed() {
    let rig = rig().await;
    let content = || Content::from_bytes(b"x");
    let failure = rig.client.talk(&talk("slow", content())).await.unwrap_err().into_failure();
    assert_eq!((failure.kind.as_str(), failure.message_id.as_deref()), ("timeout", Some(SENT)));
    for part in ["its node has the task", "will be in the inbox", SENT] {
        assert!(failure.detail.contains(part), "{}", failure.detail);
    }
    assert!(failure.next.contains("peer trace"), "{}", failure.next);
    let volatile = Talk { volatile: true, ..talk("slow", content()) };
    let failure = rig.client.talk(&volatile).await.unwrap_err().into_failure();
    assert_eq!((failure.kind.as_str(), failure.message_id), ("timeout", None));
    assert!(!failure.detail.contains("inbox"), "{}", failure.detail);
}
