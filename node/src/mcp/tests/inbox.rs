//! Reading, answering, acknowledging.

use serde_json::json;

use super::rig;
use crate::api::fake::{delivery::kept, task};
use crate::model::{Incoming, IncomingKind};

const LATE: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test]
async fn messages_are_read_answered_and_acknowledged() {
    let rig = rig().await;
    let report = Incoming {
        kind: IncomingKind::StatusReport,
        status: Some("half \u{1b}[2J".to_owned()),
        ..kept(8, LATE, "")
    };
    rig.fake.look(|memory| memory.inbox = vec![kept(7, "task-7", "what?"), report]);
    let read = rig.good("read_inbox", json!({})).await;
    let [first, second] = read["messages"].as_array().unwrap().as_slice() else { panic!("{read}") };
    assert_eq!((&first["message"], &first["needs_answer"]), (&json!("n7"), &json!(true)));
    assert_eq!((&first["trust"], &first["peer_wrote"]["text"]), (&json!("seen"), &json!("what?")));
    assert_eq!(
        (&second["kind"], &second["needs_answer"]),
        (&json!("status_report"), &json!(false))
    );
    assert_eq!(second["peer_wrote"]["status"], "half \\u{1b}[2J");

    let page = rig.good("read_inbox", json!({"limit": 1})).await;
    assert_eq!((page["messages"].as_array().unwrap().len(), &page["next_after"]), (1, &json!(7)));
    let rest = rig.good("read_inbox", json!({"after": 7})).await;
    assert_eq!(rest["messages"][0]["message"], "n8");

    let (said, _) = rig.bad("answer_task", json!({"message": "n8", "answer": "x"})).await;
    assert!(said.contains("status_report") && said.contains("acknowledge"), "{said}");
    let answered = rig.good("answer_task", json!({"message": "n7", "answer": "that"})).await;
    assert_eq!(answered, json!({"message_id": "task-7", "accepted": true}));
    let answers = rig.fake.answers(1).await;
    assert_eq!((answers[0].1.text.as_deref(), answers[0].2), (Some("that"), true));
    let (said, kind) = rig.bad("answer_task", json!({"message": LATE, "answer": "x"})).await;
    assert!(kind == "no_such_task" && said.contains("read_inbox"), "{said}");

    let done = rig.good("acknowledge", json!({"messages": ["n8", "n99"]})).await;
    assert_eq!(done, json!({"acknowledged": [LATE], "already": [], "unknown": ["n99"]}));
    let again = rig.good("acknowledge", json!({"messages": ["n8"]})).await;
    assert_eq!(again["already"], json!(["n8"]));
}

#[tokio::test]
async fn an_answer_has_bounded_length_and_the_rest_can_be_had() {
    let rig = rig().await;
    let messages = vec![kept(1, "task-1", "abcdef"), kept(2, "task-2", "ghi")];
    rig.fake.look(|memory| memory.inbox = messages);
    let read = rig.good("read_inbox", json!({"max_chars": 4})).await;
    assert_eq!(read["messages"][0]["peer_wrote"], json!({"text": "abcd", "next_offset": 4}));
    assert_eq!((read["messages"].as_array().unwrap().len(), &read["next_after"]), (1, &json!(1)));
    let most = rig.good("read_inbox", json!({"max_chars": 7})).await;
    assert_eq!(most["messages"][1]["peer_wrote"], json!({"text": "g", "next_offset": 1}));
    assert!(most.get("next_after").is_none(), "{most}");
    let rest = rig.good("read_inbox", json!({"message": "n1", "offset": 4})).await;
    assert_eq!(rest["messages"][0]["peer_wrote"], json!({"text": "ef"}));
    for ask in [
        json!({"limit": 51}),
        json!({"max_chars": 0}),
        json!({"offset": 1}),
        json!({"wait_seconds": 5, "from": "entity_b"}),
        json!({"wait_seconds": 0}),
        json!({"message": "zz"}),
    ] {
        assert_eq!(rig.bad("read_inbox", ask.clone()).await.1, "invalid", "{ask}");
    }
}

#[tokio::test]
async fn waiting_ends_with_the_next_message_or_without_one() {
    let rig = rig().await;
    let wake = Incoming { kind: IncomingKind::WakeUp, ..task("task-9", "go on") };
    let (read, ()) =
        tokio::join!(rig.good("read_inbox", json!({"wait_seconds": 30})), rig.fake.deliver(wake));
    let message = &read["messages"][0];
    assert_eq!((&message["kind"], &message["kept"]), (&json!("wake_up"), &json!(false)));
    assert_eq!(message["message"], "task-9");
    let nothing = rig.good("read_inbox", json!({"wait_seconds": 1})).await;
    assert_eq!(nothing, json!({"messages": []}));
}
