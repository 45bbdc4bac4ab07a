//! How a peer is reached.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A connection without anybody in between.
    Direct,
    /// The same, opened through the NATs of both sides with the help of a relay.
    HolePunched,
    /// A connection through a libp2p relay.
    Relayed,
    /// No connection: other nodes carry each message.
    Hops,
    /// No connection: messages of version 1.0 go over HTTP.
    Http,
}

impl PathKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Direct, Self::HolePunched, Self::Relayed, Self::Hops, Self::Http];

    /// The name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::HolePunched => "hole-punched",
            Self::Relayed => "relayed",
            Self::Hops => "hops",
            Self::Http => "http",
        }
    }
}

/// The way to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Path {
    /// Its kind.
    pub kind: PathKind,
    /// Where the connection leads; over a relay, the relay's address and more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How many nodes carry each message, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carriers: Option<u8>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        match (&self.address, self.carriers) {
            (Some(address), _) => write!(f, " at {address}"),
            (None, Some(1)) => f.write_str(" over 1 node"),
            (None, Some(carriers)) => write!(f, " over {carriers} nodes"),
            (None, None) => Ok(()),
        }
    }
}
