//! A node and a libp2p peer that speaks no version of this protocol.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, SwarmBuilder, identify, noise, tcp, yamux};
use peer_node::config::NodeConfig;
use peer_node::trust_file::TrustFile;
use peer_node::{Node, NodeError, Store};
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::TrustPolicy;

/// A peer that speaks identify and nothing else, and where it listens.
async fn stranger() -> (Swarm<identify::Behaviour>, Multiaddr) {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|keypair| {
            identify::Behaviour::new(identify::Config::new("other/1".into(), keypair.public()))
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            let address = address.with_p2p(*swarm.local_peer_id()).unwrap();
            return (swarm, address);
        }
    }
}

#[tokio::test]
async fn whoever_connects_to_a_stranger_is_told_at_once_every_time() {
    let (mut swarm, address) = stranger().await;
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let config = NodeConfig::default()
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_mdns(false)
        .with_upnp(false);
    let key = Ed25519Authenticator::generate(&mut rand::rng());
    let trust = TrustFile::in_memory(TrustPolicy::Open);
    let store = Store::in_memory().unwrap();
    let node = Node::start(config, key, trust, store).await.unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        let error = node.handle().connect(address.clone()).await.unwrap_err();
        assert!(
            matches!(&error, NodeError::Unreachable { reason, .. } if reason.contains("neither")),
            "{error}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
    }
}
