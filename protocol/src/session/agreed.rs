//! What a handshake hands over to the session that it yields.

use std::fmt;
use std::time::Duration;

use crate::crypto::{HotKeys, KeySchedule, PublicKey, Suite};
use crate::id::SessionId;
use crate::identity::EntityId;
use crate::time::Instant;

/// Which side of a handshake an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It began.
    Initiator,
    /// It answered.
    Responder,
}

/// Which handshake opened a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeKind {
    /// The default.
    SixStep,
    /// Opt-in, one exchange shorter.
    ThreeWay,
}

impl fmt::Display for HandshakeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SixStep => "six-step",
            Self::ThreeWay => "three-way",
        })
    }
}

/// The other entity of a session: the handshake proved that it holds this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its entity id.
    pub entity: EntityId,
    /// Its identity key.
    pub key: PublicKey,
}

/// What a handshake agreed on.
pub(crate) struct Agreed {
    pub(crate) id: SessionId,
    pub(crate) role: Role,
    pub(crate) handshake: HandshakeKind,
    pub(crate) suite: &'static dyn Suite,
    pub(crate) features: Vec<String>,
    pub(crate) keys: KeySchedule,
    pub(crate) peer: PeerIdentity,
    pub(crate) lifetime: Duration,
    pub(crate) started: Instant,
    pub(crate) max_skew: Duration,
    pub(crate) hot_keys: HotKeys,
}
