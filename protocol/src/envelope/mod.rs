//! The signed map around everything that travels (`docs/PROTOCOL.md` §2).

mod decode;
mod encode;
mod kind;
mod layout;

use thiserror::Error;

pub use decode::Envelope;
pub(crate) use decode::{SignedMessage, range_within};
pub(crate) use encode::Draft;
pub use encode::{plain, sealed};
pub use kind::EnvelopeKind;

use crate::cbor::CborError;
use crate::id::{Nonce, SessionId};
use crate::identity::{EntityId, EntityIdError};
use crate::limits::{MAX_ENVELOPE_LEN, MAX_PLAIN_ENVELOPE_LEN};
use crate::time::Timestamp;

/// The protocol version that this crate speaks.
pub const VERSION: &str = "1.1";

/// What an envelope says about itself, apart from payload and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What kind of envelope this is.
    pub kind: EnvelopeKind,
    /// Who sends it.
    pub sender: EntityId,
    /// Whom it is for.
    pub recipient: EntityId,
    /// The session it belongs to, once there is one.
    pub session: Option<SessionId>,
    /// Handshake step less one, or the number of the sealed record.
    pub sequence: u64,
    /// When it was made, by the sender's clock.
    pub timestamp: Timestamp,
    /// 16 random bytes.
    pub nonce: Nonce,
}

/// Why bytes are no envelope of version 1.1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// Longer than any envelope may be.
    #[error("the envelope has {len} bytes; at most {MAX_ENVELOPE_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Longer than an envelope outside a session may be.
    #[error(
        "the envelope has {len} bytes; outside a session at most {MAX_PLAIN_ENVELOPE_LEN} are allowed"
    )]
    PlainTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Not deterministic CBOR, or not of an envelope's shape.
    #[error("not an envelope: {0}")]
    Cbor(#[from] CborError),
    /// Another protocol version.
    #[error("protocol version {found:?} is not {VERSION}")]
    Version {
        /// What it says.
        found: String,
    },
    /// A kind of envelope that version 1.1 does not have.
    #[error("unknown message type {found:?}")]
    Kind {
        /// What it says.
        found: String,
    },
    /// A sender or recipient that is no entity id.
    #[error("not an entity id: {0}")]
    Entity(#[from] EntityIdError),
    /// A session id that is not a UUID v4.
    #[error("the session id is not a UUID v4")]
    Session,
    /// `encrypted` is absent where the kind demands it, or present where it must not be.
    #[error("an envelope of type {kind} has the wrong encryption flag")]
    Encryption {
        /// The kind.
        kind: EnvelopeKind,
    },
}

/// The nonce of an encoded envelope: its key is the shortest, so that it always comes first.
pub(crate) fn nonce_of(envelope: &[u8]) -> Option<Nonce> {
    const HEAD: usize = 1 + 6 + 1;
    envelope.get(HEAD..HEAD + 16)?.try_into().ok().map(Nonce::from_bytes)
}

#[cfg(test)]
mod tests;
