//! Why an item or a receipt is not taken.

use std::time::Duration;

use thiserror::Error;

use super::PrekeyError;
use crate::cbor::CborError;
use crate::crypto::{AeadError, BadPublicKey, BadSignature, LowOrderPoint};
use crate::identity::EntityIdError;
use crate::limits::{MAX_ITEM_LEN, MAX_ITEM_TTL, MAX_RECEIPT_IDS};
use crate::message::BatchError;

/// Why an item is not sealed, kept or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemError {
    /// Longer than any item may be.
    #[error("the item has {len} bytes; at most {MAX_ITEM_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Not deterministic CBOR, or not of an item's shape.
    #[error("not an item: {0}")]
    Cbor(#[from] CborError),
    /// A field is not of its form.
    #[error("not an item: the suite's name is too long, or there is no payload")]
    Form,
    /// A key in it is none.
    #[error(transparent)]
    Key(#[from] BadPublicKey),
    /// It is for somebody else.
    #[error("the item is for another entity")]
    Recipient,
    /// Its time is over.
    #[error("the item's time was over {} s ago", ago.as_secs())]
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// It wants to stay longer than any item may.
    #[error("the item ends in {} s; at most {} s are allowed", ahead.as_secs(), MAX_ITEM_TTL.as_secs())]
    TtlTooLong {
        /// When it ends, from when it was sealed.
        ahead: Duration,
    },
    /// Sealed in the future.
    #[error("the item was sealed {} ms in the future, so check both clocks", ahead.as_millis())]
    Future {
        /// How far ahead of this node's clock.
        ahead: Duration,
    },
    /// No suite of this name.
    #[error("the item is sealed with {suite:?}, which this node does not have")]
    Suite {
        /// Its name.
        suite: String,
    },
    /// The private half of its prekey is not here: it was used, or its life is over, or it never was.
    #[error("the private half of the item's prekey is not here (any more)")]
    NoPrekey,
    /// It came from another mailbox node than the one that its prekey was left with.
    #[error("the item's prekey was left with another mailbox node")]
    WrongNode,
    /// The prekey is not used.
    #[error(transparent)]
    Prekey(#[from] PrekeyError),
    /// The ephemeral key, or the prekey, is a point of small order.
    #[error(transparent)]
    LowOrder(#[from] LowOrderPoint),
    /// It does not open.
    #[error(transparent)]
    Aead(#[from] AeadError),
    /// The sender's id is none, or is reserved for another key.
    #[error("not the sender's id: {0}")]
    Entity(#[from] EntityIdError),
    /// It shows this entity's own key as the sender's.
    #[error("the item shows this entity's own key as its sender's")]
    OwnKey,
    /// The sender's signature does not hold.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// What is inside is no batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A message inside that is not ordered, of another stream, or not behind the one before it.
    #[error("the messages of an item are ordered ones of one stream, by rising number")]
    Order,
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// Not deterministic CBOR, or not of a receipt's shape.
    #[error("not a receipt: {0}")]
    Cbor(#[from] CborError),
    /// None or too many messages, or a code where there should be none.
    #[error("a receipt names 1 to {MAX_RECEIPT_IDS} messages, and a code exactly if it refuses")]
    Form,
    /// A key in it is none.
    #[error(transparent)]
    Key(#[from] BadPublicKey),
    /// Its owner did not sign it.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// It is for somebody else.
    #[error("the receipt is for another sender")]
    Sender,
}
