//! What peers tell each other (`docs/PROTOCOL.md` §7): each message has an id, a kind and a typed
//! body; a sealed envelope carries one or more of them.

mod batch;
mod capability;
mod chunk;
mod close;
mod discovery;
mod error;
mod heartbeat;
mod kind;
mod mailbox;
mod receipt;
mod status;
mod task;
mod wake;

use std::fmt;

use bytes::Bytes;
use rand_core::CryptoRng;
use thiserror::Error;

pub use batch::{BatchError, UnknownKind, decode as decode_batch};
pub(crate) use batch::{encode as encode_batch, encoded_len as batch_len};
pub use capability::{CapabilityQuery, CapabilityResponse};
pub use chunk::{Chunk, ChunkAck, Offer, Purpose};
pub use close::SessionClose;
pub use discovery::{Discovery, DiscoveryResponse, FoundEntity};
pub use error::ErrorReport;
pub use heartbeat::{AgentLife, Heartbeat, HeartbeatAck};
pub use kind::MessageKind;
pub use mailbox::{
    Collect, Deposit, Deposited, Fetch, Mailbox, MailboxResult, NumberedReceipt, Page, PageItem,
    Prekeys, Put, PutOutcome, Receipts, Settle, Settled, Stored, Take,
};
pub use receipt::{Receipt, ReceiptStatus};
pub use status::StatusReport;
pub use task::{Task, TaskOutcome, TaskResult};
pub use wake::{WakeOutcome, WakeUp, WakeUpAck};

use crate::cbor::{self, CborError};
use crate::delivery::Order;
use crate::id::MessageId;
use crate::limits::{MAX_BODY_LEN, MAX_LIST_LEN};
use crate::spare;

/// The feature (§6.2) of peers that know all words for an agent's life: in `wake_up_ack` also `awake`, in
/// `heartbeat_ack` also `unresponsive` and `unknown`.
pub const AGENT_LIFE: &str = "agent-life";

/// One message as it travels: what it is, and its body still encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Chosen by the sender; the same on every retransmission.
    pub id: MessageId,
    /// What the body holds.
    pub kind: MessageKind,
    /// The message that this one answers.
    pub in_reply_to: Option<MessageId>,
    /// Its place among all that its sender sends its receiver, if it is an ordered one (§8.2).
    pub order: Option<Order>,
    /// The body's CBOR, a slice of the envelope it came in.
    pub body: Bytes,
}

impl Message {
    /// A message with a fresh id.
    ///
    /// # Errors
    /// [`BodyError`] if the body breaks a limit; nothing over a limit is ever queued.
    pub fn new(
        rng: &mut (impl CryptoRng + ?Sized),
        body: &Body<'_>,
        in_reply_to: Option<MessageId>,
    ) -> Result<Self, BodyError> {
        Ok(Self {
            id: MessageId::random(rng),
            kind: body.kind(),
            in_reply_to,
            order: None,
            body: spare::bytes(body.encode()?),
        })
    }

    /// The typed body, borrowing from the message.
    ///
    /// # Errors
    /// [`BodyError`] if the body is not what the kind demands.
    pub fn decode(&self) -> Result<Body<'_>, BodyError> {
        Body::decode(self.kind, &self.body)
    }
}

impl fmt::Debug for Message {
    /// Without the body, which is nobody's business but the receiver's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("in_reply_to", &self.in_reply_to)
            .field("order", &self.order)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a body is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Not CBOR of the shape that the kind demands.
    #[error("the body of a {kind} does not decode: {error}")]
    Cbor {
        /// The message's kind.
        kind: MessageKind,
        /// What is wrong.
        error: CborError,
    },
    /// The whole body is over its limit.
    #[error("the body has {len} bytes; at most {MAX_BODY_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A field is over its limit.
    #[error("`{field}` has {len} {unit}; at most {limit} are allowed")]
    Field {
        /// The field.
        field: &'static str,
        /// Its size.
        len: usize,
        /// The most it may have.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
}

impl BodyError {
    pub(crate) const fn bytes(field: &'static str, len: usize, limit: usize) -> Result<(), Self> {
        if len > limit { Err(Self::Field { field, len, limit, unit: "bytes" }) } else { Ok(()) }
    }

    pub(crate) const fn entries(field: &'static str, len: usize) -> Result<(), Self> {
        if len > MAX_LIST_LEN {
            Err(Self::Field { field, len, limit: MAX_LIST_LEN, unit: "entries" })
        } else {
            Ok(())
        }
    }
}

/// Room for what most bodies have beside their content.
const ROOM: usize = 128;

impl Body<'_> {
    /// Bytes of what may be long in it.
    fn content_len(&self) -> usize {
        if let Self::Task(Task { content, .. })
        | Self::TaskResult(TaskResult { content, .. })
        | Self::StatusReport(StatusReport { content, .. })
        | Self::Chunk(Chunk { data: content, .. }) = self
        {
            content.len()
        } else {
            0
        }
    }
}

macro_rules! bodies {
    ($($variant:ident($body:ty),)+) => {
        /// A typed body. Content borrows from the message it was decoded from.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Body<'a> {
            $(#[doc = concat!("A `", stringify!($variant), "`.")] $variant($body),)+
        }

        impl<'a> Body<'a> {
            /// The kind that goes with this body.
            #[must_use]
            pub const fn kind(&self) -> MessageKind {
                match self { $(Self::$variant(_) => MessageKind::$variant,)+ }
            }

            /// Decodes the body of a message of `kind`.
            ///
            /// # Errors
            /// [`BodyError`] if it is not what the kind demands.
            pub fn decode(kind: MessageKind, bytes: &'a [u8]) -> Result<Self, BodyError> {
                BodyError::bytes("body", bytes.len(), MAX_BODY_LEN)
                    .map_err(|_| BodyError::TooLong { len: bytes.len() })?;
                let shape = |error| BodyError::Cbor { kind, error };
                Ok(match kind {
                    $(MessageKind::$variant => {
                        let body: $body = cbor::decode(bytes).map_err(shape)?;
                        body.check()?;
                        Self::$variant(body)
                    })+
                })
            }

            /// The body's CBOR.
            ///
            /// # Errors
            /// [`BodyError`] if it breaks a limit.
            pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
                let buffer = spare::empty(self.content_len() + ROOM);
                let bytes = match self {
                    $(Self::$variant(body) => {
                        body.check()?;
                        cbor::encode_into(buffer, body)
                    })+
                };
                match bytes.len() {
                    0..=MAX_BODY_LEN => Ok(bytes),
                    len => Err(BodyError::TooLong { len }),
                }
            }
        }

        $(impl<'a> From<$body> for Body<'a> {
            fn from(body: $body) -> Self {
                Self::$variant(body)
            }
        })+
    };
}

bodies! {
    Task(Task<'a>),
    TaskResult(TaskResult<'a>),
    StatusReport(StatusReport<'a>),
    WakeUp(WakeUp),
    WakeUpAck(WakeUpAck),
    Heartbeat(Heartbeat),
    HeartbeatAck(HeartbeatAck),
    CapabilityQuery(CapabilityQuery),
    CapabilityResponse(CapabilityResponse),
    Discovery(Discovery),
    DiscoveryResponse(DiscoveryResponse),
    Chunk(Chunk<'a>),
    ChunkAck(ChunkAck),
    Mailbox(Mailbox),
    MailboxResult(MailboxResult),
    Receipt(Receipt),
    Error(ErrorReport),
    SessionClose(SessionClose),
}

#[cfg(test)]
mod tests;
