//! What nodes measure, against what was done with them.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::Path;
use std::time::Duration;

use peer_node::api::{App, Client, Server, Token};
use peer_node::config::{AcceptFiles, DhtMode, NodeConfig, TransferConfig};
use peer_node::metrics::{self, Sample};
use peer_node::model::{Content, FileToSend, ReportOptions, Wait};
use peer_node::paths::DataDir;
use peer_node::{Handle, Node};
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::identity::Fingerprint;
use peer_protocol::rate_limit::{Quota, RateProfile};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);

async fn start(root: &Path, entity: &str, rate: RateProfile) -> Node {
    let dir = root.join(entity);
    let transfers = TransferConfig {
        root: Some(dir.join("transfers")),
        received: Some(dir.join("received")),
        accept: AcceptFiles::All,
        reserve: 0,
        ..TransferConfig::default()
    };
    let config = NodeConfig::default()
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_dht(DhtMode::Server)
        .with_mdns(false)
        .with_upnp(false)
        .with_rate(rate)
        .with_shutdown_grace(Duration::ZERO)
        .unwrap()
        .with_transfers(transfers);
    Node::builder().config(config).entity(entity).unwrap().start().await.unwrap()
}

async fn connect(from: &Node, to: &Node) -> Result<(), peer_node::NodeError> {
    let address = loop {
        if let Some(address) = to.handle().status().await.unwrap().listen.first() {
            break address.parse().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    from.handle().connect(address).await.map(drop)
}

/// The sum of all samples of this name whose labels have these values.
fn sum(node: &Node, name: &str, labels: &[&str]) -> f64 {
    let samples = metrics::samples(&node.metrics().text()).unwrap();
    let fits = |sample: &&Sample| {
        let has = |value: &&str| sample.labels.values().any(|other| other == value);
        sample.name == name && labels.iter().all(has)
    };
    samples.iter().filter(fits).map(|sample| sample.value).sum()
}

/// Waits until that sum is `expected`.
async fn becomes(node: &Node, name: &str, labels: &[&str], expected: f64) {
    let reached = async {
        while sum(node, name, labels) != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        panic!("{name} {labels:?} is {}, not {expected}", sum(node, name, labels));
    }
}

fn text(text: &str) -> Content {
    Content::from_bytes(text.as_bytes())
}

async fn report(node: &Node, to: &str, wait: Wait) {
    let options = ReportOptions { wait, timeout: PATIENCE, ..ReportOptions::default() };
    node.handle().report(to, "done".to_owned(), None, text("content"), options).await.unwrap();
}

async fn answer(node: Handle) {
    let mut messages = node.subscribe(None).await.unwrap();
    while let Some(message) = messages.recv().await {
        let _ = node.answer(&message.message_id, text("yes"), true).await;
        let _ = node.acknowledge(vec![message.message_id]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_move_with_what_is_done() {
    let root = tempfile::tempdir().unwrap();
    let alice = start(root.path(), "alice", RateProfile::default()).await;
    let bob = start(root.path(), "bob", RateProfile::default()).await;
    for node in [&alice, &bob] {
        assert_eq!(sum(node, "peer_handshakes_total", &[]), 0.0);
        assert_eq!(sum(node, "peer_messages_total", &[]), 0.0);
        assert_eq!(sum(node, "peer_peers", &[]), 0.0);
    }

    connect(&alice, &bob).await.unwrap();
    becomes(&alice, "peer_handshakes_total", &["six_step", "initiator", "ready"], 1.0).await;
    becomes(&bob, "peer_handshakes_total", &["six_step", "responder", "ready"], 1.0).await;
    becomes(&alice, "peer_handshake_duration_seconds_count", &[], 1.0).await;
    assert_eq!(sum(&alice, "peer_dials_total", &["connected"]), 1.0);
    becomes(&alice, "peer_sessions", &["READY"], 1.0).await;
    becomes(&bob, "peer_peers", &["direct"], 1.0).await;
    becomes(&bob, "peer_connections", &["tcp"], 1.0).await;
    becomes(&bob, "libp2p_swarm_connections_established_total", &["Listener"], 1.0).await;

    report(&alice, "bob", Wait::Delivered).await;
    assert_eq!(sum(&alice, "peer_messages_total", &["out", "status_report"]), 1.0);
    assert_eq!(sum(&bob, "peer_messages_total", &["in", "status_report"]), 1.0);
    let bytes = sum(&alice, "peer_message_body_bytes_total", &["out", "status_report"]);
    assert!(bytes > 7.0);
    let came = sum(&bob, "peer_message_body_bytes_total", &["in", "status_report"]);
    assert_eq!(came, bytes);
    assert_eq!(sum(&alice, "peer_receipts_received_total", &["delivered"]), 1.0);
    assert_eq!(sum(&alice, "peer_outbox_steps_total", &["delivered"]), 1.0);
    assert!(sum(&alice, "peer_store_commit_duration_seconds_count", &[]) >= 1.0);
    assert!(sum(&alice, "peer_store_committed_bytes_total", &[]) > 0.0);
    becomes(&bob, "peer_queue_messages", &["inbox"], 1.0).await;
    becomes(&bob, "peer_queue_bytes", &["inbox"], bytes).await;

    let agent = tokio::spawn(answer(bob.handle()));
    let asked = alice.handle().talk("bob", text("well?"), None, PATIENCE).await.unwrap();
    assert_eq!(asked.content.text.as_deref(), Some("yes"));
    becomes(&bob, "peer_messages_total", &["out", "task_result"], 1.0).await;
    becomes(&bob, "peer_agents", &[], 1.0).await;
    becomes(&bob, "peer_queue_messages", &["inbox"], 0.0).await;
    becomes(&alice, "peer_queue_messages", &["outbox"], 0.0).await;
    becomes(&alice, "peer_receipts_received_total", &["processed"], 2.0).await;

    let path = root.path().join("file");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    let file = FileToSend { path, name: None, content_type: None, spooled: false, root: None };
    alice.handle().send_file("bob", file, PATIENCE).await.unwrap();
    becomes(&alice, "peer_transfers_total", &["outgoing", "complete"], 1.0).await;
    becomes(&bob, "peer_transfers_total", &["incoming", "complete"], 1.0).await;
    assert_eq!(sum(&bob, "peer_transfers_completed_bytes_total", &["incoming"]), 300_000.0);
    becomes(&bob, "peer_transfers_open", &[], 0.0).await;

    let missing = alice.handle().lookup("nobody", true, PATIENCE).await;
    assert!(missing.is_err());
    assert_eq!(sum(&alice, "peer_lookups_total", &["missing"]), 1.0);
    assert_eq!(sum(&alice, "peer_lookup_duration_seconds_count", &[]), 1.0);
    assert!(sum(&alice, "peer_lookup_requests_total", &[]) >= 1.0);
    becomes(&alice, "peer_registry_neighbours", &[], 1.0).await;
    assert!(sum(&alice, "peer_event_loop_lag_seconds_count", &[]) > 10.0);
    agent.abort();

    // No label says who, or where.
    for node in [&alice, &bob] {
        let status = [&alice, &bob].map(|node| node.handle());
        for handle in status {
            let status = handle.status().await.unwrap();
            let text = node.metrics().text();
            for word in
                [&status.peer_id, &status.fingerprint.to_string(), "127.0.0.1", "alice", "bob"]
            {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_counts_apart() {
    let root = tempfile::tempdir().unwrap();
    let task = Quota { per_minute: 60, burst: 2 };
    let strict = RateProfile { task, ..RateProfile::default() };
    let alice = start(root.path(), "alice", RateProfile::default()).await;
    let bob = start(root.path(), "bob", strict).await;

    // A refused handshake: somebody else has the name.
    let owner = Ed25519Authenticator::from_seed(&[9; 32]);
    let nobody = owner.public_key();
    bob.handle().pin("alice".parse().unwrap(), Fingerprint::of(&nobody)).await.unwrap();
    assert!(connect(&alice, &bob).await.is_err());
    let refused = ["six_step", "responder", "INVALID_SIGNATURE"];
    assert!(sum(&bob, "peer_handshakes_total", &refused) >= 1.0);
    assert_eq!(sum(&bob, "peer_handshakes_total", &["ready"]), 0.0);
    assert_eq!(sum(&bob, "peer_rate_limited_total", &[]), 0.0);

    // A sender that does not know how much it may.
    let carol = start(root.path(), "carol", RateProfile::default()).await;
    connect(&carol, &bob).await.unwrap();
    for _ in 0..6 {
        report(&carol, "bob", Wait::Queued).await;
    }
    becomes(&bob, "peer_queue_messages", &["inbox"], 6.0).await;
    assert!(sum(&bob, "peer_rate_limited_total", &["task"]) >= 1.0);
    assert_eq!(sum(&bob, "peer_rate_limited_total", &["handshake"]), 0.0);
    assert!(sum(&carol, "peer_messages_paced_total", &[]) >= 1.0);
    assert!(sum(&carol, "peer_messages_retransmitted_total", &[]) >= 1.0);
    assert_eq!(sum(&carol, "peer_messages_total", &["out", "status_report"]), 6.0);
    assert_eq!(sum(&carol, "peer_rate_limited_total", &[]), 0.0);

    // A dial that leads nowhere.
    let peer_id = peer_behaviours::secure::peer_id_of(&nobody).unwrap();
    let nowhere = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer_id}").parse().unwrap();
    assert!(carol.handle().connect(nowhere).await.is_err());
    assert!(sum(&carol, "peer_dials_total", &["unreachable"]) >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapes_pass_the_guard_over_both_ways() {
    let root = tempfile::tempdir().unwrap();
    let node = start(root.path(), "alice", RateProfile::default()).await;
    let data = DataDir::resolve(Some(root.path().to_owned())).unwrap();
    let app = App::new(node.handle()).mount(metrics::router(node.metrics()));
    let mut server = Server::start(&data.socket(), app).await.unwrap();
    let samples = Client::new(&data).metrics().await.unwrap();
    assert!(samples.iter().any(|sample| sample.name == "peer_build_info"));

    let token = Token::load_or_create(&root.path().join("api.token")).unwrap();
    let secret = std::fs::read_to_string(root.path().join("api.token")).unwrap();
    let secret = secret.trim();
    let address = server.listen("127.0.0.1:0".parse().unwrap(), token).await.unwrap();
    let scrape = async |headers: String| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET /metrics HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (host, bearer) =
        (format!("host: {address}\r\n"), format!("authorization: Bearer {secret}\r\n"));
    let answer = scrape(format!("{host}{bearer}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(&format!("content-type: {}", metrics::CONTENT_TYPE)), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.contains("peer_build_info"), "{body}");
    for (headers, status) in [
        (host.clone(), "401"),
        (format!("{host}authorization: Bearer {}\r\n", "0".repeat(secret.len())), "401"),
        (format!("host: evil.example\r\n{bearer}"), "421"),
        (format!("{host}{bearer}origin: http://evil.example\r\n"), "403"),
    ] {
        let answer = scrape(headers.clone()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
        assert!(!answer.contains("peer_build_info"));
    }
    server.stop().await;
}
