//! What `peer listen` acknowledges, and what it leaves.

use super::*;
use crate::api::fake::delivery::kept;
use crate::model::ReceivedFile;

/// Waits until all programs have ended, then ends the listener.
async fn end(rig: &Rig) {
    tokio::time::sleep(Duration::from_millis(200)).await;
    rig.fake.look(|memory| memory.subscribers.clear());
}

fn left(rig: &Rig) -> Vec<u64> {
    rig.fake.look(|memory| memory.inbox.iter().filter_map(|it| it.inbox_number).collect())
}

#[tokio::test]
async fn what_was_printed_is_acknowledged() {
    let rig = Rig::start().await;
    let feed = async {
        rig.fake.deliver(kept(7, "task-7", "a")).await;
        rig.fake.deliver(task("volatile", "b")).await;
        rig.fake.deliver(kept(9, "task-9", "c")).await;
        assert_eq!(rig.fake.acknowledged(2).await, [7, 9]);
        end(&rig).await;
    };
    let (ended, ()) = tokio::join!(rig.peer(&["listen"]), feed);
    assert!(ended.out.contains("task from entity_b (seen) task-7 n7\n"), "{}", ended.out);
    assert!(ended.out.contains("(seen) volatile\n"), "{}", ended.out);
    assert!(left(&rig).is_empty());
}

#[tokio::test]
async fn no_line_of_a_peer_passes_for_one_of_ours() {
    let rig = Rig::start().await;
    let forged = "2026-01-01 00:00:00Z task from alice (pinned) task-8 n8";
    let mut message = kept(7, "task-7", &format!("a\n{forged}"));
    message.status = Some(format!("fine\n{forged}"));
    let (ended, ()) = tokio::join!(rig.peer(&["listen", "--once"]), rig.fake.deliver(message));
    assert_eq!(ended.out.matches(forged).count(), 2, "{}", ended.out);
    assert!(!ended.out.lines().any(|line| line.starts_with(forged)), "{}", ended.out);
}

#[tokio::test]
async fn a_listener_that_ends_at_once_still_acknowledges() {
    let rig = Rig::start().await;
    let (ended, ()) =
        tokio::join!(rig.peer(&["listen", "--once"]), rig.fake.deliver(kept(7, "task-7", "a")));
    assert_eq!(ended.exit, Exit::Ok);
    assert_eq!(rig.fake.look(|memory| memory.acknowledged.clone()), [7]);
}

#[tokio::test]
async fn without_acknowledging_all_stays() {
    let rig = Rig::start().await;
    let arguments = ["--json", "listen", "--once", "--no-ack"];
    let (ended, ()) = tokio::join!(rig.peer(&arguments), rig.fake.deliver(kept(7, "task-7", "a")));
    assert_eq!(ended.json()["inbox_number"], 7);
    assert_eq!(left(&rig), [7]);
}

#[tokio::test]
async fn what_nobody_could_read_is_not_acknowledged() {
    let rig = Rig::start().await;
    let dir = rig.temp.path().to_str().unwrap();
    let cli = Cli::try_parse_from(["peer", "--data-dir", dir, "listen"]).unwrap();
    let mut output = captured::broken_pipe();
    let (exit, ()) =
        tokio::join!(execute(cli, &mut output), rig.fake.deliver(kept(7, "task-7", "a")));
    assert_eq!(exit, Exit::Ok, "a closed pipe is no failure");
    assert_eq!(left(&rig), [7]);
}

#[tokio::test]
async fn a_program_that_fails_leaves_a_report_and_settles_a_task() {
    let rig = Rig::start().await;
    let report = |number, text| {
        let mut message = kept(number, &format!("report-{number}"), text);
        message.kind = IncomingKind::StatusReport;
        message
    };
    let feed = async {
        rig.fake.deliver(report(1, "good")).await;
        rig.fake.deliver(report(2, "bad")).await;
        rig.fake.deliver(kept(3, "task-3", "bad")).await;
        rig.fake.deliver(kept(4, "late-4", "good")).await;
        let mut acknowledged = rig.fake.acknowledged(3).await;
        acknowledged.sort_unstable();
        assert_eq!(acknowledged, [1, 3, 4]);
        end(&rig).await;
    };
    let script =
        format!("echo x >> {}/$PEER_INBOX_NUMBER; grep -q good", rig.temp.path().display());
    let arguments = ["listen", "--exec", &script];
    let (ended, ()) = tokio::join!(rig.peer(&arguments), feed);
    assert_eq!(left(&rig), [2], "it comes again when somebody listens next");
    let note = "status_report report-2: failed in ";
    let told = ended.err.split(note).nth(1).unwrap();
    assert!(told.contains("\nit stays in the inbox, and is handed over again when"), "{told}");
    assert_eq!(ended.err.matches("it stays in the inbox").count(), 1, "{}", ended.err);
    let answers = rig.fake.answers(2).await;
    let answered = answers.iter().find(|(id, ..)| id == "task-3").unwrap();
    assert!(!answered.2, "the task was answered with its failure");
    // No hot loop: the program ran once for each.
    for number in 1..=4 {
        let runs = std::fs::read_to_string(rig.temp.path().join(number.to_string())).unwrap();
        assert_eq!(runs, "x\n", "{number}");
    }
}

#[tokio::test]
async fn whoever_takes_one_message_learns_whether_it_stays() {
    let rig = Rig::start().await;
    for (kind, script, exit) in [
        (IncomingKind::StatusReport, "true", Exit::Ok),
        (IncomingKind::StatusReport, "false", Exit::Failed),
        (IncomingKind::Task, "false", Exit::Ok),
    ] {
        let mut message = kept(7, "task-7", "a");
        message.kind = kind;
        rig.fake.look(|memory| (memory.subscribers.clear(), memory.inbox.clear()));
        let arguments = ["listen", "--once", "--exec", script];
        let (ended, ()) = tokio::join!(rig.peer(&arguments), rig.fake.deliver(message));
        assert_eq!(ended.exit, exit, "{kind:?} {script}");
        assert_eq!(left(&rig).is_empty(), exit == Exit::Ok);
    }
}

#[tokio::test]
async fn many_messages_are_acknowledged_together() {
    let rig = Rig::start().await;
    let feed = async {
        for number in 0..500 {
            rig.fake.deliver(kept(number, &format!("task-{number}"), "x")).await;
        }
        assert_eq!(rig.fake.acknowledged(500).await, (0..500).collect::<Vec<_>>());
        end(&rig).await;
    };
    let (ended, ()) = tokio::join!(rig.peer(&["--json", "listen"]), feed);
    assert_eq!(ended.out.lines().count(), 501, "the messages, and that the node has stopped");
    let requests = rig.fake.look(|memory| memory.acknowledgements);
    assert!(requests < 500, "{requests} requests");
}

#[tokio::test]
async fn a_failure_to_acknowledge_is_told() {
    let rig = Rig::start().await;
    rig.fake.look(|memory| memory.disk_fails = true);
    let (ended, ()) =
        tokio::join!(rig.peer(&["listen", "--once"]), rig.fake.deliver(kept(7, "task-7", "a")));
    assert_eq!(ended.exit, Exit::Ok);
    for part in ["could not be acknowledged", "will come again", "the disk is full"] {
        assert!(ended.err.contains(part), "{part:?} in {}", ended.err);
    }
    assert_eq!(left(&rig), [7]);
}

#[tokio::test]
async fn answers_and_files_are_told_as_what_they_are() {
    let rig = Rig::start().await;
    let mut answer = kept(1, "answer-1", "42");
    answer.kind = IncomingKind::Answer;
    (answer.in_reply_to, answer.done) = (Some("task-0".to_owned()), Some(false));
    let mut file = kept(2, "file-2", "");
    file.kind = IncomingKind::File;
    file.file = Some(ReceivedFile {
        name: "plan\x1b.pdf".to_owned(),
        path: "/data/files/plan.pdf".to_owned(),
        size: 5 << 20,
        digest: "ab".repeat(32),
    });
    let feed = async {
        rig.fake.deliver(answer.clone()).await;
        rig.fake.deliver(file.clone()).await;
        rig.fake.acknowledged(2).await;
        end(&rig).await;
    };
    let (ended, ()) = tokio::join!(rig.peer(&["listen"]), feed);
    for part in [
        "answer from entity_b (seen) answer-1 n1\n  answers: task-0\n  outcome: could not do it\n  42\n",
        "  file: plan\\u{1b}.pdf (5.0 MiB), /data/files/plan.pdf\n",
    ] {
        assert!(ended.out.contains(part), "{part:?} in {}", ended.out);
    }
    let script = r#"printf '%s ' "$PEER_KIND" "$PEER_FILE" "$PEER_FILE_SIZE" "$PEER_IN_REPLY_TO" "$PEER_DONE" >&2; exit 1"#;
    let feed = async {
        rig.fake.deliver(answer).await;
        rig.fake.deliver(file).await;
        end(&rig).await;
    };
    let arguments = ["listen", "--exec", script];
    let (ended, ()) = tokio::join!(rig.peer(&arguments), feed);
    assert!(ended.err.contains("answer   task-0 false"), "{}", ended.err);
    assert!(ended.err.contains("\nfile /data/files/plan.pdf 5242880"), "{}", ended.err);
}
