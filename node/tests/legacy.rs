//! A node and a peer that speaks only version 1.0.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, identify, identity, noise, tcp, yamux};
use peer_behaviours::legacy::{self, EventKind, Outgoing};
use peer_behaviours::{Clock, SystemClock, secure};
use peer_node::config::{Adapter, NodeConfig, WakePeer, WakeRule};
use peer_node::model::{Content, Delivery, HandshakeKind, Incoming, IncomingKind, PeerStatus};
use peer_node::trust_file::TrustFile;
use peer_node::{Handle, Node, NodeError, Store};
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::Config;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{Fingerprint, Identity, TrustPolicy};
use peer_protocol::legacy::{Object, Value};
use peer_protocol::link::{LinkConfig, SendFailure};

use support::trust::Trust;

const LIMIT: Duration = Duration::from_secs(10);

#[derive(NetworkBehaviour)]
struct Old {
    legacy: legacy::Behaviour,
    identify: identify::Behaviour,
    /// Only where the peer is to speak version 1.1 as well.
    secure: libp2p::swarm::behaviour::toggle::Toggle<secure::Behaviour>,
}

/// The peer, named `old`, listening.
struct OldPeer {
    swarm: Swarm<Old>,
    address: Multiaddr,
    /// What the node offers, once identify has told.
    offered: Vec<String>,
}

impl OldPeer {
    async fn start(seed: u8, speaks_1_1: bool) -> Self {
        let authenticator = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
        let me = Identity::new(Some("old".parse().unwrap()), authenticator).unwrap();
        let keypair = identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let (trust, clock) = (Arc::new(Trust::default()), Arc::new(SystemClock::new()));
        let mut swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|keypair| {
                let link = LinkConfig::new(Config::new(me.clone()));
                let gate = secure::GateConfig::default();
                let secure = speaks_1_1.then(|| {
                    secure::Behaviour::new(link, gate, trust.clone() as _, clock.clone() as _)
                });
                Old {
                    legacy: legacy::Behaviour::new(legacy::Config::new(me), trust, clock),
                    identify: identify::Behaviour::new(identify::Config::new(
                        "old/1.0.0".to_owned(),
                        keypair.public(),
                    )),
                    secure: secure.into(),
                }
            })
            .unwrap()
            .with_swarm_config(|config| {
                config
                    .with_substream_upgrade_protocol_override(Version::V1Lazy)
                    .with_idle_connection_timeout(LIMIT)
            })
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.with_p2p(*swarm.local_peer_id()).unwrap();
            }
        };
        Self { swarm, address, offered: Vec::new() }
    }

    /// The next thing that its version 1.0 links tell.
    async fn next(&mut self) -> EventKind {
        loop {
            if let Some(event) = self.step().await {
                return event;
            }
        }
    }

    async fn step(&mut self) -> Option<EventKind> {
        match self.swarm.select_next_some().await {
            SwarmEvent::Behaviour(OldEvent::Legacy(event)) => return Some(event.kind),
            SwarmEvent::Behaviour(OldEvent::Identify(identify::Event::Received {
                info, ..
            })) => self.offered = info.protocols.iter().map(ToString::to_string).collect(),
            _ => {}
        }
        None
    }

    /// Whether the node offers a protocol.
    async fn is_offered(&mut self, name: &str) -> bool {
        while self.offered.is_empty() {
            self.step().await;
        }
        self.offered.iter().any(|protocol| protocol == name)
    }

    /// Waits until a message is refused.
    async fn refused(&mut self) -> (MessageId, ErrorCode) {
        let refused = async {
            loop {
                if let EventKind::Failed { id, why: SendFailure::Refused { code, .. } } =
                    self.next().await
                {
                    return (id, code);
                }
            }
        };
        tokio::time::timeout(LIMIT, refused).await.unwrap()
    }

    async fn message(&mut self) -> (String, Object) {
        loop {
            if let EventKind::Message { msg_type, payload } = self.next().await {
                return (msg_type, payload);
            }
        }
    }

    fn send(&mut self, to: PeerId, msg_type: &str, members: &[(&str, &str)]) -> MessageId {
        let payload = members.iter().map(|(key, value)| ((*key).to_owned(), (*value).into()));
        let message = Outgoing {
            id: MessageId::random(&mut rand::rng()),
            msg_type: msg_type.to_owned(),
            payload: payload.collect(),
        };
        let (id, deadline) = (message.id, SystemClock::new().now().instant + 6 * LIMIT);
        self.swarm.behaviour_mut().legacy.send(to, message, deadline).unwrap();
        id
    }

    /// Runs the peer until `other` is done.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        let both = async {
            loop {
                tokio::select! {
                    done = &mut other => return done,
                    _ = self.next() => {}
                }
            }
        };
        tokio::time::timeout(LIMIT, both).await.unwrap()
    }
}

async fn node(configure: impl FnOnce(NodeConfig) -> NodeConfig) -> (Handle, PeerId, Multiaddr) {
    let config = NodeConfig::default()
        .with_entity("new".parse().unwrap())
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_mdns(false)
        .with_upnp(false);
    let key = Ed25519Authenticator::generate(&mut rand::rng());
    let trust = TrustFile::in_memory(TrustPolicy::Open);
    let node =
        Node::start(configure(config), key, trust, Store::in_memory().unwrap()).await.unwrap();
    let status = node.handle().status().await.unwrap();
    let address = status.listen[0].parse().unwrap();
    (node.handle(), status.peer_id.parse().unwrap(), address)
}

async fn old_peer(handle: &Handle) -> PeerStatus {
    handle.peers().await.unwrap().remove(0)
}

fn text(text: &str) -> Content {
    Content::from_bytes(text.as_bytes())
}

fn said<'p>(payload: &'p Object, field: &str) -> &'p str {
    payload.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn is_refused<T: std::fmt::Debug>(result: Result<T, NodeError>, part: &str) {
    match result {
        Err(NodeError::Refused { code: ErrorCode::EncryptionRequired, detail, .. })
            if detail.contains(part) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_a_node_says_reaches_a_version_1_0_peer_and_its_answers_come_back() {
    let mut old = OldPeer::start(1, false).await;
    let (handle, id, _) = node(|config| config).await;
    let status = old.beside(handle.connect(old.address.clone())).await.unwrap();
    assert_eq!(status.entity.unwrap().as_str(), "old");
    assert_eq!((status.protocol.as_deref(), status.encrypted), (Some("1.0"), false));
    let session = status.session.unwrap();
    assert_eq!((session.handshake, session.suite.as_str()), (HandshakeKind::Legacy, "none"));

    let asked = handle.talk("old", text("sum"), Some("c1".to_owned()), LIMIT);
    let answered = async {
        let (msg_type, payload) = old.message().await;
        assert_eq!((msg_type.as_str(), said(&payload, "message")), ("task_delegate", "sum"));
        assert_eq!(said(&payload, "session_id"), "c1");
        let question = said(&payload, "message_id");
        let answer = [("message", "3"), ("in_reply_to", question), ("status", "done")];
        old.send(id, "task_result", &answer);
        loop {
            old.next().await;
        }
    };
    let answer = tokio::select! { answer = asked => answer.unwrap(), () = answered => panic!() };
    assert_eq!((answer.content.text.as_deref(), answer.done), (Some("3"), true));

    let report = handle.report("old", "half way".to_owned(), None, Content::default(), LIMIT);
    assert_eq!(old.beside(report).await.unwrap().status, Delivery::Received);

    // This peer does not say what it answers.
    let alive = handle.alive("old", LIMIT);
    let answered = async {
        assert_eq!(old.message().await.0, "heartbeat");
        old.send(id, "heartbeat_ack", &[("agent", "attached")]);
        loop {
            old.next().await;
        }
    };
    let life = tokio::select! { life = alive => life.unwrap(), () = answered => panic!() };
    assert!(life.alive && life.agent);

    let wake = handle.wake("old", "go on".to_owned(), LIMIT);
    let answered = async {
        let (msg_type, payload) = old.message().await;
        assert_eq!((msg_type.as_str(), said(&payload, "reason")), ("wake_up", "go on"));
        assert_eq!(said(&payload, "request"), "continue_tasks");
        old.send(id, "wake_up_ack", &[("status", "no_agent"), ("detail", "nobody here")]);
        loop {
            old.next().await;
        }
    };
    let woken = tokio::select! { woken = wake => woken.unwrap(), () = answered => panic!() };
    assert_eq!((woken.woken, woken.detail.as_str()), (false, "nobody here"));

    let bytes = handle.talk("old", Content::from_bytes(b"\xff\xfe"), None, LIMIT);
    assert!(matches!(old.beside(bytes).await, Err(NodeError::Invalid { .. })));
    let large = handle.talk("old", text(&"x".repeat(70_000)), None, LIMIT);
    assert!(matches!(old.beside(large).await, Err(NodeError::TooLarge { .. })));
    handle.shutdown().await;
}

#[tokio::test]
async fn what_a_version_1_0_peer_says_is_marked_and_can_be_answered() {
    let mut old = OldPeer::start(1, false).await;
    let (handle, id, address) = node(|config| config).await;
    let mut messages = handle.subscribe(Some(16)).await.unwrap();
    old.swarm.dial(address).unwrap();
    old.send(id, "task_delegate", &[("message", "sum"), ("message_id", "task-17")]);
    let task: Incoming = old.beside(messages.recv()).await.unwrap();
    assert_eq!((task.kind, task.from.as_str()), (IncomingKind::Task, "old"));
    assert!(!task.encrypted);
    assert_eq!(task.content.text.as_deref(), Some("sum"));
    old.beside(handle.answer(&task.message_id, text("3"), true)).await.unwrap();
    let (msg_type, payload) = tokio::time::timeout(LIMIT, old.message()).await.unwrap();
    assert_eq!(msg_type, "task_result");
    assert_eq!(
        (said(&payload, "message"), said(&payload, "in_reply_to"), said(&payload, "status")),
        ("3", "task-17", "done")
    );

    old.send(id, "heartbeat", &[("message_id", "beat-1")]);
    let (msg_type, payload) = tokio::time::timeout(LIMIT, old.message()).await.unwrap();
    assert_eq!((msg_type.as_str(), said(&payload, "agent")), ("heartbeat_ack", "attached"));
    assert_eq!(said(&payload, "in_reply_to"), "beat-1");

    let unknown = old.send(id, "invented", &[]);
    assert_eq!(old.refused().await, (unknown, ErrorCode::InvalidVersion));
    let status = old_peer(&handle).await;
    assert_eq!((status.protocol.as_deref(), status.encrypted), (Some("1.0"), false));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_node_that_requires_encryption_refuses_both_ways() {
    let mut old = OldPeer::start(1, false).await;
    let (handle, id, _) = node(|config| config.with_require_encryption(true)).await;
    let address = old.address.clone();
    is_refused(old.beside(handle.connect(address.clone())).await, "encryption is required");
    is_refused(old.beside(handle.connect(address)).await, "encryption is required");
    let name = old.swarm.local_peer_id().to_string();
    is_refused(old.beside(handle.talk(&name, text("x"), None, LIMIT)).await, "only version 1.0");
    assert!(old.is_offered("/peer/1.0.0").await);
    let refused = old.send(id, "task_delegate", &[("message", "sum")]);
    assert_eq!(old.refused().await, (refused, ErrorCode::EncryptionRequired));
    handle.shutdown().await;
}

#[tokio::test]
async fn with_version_1_0_switched_off_it_is_not_even_offered() {
    let mut old = OldPeer::start(1, false).await;
    let (handle, _, _) = node(|config| config.with_legacy(false)).await;
    let address = old.address.clone();
    is_refused(old.beside(handle.connect(address)).await, "switched off");
    let name = old.swarm.local_peer_id().to_string();
    is_refused(old.beside(handle.talk(&name, text("x"), None, LIMIT)).await, "switched off");
    assert!(old.is_offered("/peer/1.1.0").await && !old.is_offered("/peer/1.0.0").await);
    handle.shutdown().await;
}

#[tokio::test]
async fn who_speaks_both_gets_version_1_1_and_may_not_fall_back() {
    let mut old = OldPeer::start(1, true).await;
    let (handle, id, address) = node(|config| config).await;
    let status = old.beside(handle.connect(old.address.clone())).await.unwrap();
    assert_eq!((status.protocol.as_deref(), status.encrypted), (Some("1.1"), true));
    let refused = old.send(id, "task_delegate", &[("message", "sum")]);
    assert_eq!(old.refused().await, (refused, ErrorCode::EncryptionRequired));
    drop(old);

    // The same peer comes back and claims to speak version 1.0 only.
    let mut old = OldPeer::start(1, false).await;
    old.swarm.dial(address).unwrap();
    let claims = async {
        while old_peer(&handle).await.protocol.as_deref() != Some("1.0") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    old.beside(claims).await;
    is_refused(old.beside(handle.talk("old", text("x"), None, LIMIT)).await, "1.1 before");
    let status = old_peer(&handle).await;
    assert!(status.last_error.unwrap().contains("ENCRYPTION_REQUIRED"));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_version_1_0_peer_starts_nothing_however_much_it_is_allowed() {
    let mut old = OldPeer::start(1, false).await;
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("started");
    let command = vec!["touch".to_owned(), mark.display().to_string()];
    let key = Ed25519Authenticator::from_seed(&[1; 32]).public_key();
    let adapter = Adapter::Command { command, replace: false };
    let rule = WakeRule::new(vec![WakePeer::Key(Fingerprint::of(&key))], adapter);
    let (handle, id, _) = node(|config| config.with_wake(vec![rule]).unwrap()).await;
    old.beside(handle.connect(old.address.clone())).await.unwrap();
    old.send(id, "wake_up", &[("message_id", "wake-1"), ("reason", "go on")]);
    let (msg_type, payload) = tokio::time::timeout(LIMIT, old.message()).await.unwrap();
    assert_eq!((msg_type.as_str(), said(&payload, "status")), ("wake_up_ack", "refused"));
    assert!(!mark.exists());
}
