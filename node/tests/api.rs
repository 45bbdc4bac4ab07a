//! The local API in front of real nodes.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::PathBuf;
use std::time::Duration;

use peer_node::api::{Client, Connect, EventStream, Pin, Report, Send, Server, Talk, Told};
use peer_node::config::{AcceptFiles, NodeConfig, TransferConfig};
use peer_node::model::{Content, Delivery, IncomingKind, TransferState};
use peer_node::paths::DataDir;
use peer_node::{Node, NodeEvent};

const PATIENCE: Duration = Duration::from_secs(20);

/// A node with its API in a directory of its own.
struct Host {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    node: Node,
    client: Client,
    _server: Server,
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
        Self { _temp: temp, dir, client: Client::new(&data), node, _server: server }
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
