//! What goes into and comes out of a link.

use std::time::Duration;

use thiserror::Error;

use super::MailVerdict;
use crate::crypto::SuiteId;
use crate::delivery::Arrival;
use crate::envelope::EnvelopeKind;
use crate::error::ErrorCode;
use crate::handshake::{HandshakeKind, Phase, Role};
use crate::id::{MessageId, SessionId, StreamId};
use crate::identity::EntityId;
use crate::limits::{MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES};
use crate::message::{Message, ReceiptStatus};
use crate::time::Instant;

/// A request that this link sent; its carrier reports back under this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A request that came in; the carrier chose the id and waits for the answer under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// Something for the carrier to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Send `envelope` and report the answer, or the failure, under `id`.
    Request {
        /// The id to report under.
        id: RequestId,
        /// The bytes.
        envelope: Vec<u8>,
    },
    /// Answer a request that came in.
    Answer {
        /// Which.
        exchange: ExchangeId,
        /// The bytes.
        envelope: Vec<u8>,
    },
    /// Let a request that came in go unanswered.
    Drop {
        /// Which.
        exchange: ExchangeId,
    },
}

/// What a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The other entity.
    pub peer: EntityId,
    /// Which side this entity was.
    pub role: Role,
    /// Which handshake opened it.
    pub handshake: HandshakeKind,
    /// Its cipher suite.
    pub suite: SuiteId,
    /// The features that both sides have.
    pub features: Vec<String>,
    /// How long the handshake took.
    pub took: Duration,
    /// When it expires.
    pub expires: Instant,
    /// How far the peer's clock is ahead of this one, in milliseconds, as its last handshake message
    /// says; the way of that message counts as behind.
    pub clock_ahead_ms: i64,
}

/// Why a session is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its life is over, or a newer one took its place.
    Expired,
    /// This side closed it.
    Closed,
    /// The peer closed it.
    ClosedByPeer {
        /// Why, as the peer says.
        reason: String,
    },
    /// The peer does not know it, or cannot use it, any more.
    Unknown,
}

/// Why a message will not arrive, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendFailure {
    /// Its time ran out before it was sent.
    #[error("its time ran out before it could be sent")]
    Expired,
    /// It was sent, but its time ran out before anything came back: nobody can tell.
    #[error("it was sent, but nothing came back in time")]
    Unknown,
    /// It was not even queued.
    #[error("the queue is full: {0}")]
    QueueFull(#[from] QueueFull),
    /// The peer, or this entity's own trust rules, refused it.
    #[error("{code}: {detail}")]
    Refused {
        /// The protocol's code.
        code: ErrorCode,
        /// More.
        detail: String,
    },
}

/// What a link tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is something to send, but no connection.
    NeedConnection,
    /// Requests go unanswered although there is a connection. Told again, with growing pauses, for as
    /// long as nothing at all is heard.
    Unresponsive,
    /// A step of a handshake is complete.
    Step {
        /// Which side this entity is.
        role: Role,
        /// The message sent or received.
        kind: EnvelopeKind,
        /// The state after it.
        phase: Phase,
    },
    /// A handshake ended without a session.
    HandshakeFailed {
        /// Which side this entity is.
        role: Role,
        /// The state it ended in.
        phase: Phase,
        /// The protocol's code.
        code: ErrorCode,
        /// More.
        detail: String,
        /// Whether it is pointless to try again soon.
        fatal: bool,
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
    /// A volatile message came in, for the first time.
    Message(Message),
    /// An ordered message came in and is the next. The owner writes it, in order, and reports to
    /// [`Link::stored`] or [`Link::not_stored`].
    ///
    /// [`Link::stored`]: super::Link::stored
    /// [`Link::not_stored`]: super::Link::not_stored
    Ordered(Box<Arrival>),
    /// A message that came by mail is not taken now.
    Mail {
        /// Which.
        id: MessageId,
        /// What became of it.
        verdict: MailVerdict,
    },
    /// A write failed, and all that were under way are reported: what the disk knows is to be given to
    /// [`Link::resume`] again.
    ///
    /// [`Link::resume`]: super::Link::resume
    ResumeWanted,
    /// The peer acknowledged ordered messages, or claims so: not all need be messages to it.
    Acknowledged {
        /// Which.
        ids: Vec<MessageId>,
        /// How far they have come.
        status: ReceiptStatus,
    },
    /// Ordered messages left, sealed, once more or for the first time.
    Transmitted(Vec<MessageId>),
    /// The peer has seen the number of an ordered message already, or the stream is over for it.
    OutOfSequence {
        /// Which.
        id: MessageId,
        /// The stream it was sent in.
        stream: StreamId,
    },
    /// The peer knows that these messages are processed.
    Told(Vec<MessageId>),
    /// The peer acknowledged volatile messages.
    Receipts {
        /// Which.
        ids: Vec<MessageId>,
        /// How far they have come.
        status: ReceiptStatus,
    },
    /// A message will not arrive, or may not have. An ordered one was refused by the peer for good, and
    /// stays until the owner withdraws it.
    Failed {
        /// Which.
        id: MessageId,
        /// Why.
        why: SendFailure,
    },
    /// The peer asked this entity to slow down; the message waits.
    Paced {
        /// Which.
        id: MessageId,
        /// For how long.
        retry_after: Duration,
    },
}

/// Why a message was not even queued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueFull {
    /// Too many messages wait.
    #[error("{MAX_QUEUED_MESSAGES} messages wait already")]
    Messages,
    /// Too many bytes wait.
    #[error("messages of {MAX_QUEUED_BYTES} bytes wait already")]
    Bytes,
}
