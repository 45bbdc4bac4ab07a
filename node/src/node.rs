//! Starting and stopping a node.

use std::net::SocketAddr;
use std::sync::Arc;

use peer_behaviours::{Clock, SystemClock, registry};
use peer_protocol::crypto::{Ed25519Authenticator, SuiteRegistry};
use peer_protocol::handshake::{Config, HandshakeKind};
use peer_protocol::identity::Identity;
use peer_protocol::link::LinkConfig;
use peer_protocol::message::AGENT_LIFE;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::builder::NodeBuilder;
use crate::config::{DhtMode, GatewayPeer, InvalidSetting, NodeConfig};
use crate::error::StartError;
use crate::event_loop::{
    Delivery, EventLoop, MailState, Parts, RegistryState, Resuming, TransferState,
};
use crate::gateway::{self, Gateway, Passing};
use crate::handle::{Handle, WeakHandle};
use crate::inbox::Inbox;
use crate::mailbox::{self, Mailbox, StoredRows};
use crate::metrics::{self, Metrics};
use crate::registry_file::RegistryFile;
use crate::room::{Room, Share};
use crate::store::{Change, Loaded, Store, Writer};
use crate::swarm;
use crate::transfer::{InStore, Intake, Transfers};
use crate::trust::SharedTrust;
use crate::trust_file::TrustFile;

/// Places in the channel of commands; a caller waits for one.
const COMMANDS: usize = 256;

/// A running node.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    gateway: Option<SocketAddr>,
    metrics: Metrics,
    event_loop: JoinHandle<()>,
}

impl Node {
    /// Starts listening, and runs the event loop on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(
        config: NodeConfig,
        key: Ed25519Authenticator,
        trust: TrustFile,
        store: Store,
    ) -> Result<Self, StartError> {
        Self::start_at(config, key, trust, store, Arc::new(SystemClock::new())).await
    }

    /// The same, with a clock of the caller's.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start_at(
        config: NodeConfig,
        key: Ed25519Authenticator,
        trust: TrustFile,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        config.check()?;
        let seed = key.seed();
        let identity = Identity::new(config.entity().cloned(), Arc::new(key))?;
        let own = |peer: &&GatewayPeer| {
            identity.answers_to(&peer.entity) || peer.key == *identity.public_key()
        };
        if let Some(peer) = config.gateway().peers.iter().find(own) {
            let given = peer.entity.to_string();
            return Err(InvalidSetting::OwnName { given }.into());
        }
        let (trust, saves) = SharedTrust::new(trust);
        let intake = Intake::new(config.transfers(), Arc::clone(&trust), Arc::clone(&clock));
        let intake = Arc::new(intake);
        let room = Arc::new(Room::new(Arc::clone(&trust), Arc::clone(&intake)));
        let file = match config.registry_file() {
            Some(path) => RegistryFile::read(path)?,
            None => RegistryFile::default(),
        };
        let loaded = store.load()?;
        for sender in store.senders()? {
            let (messages, bytes) = (sender.waiting.messages, sender.waiting.bytes);
            let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
            room.keep(Share::of(&sender.peer), count(messages), count(bytes));
        }
        let inbox = Inbox::new(Arc::clone(&room), store.head()?);
        let loaded_transfers = InStore::load(&store)?;
        if !loaded_transfers.is_all() {
            let (broken, truncated) = (loaded_transfers.broken, loaded_transfers.truncated);
            tracing::warn!(
                broken,
                truncated,
                "not all transfers can be read; no file is cleared up"
            );
        }
        let mut writer = Writer::start(store.clone(), Arc::clone(&clock))?;
        let delivery = Delivery::start(store.clone(), &mut writer, clock.now().timestamp)?;
        let disk = store.clone();
        let registry = registry_config(&config, &loaded, &writer, &clock);
        let link = link_config(&config, identity.clone(), Arc::clone(&room));
        let gateway = Arc::new(gateway::Shared::new(config.gateway(), Arc::clone(&trust)));
        let shared = swarm::Shared {
            room,
            trust: Arc::clone(&trust),
            clock: Arc::clone(&clock),
            disk: Arc::new(Resuming(store.clone())),
            gateway: Arc::clone(&gateway),
        };
        let metrics = Metrics::new(metrics::Sources {
            limit_hits: Arc::clone(&link.limit_hits),
            commits: writer.commits(),
            gateway: Arc::clone(&gateway.counts),
        });
        let swarm = swarm::build(&config, &seed, link, shared, registry)?;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let saver = tokio::spawn(Arc::clone(&trust).keep_saved(saves));
        let ledger = Arc::new(InStore(writer.submitter()));
        let registry = RegistryState::new(&config, &loaded, file, writer);
        let transfers = Transfers::start(
            config.transfers().clone(),
            intake,
            Arc::clone(&trust),
            Arc::clone(&clock),
            ledger,
            loaded_transfers,
        )
        .map_err(|error| StartError::Transfers { reason: error.to_string() })?;
        let mailbox = Mailbox::start(mailbox::Parts {
            config: config.mailbox().clone(),
            identity: identity.clone(),
            suites: SuiteRegistry::named(config.suites().iter().map(String::as_str)),
            clock: Arc::clone(&clock),
            disk: Box::new(StoredRows::open(disk)?),
        })?;
        let tasks = config.rate().task;
        let passing = Passing::new(&gateway);
        let (passing, items) = passing.unzip();
        let mut event_loop = EventLoop::new(Parts {
            config: config.clone(),
            identity: identity.clone(),
            swarm,
            trust,
            clock: Arc::clone(&clock),
            inbox,
            delivery,
            registry,
            transfers: TransferState::new(transfers),
            mail: MailState::new(mailbox, tasks),
            passing,
            metrics: metrics.clone(),
            commands: receiver,
        });
        event_loop.recall(loaded);
        let events = event_loop.events();
        event_loop.listen().await?;
        let node = WeakHandle::new(&commands, events.clone());
        let parts = gateway::Parts { config, identity, clock, node, shared: gateway, items };
        let gateway = Gateway::start(parts).await?;
        let address = gateway.address();
        let event_loop = tokio::spawn(async move {
            event_loop.run().await;
            saver.abort();
            drop(gateway);
        });
        Ok(Self { handle: Handle::new(commands, events), gateway: address, metrics, event_loop })
    }

    /// Puts a node together, with defaults for everything.
    #[must_use]
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// A handle to the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where its gateway for version 1.0 peers listens, if it does.
    #[must_use]
    pub const fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    /// What it counts and measures.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Waits until the node has stopped, after [`Handle::shutdown`].
    pub async fn stopped(self) {
        if let Err(error) = self.event_loop.await {
            tracing::error!(%error, "the event loop ended badly");
        }
    }
}

/// The registry's configuration, unless it is off. The secret that orders rival records stays the
/// same over restarts.
fn registry_config(
    config: &NodeConfig,
    loaded: &Loaded,
    writer: &Writer,
    clock: &Arc<dyn Clock>,
) -> Option<registry::Config> {
    if config.dht() == DhtMode::Off {
        return None;
    }
    let salt = loaded.salt.unwrap_or_else(|| {
        let salt = rand::random();
        writer.write([Change::Salt(salt)]);
        salt
    });
    Some(registry::Config::new(Arc::clone(clock), salt))
}

fn link_config(config: &NodeConfig, identity: Identity, room: Arc<Room>) -> LinkConfig {
    let three_way = config.three_way();
    let handshake = Config {
        suites: SuiteRegistry::named(config.suites().iter().map(String::as_str)),
        session_lifetime: config.session_lifetime(),
        accept_three_way: three_way,
        features: vec![AGENT_LIFE.to_owned()],
        ..Config::new(identity)
    };
    LinkConfig {
        preferred: if three_way { HandshakeKind::ThreeWay } else { HandshakeKind::SixStep },
        rate: *config.rate(),
        trusted_rate: *config.trusted_rate(),
        admission: room,
        ..LinkConfig::new(handshake)
    }
}
