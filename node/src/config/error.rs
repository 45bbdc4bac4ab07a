//! What can be wrong with a configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use libp2p::Multiaddr;
use peer_protocol::identity::EntityIdError;
use peer_protocol::registry::CapabilityError;
use thiserror::Error;

use super::{BadAddress, BadDuration, BadSize, BadWakeRule, PrivateNetworkError, format_duration};

/// What is wrong with one value, wherever it came from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidSetting {
    /// Not an entity id.
    #[error(transparent)]
    Entity(#[from] EntityIdError),
    /// Not an address this node can use.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// Not a duration at all.
    #[error(transparent)]
    Text(#[from] BadDuration),
    /// Not a size at all.
    #[error(transparent)]
    Size(#[from] BadSize),
    /// A duration out of bounds.
    #[error(
        "{} is out of bounds: expected {} to {}",
        format_duration(*given),
        format_duration(*least),
        format_duration(*most)
    )]
    Duration {
        /// The value.
        given: Duration,
        /// Least value allowed.
        least: Duration,
        /// Greatest value allowed.
        most: Duration,
    },
    /// No suite, or one that is unknown or named twice.
    #[error(
        "{}: expected one or more of {}, each once",
        wrong.as_ref().map_or_else(|| "no suite".to_owned(), |name| format!("{name:?}")),
        known.join(", ")
    )]
    Suites {
        /// The offending name, if there is one.
        wrong: Option<String>,
        /// Names that would do.
        known: Vec<&'static str>,
    },
    /// Not the name of a capability.
    #[error("{name:?}: {reason}")]
    Capability {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: CapabilityError,
    },
    /// More than fit.
    #[error("{given} are too many: expected at most {most}")]
    TooMany {
        /// How many there are.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// Not the key of a private network.
    #[error(transparent)]
    PrivateNetwork(#[from] PrivateNetworkError),
    /// An address at which a private network would leak.
    #[error(
        "{address} is QUIC, which cannot be used in a private network: the network's key protects TCP \
         only, and QUIC connections would bypass it"
    )]
    Bypass {
        /// The address.
        address: Multiaddr,
    },
    /// Not a mailbox node.
    #[error("{given:?} is neither a peer id of an Ed25519 key nor an address that ends in one")]
    MailboxNode {
        /// The value.
        given: String,
    },
    /// Not an address and a port.
    #[error(
        "{given:?} is no address and port: expected a loopback address, such as 127.0.0.1:4780, or off"
    )]
    LocalAddress {
        /// The value.
        given: String,
    },
    /// An address that is not this machine's alone.
    #[error(
        "{given} can be reached from other machines: expected a loopback address, such as 127.0.0.1:4780"
    )]
    NotLocal {
        /// The value.
        given: SocketAddr,
    },
    /// Not an agent on this machine.
    #[error("{given:?} is no agent on this machine: expected a URL such as http://127.0.0.1:9999")]
    LocalAgent {
        /// The value.
        given: String,
    },
    /// Not a public key.
    #[error("{given:?} is no Ed25519 key: expected 64 hexadecimal digits")]
    PublicKey {
        /// The value.
        given: String,
    },
    /// Named more than once.
    #[error("{given:?} is there twice")]
    Twice {
        /// The value.
        given: String,
    },
    /// The node's own name where a peer's belongs.
    #[error("{given:?} is this node's own name")]
    OwnName {
        /// The value.
        given: String,
    },
    /// A gateway for version 1.0, which is switched off.
    #[error(
        "the gateway is for version 1.0 peers, and version 1.0 is switched off: legacy = false"
    )]
    GatewayWithoutLegacy,
    /// Not a rule for waking the agent.
    #[error(transparent)]
    Wake(#[from] BadWakeRule),
    /// Zero where at least one is needed.
    #[error("0 is out of bounds: expected at least 1")]
    Zero,
    /// Not one of a few words.
    #[error("{given:?} is none of {}", known.join(", "))]
    Word {
        /// The value.
        given: String,
        /// Words that would do.
        known: &'static [&'static str],
    },
    /// Not a whole number.
    #[error("{given:?} is no whole number from {least} to {}", u32::MAX)]
    Number {
        /// The value.
        given: String,
        /// Least value allowed.
        least: u32,
    },
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is no TOML, has a key that does not exist, or a value of the wrong type.
    #[error("{}, line {line} (`{text}`): {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The line itself.
        text: String,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// A value out of bounds.
    #[error("{origin}: {reason}")]
    Value {
        /// File and line, environment variable, or flag.
        origin: String,
        /// What is wrong, and what is expected.
        reason: InvalidSetting,
    },
}

impl ConfigError {
    /// What to do next.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "repair the file's permissions, or move it away",
            Self::Malformed { .. } | Self::Value { .. } => {
                "correct it; `peer init --print-config` prints every key with its default"
            }
        }
    }
}
