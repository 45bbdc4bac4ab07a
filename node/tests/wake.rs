//! What a node says of its agent, to peers that know all words for that and to those that do not.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, identify, identity, noise, tcp, yamux};
use peer_behaviours::{Clock as _, SystemClock, secure};
use peer_node::api::Server;
use peer_node::config::{Adapter, NodeConfig, WakePeer, WakeRule};
use peer_node::{Handle, Node, NodeError};
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::handshake::Config;
use peer_protocol::identity::{Fingerprint, Identity, TrustPolicy};
use peer_protocol::link::{self, LinkConfig};
use peer_protocol::message::{
    AGENT_LIFE, AgentLife, Body, Heartbeat, Message, MessageKind, WakeOutcome, WakeUp,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use support::trust::Trust;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    secure: secure::Behaviour,
}

/// A peer with these features.
struct Peer {
    swarm: Swarm<Behaviour>,
    node: PeerId,
}

fn key(seed: u8) -> Ed25519Authenticator {
    Ed25519Authenticator::from_seed(&[seed; 32])
}

impl Peer {
    async fn connect(seed: u8, features: &[&str], node: Multiaddr) -> Self {
        let me = Identity::new(Some("asker".parse().unwrap()), Arc::new(key(seed))).unwrap();
        let keypair = identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let (trust, clock) = (Arc::new(Trust::default()), Arc::new(SystemClock::new()));
        let features = features.iter().map(|it| (*it).to_owned()).collect();
        let link = LinkConfig::new(Config { features, ..Config::new(me) });
        let mut swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|keypair| Behaviour {
                identify: identify::Behaviour::new(identify::Config::new(
                    "peer/1.1.0".to_owned(),
                    keypair.public(),
                )),
                secure: secure::Behaviour::new(link, secure::GateConfig::default(), trust, clock),
            })
            .unwrap()
            .with_swarm_config(|config| {
                config
                    .with_substream_upgrade_protocol_override(Version::V1Lazy)
                    .with_idle_connection_timeout(LIMIT)
            })
            .build();
        swarm.dial(node).unwrap();
        let node = loop {
            if let SwarmEvent::ConnectionEstablished { peer_id, .. } =
                swarm.select_next_some().await
            {
                break peer_id;
            }
        };
        swarm.behaviour_mut().secure.open(node).unwrap();
        Self { swarm, node }
    }

    fn send<'b>(&mut self, body: impl Into<Body<'b>>) {
        let message = Message::new(&mut rand::rng(), &body.into(), None).unwrap();
        let deadline = SystemClock::new().now().instant + LIMIT;
        self.swarm.behaviour_mut().secure.send(self.node, message, deadline).unwrap();
    }

    async fn answer(&mut self, kind: MessageKind) -> Message {
        loop {
            let event = self.swarm.select_next_some().await;
            let SwarmEvent::Behaviour(BehaviourEvent::Secure(event)) = event else { continue };
            if let secure::EventKind::Link(link::Event::Message(message)) = event.kind
                && message.kind == kind
            {
                return message;
            }
        }
    }

    async fn life(&mut self) -> AgentLife {
        self.send(Heartbeat {});
        let answer = tokio::time::timeout(LIMIT, self.answer(MessageKind::HeartbeatAck)).await;
        match answer.unwrap().decode().unwrap() {
            Body::HeartbeatAck(ack) => ack.agent,
            other => panic!("{other:?}"),
        }
    }

    async fn wake(&mut self) -> WakeOutcome {
        self.send(WakeUp { reason: "go on".to_owned(), attempt: 1 });
        let answer = tokio::time::timeout(LIMIT, self.answer(MessageKind::WakeUpAck)).await;
        match answer.unwrap().decode().unwrap() {
            Body::WakeUpAck(ack) => ack.outcome,
            other => panic!("{other:?}"),
        }
    }
}

/// A node that lets whoever holds the key of `seed` wake its agent, a client of its API.
async fn node(seed: u8, timeout: Duration) -> (Handle, Multiaddr) {
    let allowed = WakePeer::Key(Fingerprint::of(&key(seed).public_key()));
    let rule = WakeRule { timeout, ..WakeRule::new(vec![allowed], Adapter::Client) };
    let config = NodeConfig::default()
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_trust_policy(TrustPolicy::Open)
        .with_mdns(false)
        .with_upnp(false)
        .with_wake(vec![rule])
        .unwrap();
    let node = Node::builder().config(config).start().await.unwrap();
    let address = node.handle().status().await.unwrap().listen[0].parse().unwrap();
    (node.handle(), address)
}

/// Gives back the nonce of the first wake-up.
async fn agent(handle: Handle) -> Result<(), NodeError> {
    let mut messages = handle.subscribe(None).await?;
    let message = messages.recv().await.ok_or(NodeError::Stopped)?;
    assert_eq!(message.content.text.as_deref(), Some("go on"));
    let nonce = message.wake_nonce.unwrap();
    handle.awake(&nonce).await?;
    assert_eq!(handle.awake(&nonce).await, Err(NodeError::NoSuchWake));
    std::future::pending().await
}

#[tokio::test]
async fn who_does_not_know_the_word_awake_is_told_that_the_agent_was_told() {
    for (features, outcome) in
        [(&[AGENT_LIFE][..], WakeOutcome::Awake), (&[][..], WakeOutcome::HandedToAgent)]
    {
        let (handle, address) = node(1, Duration::from_secs(10)).await;
        let mut peer = Peer::connect(1, features, address).await;
        assert_eq!(peer.life().await, AgentLife::Absent);
        // It comes while it is waited for.
        let agent = tokio::spawn(agent(handle));
        assert_eq!(peer.wake().await, outcome, "{features:?}");
        assert_eq!(peer.life().await, AgentLife::Attached);
        assert!(!agent.is_finished());
        agent.abort();
    }
}

#[tokio::test]
async fn agents_of_which_little_is_known_are_told_of_in_words_that_the_peer_knows() {
    for (features, silent, unresponsive) in [
        (&[AGENT_LIFE, "something-else"][..], AgentLife::Unknown, AgentLife::Unresponsive),
        (&["something-else"][..], AgentLife::Attached, AgentLife::Absent),
    ] {
        let (handle, address) = node(1, Duration::from_millis(200)).await;
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("api.sock");
        let _server = Server::start(&socket, handle).await.unwrap();
        let mut peer = Peer::connect(1, features, address).await;
        for (query, life) in
            [("", silent), ("?agent=00112233445566778899aabbccddeeff", unresponsive)]
        {
            let mut stream = UnixStream::connect(&socket).await.unwrap();
            let request = format!("GET /v1/messages{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"HTTP/1.1 200");
            assert_eq!(peer.life().await, life, "{features:?} {query}");
            drop(stream);
            // No agent is said to be there that has hung up.
            let mut gone = peer.life().await;
            for _ in 0..20 {
                if gone == AgentLife::Absent {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                gone = peer.life().await;
            }
            assert_eq!(gone, AgentLife::Absent);
        }
        assert_eq!(peer.wake().await, WakeOutcome::NoAgent);
    }
}
