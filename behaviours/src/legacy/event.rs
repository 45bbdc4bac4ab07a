//! What goes into and comes out of the behaviour.

use std::time::Duration;

use libp2p_core::PeerId;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, SessionId};
use peer_protocol::identity::EntityId;
use peer_protocol::legacy::{Message, Object};
use peer_protocol::link::{Ended, SendFailure};
use peer_protocol::time::Instant;
use thiserror::Error;

/// A message to send. Version 1.0 itself has no message ids: this one stays on this side.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// What events about the message refer to.
    pub id: MessageId,
    /// The type: 1 to 64 bytes, none of the handshake's.
    pub msg_type: String,
    /// The content.
    pub payload: Object,
}

/// Something about one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The peer.
    pub peer: PeerId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// There is something to send, but no connection.
    NeedConnection,
    /// The peer does not speak version 1.0.
    Unsupported,
    /// The courier did not get an answer of the peer.
    Uncarried {
        /// Why.
        reason: String,
    },
    /// A session is ready.
    SessionReady(SessionInfo),
    /// A session is no more.
    SessionEnded {
        /// Which.
        id: SessionId,
        /// Why.
        why: Ended,
    },
    /// A handshake ended without a session.
    HandshakeFailed {
        /// The protocol's code.
        code: ErrorCode,
        /// More.
        detail: String,
        /// Whether it is pointless to try again soon; what waited has then failed too.
        fatal: bool,
    },
    /// A message came in and was taken.
    Message {
        /// Its type.
        msg_type: String,
        /// Its content.
        payload: Object,
    },
    /// A message for one of the [others](super::Config::others) came in and was taken.
    ForOther {
        /// The message as its sender signed it.
        message: Box<Message>,
    },
    /// The peer's node took a message.
    Delivered {
        /// Which.
        id: MessageId,
    },
    /// A message will not arrive, or may not have.
    Failed {
        /// Which.
        id: MessageId,
        /// Why.
        why: SendFailure,
    },
}

/// What a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The other entity.
    pub peer: EntityId,
    /// Whether this entity began.
    pub initiator: bool,
    /// How long the handshake took.
    pub took: Duration,
    /// When it expires.
    pub expires: Instant,
}

/// Why a message or a session is refused at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The peer id is not that of an Ed25519 key.
    #[error("the peer id is not that of an Ed25519 key")]
    ForeignKey,
    /// Its link is busy, or there are too many peers.
    #[error("too much is under way; try again")]
    Busy,
    /// Version 1.0 would not encrypt, which this entity demands of this peer.
    #[error("version 1.0 would not encrypt it, and encryption is required")]
    EncryptionRequired,
}
