//! Swarms on a memory transport that speak version 1.0.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_swarm::Swarm;
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::legacy::{Behaviour, Config, Event, EventKind, Outgoing};
use peer_behaviours::{Clock, SystemClock};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::id::MessageId;
use peer_protocol::identity::{
    Admission, EntityId, Identity, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::legacy::Object;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A trust store that trusts on first use.
#[derive(Default)]
pub(crate) struct Trust(Mutex<TrustStore>);

impl Trust {
    fn store(&self) -> MutexGuard<'_, TrustStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.store().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.store().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.store().level(entity, key)
    }
}

/// A node: its swarm, and every event so far.
pub(crate) struct Node {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) events: Vec<EventKind>,
}

impl Node {
    /// Listening in memory.
    pub(crate) async fn new(name: &str, configure: impl FnOnce(Config) -> Config) -> Self {
        let mut swarm = Swarm::new_ephemeral_tokio(|keypair| {
            let config = configure(Config::new(identity(name, keypair)));
            Behaviour::new(config, Arc::new(Trust::default()), Arc::new(SystemClock::new()))
        });
        swarm.listen().with_memory_addr_external().await;
        Self { swarm, events: Vec::new() }
    }

    pub(crate) fn id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    pub(crate) fn send(
        &mut self,
        to: PeerId,
        seed: u64,
        msg_type: &str,
        payload: Object,
    ) -> MessageId {
        let id = MessageId::random(&mut StdRng::seed_from_u64(seed));
        let message = Outgoing { id, msg_type: msg_type.to_owned(), payload };
        self.swarm.behaviour_mut().send(to, message, deadline()).unwrap();
        id
    }

    pub(crate) fn sessions(&self) -> Vec<String> {
        let ready = |event: &EventKind| match event {
            EventKind::SessionReady(info) => Some(format!("{} with {}", info.id, info.peer)),
            _ => None,
        };
        self.events.iter().filter_map(ready).collect()
    }

    pub(crate) fn messages(&self) -> Vec<(&str, &Object)> {
        fn message(event: &EventKind) -> Option<(&str, &Object)> {
            match event {
                EventKind::Message { msg_type, payload } => Some((msg_type, payload)),
                _ => None,
            }
        }
        self.events.iter().filter_map(message).collect()
    }

    pub(crate) fn has(&self, is: impl Fn(&EventKind) -> bool) -> bool {
        self.events.iter().any(is)
    }

    pub(crate) fn delivered(&self, id: MessageId) -> bool {
        self.has(|event| *event == EventKind::Delivered { id })
    }

    async fn step(&mut self) {
        let Event { kind, .. } = self.swarm.next_behaviour_event().await;
        self.events.push(kind);
    }
}

/// Runs both until `done`.
pub(crate) async fn run(a: &mut Node, b: &mut Node, done: impl Fn(&Node, &Node) -> bool) {
    let both = async {
        while !done(a, b) {
            tokio::select! {
                () = a.step() => {}
                () = b.step() => {}
            }
        }
    };
    let over = tokio::time::timeout(Duration::from_secs(9), both).await.is_err();
    assert!(!over, "first: {:?}\nsecond: {:?}", a.events, b.events);
}

/// Runs a node until `other` is done.
pub(crate) async fn beside<T>(node: &mut Node, other: impl Future<Output = T>) -> T {
    let mut other = std::pin::pin!(other);
    loop {
        tokio::select! {
            done = &mut other => return done,
            () = node.step() => {}
        }
    }
}

pub(crate) fn identity(name: &str, keypair: libp2p_identity::Keypair) -> Identity {
    let secret = keypair.try_into_ed25519().unwrap().secret();
    let seed: [u8; 32] = secret.as_ref().try_into().unwrap();
    let authenticator = Arc::new(Ed25519Authenticator::from_seed(&seed));
    Identity::new(Some(name.parse().unwrap()), authenticator).unwrap()
}

pub(crate) fn payload(text: &str) -> Object {
    Object::from([("message".to_owned(), text.into())])
}

pub(crate) fn now() -> Now {
    SystemClock::new().now()
}

fn deadline() -> Instant {
    Instant::from_start(Duration::from_secs(3600))
}
