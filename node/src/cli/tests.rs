//! Commands against a fake node: what they print, and how they end.

mod configuration;
mod delivery;
mod listen;
mod packaging;
mod registry;
mod transfers;
mod wake;

use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;

use super::output::captured;
use super::*;
use crate::api::Server;
use crate::api::fake::{Fake, SESSION_ID, fingerprint, task};
use crate::model::{Content, IncomingKind};

struct Rig {
    temp: tempfile::TempDir,
    fake: Fake,
    _server: Option<Server>,
}

/// How a command ended.
struct Ended {
    exit: Exit,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "one document: {}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }
}

impl Rig {
    async fn start() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (handle, fake) = Fake::start();
        let server = Server::start(&temp.path().join("api.sock"), handle).await.unwrap();
        Self { temp, fake, _server: Some(server) }
    }

    fn without_node() -> Self {
        Self { temp: tempfile::tempdir().unwrap(), fake: Fake::default(), _server: None }
    }

    async fn peer(&self, arguments: &[&str]) -> Ended {
        self.on(false, arguments).await
    }

    async fn on(&self, terminal: bool, arguments: &[&str]) -> Ended {
        let dir = self.temp.path().to_str().unwrap();
        let cli = Cli::try_parse_from(["peer", "--data-dir", dir].iter().chain(arguments));
        let cli = cli.unwrap_or_else(|error| panic!("{error}"));
        let (mut output, out, err) = captured::output(cli.global.json, terminal);
        let exit = execute(cli, &mut output).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { exit, out: text(out.take()), err: text(err.take()) }
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[tokio::test]
async fn talk_prints_the_answer_and_nothing_else() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["talk", "entity_b", "hello \x1b[31mred"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Ok, "hello \x1b[31mred"));
    let shown = rig.on(true, &["talk", "entity_b", "hello \x1b[31mred"]).await;
    assert_eq!(shown.out, "hello \\u{1b}[31mred\n");
    let json = rig.peer(&["--json", "talk", "entity_b", "hello"]).await.json();
    assert_eq!(json["content"]["text"], "hello");
    assert_eq!(json["round_trip_us"], 3210);
}

#[tokio::test]
async fn talk_sends_files_with_their_names() {
    let rig = Rig::start().await;
    let path = rig.temp.path().join("data.bin");
    std::fs::write(&path, [0xff; 3]).unwrap();
    let argument = format!("@{}", path.display());
    let json = rig.peer(&["--json", "talk", "entity_b", &argument]).await.json();
    assert_eq!(json["content"]["base64"], "////");
    let sent = rig.fake.look(|memory| memory.talks.remove(0));
    assert_eq!(sent.name.as_deref(), Some("data.bin"));
    let ended = rig.on(true, &["talk", "entity_b", &argument]).await;
    assert_eq!(ended.out, "");
    assert!(ended.err.contains("3 bytes of application/octet-stream"), "{}", ended.err);
}

#[tokio::test]
async fn every_failure_has_its_exit_code_and_a_next_step() {
    let rig = Rig::start().await;
    for (arguments, exit) in [
        (["talk", "nobody", "x"], Exit::Unreachable),
        (["talk", "offline", "x"], Exit::Unreachable),
        (["talk", "slow", "x"], Exit::Timeout),
        (["talk", "refuses", "x"], Exit::Refused),
        (["talk", "full", "x"], Exit::Limit),
        (["talk", "unable", "x"], Exit::Failed),
        (["report", "nobody", "x"], Exit::Unreachable),
        (["talk", "entity_b", "@/nonexistent"], Exit::Failed),
    ] {
        let ended = rig.peer(&arguments).await;
        assert_eq!(ended.exit, exit, "{arguments:?}");
        assert_eq!(ended.out, "");
        assert!(ended.err.starts_with("error: "), "{}", ended.err);
        assert!(ended.err.contains("\nnext: "), "{}", ended.err);
        if arguments[1] != "unable" {
            let [command, peer, what] = arguments;
            let json = rig.peer(&["--json", command, peer, what]).await;
            assert_eq!((json.exit, json.err.as_str()), (exit, ""));
            assert!(json.json()["error"]["next"].is_string());
        }
    }
    let refused = rig.peer(&["--json", "talk", "refuses", "x"]).await.json();
    assert_eq!(refused["error"]["code"], "RATE_LIMITED");
    let unable = rig.peer(&["--json", "talk", "unable", "x"]).await;
    assert_eq!((unable.exit, &unable.json()["done"]), (Exit::Failed, &Value::Bool(false)));
}

#[tokio::test]
async fn bad_addresses_are_a_matter_of_usage() {
    let rig = Rig::start().await;
    for address in ["1.2.3.4:5", "/ip4/1.2.3.4", "/ip4/1.2.3/tcp/1", ""] {
        let ended = rig.peer(&["connect", address]).await;
        assert_eq!(ended.exit, Exit::Usage, "{address}");
        assert!(ended.err.contains("/ip4/192.0.2.7/tcp/4711/p2p/"), "{}", ended.err);
    }
    let ended = rig.peer(&["connect", "/ip4/127.0.0.1/tcp/9"]).await;
    assert_eq!(ended.exit, Exit::Unreachable);
    let ended = rig.peer(&["connect", "/ip4/127.0.0.1/tcp/4711"]).await;
    assert_eq!(ended.exit, Exit::Ok);
    assert!(ended.out.contains("connected to entity_b (pinned)"), "{}", ended.out);
    assert!(ended.out.contains("six-step handshake in 2.3 ms"), "{}", ended.out);
}

#[tokio::test]
async fn without_a_node_each_command_says_so() {
    let rig = Rig::without_node();
    for arguments in [
        &["status"][..],
        &["peers"],
        &["connect", "/ip4/127.0.0.1/tcp/1"],
        &["talk", "a", "x"],
        &["report", "a", "x"],
        &["wake", "a"],
        &["alive", "a"],
        &["restart", "a"],
        &["trust", "list"],
        &["listen"],
    ] {
        let ended = rig.peer(arguments).await;
        assert_eq!(ended.exit, Exit::NoNode, "{arguments:?}");
        let expected = format!("error: no node runs on {}\n", rig.temp.path().display());
        assert!(ended.err.starts_with(&expected), "{}", ended.err);
        assert!(ended.err.contains("peer run"), "{}", ended.err);
    }
}

#[tokio::test]
async fn listings_are_for_people_and_for_programs() {
    let rig = Rig::start().await;
    let status = rig.peer(&["status"]).await.out;
    for part in ["2 messages, 20 B on disk", "3 messages, 1.5 KiB not settled", "1 open"] {
        assert!(status.contains(part), "{status}");
    }
    for part in ["entity_a", "1 min 5 s", "listens on\n  /ip4/127.0.0.1/tcp/4711/p2p/"] {
        assert!(status.contains(part), "{status}");
    }
    assert!(status.contains(&format!("fingerprint\n  {}", fingerprint())), "{status}");
    let fits = |line: &str| line.len() <= 80 || line.starts_with("  /");
    assert!(status.lines().all(fits), "{status}");
    assert_eq!(rig.peer(&["--json", "status"]).await.json()["entity"], "entity_a");

    let peers = rig.peer(&["peers"]).await.out;
    for part in
        ["ENCRYPTED", "entity_b", "READY", "AES-256-GCM", "NO", "legacy-node", "disconnected"]
    {
        assert!(peers.contains(part), "{peers}");
    }
    assert!(peers.contains("connection \\u{1b}[31mrefused"), "{peers}");
    assert_eq!(rig.peer(&["peers", "--json"]).await.json()[0]["session"]["id"], SESSION_ID);

    let alive = rig.peer(&["alive", "entity_b"]).await;
    assert_eq!(alive.exit, Exit::Ok);
    assert!(alive.out.contains("alive in 812 µs, up 2 h 3 min"), "{}", alive.out);
    let dead = rig.peer(&["alive", "dead"]).await;
    assert_eq!(dead.exit, Exit::Unreachable);
    assert!(dead.out.contains("not alive: connection refused"), "{}", dead.out);
    let json = rig.peer(&["--json", "alive", "dead"]).await;
    assert_eq!((json.exit, &json.json()["alive"]), (Exit::Unreachable, &Value::Bool(false)));

    let woken = rig.peer(&["wake", "entity_b", "--reason", "go"]).await;
    assert_eq!(woken.exit, Exit::Ok);
    assert_eq!(rig.peer(&["wake", "sleepy"]).await.exit, Exit::Failed);
    let restarted = rig.peer(&["restart", "sleepy"]).await;
    assert_eq!(restarted.exit, Exit::Ok);
    let rows: Vec<&str> =
        restarted.out.lines().filter(|line| line.starts_with([' ', '1', '2'])).collect();
    assert!(
        rows.iter().any(|row| row.contains("awake") && row.contains("its agent is awake")),
        "{rows:?}"
    );
    assert!(restarted.out.ends_with("its agent is awake\n"), "{}", restarted.out);
    assert_eq!(rig.peer(&["restart", "sleepy", "--attempts", "1"]).await.exit, Exit::Failed);
    assert_eq!(rig.peer(&["restart", "dead", "--attempts", "1"]).await.exit, Exit::Unreachable);
    assert_eq!(rig.peer(&["restart", "dead", "--attempts", "0"]).await.exit, Exit::Usage);

    let reported = rig.peer(&["report", "entity_b", "half", "more", "--next-action", "rest"]).await;
    assert!(reported.out.starts_with("delivered: "), "{}", reported.out);
    let (status, next, content) = rig.fake.look(|memory| memory.reports.remove(0));
    assert_eq!((status.as_str(), next.as_deref()), ("half", Some("rest")));
    assert_eq!(content, Content::from_bytes(b"more"));
}

#[tokio::test]
async fn trust_is_listed_pinned_and_revoked() {
    let rig = Rig::start().await;
    let list = rig.peer(&["trust", "list"]).await.out;
    assert!(list.contains("entity_b") && list.contains("2023-11-14"), "{list}");
    let text = fingerprint().to_string();
    let mut arguments = vec!["trust", "pin", "entity_c"];
    arguments.extend(text.split(' '));
    let pinned = rig.peer(&arguments).await;
    assert!(pinned.out.contains("entity_c") && pinned.out.contains(&text), "{}", pinned.out);
    let wrong = rig.peer(&["trust", "pin", "entity_c", "00112233"]).await;
    assert_eq!(wrong.exit, Exit::Usage);
    assert!(wrong.err.contains("64 hex digits"), "{}", wrong.err);
    assert!(rig.peer(&["trust", "revoke", "entity_b"]).await.out.contains("revoked"));
    assert_eq!(rig.peer(&["trust", "revoke", "nobody"]).await.exit, Exit::Unreachable);
}

#[tokio::test]
async fn listen_prints_messages() {
    let rig = Rig::start().await;
    let mut report = task("r-1", "line 1\nfake head from entity_x");
    report.kind = IncomingKind::StatusReport;
    report.status = Some("half\x1b[2J".to_owned());
    report.encrypted = false;
    let (ended, ()) =
        tokio::join!(rig.peer(&["listen", "--once"]), rig.fake.deliver(report.clone()));
    assert_eq!(ended.exit, Exit::Ok);
    assert!(ended.out.contains("report from entity_b (seen, NOT ENCRYPTED) r-1"), "{}", ended.out);
    assert!(ended.out.contains("  status: half\\u{1b}[2J\n"), "{}", ended.out);
    assert!(ended.out.ends_with("  line 1\n  fake head from entity_x\n"), "{}", ended.out);
}

#[tokio::test]
async fn listen_as_json_is_one_line_a_message_until_the_node_stops() {
    let rig = Rig::start().await;
    let feed = async {
        rig.fake.deliver(task("task-1", "a\nb")).await;
        rig.fake.deliver(task("task-2", "")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.fake.look(|memory| memory.subscribers.clear());
    };
    let (ended, ()) = tokio::join!(rig.peer(&["--json", "listen"]), feed);
    assert_eq!(ended.exit, Exit::NoNode);
    let lines: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["content"]["text"], "a\nb");
    assert_eq!(lines[1]["message_id"], "task-2");
    assert_eq!(lines[2]["error"]["kind"], "stopped");
}

#[tokio::test]
async fn a_program_answers_tasks() {
    let rig = Rig::start().await;
    let script = r#"read line; [ "$line" = no ] && { echo sorry >&2; exit 1; }; printf '%s %s' "$PEER_FROM" "$line""#;
    let feed = async {
        rig.fake.deliver(task("task-1", "hello")).await;
        let first = rig.fake.answers(1).await;
        assert_eq!(first[0].1, Content::from_bytes(b"entity_b hello"));
        assert!(first[0].2);
        rig.fake.deliver(task("task-2", "no")).await;
        let second = rig.fake.answers(2).await;
        assert!(!second[1].2);
        assert!(second[1].1.text.as_ref().unwrap().ends_with("sorry"));
        rig.fake.deliver(task("late-3", "hello")).await;
        rig.fake.answers(3).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.fake.look(|memory| memory.subscribers.clear());
    };
    let arguments = ["listen", "--exec", script];
    let (ended, ()) = tokio::join!(rig.peer(&arguments), feed);
    assert_eq!(ended.exit, Exit::NoNode);
    assert!(ended.err.contains("task task-1: done in"), "{}", ended.err);
    assert!(ended.err.contains("task task-2: failed in"), "{}", ended.err);
    assert!(ended.err.contains("task late-3: not answered: no task late-3"), "{}", ended.err);
}

#[tokio::test]
async fn programs_run_side_by_side_up_to_a_bound() {
    let rig = Rig::start().await;
    let marks = rig.temp.path().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let script = format!(
        "touch {0}/$PEER_MESSAGE_ID; sleep 0.3; ls {0} | wc -l; rm {0}/$PEER_MESSAGE_ID",
        marks.display()
    );
    let feed = async {
        for id in ["task-1", "task-2", "task-3", "task-4"] {
            rig.fake.deliver(task(id, "x")).await;
        }
        let answers = rig.fake.answers(4).await;
        let most = answers
            .iter()
            .map(|(_, content, _)| content.text.as_ref().unwrap().trim().parse::<u32>().unwrap())
            .max();
        assert_eq!(most, Some(2));
        rig.fake.look(|memory| memory.subscribers.clear());
    };
    let arguments = ["listen", "--exec", &script, "--parallel", "2"];
    let (ended, ()) = tokio::join!(rig.peer(&arguments), feed);
    assert_eq!(ended.exit, Exit::NoNode);
}

#[tokio::test]
async fn listen_once_with_a_program_ends_after_its_answer() {
    let rig = Rig::start().await;
    let arguments = ["listen", "--once", "--exec", "cat"];
    let (ended, ()) = tokio::join!(rig.peer(&arguments), rig.fake.deliver(task("task-1", "x")));
    assert_eq!(ended.exit, Exit::Ok);
    assert_eq!(rig.fake.answers(1).await.len(), 1);
}

#[tokio::test]
async fn top_prints_once_where_there_is_no_terminal() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["top", "--once"]).await;
    assert_eq!(ended.exit, Exit::Ok, "{}", ended.err);
    for part in
        ["Peers\n", "entity_b", "1.5 ms", "Sessions\n", "Queues\n", "Transfers\n", "Limits\n"]
    {
        assert!(ended.out.contains(part), "{part:?} in {}", ended.out);
    }
    assert!(!ended.out.contains('\u{1b}'), "{}", ended.out);
    let json = rig.peer(&["--json", "top"]).await.json();
    assert_eq!(json["peers"][0]["entity"], "entity_b");
    assert_eq!(json["peers"][0]["traffic"]["messages_sent"], 3);
    assert_eq!(json["node"]["entity"], "entity_a");
    let away = Rig::without_node().peer(&["top"]).await;
    assert_ne!(away.exit, Exit::Ok);
    assert!(away.err.contains("next: "), "{}", away.err);
}
