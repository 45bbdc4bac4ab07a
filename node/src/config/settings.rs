//! Settings as they are written, before anything is checked but their types.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use peer_protocol::rate_limit::{Quota, RateProfile};

use super::a2a::A2aSettings;
use super::api::ApiSettings;
use super::error::{ConfigError, InvalidSetting};
use super::gateway::GatewaySettings;
use super::layer::environment_name;
use super::mailbox::MailboxSettings;
use super::mcp::McpSettings;
use super::transfers::TransferSettings;
use super::wake::WakeSettings;

/// One layer of settings. What is `None` is left to the layer below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name that peers know this entity by, 1 to 128 bytes; without it the name is derived from the key.
    pub entity: Option<String>,
    /// Addresses to listen on, over TCP and QUIC; `/ws` after a TCP port means WebSocket, port 0 any free one.
    /// An empty list: the node only dials.
    pub listen: Option<Vec<String>>,
    /// Peers to connect to at start, and again whenever the connection is lost.
    pub bootstrap: Option<Vec<String>>,
    /// `open` (strangers are trusted on first use) or `pinned-only`.
    pub trust_policy: Option<String>,
    /// Open sessions with the three-way handshake, one exchange shorter, and accept it.
    pub three_way: Option<bool>,
    /// Stay awake for 300 µs after each message: answers come sooner, and one processor is busy meanwhile.
    pub low_latency: Option<bool>,
    /// Life of a session before it is renewed: `1s` to `24h`.
    pub session_lifetime: Option<String>,
    /// Cipher suites, the preferred first.
    pub suites: Option<Vec<String>>,
    /// Most connections at once.
    pub max_connections: Option<u32>,
    /// Whether peers are accepted that speak only version 1.0, which signs but does not encrypt.
    pub legacy: Option<bool>,
    /// Whether messages without end-to-end encryption are refused.
    pub require_encryption: Option<bool>,
    /// How long a message is kept and tried if its sender does not say: `1s` to `30d`.
    pub message_ttl: Option<String>,
    /// How long a shutdown waits for what is under way, at most `5m`.
    pub shutdown_grace: Option<String>,
    /// What the entity can do, as others find it in the registry: up to 32 names of 1 to 64 bytes.
    pub capabilities: Option<Vec<String>>,
    /// Part in the distributed hash table: `auto` (server while others can reach this node, else client),
    /// `server`, `client` or `off`.
    pub dht: Option<String>,
    /// A file that says who is where, for those whom the hash table does not know.
    pub registry_file: Option<PathBuf>,
    /// Whether peers on the same network find each other by multicast DNS.
    pub mdns: Option<bool>,
    /// Whether the router is asked to let connections in.
    pub upnp: Option<bool>,
    /// Addresses at which the node is reachable from outside, such as a forwarded port; announced unchecked.
    pub external: Option<Vec<String>>,
    /// Whether relays are used while nobody can connect to this node.
    pub relays: Option<bool>,
    /// Whether the node is a relay for others.
    pub relay_server: Option<bool>,
    /// Whether others' sealed messages are carried over several hops.
    pub carry: Option<bool>,
    /// The key file of a private network: whoever does not hold the same key cannot connect. TCP only.
    pub private_network: Option<PathBuf>,
    /// Rate limits of peers that are not pinned, for each peer: tokens that come in per minute, and most that
    /// are held at once. What is over the limit is refused with `RATE_LIMITED`, and comes again.
    pub rate: Option<RateSettings>,
    /// The same for pinned peers.
    pub trusted_rate: Option<RateSettings>,
    /// What files are taken, and where they go.
    pub transfers: Option<TransferSettings>,
    /// Whose mailbox the node is, and where its own messages wait.
    pub mailbox: Option<MailboxSettings>,
    /// Where the local API listens besides its socket.
    pub api: Option<ApiSettings>,
    /// What language models may do through the node.
    pub mcp: Option<McpSettings>,
    /// The local agent that speaks Agent2Agent.
    pub a2a: Option<A2aSettings>,
    /// The gateway for version 1.0 peers that know only HTTP. Nothing that they send or get is encrypted.
    pub gateway: Option<GatewaySettings>,
    /// Who may have the agent woken while none is attached, and how; at most 32 tables, of which the first
    /// that allows a peer counts. By default nobody. `peers`, `adapter`, and what the adapter needs, have to be
    /// there.
    pub wake: Option<Vec<WakeSettings>>,
}

/// Rate limits, by class; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// Started handshakes.
    pub handshake: Option<QuotaSettings>,
    /// Heartbeats.
    pub heartbeat: Option<QuotaSettings>,
    /// Tasks, reports and wake-ups.
    pub task: Option<QuotaSettings>,
    /// Discovery and capability queries.
    pub discovery: Option<QuotaSettings>,
    /// Chunks.
    pub chunk: Option<QuotaSettings>,
    /// Requests to a mailbox node.
    pub mailbox: Option<QuotaSettings>,
}

/// One rate limit; what is `None` keeps its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuotaSettings {
    /// Tokens that come in per minute.
    pub per_minute: Option<u32>,
    /// Most tokens held at once.
    pub burst: Option<u32>,
}

impl RateSettings {
    /// The profile that these settings make of `base`.
    pub(super) fn over(&self, mut base: RateProfile) -> RateProfile {
        for (quota, settings) in [
            (&mut base.handshake, self.handshake),
            (&mut base.heartbeat, self.heartbeat),
            (&mut base.task, self.task),
            (&mut base.discovery, self.discovery),
            (&mut base.chunk, self.chunk),
            (&mut base.mailbox, self.mailbox),
        ] {
            let settings = settings.unwrap_or_default();
            *quota = Quota {
                per_minute: settings.per_minute.unwrap_or(quota.per_minute),
                burst: settings.burst.unwrap_or(quota.burst),
            };
        }
        base
    }
}

impl Settings {
    /// Settings from environment variables: `PEER_` and the key in capitals, lists separated by
    /// commas or spaces. An empty variable counts as none.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if a variable that should be a number or a truth value is not.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |key: &str| {
            let value = get(&environment_name(key))?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        let list = |key: &str| {
            let separator = |c: char| c == ',' || c.is_whitespace();
            let parts = |value: String| {
                value.split(separator).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            };
            text(key).map(parts)
        };
        let invalid = |key: &str, reason| ConfigError::Value {
            origin: format!("environment variable {}", environment_name(key)),
            reason,
        };
        let truth = |key: &str| match text(key).as_deref() {
            None => Ok(None),
            Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "0" | "no" | "off") => Ok(Some(false)),
            Some(given) => {
                let given = given.to_owned();
                Err(invalid(key, InvalidSetting::Word { given, known: &["true", "false"] }))
            }
        };
        let number = |key: &str| {
            let parse = |given: String| {
                given.parse().map_err(|_| invalid(key, InvalidSetting::Number { given, least: 1 }))
            };
            text(key).map(parse).transpose()
        };
        let transfers = TransferSettings {
            accept_files: text("accept_files"),
            received_dir: text("received_dir").map(PathBuf::from),
            max_file: text("max_file"),
            ..TransferSettings::default()
        };
        let mailbox = MailboxSettings {
            serve: text("mailbox_serve"),
            at: list("mailbox_at"),
            after: text("mailbox_after"),
            every: text("mailbox_every"),
            ..MailboxSettings::default()
        };
        let api = ApiSettings { listen: text("api") };
        let files = list("mcp_files").map(|paths| paths.into_iter().map(PathBuf::from).collect());
        let a2a = A2aSettings { agent: text("a2a_agent") };
        let gateway =
            GatewaySettings { listen: text("gateway_listen"), ..GatewaySettings::default() };
        Ok(Self {
            entity: text("entity"),
            listen: list("listen"),
            bootstrap: list("bootstrap"),
            trust_policy: text("trust_policy"),
            three_way: truth("three_way")?,
            low_latency: truth("low_latency")?,
            session_lifetime: text("session_lifetime"),
            suites: list("suites"),
            max_connections: number("max_connections")?,
            legacy: truth("legacy")?,
            require_encryption: truth("require_encryption")?,
            message_ttl: text("message_ttl"),
            shutdown_grace: text("shutdown_grace"),
            capabilities: list("capabilities"),
            dht: text("dht"),
            registry_file: text("registry_file").map(PathBuf::from),
            mdns: truth("mdns")?,
            upnp: truth("upnp")?,
            external: list("external"),
            relays: truth("relays")?,
            relay_server: truth("relay_server")?,
            carry: truth("carry")?,
            private_network: text("private_network").map(PathBuf::from),
            rate: None,
            trusted_rate: None,
            transfers: (!transfers.is_empty()).then_some(transfers),
            mailbox: (!mailbox.is_empty()).then_some(mailbox),
            api: (!api.is_empty()).then_some(api),
            mcp: files.map(|files| McpSettings { files: Some(files) }),
            a2a: (!a2a.is_empty()).then_some(a2a),
            gateway: (!gateway.is_empty()).then_some(gateway),
            wake: None,
        })
    }
}
