//! Swarms with the secure behaviour on the memory transport.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use libp2p_core::transport::MemoryTransport;
use libp2p_core::upgrade::Version;
use libp2p_core::{Multiaddr, PeerId, Transport as _};
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{Behaviour, EventKind, GateConfig, key_of};
use peer_behaviours::{Clock, SystemClock};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::handshake::Config;
use peer_protocol::identity::{
    Admission, EntityId, Fingerprint, Identity, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::link::{Event, LinkConfig, SessionInfo};
use peer_protocol::message::{Body, Message, Task};
use peer_protocol::time::Timestamp;

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(crate) struct Trust(RwLock<TrustStore>);

impl Trust {
    /// Which has pinned `name` to the key of `peer`.
    pub(crate) fn pinning(name: &str, peer: &PeerId) -> Self {
        let key = key_of(peer).unwrap();
        let mut store = TrustStore::default();
        store.pin(name.parse().unwrap(), Fingerprint::of(&key), Timestamp::default());
        Self(RwLock::new(store))
    }
}

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.read().unwrap().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.0.write().unwrap().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.0.read().unwrap().level(entity, key)
    }
}

/// The behaviour of the entity `name`.
pub(crate) fn behaviour(
    name: &str,
    keypair: Keypair,
    gate: GateConfig,
    adjust: impl Fn(&mut LinkConfig),
) -> Behaviour {
    trusting(Trust::default(), name, keypair, gate, adjust)
}

/// The same, with what it knows of others.
pub(crate) fn trusting(
    trust: Trust,
    name: &str,
    keypair: Keypair,
    gate: GateConfig,
    adjust: impl Fn(&mut LinkConfig),
) -> Behaviour {
    let keypair = keypair.try_into_ed25519().unwrap();
    let seed: [u8; 32] = keypair.secret().as_ref().try_into().unwrap();
    let key = Arc::new(Ed25519Authenticator::from_seed(&seed));
    let identity = Identity::new(Some(name.parse().unwrap()), key).unwrap();
    let mut config = LinkConfig::new(Config::new(identity));
    adjust(&mut config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Behaviour::new(config, gate, Arc::new(trust), clock)
}

/// A swarm for the entity `name`.
pub(crate) fn swarm(
    name: &str,
    gate: GateConfig,
    adjust: impl Fn(&mut LinkConfig),
) -> Swarm<Behaviour> {
    Swarm::new_ephemeral_tokio(|keypair| behaviour(name, keypair, gate, adjust))
}

/// A swarm for the entity `name` that remembers at most so many peers.
pub(crate) fn forgetful(name: &str, most: usize) -> Swarm<Behaviour> {
    Swarm::new_ephemeral_tokio(|keypair| {
        behaviour(name, keypair, GateConfig::default(), |_| {}).with_max_peers(most)
    })
}

/// A swarm with a key and a version of protocol negotiation that the test chooses.
pub(crate) fn custom<B: NetworkBehaviour>(
    keypair: &Keypair,
    version: Version,
    behaviour: B,
) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(libp2p_plaintext::Config::new(keypair))
        .multiplex(libp2p_yamux::Config::default())
        .boxed();
    let config = libp2p_swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(version)
        .with_idle_connection_timeout(PATIENCE);
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

/// Listens in memory.
pub(crate) async fn listen<B>(swarm: &mut Swarm<B>) -> Multiaddr
where
    B: NetworkBehaviour<ToSwarm: Debug> + Send,
{
    swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.next_swarm_event().await {
            return address;
        }
    }
}

pub(crate) fn task(text: &'static str) -> Message {
    let content = Cow::Borrowed(text.as_bytes());
    let task = Task { content, content_type: "text/plain".to_owned(), ..Task::default() };
    Message::new(&mut rand::rng(), &Body::from(task), None).unwrap()
}

/// Drives both swarms until `done` says so, which sees every event with the side it came from.
pub(crate) async fn drive<T>(
    a: &mut Swarm<Behaviour>,
    b: &mut Swarm<Behaviour>,
    mut done: impl FnMut(usize, PeerId, EventKind) -> Option<T>,
) -> T {
    let driven = async {
        loop {
            let (side, event) = tokio::select! {
                event = a.next_swarm_event() => (0, event),
                event = b.next_swarm_event() => (1, event),
            };
            if let Ok(event) = event.try_into_behaviour_event()
                && let Some(result) = done(side, event.peer, event.kind)
            {
                return result;
            }
        }
    };
    tokio::time::timeout(PATIENCE, driven).await.expect("this hangs")
}

/// Drives both swarms until each has a session; returns both views of it.
pub(crate) async fn sessions(
    a: &mut Swarm<Behaviour>,
    b: &mut Swarm<Behaviour>,
) -> [SessionInfo; 2] {
    let mut found = [None, None];
    drive(a, b, |side, _, event| {
        if let EventKind::Link(Event::SessionReady(info)) = event {
            found[side] = Some(info);
        }
        if found.iter().all(Option::is_some) {
            Some(found.clone().map(Option::unwrap))
        } else {
            None
        }
    })
    .await
}
