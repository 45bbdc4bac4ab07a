//! Outbox, inbox, traces and reports against a fake node.

use super::*;
use crate::api::fake::Options;
use crate::api::fake::delivery::{BEHIND, DELIVERED, QUEUED, SENT, kept};
use crate::model::{ReportOptions, TalkOptions, Wait};

/// A table's cells; no cell has two spaces in a row.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

fn fill_inbox(rig: &Rig, count: u64) {
    let message = |number| kept(number, &format!("{number:08x}-0000-4000-8000-000000000000"), "x");
    rig.fake.look(|memory| memory.inbox = (1..=count).map(message).collect());
}

#[tokio::test]
async fn the_outbox_says_why_each_message_waits() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["outbox"]).await;
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Ok, ""));
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.out);
    assert_eq!(
        cells(lines[0]),
        ["MESSAGE", "TO", "KIND", "SIZE", "STATUS", "ACCEPTED", "EXPIRES", "TRIES", "WAITS FOR"]
    );
    let first = cells(lines[1]);
    assert_eq!(first[..5], ["3f2a91c0", "entity_b", "task", "2.0 KiB", "queued"]);
    assert!(first[5].ends_with(" ago") && first[6].starts_with("in "), "{first:?}");
    assert_eq!(first[7..], ["0", "no connection: connection refused"]);
    assert_eq!(cells(lines[2])[2..5], ["report", "2.0 KiB", "queued"]);
    assert_eq!(cells(lines[2])[8], "behind 1 other");
    assert_eq!(rig.peer(&["outbox", "list"]).await.out, ended.out);

    let all = rig.peer(&["outbox", "--all"]).await.out;
    assert_eq!(all.lines().count(), 6, "{all}");
    let failed = all.lines().find(|line| line.starts_with("badc0de0")).unwrap();
    assert_eq!(cells(failed)[8], "INVALID_STATE: not \\u{1b}[31mtaken here");
    assert_eq!(cells(failed)[6], "-", "what is settled does not expire");
    let peer = rig.peer(&["outbox", "list", "--peer", "entity_d"]).await.out;
    assert_eq!(peer.lines().count(), 2, "{peer}");
    assert_eq!(rig.peer(&["outbox", "--peer", "nobody"]).await.exit, Exit::Unreachable);

    let json = rig.peer(&["--json", "outbox", "--all", "--limit", "2"]).await.json();
    assert_eq!((&json["total"], &json["next"]), (&5.into(), &BEHIND.into()));
    assert_eq!(
        (&json["items"][0]["size"], &json["items"][0]["status"]),
        (&2100.into(), &"sent".into())
    );
}

#[tokio::test]
async fn long_lists_say_how_to_go_on() {
    let rig = Rig::start().await;
    let first = rig.peer(&["outbox", "--limit", "2"]).await.out;
    let hint = format!("2 of 3; the rest with --after {BEHIND}, or more at once with --limit\n");
    assert!(first.ends_with(&hint), "{first}");
    let rest = rig.peer(&["outbox", "--after", BEHIND]).await.out;
    assert_eq!(rest.lines().count(), 2, "{rest}");
    assert!(rest.contains("9d00aa10") && !rest.contains("--after"), "{rest}");
    fill_inbox(&rig, 5);
    let first = rig.peer(&["inbox", "--limit", "3"]).await.out;
    assert!(first.contains("3 of 5; the rest with --after 3,"), "{first}");
    assert_eq!(rig.peer(&["inbox", "--after", "3"]).await.out.lines().count(), 3);
    let refused = rig.peer(&["inbox", "--limit", "1001"]).await;
    assert_eq!(refused.exit, Exit::Usage);
}

#[tokio::test]
async fn empty_lists_say_what_to_do_next() {
    let rig = Rig::start().await;
    rig.fake.look(|memory| memory.outbox.clear());
    for (arguments, parts) in [
        (&["outbox"][..], ["nothing waits to be sent", "peer outbox --all"]),
        (&["outbox", "--all"], ["nothing was sent lately", "peer report"]),
        (&["inbox"], ["nothing waits for the agent", "peer listen"]),
    ] {
        let ended = rig.peer(arguments).await;
        assert_eq!(ended.exit, Exit::Ok);
        assert!(parts.iter().all(|part| ended.out.contains(part)), "{}", ended.out);
    }
    let json = rig.peer(&["--json", "inbox"]).await.json();
    assert_eq!(json, serde_json::json!({"items": [], "total": 0}));
}

#[tokio::test]
async fn colours_mark_a_status_where_they_are_shown() {
    // The table has them; the output takes them away where nobody sees them, as all tests here do.
    let text =
        text::painted(&["A", "B"], vec![vec!["x".into(), "failed".into()]], |column, text| {
            super::super::delivery::color(text).filter(|_| column == 1)
        });
    assert!(text.contains("\x1b[") && text.contains("failed"), "{text:?}");
    let rig = Rig::start().await;
    let all = rig.peer(&["outbox", "--all"]).await.out;
    assert!(!all.contains('\x1b'), "{all:?}");
}

#[tokio::test]
async fn a_message_is_shown_with_what_it_says() {
    let rig = Rig::start().await;
    let shown = rig.peer(&["outbox", "show", "3f2a9"]).await.out;
    for part in [
        QUEUED,
        "to         entity_b (12D3KooW",
        "kind       task, 2.0 KiB",
        "status     queued: on disk here, not sent yet",
        "waits for  no connection: connection refused",
        "says       half done",
        "2023-11-14 22:13:20Z (",
        "\n  line 1\n  line 2 \\u{1b}[2J\n",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    let settled = rig.peer(&["outbox", "show", DELIVERED]).await.out;
    assert!(settled.contains("no longer kept") && !settled.contains("expires"), "{settled}");
}

#[tokio::test]
async fn an_ambiguous_beginning_lists_the_candidates() {
    let rig = Rig::start().await;
    for arguments in
        [["outbox", "show", "3f2a"].as_slice(), &["trace", "3F2A"], &["outbox", "cancel", "3f2a"]]
    {
        let ended = rig.peer(arguments).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Usage, ""), "{arguments:?}");
        assert!(ended.err.contains(QUEUED) && ended.err.contains(BEHIND), "{}", ended.err);
        assert!(ended.err.contains("next: give more of the id"), "{}", ended.err);
    }
    let unknown = rig.peer(&["trace", "abcd"]).await;
    assert_eq!(unknown.exit, Exit::Failed);
    assert!(unknown.err.contains("no message abcd is kept here"), "{}", unknown.err);
    for bad in ["abc", "hello", "n17"] {
        let parsed = Cli::try_parse_from(["peer", "trace", bad]).unwrap_err().to_string();
        assert!(parsed.contains("at least 4 hex digits"), "{parsed}");
    }
}

#[tokio::test]
async fn messages_are_withdrawn_each_for_itself() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["outbox", "cancel", QUEUED, DELIVERED, SENT]).await;
    assert_eq!(ended.exit, Exit::Failed, "one of them was settled");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[0], "3f2a91c0 to entity_b is cancelled: withdrawn before it was sent");
    assert!(lines[1].starts_with("9d00aa10 to entity_d is unknown: "), "{}", ended.out);
    assert!(ended.err.contains("is delivered already"), "{}", ended.err);
    let json = rig.peer(&["--json", "outbox", "cancel", BEHIND, DELIVERED]).await;
    assert_eq!(json.exit, Exit::Failed);
    let json = json.json();
    assert_eq!(json["messages"][0]["status"], "cancelled");
    assert_eq!(
        (&json["errors"][0]["id"], &json["errors"][0]["error"]["kind"]),
        (&DELIVERED.into(), &"settled".into())
    );
    assert_eq!(rig.peer(&["outbox"]).await.out.lines().count(), 1, "nothing waits any more");
}

#[tokio::test]
async fn messages_are_tried_again_by_id_and_by_peer() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["outbox", "retry", BEHIND, SENT]).await;
    assert_eq!(ended.exit, Exit::Ok);
    assert_eq!(
        ended.out,
        "3f2a7b11 to entity_b is tried again now\n9d00aa10 to entity_d is tried again now\n"
    );
    let peer = rig.peer(&["outbox", "retry", "--peer", "entity_b"]).await;
    assert_eq!(peer.out, "2 messages to entity_b are tried again now\n");
    let nothing = rig.peer(&["outbox", "retry", "--peer", "entity_c"]).await;
    assert_eq!(nothing.out, "nothing waits for entity_c\n");
    assert!(Cli::try_parse_from(["peer", "outbox", "retry"]).is_err());
    assert!(Cli::try_parse_from(["peer", "outbox", "retry", QUEUED, "--peer", "b"]).is_err());
}

#[tokio::test]
async fn the_inbox_is_listed_shown_and_acknowledged() {
    let rig = Rig::start().await;
    fill_inbox(&rig, 3);
    let ended = rig.peer(&["inbox"]).await;
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(cells(lines[0]), ["NUMBER", "MESSAGE", "FROM", "KIND", "SIZE", "RECEIVED", "STATE"]);
    assert_eq!(cells(lines[1])[..5], ["n1", "00000001", "entity_b", "task", "1 B"]);
    assert_eq!(cells(lines[1])[6], "waits");
    let shown = rig.peer(&["inbox", "show", "n2"]).await.out;
    assert!(shown.contains("number    n2\n") && shown.ends_with("\n  x\n"), "{shown}");
    assert!(shown.contains("from      entity_b (seen)"), "{shown}");
    assert_eq!(rig.peer(&["inbox", "show", "n2", "--content"]).await.out, "x");

    let done = rig.peer(&["inbox", "ack", "n1", "00000002"]).await;
    assert_eq!(done.exit, Exit::Ok);
    assert_eq!(done.out.matches(" acknowledged\n").count(), 2, "{}", done.out);
    let again = rig.peer(&["inbox", "ack", "n1"]).await;
    assert_eq!((again.exit, again.out.as_str()), (Exit::Ok, "n1 was acknowledged before\n"));
    let wrong = rig.peer(&["inbox", "ack", "n3", "beef"]).await;
    assert_eq!(wrong.exit, Exit::Failed);
    assert!(wrong.out.contains("beef is not in the inbox"), "{}", wrong.out);
    assert_eq!(rig.fake.look(|memory| memory.acknowledged.clone()), [1, 2, 3]);
}

#[tokio::test]
async fn all_of_the_inbox_is_acknowledged_page_by_page() {
    let rig = Rig::start().await;
    fill_inbox(&rig, 2345);
    let ended = rig.peer(&["inbox", "ack", "--all"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Ok, "2345 messages acknowledged\n"));
    assert!(rig.fake.look(|memory| memory.inbox.is_empty()));
    let json = rig.peer(&["--json", "inbox", "ack", "--all"]).await.json();
    assert_eq!(json, serde_json::json!({"acknowledged": 0}));
    fill_inbox(&rig, 2);
    let other = rig.peer(&["inbox", "ack", "--all", "--from", "entity_x"]).await;
    assert_eq!(other.out, "nothing was there to acknowledge\n");
    assert!(Cli::try_parse_from(["peer", "inbox", "ack"]).is_err());
    assert!(Cli::try_parse_from(["peer", "inbox", "ack", "n1", "--from", "b"]).is_err());
}

#[tokio::test]
async fn a_trace_is_a_timeline() {
    let rig = Rig::start().await;
    let trace = rig.peer(&["trace", "c0ffee00"]).await.out;
    let (head, steps) = trace.split_once("\n\n").unwrap();
    assert!(head.contains("status    delivered: the peer's node has stored it"), "{head}");
    assert!(head.contains("accepted  2023-11-14 22:13:20Z ("), "{head}");
    let lines: Vec<Vec<&str>> = steps.lines().map(cells).collect();
    assert_eq!(
        lines,
        [
            vec!["AT", "SINCE FIRST", "SINCE LAST", "STEP"],
            vec!["2023-11-14 22:13:20.000Z", "+0 ms", "+0 ms", "accepted: on disk here"],
            vec![
                "2023-11-14 22:13:20.004Z",
                "+4 ms",
                "+4 ms",
                "its turn came: given to the link with entity_c"
            ],
            vec!["2023-11-14 22:13:20.006Z", "+6 ms", "+2 ms", "sent"],
            vec![
                "2023-11-14 22:13:20.006Z",
                "+6 ms",
                "+0 ms",
                "noted on disk: from now on it may have been sent"
            ],
            vec!["2023-11-14 22:13:22.150Z", "+2.1 s", "+2.1 s", "sent again, attempt 2"],
            vec!["2023-11-14 22:13:22.160Z", "+2.1 s", "+10 ms", "entity_c asked to wait 12.0 s"],
            vec!["2023-11-14 22:13:22.100Z", "+2.1 s", "+0 ms", "left at 3 mailboxes"],
            vec![
                "2023-11-14 22:16:25.006Z",
                "+3 min 5 s",
                "+3 min 2 s",
                "delivered: on disk at entity_c"
            ],
        ]
    );
    let json = rig.peer(&["--json", "trace", "c0ffee00"]).await.json();
    assert_eq!((&json["steps"][5]["retry_after_ms"], &json["number"]), (&12_000.into(), &4.into()));
}

#[tokio::test]
async fn a_report_says_truthfully_how_far_it_came() {
    let rig = Rig::start().await;
    for (peer, exit, word) in [
        ("entity_b", Exit::Ok, "delivered"),
        ("away", Exit::Ok, "queued"),
        ("silent", Exit::Ok, "sent"),
        ("old", Exit::Ok, "received"),
        ("gone", Exit::Undelivered, "expired"),
        ("lost", Exit::Undelivered, "unknown"),
        ("never", Exit::Refused, "failed"),
    ] {
        let ended = rig.peer(&["report", peer, "x"]).await;
        assert_eq!((ended.exit, ended.err.as_str()), (exit, ""), "{peer}");
        assert!(ended.out.starts_with(&format!("{word}: ")), "{}", ended.out);
        assert_eq!(
            ended.out.contains("keeps trying"),
            ["away", "silent"].contains(&peer),
            "{}",
            ended.out
        );
        let json = rig.peer(&["--json", "report", peer, "x"]).await;
        assert_eq!((json.exit, &json.json()["status"]), (exit, &word.into()));
    }
    let away = rig.peer(&["report", "away", "x"]).await.out;
    for part in [
        &format!("queued: on disk here, not sent yet (message {QUEUED})"),
        "it waits for: no connection: connection refused",
        "keeps trying until 3000-01-01 00:00:00Z (in ",
        "`peer trace 3f2a91c0` follows it",
    ] {
        assert!(away.contains(part), "{part:?} in {away}");
    }
    let never = rig.peer(&["report", "never", "x"]).await.out;
    assert!(never.contains("INVALID_STATE: no reports, please"), "{never}");
}

#[tokio::test]
async fn what_is_required_and_not_reached_is_a_failure_of_its_own() {
    let rig = Rig::start().await;
    for (peer, stage, exit) in [
        ("entity_b", "queued", Exit::Ok),
        ("entity_b", "delivered", Exit::Ok),
        ("entity_b", "processed", Exit::Ok),
        ("away", "queued", Exit::Ok),
        ("away", "delivered", Exit::Undelivered),
        ("silent", "processed", Exit::Undelivered),
        ("old", "delivered", Exit::Undelivered),
        ("never", "delivered", Exit::Refused),
    ] {
        let ended = rig.peer(&["report", peer, "x", "--require", stage]).await;
        assert_eq!(ended.exit, exit, "{peer} {stage}");
        if exit == Exit::Undelivered {
            let note = format!("not {stage} within 30s, as --require asks\n");
            assert_eq!(ended.err, note);
            assert!(ended.out.contains("(message "), "{}", ended.out);
            let json = rig.peer(&["--json", "report", peer, "x", "--require", stage]).await;
            assert_eq!((json.exit, json.err.as_str()), (exit, ""));
            assert!(json.json()["message_id"].is_string());
        }
    }
}

#[tokio::test]
async fn how_to_deliver_reaches_the_node() {
    let rig = Rig::start().await;
    let taken = || rig.fake.look(|memory| memory.options.remove(0));
    let timeout = Duration::from_secs(30);
    let report = |ttl, wait| Options::Report(ReportOptions { ttl, wait, timeout });
    rig.peer(&["report", "entity_b", "x"]).await;
    assert_eq!(taken(), report(None, Wait::Delivered));
    rig.peer(&["report", "entity_b", "x", "--wait", "queued", "--ttl", "7d"]).await;
    assert_eq!(taken(), report(Some(Duration::from_secs(7 * 86_400)), Wait::Queued));
    // Nobody can require what is not waited for.
    rig.peer(&["report", "entity_b", "x", "--wait", "queued", "--require", "processed"]).await;
    assert_eq!(taken(), report(None, Wait::Processed));
    rig.peer(&["report", "entity_b", "x", "--require", "queued"]).await;
    assert_eq!(taken(), report(None, Wait::Delivered));

    rig.peer(&["talk", "entity_b", "x", "--ttl", "2h", "--timeout", "1s"]).await;
    let (ttl, timeout) = (Some(Duration::from_secs(7200)), Duration::from_secs(1));
    assert_eq!(taken(), Options::Talk(TalkOptions { ttl, volatile: false, timeout }));
    rig.peer(&["talk", "entity_b", "x", "--volatile"]).await;
    let expected = TalkOptions { volatile: true, ..TalkOptions::default() };
    assert_eq!(taken(), Options::Talk(expected));
    let long = rig.peer(&["report", "entity_b", "x", "--ttl", "31d"]).await;
    assert_eq!(long.exit, Exit::Usage);
    assert!(long.err.contains("30 days"), "{}", long.err);
    assert!(Cli::try_parse_from(["peer", "talk", "a", "x", "--volatile", "--ttl", "1h"]).is_err());
}

#[tokio::test]
async fn a_talk_without_an_answer_says_where_it_will_be() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["talk", "slow", "x"]).await;
    assert_eq!(ended.exit, Exit::Timeout);
    for part in ["its node has the task", "will be in the inbox", SENT, "peer trace"] {
        assert!(ended.err.contains(part), "{part:?} in {}", ended.err);
    }
    let json = rig.peer(&["--json", "talk", "slow", "x"]).await.json();
    assert_eq!(json["error"]["message_id"], SENT);
    let volatile = rig.peer(&["talk", "slow", "x", "--volatile"]).await;
    assert_eq!(volatile.exit, Exit::Timeout);
    assert!(!volatile.err.contains("inbox"), "{}", volatile.err);
}
