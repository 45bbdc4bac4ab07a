//! What has to be on disk before something is told to anybody.

use super::order::Position;
use super::status::{Status, Step};
use crate::crypto::PublicKey;
use crate::id::{MessageId, StreamId};
use crate::message::Message;
use crate::time::Timestamp;

/// A message that waits at its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its receiver.
    pub peer: PublicKey,
    /// Its number in the stream to that receiver.
    pub number: u64,
    /// The message, without an `order`.
    pub message: Message,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its time runs out.
    pub expires: Timestamp,
    /// Whether it may have been sent.
    pub may_be_sent: bool,
}

/// A message that was taken in order and is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its sender.
    pub peer: PublicKey,
    /// The message, with its `order`.
    pub message: Message,
    /// The position that must be on disk for this to be written; otherwise it fails, so that nothing is
    /// stored behind a message that could not be.
    pub before: Position,
    /// The position that is written with it.
    pub after: Position,
    /// When it came.
    pub at: Timestamp,
}

/// One change; those of one transaction are applied in order, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// From now on messages to `peer` are numbered in `stream`.
    Stream {
        /// The receiver.
        peer: PublicKey,
        /// Its stream.
        stream: StreamId,
    },
    /// A message is accepted.
    Accept(Outgoing),
    /// Messages may be sent from now on.
    MaySend {
        /// Their receiver.
        peer: PublicKey,
        /// Their numbers.
        numbers: Vec<u64>,
    },
    /// What is known of a message of this entity has changed. Once it is settled it leaves the outbox, and only
    /// its record stays.
    Became {
        /// Its receiver.
        peer: PublicKey,
        /// Its number.
        number: u64,
        /// Its id.
        id: MessageId,
        /// What is known now.
        status: Status,
        /// Since when.
        at: Timestamp,
    },
    /// A message came in.
    Arrive(Arrival),
    /// The agent took messages that had come in.
    Take {
        /// Sender and id of each.
        messages: Vec<(PublicKey, MessageId)>,
        /// When.
        at: Timestamp,
    },
    /// The sender of messages was told that they are processed.
    Told {
        /// The sender.
        peer: PublicKey,
        /// The messages.
        messages: Vec<MessageId>,
    },
    /// A step on the way of a message, worth keeping but not worth waiting for.
    Step {
        /// The message.
        id: MessageId,
        /// The step.
        step: Step,
        /// When.
        at: Timestamp,
    },
}
