//! A node's configuration: validated once, then only read.
//!
//! Raw settings come in layers (TOML file < environment < flags, see [`Layer`]); [`NodeConfig`] is
//! what is left after every value has been checked. Programs that embed a node start from
//! [`NodeConfig::default`] and its `with_…` methods; those for a family of settings stand beside it,
//! in `registry` and `reachability`.

mod a2a;
mod address;
mod api;
mod duration;
mod error;
mod gateway;
mod layer;
mod mailbox;
mod mcp;
mod private_network;
mod reachability;
mod registry;
mod settings;
mod size;
mod template;
mod transfers;
mod wake;

use std::path::PathBuf;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::identity::{EntityId, TrustPolicy};
use peer_protocol::limits::{
    MAX_MESSAGE_TTL, MAX_SESSION_LIFETIME, MESSAGE_TTL, MIN_SESSION_LIFETIME, SESSION_LIFETIME,
};
use peer_protocol::rate_limit::RateProfile;
use peer_protocol::registry::Capability;

pub use a2a::{A2aConfig, A2aSettings};
pub use address::{BadAddress, dial_address, external_address, listen_address};
pub use api::{ApiConfig, ApiSettings};
pub use duration::{BadDuration, format_duration, parse_duration};
pub use error::{ConfigError, InvalidSetting};
pub use gateway::{GatewayConfig, GatewayPeer, GatewayPeerSettings, GatewaySettings, HttpUrl};
pub use layer::{Layer, Origin};
pub use mailbox::{MailboxConfig, MailboxSettings, ServeMailbox};
pub use mcp::McpSettings;
pub use private_network::{PrivateNetwork, PrivateNetworkError};
pub use registry::DhtMode;
pub use settings::{QuotaSettings, RateSettings, Settings};
pub use size::{BadSize, format_size, parse_size};
pub use template::template;
pub use transfers::{AcceptFiles, TransferConfig, TransferSettings};
pub use wake::{Adapter, BadWakeRule, MAX_WAKE_RULES, WakePeer, WakeRule, WakeSettings};
pub(crate) use wake::{NONCE, is_loopback};

/// The port a node listens on if nothing else is configured, over TCP and over UDP (QUIC).
pub const DEFAULT_PORT: u16 = 4711;
/// Shortest time to live of a message.
const MIN_MESSAGE_TTL: Duration = Duration::from_secs(1);
/// Longest time a shutdown may be given to drain.
pub const MAX_SHUTDOWN_GRACE: Duration = Duration::from_secs(300);

/// What a node is started with. Every value is within its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    entity: Option<EntityId>,
    listen: Vec<Multiaddr>,
    bootstrap: Vec<Multiaddr>,
    trust_policy: TrustPolicy,
    three_way: bool,
    low_latency: bool,
    session_lifetime: Duration,
    suites: Vec<String>,
    rate: RateProfile,
    trusted_rate: RateProfile,
    max_connections: u32,
    legacy: bool,
    require_encryption: bool,
    shutdown_grace: Duration,
    message_ttl: Duration,
    capabilities: Vec<Capability>,
    dht: DhtMode,
    registry_file: Option<PathBuf>,
    mdns: bool,
    upnp: bool,
    external: Vec<Multiaddr>,
    relays: bool,
    relay_server: bool,
    carry: bool,
    private_network: Option<PrivateNetwork>,
    transfers: TransferConfig,
    mailbox: MailboxConfig,
    api: ApiConfig,
    mcp_files: Vec<PathBuf>,
    a2a: A2aConfig,
    gateway: GatewayConfig,
    wake: Vec<WakeRule>,
    data_dir: Option<PathBuf>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            entity: None,
            listen: default_listen(),
            bootstrap: Vec::new(),
            trust_policy: TrustPolicy::Open,
            three_way: false,
            low_latency: false,
            session_lifetime: SESSION_LIFETIME,
            suites: SuiteRegistry::default().names().map(ToOwned::to_owned).collect(),
            rate: RateProfile::default(),
            trusted_rate: RateProfile::trusted(),
            max_connections: 1024,
            legacy: true,
            require_encryption: false,
            shutdown_grace: Duration::from_secs(5),
            message_ttl: MESSAGE_TTL,
            capabilities: Vec::new(),
            dht: DhtMode::default(),
            registry_file: None,
            mdns: true,
            upnp: true,
            external: Vec::new(),
            relays: true,
            relay_server: false,
            carry: true,
            private_network: None,
            transfers: TransferConfig::default(),
            mailbox: MailboxConfig::default(),
            api: ApiConfig::default(),
            mcp_files: Vec::new(),
            a2a: A2aConfig::default(),
            gateway: GatewayConfig::default(),
            wake: Vec::new(),
            data_dir: None,
        }
    }
}

impl NodeConfig {
    /// The entity id, or none for the one that the key derives.
    #[must_use]
    pub const fn entity(&self) -> Option<&EntityId> {
        self.entity.as_ref()
    }

    /// Addresses to listen on; may be empty for a node that only dials.
    #[must_use]
    pub fn listen(&self) -> &[Multiaddr] {
        &self.listen
    }

    /// Peers to connect to at start, and again whenever the connection is lost.
    #[must_use]
    pub fn bootstrap(&self) -> &[Multiaddr] {
        &self.bootstrap
    }

    /// Whom the node talks to.
    #[must_use]
    pub const fn trust_policy(&self) -> TrustPolicy {
        self.trust_policy
    }

    /// Whether the node opens sessions with the three-way handshake, and accepts it.
    #[must_use]
    pub const fn three_way(&self) -> bool {
        self.three_way
    }

    /// Whether the node stays awake for a while after each message.
    #[must_use]
    pub const fn low_latency(&self) -> bool {
        self.low_latency
    }

    /// How long a session lives before it is renewed.
    #[must_use]
    pub const fn session_lifetime(&self) -> Duration {
        self.session_lifetime
    }

    /// Cipher suites, the preferred first; at least one, all known, none twice.
    #[must_use]
    pub fn suites(&self) -> &[String] {
        &self.suites
    }

    /// Rate limits of peers that the operator has not pinned.
    #[must_use]
    pub const fn rate(&self) -> &RateProfile {
        &self.rate
    }

    /// Rate limits of pinned peers.
    #[must_use]
    pub const fn trusted_rate(&self) -> &RateProfile {
        &self.trusted_rate
    }

    /// Most connections at once; at least 1.
    #[must_use]
    pub const fn max_connections(&self) -> u32 {
        self.max_connections
    }

    /// Whether peers that speak only version 1.0 (no encryption) are accepted.
    #[must_use]
    pub const fn legacy(&self) -> bool {
        self.legacy
    }

    /// Whether messages that would travel without end-to-end encryption are refused.
    #[must_use]
    pub const fn require_encryption(&self) -> bool {
        self.require_encryption
    }

    /// How long a message is kept and tried if its sender does not say (§8.1).
    #[must_use]
    pub const fn message_ttl(&self) -> Duration {
        self.message_ttl
    }

    /// How long a shutdown waits for what is under way.
    #[must_use]
    pub const fn shutdown_grace(&self) -> Duration {
        self.shutdown_grace
    }
}

/// Changes, one value at a time.
impl NodeConfig {
    /// Names the entity.
    #[must_use]
    pub fn with_entity(mut self, entity: EntityId) -> Self {
        self.entity = Some(entity);
        self
    }

    /// Replaces the addresses to listen on.
    #[must_use]
    pub fn with_listen(mut self, listen: Vec<Multiaddr>) -> Self {
        self.listen = listen;
        self
    }

    /// Replaces the peers to connect to at start.
    #[must_use]
    pub fn with_bootstrap(mut self, bootstrap: Vec<Multiaddr>) -> Self {
        self.bootstrap = bootstrap;
        self
    }

    /// Sets whom the node talks to.
    #[must_use]
    pub const fn with_trust_policy(mut self, policy: TrustPolicy) -> Self {
        self.trust_policy = policy;
        self
    }

    /// Turns the three-way handshake on or off.
    #[must_use]
    pub const fn with_three_way(mut self, three_way: bool) -> Self {
        self.three_way = three_way;
        self
    }

    /// Lets the node stay awake for 300 µs after each message, in which it takes all the time of one
    /// processor: answers come sooner.
    #[must_use]
    pub const fn with_low_latency(mut self, low_latency: bool) -> Self {
        self.low_latency = low_latency;
        self
    }

    /// Sets the life of sessions.
    ///
    /// # Errors
    /// [`InvalidSetting::Duration`] outside 1 s to 24 h.
    pub fn with_session_lifetime(mut self, lifetime: Duration) -> Result<Self, InvalidSetting> {
        within(lifetime, MIN_SESSION_LIFETIME, MAX_SESSION_LIFETIME)?;
        self.session_lifetime = lifetime;
        Ok(self)
    }

    /// Sets the cipher suites, the preferred first.
    ///
    /// # Errors
    /// [`InvalidSetting::Suites`] if the list is empty, or names one that is unknown or twice there.
    pub fn with_suites(mut self, suites: Vec<String>) -> Result<Self, InvalidSetting> {
        let known = SuiteRegistry::default();
        let wrong = suites
            .iter()
            .enumerate()
            .find(|(index, name)| known.get(name).is_none() || suites[..*index].contains(name));
        if suites.is_empty() || wrong.is_some() {
            let wrong = wrong.map(|(_, name)| name.clone());
            return Err(InvalidSetting::Suites { wrong, known: known.names().collect() });
        }
        self.suites = suites;
        Ok(self)
    }

    /// Sets the rate limits of peers that are not pinned.
    #[must_use]
    pub const fn with_rate(mut self, rate: RateProfile) -> Self {
        self.rate = rate;
        self
    }

    /// Sets the rate limits of pinned peers.
    #[must_use]
    pub const fn with_trusted_rate(mut self, rate: RateProfile) -> Self {
        self.trusted_rate = rate;
        self
    }

    /// Sets the most connections at once.
    ///
    /// # Errors
    /// [`InvalidSetting::Zero`] if there would be none.
    pub fn with_max_connections(mut self, most: u32) -> Result<Self, InvalidSetting> {
        if most == 0 {
            return Err(InvalidSetting::Zero);
        }
        self.max_connections = most;
        Ok(self)
    }

    /// Accepts or refuses peers that speak only version 1.0.
    #[must_use]
    pub const fn with_legacy(mut self, legacy: bool) -> Self {
        self.legacy = legacy;
        self
    }

    /// Demands end-to-end encryption, or not.
    #[must_use]
    pub const fn with_require_encryption(mut self, require: bool) -> Self {
        self.require_encryption = require;
        self
    }

    /// Sets how long messages are kept and tried by default, up to 30 days.
    ///
    /// # Errors
    /// [`InvalidSetting::Duration`] if that is out of range.
    pub fn with_message_ttl(mut self, ttl: Duration) -> Result<Self, InvalidSetting> {
        within(ttl, MIN_MESSAGE_TTL, MAX_MESSAGE_TTL)?;
        self.message_ttl = ttl;
        Ok(self)
    }

    /// Sets how long a shutdown waits for what is under way.
    ///
    /// # Errors
    /// [`InvalidSetting::Duration`] over [`MAX_SHUTDOWN_GRACE`].
    pub fn with_shutdown_grace(mut self, grace: Duration) -> Result<Self, InvalidSetting> {
        within(grace, Duration::ZERO, MAX_SHUTDOWN_GRACE)?;
        self.shutdown_grace = grace;
        Ok(self)
    }
}

fn within(given: Duration, least: Duration, most: Duration) -> Result<(), InvalidSetting> {
    if (least..=most).contains(&given) {
        Ok(())
    } else {
        Err(InvalidSetting::Duration { given, least, most })
    }
}

fn default_listen() -> Vec<Multiaddr> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let hosts = [Protocol::Ip4(Ipv4Addr::UNSPECIFIED), Protocol::Ip6(Ipv6Addr::UNSPECIFIED)];
    hosts
        .into_iter()
        .flat_map(|host| {
            let host = Multiaddr::empty().with(host);
            [
                host.clone().with(Protocol::Tcp(DEFAULT_PORT)),
                host.with(Protocol::Udp(DEFAULT_PORT)).with(Protocol::QuicV1),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests;
