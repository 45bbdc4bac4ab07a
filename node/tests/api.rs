//! The local API in front of real nodes.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::PathBuf;
use std::time::Duration;

use peer_node::api::{Client, Connect, EventStream, Pin, Report, Send, Server, Talk, Told};
use peer_node::config::{AcceptFiles, NodeConfig, TransferConfig};
use peer_node::model::{Content, Delivery, IncomingKind, OutboxFilter, TransferState};
use peer_node::paths::DataDir;
use peer_node::{Node, NodeEvent};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const PATIENCE: Duration = Duration::from_secs(20);

/// A node with its API in a directory of its own.
struct Host {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    socket: PathBuf,
    node: Node,
    client: Client,
    server: Option<Server>,
}

impl Host {
    async fn start(entity: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().to_owned();
        let transfers = TransferConfig {
            root: Some(dir.join("transfers")),
            received: Some(dir.join("received")),
            accept: AcceptFiles::All,
            reserve: 0,
            ..TransferConfig::default()
        };
        let config = NodeConfig::default()
            .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
            .with_mdns(false)
            .with_upnp(false)
            .with_shutdown_grace(Duration::ZERO)
            .unwrap()
            .with_transfers(transfers);
        let node = Node::builder().config(config).entity(entity).unwrap().start().await.unwrap();
        let data = DataDir::resolve(Some(dir.clone())).unwrap();
        let server = Server::start(&data.socket(), node.handle()).await.unwrap();
        let (socket, client) = (data.socket(), Client::new(&data));
        Self { _temp: temp, dir, socket, client, node, server: Some(server) }
    }

    /// Serves the API anew, as after a restart: what it had in memory is gone.
    async fn serve_anew(&mut self) {
        self.server.take().unwrap().stop().await;
        self.server = Some(Server::start(&self.socket, self.node.handle()).await.unwrap());
    }

    /// Posts under a key; returns the status and the body.
    async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nidempotency-key: {key}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    async fn address(&self) -> String {
        loop {
            if let Some(address) = self.client.status().await.unwrap().listen.first() {
                return address.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Events up to the first for which `last` holds.
async fn until(
    stream: &mut EventStream,
    what: &str,
    last: impl Fn(&NodeEvent) -> bool,
) -> Vec<NodeEvent> {
    let mut events = Vec::new();
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        let next = next.unwrap_or_else(|_| panic!("{what} does not come: {events:#?}"));
        let Told::Event(line) = next.unwrap() else { panic!("events are missing") };
        assert!(line.at.as_millis() > 1_600_000_000_000);
        let done = last(&line.event);
        events.push(line.event);
        if done {
            return events;
        }
    }
}

fn text(text: &str) -> Content {
    Content::from_bytes(text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_is_told() {
    let (alice, bob) = (Host::start("alice").await, Host::start("bob").await);
    let (here, there) = (&alice.client, &bob.client);
    let mut at_alice = here.events(&[], None).await.unwrap();
    let mut at_bob = there.events(&[], None).await.unwrap();
    let connect = Connect { address: bob.address().await, timeout_ms: None };
    here.connect(&connect).await.unwrap();

    // Each state of the handshake, on both sides, and a session at its end.
    let ready = |event: &NodeEvent| matches!(event, NodeEvent::SessionReady { .. });
    for (events, states) in [
        (
            until(&mut at_alice, "alice's session", ready).await,
            [
                "HANDSHAKE_INIT_SENT",
                "HANDSHAKE_ACK_RECEIVED",
                "CHALLENGE_SENT",
                "SESSION_ESTABLISHED",
            ],
        ),
        (
            until(&mut at_bob, "bob's session", ready).await,
            [
                "HANDSHAKE_INIT_SENT",
                "HANDSHAKE_ACK_RECEIVED",
                "CHALLENGE_SENT",
                "SESSION_ESTABLISHED",
            ],
        ),
    ] {
        let seen: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                NodeEvent::HandshakeStep { state, .. } => Some(state.as_str()),
                _ => None,
            })
            .collect();
        for state in states {
            assert!(seen.contains(&state), "{state} in {seen:?}");
        }
        let kinds: Vec<_> = events.iter().map(NodeEvent::kind).collect();
        assert!(kinds.contains(&"connected") && kinds.contains(&"trust"), "{kinds:?}");
    }
    let sessions = here.sessions().await.unwrap();
    let session = &sessions[0];
    assert_eq!((sessions.len(), session.session.state.as_str()), (1, "READY"));
    assert!(session.current && session.connected && session.session.suite.starts_with("AES-256"));
    let begun = session.traffic;

    // A task and its answer.
    let talk = Talk {
        peer: "bob".to_owned(),
        content: text("what is six times seven"),
        conversation: None,
        timeout_ms: None,
        ttl_ms: None,
        volatile: false,
    };
    let answering = async {
        let mut messages = there.messages(Some(1)).await.unwrap();
        let task = messages.next().await.unwrap();
        bob.node.handle().answer(&task.message_id, text("42"), true).await.unwrap();
        task
    };
    let (answer, task) = tokio::join!(here.talk(&talk), answering);
    assert_eq!(answer.unwrap().content.text.as_deref(), Some("42"));
    let of = |id: &str, wanted: Delivery| {
        let id = id.to_owned();
        move |event: &NodeEvent| {
            matches!(event, NodeEvent::Outbox { message_id, status, .. }
                if *message_id == id && *status == wanted)
        }
    };
    let processed = of(&task.message_id, Delivery::Processed);
    let events = until(&mut at_alice, "the task's receipt", processed).await;
    for status in [Delivery::Queued, Delivery::Sent] {
        let told = events.iter().any(of(&task.message_id, status.clone()));
        assert!(told, "{status:?} in {events:#?}");
    }
    let announced = |event: &NodeEvent| {
        matches!(event, NodeEvent::Message { message_id, kind, inbox_number, from, .. }
            if *message_id == task.message_id && *kind == IncomingKind::Task
                && *inbox_number == task.inbox_number && from.as_str() == "alice")
    };
    let events = until(&mut at_bob, "the task's announcement", announced).await;
    let said = format!("{events:?}");
    assert!(!said.contains("six times seven"), "what messages say is not told: {said}");
    let attached = |event: &NodeEvent| matches!(event, NodeEvent::Agents { count: 0 });
    until(&mut at_bob, "the agent's leaving", attached).await;

    // A report that nobody takes, and a file.
    let report = Report {
        peer: "bob".to_owned(),
        status: "done".to_owned(),
        next_action: None,
        content: None,
        timeout_ms: None,
        wait: None,
        ttl_ms: None,
    };
    let reported = here.report(&report).await.unwrap();
    assert_eq!(reported.status, Delivery::Delivered);
    let delivered = of(&reported.message_id, Delivery::Delivered);
    until(&mut at_alice, "the report's receipt", delivered).await;

    let path = alice.dir.join("file.bin");
    std::fs::write(&path, vec![7; 3 << 20]).unwrap();
    let send = Send {
        peer: "bob".to_owned(),
        path,
        root: None,
        name: None,
        content_type: None,
        spooled: false,
        timeout_ms: None,
    };
    let transfer = here.send_file(&send).await.unwrap();
    let complete = |event: &NodeEvent| {
        matches!(event, NodeEvent::Transfer(status)
            if status.id == transfer.id && status.state == TransferState::Complete)
    };
    until(&mut at_alice, "the transfer's end here", complete).await;
    let events = until(&mut at_bob, "the transfer's end there", complete).await;
    let file = |event: &NodeEvent| {
        matches!(event, NodeEvent::Message { kind: IncomingKind::File, size: 3_145_728, .. })
    };
    if !events.iter().any(file) {
        until(&mut at_bob, "the file's announcement", file).await;
    }

    let traffic = here.sessions().await.unwrap()[0].traffic;
    assert!(traffic.messages_sent >= begun.messages_sent + 2, "{traffic:?}");
    assert!(traffic.bytes_sent > 3 << 20 && traffic.messages_received > 0, "{traffic:?}");

    // Trust, and the end.
    let fingerprint = there.status().await.unwrap().fingerprint;
    let pin = Pin { entity: "bob".parse().unwrap(), fingerprint };
    here.pin(&pin).await.unwrap();
    let pinned = |event: &NodeEvent| {
        matches!(event, NodeEvent::Trust { entity: Some(entity), level, .. }
            if entity.as_str() == "bob" && format!("{level:?}") == "Pinned")
    };
    until(&mut at_alice, "the pin", pinned).await;
    let gone = |event: &NodeEvent| matches!(event, NodeEvent::Disconnected { .. });
    there.shutdown().await.unwrap();
    until(&mut at_alice, "bob's end", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_got_is_not_handed_to_it_again() {
    let (alice, bob) = (Host::start("alice").await, Host::start("bob").await);
    let connect = Connect { address: bob.address().await, timeout_ms: None };
    alice.client.connect(&connect).await.unwrap();
    let report = |status: &str| Report {
        peer: "bob".to_owned(),
        status: status.to_owned(),
        next_action: None,
        content: None,
        timeout_ms: None,
        wait: None,
        ttl_ms: None,
    };
    for status in ["one", "two", "three"] {
        alice.client.report(&report(status)).await.unwrap();
    }
    let mut first = bob.client.messages(Some(2)).await.unwrap();
    for status in ["one", "two"] {
        assert_eq!(first.next().await.unwrap().status.as_deref(), Some(status));
    }
    let last = first.last_id().unwrap().to_owned();
    drop(first);
    let mut second = bob.client.messages_after(None, Some(&last)).await.unwrap();
    assert_eq!(second.next().await.unwrap().status.as_deref(), Some("three"));
    alice.client.report(&report("four")).await.unwrap();
    assert_eq!(second.next().await.unwrap().status.as_deref(), Some("four"));
    drop(second);
    // All of them wait until they are acknowledged, and others are handed them.
    let mut third = bob.client.messages(None).await.unwrap();
    for status in ["one", "two", "three", "four"] {
        assert_eq!(third.next().await.unwrap().status.as_deref(), Some(status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outlives_what_the_api_remembers() {
    let (mut alice, bob) = (Host::start("alice").await, Host::start("bob").await);
    let connect = Connect { address: bob.address().await, timeout_ms: None };
    alice.client.connect(&connect).await.unwrap();
    let report = json!({"peer": "bob", "status": "half done"});
    let (status, first) = alice.post("/v1/report", "k1", &report).await;
    assert_eq!((status, &first["status"]), (200, &json!("delivered")));
    let mut messages = bob.client.messages(None).await.unwrap();
    assert_eq!(messages.next().await.unwrap().status.as_deref(), Some("half done"));

    let task = json!({"peer": "bob", "content": {"text": "ping"}, "timeout_ms": 5000});
    let answering = async {
        let task = messages.next().await.unwrap();
        bob.node.handle().answer(&task.message_id, text("pong"), true).await.unwrap();
        task.message_id
    };
    let ((status, answer), task_id) = tokio::join!(alice.post("/v1/talk", "k2", &task), answering);
    assert_eq!((status, &answer["content"]["text"]), (200, &json!("pong")));

    // Its receipt comes after the answer.
    while alice.client.trace(&task_id.parse().unwrap()).await.unwrap().status != Delivery::Processed
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    alice.serve_anew().await;
    let (status, again) = alice.post("/v1/report", "k1", &report).await;
    assert_eq!((status, &again["message_id"]), (200, &first["message_id"]), "{again}");
    // The answer was given; that the message is not sent again is what counts.
    let (status, problem) = alice.post("/v1/talk", "k2", &task).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:peer:settled")), "{problem}");
    assert_eq!(problem["message_id"], task_id);

    alice.serve_anew().await;
    for (path, key, other) in [
        ("/v1/report", "k1", json!({"peer": "bob", "status": "all done now"})),
        ("/v1/talk", "k1", task.clone()),
        ("/v1/report", "k2", report.clone()),
    ] {
        let (status, problem) = alice.post(path, key, &other).await;
        let reused = json!("urn:peer:idempotency_key_reused");
        assert_eq!((status, &problem["type"]), (422, &reused), "{path} {key}: {problem}");
    }

    // A caller that gave up waiting waits again under its key, and the message was sent once.
    let task = json!({"peer": "bob", "content": {"text": "slow"}, "timeout_ms": 300});
    let (status, problem) = alice.post("/v1/talk", "k3", &task).await;
    assert_eq!((status, &problem["type"]), (504, &json!("urn:peer:timeout")), "{problem}");
    let patient = json!({"peer": "bob", "content": {"text": "slow"}, "timeout_ms": 9000});
    let waiting = alice.post("/v1/talk", "k3", &patient);
    let answering = async {
        let task = messages.next().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        bob.node.handle().answer(&task.message_id, text("done"), true).await.unwrap();
        task.message_id
    };
    let ((status, answer), task_id) = tokio::join!(waiting, answering);
    assert_eq!((status, &answer["content"]["text"]), (200, &json!("done")), "{answer}");
    assert_eq!((&problem["message_id"], &answer["message_id"]), (&json!(task_id), &json!(task_id)));
    let mut all =
        alice.node.handle().outbox(OutboxFilter { all: true, ..OutboxFilter::default() }).await;
    assert_eq!(all.as_mut().unwrap().items.len(), 3, "one report and two tasks: {all:?}");
}
