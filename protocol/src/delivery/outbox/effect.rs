//! What goes into and comes out of an outbox.

use thiserror::Error;

use super::super::status::Status;
use super::super::write::Write;
use crate::crypto::PublicKey;
use crate::id::{MessageId, StreamId};
use crate::limits::{
    MAX_OUTBOX_BYTES, MAX_OUTBOX_BYTES_PER_PEER, MAX_OUTBOX_MESSAGES, MAX_OUTBOX_MESSAGES_PER_PEER,
    MAX_UNWRITTEN_BYTES,
};
use crate::message::{Message, MessageKind, ReceiptStatus};
use crate::time::Timestamp;

/// Names something that the owner reports back about, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An unsettled message, without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number in its stream.
    pub number: u64,
    /// Its id.
    pub id: MessageId,
    /// Bytes of its body.
    pub len: usize,
    /// When its time runs out.
    pub expires: Timestamp,
    /// Whether it may have been sent.
    pub may_be_sent: bool,
}

/// What the disk knows of the messages to one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The peer.
    pub peer: PublicKey,
    /// The stream in which they were numbered.
    pub stream: StreamId,
    /// The number of the next message; higher than any in the stream so far.
    pub next: u64,
    /// Those that are unsettled.
    pub heads: Vec<Head>,
}

/// Something for the owner to do. In order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Commit these in one transaction, after those before, and report to
    /// [`Outbox::written`](super::Outbox::written).
    Write {
        /// To report under.
        ticket: Ticket,
        /// The changes.
        writes: Vec<Write>,
    },
    /// Read the messages of these numbers, and report to
    /// [`Outbox::loaded`](super::Outbox::loaded).
    Load {
        /// To report under.
        ticket: Ticket,
        /// Their receiver.
        peer: PublicKey,
        /// The first number.
        from: u64,
        /// The last number.
        to: u64,
    },
    /// Give these to the link with `peer`, in this order.
    Hand {
        /// Their receiver.
        peer: PublicKey,
        /// The messages.
        messages: Vec<Message>,
    },
    /// Take these back from the link with `peer`.
    Withdraw {
        /// Their receiver.
        peer: PublicKey,
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// Send the content of this held message, and call [`Outbox::release`](super::Outbox::release) once the
    /// receiver has it; after the link was gone this may be asked for again.
    Ahead {
        /// Its receiver.
        peer: PublicKey,
        /// The message.
        id: MessageId,
    },
    /// A message could not be written, and is not accepted.
    NotAccepted {
        /// Its receiver.
        peer: PublicKey,
        /// Which.
        id: MessageId,
    },
    /// What is known of a message has changed, on disk as well.
    Tell {
        /// Its receiver.
        peer: PublicKey,
        /// Which.
        id: MessageId,
        /// What is known now.
        status: Status,
    },
    /// The receiver acknowledged messages that are not in memory any more, or never were: report those
    /// that the disk knows as sent to it to [`Outbox::recalled`](super::Outbox::recalled).
    Recall {
        /// Who said so.
        peer: PublicKey,
        /// The messages.
        ids: Vec<MessageId>,
        /// What it said.
        status: ReceiptStatus,
    },
}

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAccepted {
    /// Too many messages wait.
    #[error("{MAX_OUTBOX_MESSAGES} messages wait in the outbox already")]
    Messages,
    /// Too many bytes wait.
    #[error("messages of {MAX_OUTBOX_BYTES} bytes wait in the outbox already")]
    Bytes,
    /// Too many messages wait for this peer.
    #[error("{MAX_OUTBOX_MESSAGES_PER_PEER} messages wait for this peer already")]
    PeerMessages,
    /// Too many bytes wait for this peer.
    #[error("messages of {MAX_OUTBOX_BYTES_PER_PEER} bytes wait for this peer already")]
    PeerBytes,
    /// The disk does not keep up.
    #[error("messages of {MAX_UNWRITTEN_BYTES} bytes wait for the disk already")]
    Unwritten,
    /// The outbox has a message of this id.
    #[error("a message with this id is in the outbox already")]
    Known,
    /// Its kind is not one of those that are kept and ordered.
    #[error("a {0} is never ordered")]
    Kind(MessageKind),
    /// The stream has no more numbers.
    #[error("the stream to this peer has no more numbers")]
    Numbers,
}
