//! This node and the registry (`docs/PROTOCOL.md` §11): what it says of itself there, whom it finds
//! there, and what it keeps of it on disk.

mod asked;
mod dialable;
mod finding;
mod good_peers;
mod publisher;
mod publishing;
mod remembering;
mod searching;
mod status;
mod wanted;

use std::collections::BTreeSet;

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::registry;
pub(super) use peer_behaviours::registry::PROTOCOL;
use peer_protocol::time::Instant;

use self::finding::Finding;
use self::publisher::Publisher;
use self::publishing::Publishing;
use self::remembering::Remembering;
use self::searching::Searches;
use super::EventLoop;
use super::reachability::DhtRole;
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::handle::{Registry, Reply};
use crate::model::Registered;
use crate::registry_file::RegistryFile;
use crate::store::{Change, Loaded, Writer};

/// What the event loop knows of the registry.
pub(crate) struct RegistryState {
    publisher: Publisher,
    publishing: Publishing,
    finding: Finding,
    searches: Searches,
    remembering: Remembering,
    file: RegistryFile,
}

impl RegistryState {
    pub(crate) fn new(
        config: &NodeConfig,
        loaded: &Loaded,
        file: RegistryFile,
        writer: Writer,
    ) -> Self {
        let added: BTreeSet<_> =
            loaded.capabilities.iter().filter_map(|name| name.parse().ok()).collect();
        let all = config.capabilities().iter().chain(&added).cloned().collect();
        Self {
            publisher: Publisher::new(all, loaded.last_seen),
            publishing: Publishing::default(),
            finding: Finding::default(),
            searches: Searches::default(),
            remembering: Remembering::new(writer, added),
            file,
        }
    }
}

impl EventLoop {
    pub(super) fn on_registry_command(&mut self, command: Registry) {
        match command {
            Registry::Register { add, remove, reply } => self.register(&add, &remove, reply),
            Registry::Lookup { name, fresh, timeout, reply } => {
                self.look_up(name, fresh, timeout, reply);
            }
            Registry::Discover { capabilities, most, timeout, reply } => {
                self.discover(capabilities, most, timeout, reply);
            }
            Registry::Dht(reply) => drop(reply.send(self.dht_status())),
        }
    }

    pub(super) fn on_registry(&mut self, event: registry::Event) {
        match event {
            registry::Event::Published { id, keys, stored, failed, announced } => {
                tracing::debug!(keys, stored, failed = failed.len(), announced, "published");
                self.on_published(id, keys, stored);
            }
            registry::Event::LookedUp { id, lookup, asked, took } => {
                self.on_looked_up(id, lookup, asked, took);
            }
            registry::Event::Found { id, record } => self.on_found(id, &record),
            registry::Event::SearchDone { id, rejected, asked, .. } => {
                self.on_search_done(id, rejected, asked);
            }
            registry::Event::TableChanged { peers } => {
                tracing::debug!(peers, "the registry's routing table changed");
                if peers > 0 {
                    let now = self.clock.now().instant;
                    self.registry.publisher.somebody_came(now);
                }
            }
        }
    }

    pub(super) fn tick_registry(&mut self, now: Instant) {
        self.tick_finding(now);
        self.tick_searches(now);
        self.tick_publishing(now);
        self.tick_remembering(now);
    }

    /// Whether this node serves the registry has changed, or whether it takes `local` addresses from it.
    pub(super) fn registry_role(&mut self, role: DhtRole, local: bool) {
        let mode = match role {
            DhtRole::Server => registry::Mode::Server,
            DhtRole::Client | DhtRole::Off => registry::Mode::Client,
        };
        if let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() {
            registry.set_mode(mode);
            registry.set_local_addresses(local);
        }
    }

    /// Where this node is has changed, and has stayed so for a moment.
    pub(super) fn registry_addresses(&mut self, addresses: Vec<String>, now: Instant) {
        self.registry.publisher.set_addresses(addresses, now);
    }

    /// A peer that takes part in the registry says where it is.
    pub(super) fn on_registry_peer(
        &mut self,
        id: PeerId,
        addresses: impl Iterator<Item = Multiaddr>,
    ) {
        let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() else { return };
        for address in addresses {
            registry.add_address(id, address);
        }
        self.registry.publisher.somebody_came(self.clock.now().instant);
    }

    /// Writes something to remember, soon.
    pub(super) fn save(&self, change: Change) {
        self.registry.remembering.save(change);
    }

    /// Whether names can be looked up anywhere.
    fn has_registry(&self) -> bool {
        self.swarm.behaviour().registry.is_enabled() || !self.registry.file.is_empty()
    }
}

/// Why there is no registry.
fn off() -> NodeError {
    NodeError::Registry { detail: "it is switched off (`dht = \"off\"`)".to_owned() }
}

type Registering = Reply<Registered>;
