//! The tools over a real Unix socket with a fake node behind it, asked by a client of the same protocol.

mod http;
mod inbox;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientRequest, ContentBlock, JsonObject,
    ProgressNotificationParam, Request, Tool,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt as _};
use serde_json::{Value, json};

use super::{Files, Server};
use crate::api::fake::{Fake, delivery};
use crate::api::{self, Client};
use crate::paths::DataDir;

/// A client that keeps what it hears of progress.
#[derive(Debug, Clone, Default)]
struct Host(Arc<Mutex<Vec<ProgressNotificationParam>>>);

impl ClientHandler for Host {
    async fn on_progress(
        &self,
        told: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.lock().unwrap().push(told);
    }
}

struct Rig {
    temp: tempfile::TempDir,
    dir: DataDir,
    fake: Fake,
    api: Option<api::Server>,
    host: Host,
    client: RunningService<RoleClient, Host>,
}

async fn rig() -> Rig {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::resolve(Some(temp.path().join("node"))).unwrap();
    std::fs::create_dir_all(dir.root()).unwrap();
    let (handle, fake) = Fake::start();
    let api = Some(api::Server::start(&dir.socket(), handle).await.unwrap());
    let open = temp.path().join("open");
    std::fs::create_dir(&open).unwrap();
    let mut server = Server::new(Client::new(&dir), Files::below(&[open], &dir).unwrap());
    server.every = Duration::from_millis(20);
    let (here, there) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(async move {
        server.serve(there).await.unwrap().waiting().await.unwrap();
    });
    drop(serving);
    let host = Host::default();
    let client = host.clone().serve(here).await.unwrap();
    Rig { temp, dir, fake, api, host, client }
}

fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)
}

fn text(result: &CallToolResult) -> &str {
    match result.content.as_slice() {
        [ContentBlock::Text(text)] => &text.text,
        other => panic!("one text was expected: {other:?}"),
    }
}

impl Rig {
    async fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        self.client.call_tool(params(tool, arguments)).await.unwrap()
    }

    /// The data of a good result, which the text holds as well.
    async fn good(&self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(result.is_error, Some(false), "{tool}: {result:?}");
        let data = result.structured_content.clone().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text(&result)).unwrap(), data);
        data
    }

    /// What a failed call says, and the kind of its failure.
    async fn bad(&self, tool: &str, arguments: Value) -> (String, String) {
        let result = self.call(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
        assert_eq!(result.structured_content, None);
        let failure = result.meta.as_ref().and_then(|meta| meta.get("peer/failure"));
        let kind = failure.map_or(String::new(), |it| it["kind"].as_str().unwrap().to_owned());
        (text(&result).to_owned(), kind)
    }
}

fn object(value: &JsonObject, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn tools_are_described_and_annotated() {
    let rig = rig().await;
    let info = rig.client.peer_info().unwrap();
    assert!(info.instructions.as_deref().unwrap().contains("peer_wrote"));
    let tools = rig.client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
    let all = [
        "acknowledge",
        "answer_task",
        "check_peer_alive",
        "discover_peers",
        "message_status",
        "node_status",
        "read_inbox",
        "report_to_peer",
        "restart_peer",
        "send_file",
        "talk_to_peer",
        "wake_up_peer",
    ];
    assert_eq!(names, all);
    let read_only = |tool: &Tool| tool.annotations.as_ref().unwrap().read_only_hint == Some(true);
    let readers: Vec<&str> = tools.iter().filter(|it| read_only(it)).map(|it| &*it.name).collect();
    assert_eq!(
        readers,
        ["check_peer_alive", "discover_peers", "message_status", "node_status", "read_inbox"]
    );
    for tool in &tools {
        let output = tool.output_schema.as_ref().unwrap();
        assert_eq!(object(output, "type"), "object", "{}", tool.name);
        assert!(tool.title.is_some() && tool.description.as_ref().unwrap().len() > 40);
        let properties = object(&tool.input_schema, "properties");
        for (name, property) in properties.as_object().into_iter().flatten() {
            assert!(property.get("description").is_some(), "{} {name}", tool.name);
        }
    }
}

#[tokio::test]
async fn peers_are_asked_and_told() {
    let rig = rig().await;
    let ask = json!({"peer": "entity_b", "message": "hi\u{202e}", "timeout_seconds": 5});
    let talked = rig.good("talk_to_peer", ask).await;
    assert_eq!((&talked["outcome"], &talked["from"]), (&json!("answered"), &json!("entity_b")));
    assert_eq!(talked["peer_wrote"], json!({"text": "hi\\u{202e}", "escaped": true}));
    assert_eq!(talked["round_trip_ms"], json!(3.21));
    let unable = rig.good("talk_to_peer", json!({"peer": "unable", "message": "x"})).await;
    assert_eq!(unable["outcome"], "not_done");

    let ask =
        json!({"peer": "entity_b", "status": "half", "next_action": "rest", "content": "log"});
    let reported = rig.good("report_to_peer", ask).await;
    assert_eq!(reported["status"], "delivered");
    let (status, next, content) = rig.fake.look(|memory| memory.reports.remove(0));
    assert_eq!((status.as_str(), next.as_deref()), ("half", Some("rest")));
    assert_eq!(content.text.as_deref(), Some("log"));
    for (peer, status, detail, wrote) in [
        ("away", "queued", json!("no connection"), json!({"reason": "connection refused"})),
        ("lost", "unknown", Value::Null, Value::Null),
        ("never", "failed", json!("INVALID_STATE"), json!({"reason": "no reports, please"})),
    ] {
        let reported = rig.good("report_to_peer", json!({"peer": peer, "status": "x"})).await;
        assert_eq!(reported["status"], status);
        assert_eq!((&reported["detail"], &reported["peer_wrote"]), (&detail, &wrote));
    }
}

#[tokio::test]
async fn an_answer_that_is_late_is_pending_and_no_failure() {
    let rig = rig().await;
    let talked = rig.good("talk_to_peer", json!({"peer": "slow", "message": "x"})).await;
    assert_eq!(
        (&talked["outcome"], &talked["message_id"]),
        (&json!("pending"), &json!(delivery::SENT))
    );
    assert!(talked["detail"].as_str().unwrap().contains("read_inbox"), "{talked}");
    assert!(talked.get("peer_wrote").is_none());
}

#[tokio::test]
async fn life_of_nodes_and_agents_is_told_apart() {
    let rig = rig().await;
    let life = rig.good("check_peer_alive", json!({"peer": "entity_b"})).await;
    assert_eq!((&life["node"], &life["agent"]), (&json!("alive"), &json!("attached")));
    let life = rig.good("check_peer_alive", json!({"peer": "sleepy"})).await;
    assert_eq!(life["agent"], "none_attached");
    let life = rig.good("check_peer_alive", json!({"peer": "hung"})).await;
    assert_eq!(life["agent"], "unresponsive");
    let life = rig.good("check_peer_alive", json!({"peer": "curl"})).await;
    assert_eq!(life["agent"], "attached_cannot_be_asked");
    let life = rig.good("check_peer_alive", json!({"peer": "dead"})).await;
    assert_eq!((&life["node"], &life["agent"]), (&json!("no_answer"), &json!("unknown")));
    assert!(life.get("peer_wrote").is_none() && life["detail"] == "connection refused", "{life}");

    let woken = rig.good("wake_up_peer", json!({"peer": "entity_b", "reason": "go on"})).await;
    assert_eq!((&woken["woken"], &woken["outcome"]), (&json!(true), &json!("awake")));
    assert_eq!(woken["peer_wrote"], json!({"reason": "its agent is awake"}));
    assert!(woken.get("detail").is_none(), "{woken}");
    let restarted = rig.good("restart_peer", json!({"peer": "sleepy", "attempts": 3})).await;
    assert_eq!(
        (&restarted["ok"], restarted["attempts"].as_array().unwrap().len()),
        (&json!(true), 2)
    );
    let first = &restarted["attempts"][0];
    assert_eq!(first["peer_wrote"], json!({"reason": "no agent is attached"}));
    assert!(first.get("detail").is_none() && first["outcome"] == "no_agent", "{first}");
    let reasons = rig.fake.look(|memory| memory.wakes.clone());
    assert_eq!(reasons.first(), Some(&("go on".to_owned(), 1)));
}

#[tokio::test]
async fn peers_are_listed_and_found() {
    let rig = rig().await;
    let known = rig.good("discover_peers", json!({})).await;
    let peers = known["peers"].as_array().unwrap();
    assert_eq!((peers.len(), &peers[0]["trust"]), (3, &json!("pinned")));
    let wrote = json!({"reason": "connection \\u{1b}[31mrefused", "escaped": true});
    assert_eq!(peers[1]["peer_wrote"], wrote);
    let found = rig.good("discover_peers", json!({"capabilities": ["ocr"], "limit": 1})).await;
    assert_eq!((found["peers"].as_array().unwrap().len(), &found["complete"]), (1, &json!(false)));
    let own = rig.good("node_status", json!({})).await;
    assert_eq!((&own["entity"], &own["waiting_messages"]), (&json!("entity_a"), &json!(2)));
}

#[tokio::test]
async fn messages_and_transfers_are_followed() {
    let rig = rig().await;
    let found = rig.good("message_status", json!({"message_id": delivery::FAILED})).await;
    assert_eq!(found["message"]["status"], "failed");
    assert_eq!(found["message"]["detail"], "INVALID_STATE");
    let wrote = json!({"reason": "not \\u{1b}[31mtaken here", "escaped": true});
    assert_eq!(found["message"]["peer_wrote"], wrote);
    let found = rig.good("message_status", json!({"message_id": "0f0e0d0c"})).await;
    assert_eq!(found["transfer"]["state"], "complete");
    let (said, kind) = rig.bad("message_status", json!({"message_id": "abcdef"})).await;
    assert!(kind == "no_such_message" && said.contains("read_inbox"), "{said}");
}

#[tokio::test]
async fn only_files_that_were_opened_are_sent() {
    let rig = rig().await;
    std::fs::write(rig.temp.path().join("open/a.txt"), "x").unwrap();
    std::fs::write(rig.temp.path().join("secret"), "x").unwrap();
    let sent = rig.good("send_file", json!({"peer": "entity_b", "path": "a.txt"})).await;
    assert_eq!((&sent["state"], &sent["name"]), (&json!("queued"), &json!("a.txt")));
    let (said, kind) = rig.bad("send_file", json!({"peer": "entity_b", "path": "../secret"})).await;
    assert!(kind == "refused" && said.contains("open"), "{said}");
    // The node is told where the file has to lie when it opens it.
    let open = rig.temp.path().join("open").canonicalize().unwrap();
    let files = rig.fake.look(|memory| memory.files.clone());
    let told: Vec<_> = files.iter().map(|file| (file.path.clone(), file.root.clone())).collect();
    assert_eq!(told, [(open.join("a.txt"), Some(open))]);
}

#[tokio::test]
async fn failures_say_what_happened_and_what_next() {
    let rig = rig().await;
    let (said, kind) = rig.bad("talk_to_peer", json!({"peer": "nobody", "message": "x"})).await;
    assert!(
        kind == "unknown_peer" && said.contains("nobody") && said.contains("discover_peers"),
        "{said}"
    );
    let (said, kind) = rig.bad("wake_up_peer", json!({"peer": "offline"})).await;
    assert!(kind == "unreachable" && said.contains("connection refused"), "{said}");
    // What the peer's node says stands apart, in a line of its own.
    let result = rig.call("wake_up_peer", json!({"peer": "refuses"})).await;
    let (own, wrote) = text(&result).split_once('\n').unwrap();
    assert!(own.contains("refuses refused: RATE_LIMITED (refused)"), "{own}");
    assert!(!own.contains("try again in 100 ms"), "{own}");
    assert_eq!(wrote, r#"{"peer_wrote":{"reason":"try again in 100 ms"}}"#);
    let meta = &result.meta.as_ref().unwrap()["peer/failure"];
    assert_eq!(
        (&meta["code"], &meta["detail"]),
        (&json!("RATE_LIMITED"), &json!("refuses refused: RATE_LIMITED"))
    );
    assert_eq!(meta["peer_wrote"], json!({"reason": "try again in 100 ms"}));
    let (said, _) = rig.bad("talk_to_peer", json!({"peer": "entity_b"})).await;
    assert!(said.contains("missing field `message`"), "{said}");
    let (said, _) = rig.bad("talk_to_peer", json!({"peer": "b", "message": "x", "wait": 1})).await;
    assert!(said.contains("unknown field `wait`"), "{said}");
    for seconds in [0, 3601] {
        let ask = json!({"peer": "entity_b", "message": "x", "timeout_seconds": seconds});
        let (said, _) = rig.bad("talk_to_peer", ask).await;
        assert!(said.contains("expected 1 to 3600"), "{said}");
    }
    assert!(rig.client.call_tool(params("no_such_tool", json!({}))).await.is_err());
    assert_eq!(rig.fake.look(|memory| memory.talks.len()), 1);
}

#[tokio::test]
async fn a_node_that_is_away_is_said_and_found_again() {
    let mut rig = rig().await;
    rig.api.take().unwrap().stop().await;
    let (said, kind) = rig.bad("node_status", json!({})).await;
    assert!(kind == "no_node" && said.contains("peer run"), "{said}");
    let (handle, _fake) = Fake::start();
    let api = api::Server::start(&rig.dir.socket(), handle).await.unwrap();
    assert_eq!(rig.good("node_status", json!({})).await["entity"], "entity_a");
    api.stop().await;
}

#[tokio::test]
async fn long_calls_tell_of_progress_and_end_when_they_are_cancelled() {
    let rig = rig().await;
    let request = Request::new(params("read_inbox", json!({"wait_seconds": 60})));
    let request = ClientRequest::CallToolRequest(request);
    let options = PeerRequestOptions::no_options();
    let calling = rig.client.send_cancellable_request(request, options).await.unwrap();
    let listens = || rig.fake.look(|memory| memory.subscribers.iter().any(|it| !it.is_closed()));
    let wait_until = async |done: &dyn Fn() -> bool| {
        for _ in 0..10_000 {
            if done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("waited in vain");
    };
    wait_until(&|| rig.host.0.lock().unwrap().len() >= 2 && listens()).await;
    let told = rig.host.0.lock().unwrap().clone();
    assert!(0.0 < told[0].progress && told[0].progress < told[1].progress, "{told:?}");
    assert_eq!(told[0].total, Some(60.0));
    assert_eq!(told[0].message.as_deref(), Some("read_inbox waits, 0 s by now"));
    calling.cancel(Some("enough".to_owned())).await.unwrap();
    wait_until(&|| !listens()).await;
}
