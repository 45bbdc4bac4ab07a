use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

fn message_of(body: &Body<'_>) -> Message {
    Message::new(&mut StdRng::seed_from_u64(1), body, None).unwrap()
}

fn there_and_back(body: &Body<'_>) {
    let message = message_of(body);
    let said = outgoing(&message, Some("the question")).unwrap();
    let read = incoming(&said.msg_type, &said.payload).unwrap();
    assert_eq!(read.body, *body, "{said:?}");
    let is_answer =
        matches!(body, Body::TaskResult(_) | Body::WakeUpAck(_) | Body::HeartbeatAck(_));
    assert_eq!(read.in_reply_to, is_answer.then_some("the question"));
    let has_id = matches!(body, Body::Task(_) | Body::WakeUp(_) | Body::Heartbeat(_));
    assert_eq!(read.id.map(str::to_owned), has_id.then(|| message.id.to_string()));
}

fn plain() -> String {
    "text/plain".to_owned()
}

#[test]
fn what_version_1_0_has_words_for_comes_back_as_it_went() {
    there_and_back(&Body::Task(Task {
        name: Some("notes.txt".to_owned()),
        content: b"do it".into(),
        transfer: None,
        content_type: plain(),
        conversation: Some("c1".to_owned()),
    }));
    for outcome in [TaskOutcome::Done, TaskOutcome::Failed] {
        let content = "かんりょう".as_bytes().into();
        let (transfer, content_type) = (None, plain());
        there_and_back(&Body::TaskResult(TaskResult { content, outcome, transfer, content_type }));
    }
    for content in ["", "more"] {
        there_and_back(&Body::StatusReport(StatusReport {
            status: "half way".to_owned(),
            content: content.as_bytes().into(),
            transfer: None,
            next_action: Some("the rest".to_owned()),
            content_type: plain(),
        }));
    }
    there_and_back(&Body::WakeUp(WakeUp { reason: "work".to_owned(), attempt: 1 }));
    for outcome in [WakeOutcome::HandedToAgent, WakeOutcome::NoAgent, WakeOutcome::Refused] {
        there_and_back(&Body::WakeUpAck(WakeUpAck { detail: "told".to_owned(), outcome }));
    }
    // Version 1.0 has no word for it.
    let awake = WakeUpAck { detail: String::new(), outcome: WakeOutcome::Awake };
    let message = message_of(&Body::WakeUpAck(awake));
    let said = outgoing(&message, None).unwrap();
    assert_eq!(said.payload.get("status").and_then(Value::as_str), Some("handed_to_agent"));
    there_and_back(&Body::Heartbeat(Heartbeat {}));
    for agent in [AgentLife::Attached, AgentLife::Absent] {
        let ack = HeartbeatAck { agent, uptime_ms: 7, agent_idle_ms: Some(3) };
        there_and_back(&Body::HeartbeatAck(ack));
    }
}

#[test]
fn what_is_not_text_or_too_large_or_unknown_is_refused() {
    let task = |content: &[u8]| {
        let task = Task { content: content.to_vec().into(), ..Task::default() };
        outgoing(&message_of(&Body::Task(task)), None)
    };
    assert!(task(&[b'x'; 60_000]).is_ok());
    assert!(
        matches!(task(b"\xff\xfe"), Err(NodeError::Invalid { detail }) if detail.contains("UTF-8"))
    );
    for large in [vec![b'x'; 70_000], vec![b'x'; MAX_MESSAGE_LEN], "日".repeat(11_000).into()] {
        let refused = task(&large);
        assert!(
            matches!(&refused, Err(NodeError::TooLarge { detail }) if detail.contains("65536")),
            "{refused:?}"
        );
    }
    let query = Body::CapabilityQuery(peer_protocol::message::CapabilityQuery::default());
    assert!(matches!(outgoing(&message_of(&query), None), Err(NodeError::Invalid { .. })));
}

#[test]
fn other_peers_words_are_understood() {
    let structured = Object::from([("task".to_owned(), "sum".into())]);
    let payload = Object::from([("message".to_owned(), Value::Object(structured))]);
    let read = incoming("task_delegate", &payload).unwrap();
    let Body::Task(task) = read.body else { panic!() };
    assert_eq!(&*task.content, br#"{"task":"sum"}"#);
    assert_eq!((read.id, task.conversation), (None, None));

    let empty = Object::new();
    assert!(matches!(incoming("wake_up", &empty).unwrap().body, Body::WakeUp(_)));
    assert!(matches!(incoming("heartbeat_ack", &empty).unwrap().body, Body::HeartbeatAck(_)));
    for msg_type in ["task_delegate", "task_result", "status_report", "invent"] {
        let Err(report) = incoming(msg_type, &empty) else { panic!("{msg_type}") };
        assert_eq!(report.code, ErrorCode::InvalidVersion);
        assert!(report.detail.contains(msg_type), "{}", report.detail);
    }
}

#[test]
fn metadata_of_a_report_is_kept() {
    let metadata = Object::from([("files".to_owned(), number(3))]);
    let payload = Object::from([
        ("status".to_owned(), "ok".into()),
        ("metadata".to_owned(), Value::Object(metadata)),
    ]);
    let Body::StatusReport(report) = incoming("status_report", &payload).unwrap().body else {
        panic!()
    };
    assert_eq!(&*report.content, br#"{"files":3}"#);
}
