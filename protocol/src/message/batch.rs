//! The plaintext of a sealed envelope: a CBOR array of messages.

use bytes::Bytes;
use serde::Deserialize;
use thiserror::Error;

use super::{Message, MessageKind};
use crate::cbor::{self, CborError, head_len, push_bytes, push_head, push_text};
use crate::delivery::Order;
use crate::id::MessageId;
use crate::limits::MAX_BATCH;

/// Why a plaintext is no batch of messages.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// Not CBOR of a batch's shape.
    #[error("not a batch of messages: {0}")]
    Cbor(#[from] CborError),
    /// None, or too many.
    #[error("a batch has 1 to {MAX_BATCH} messages; this one has {len}")]
    Length {
        /// How many.
        len: usize,
    },
}

/// A message of a kind that version 1.1 does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown message type {found:?}")]
pub struct UnknownKind {
    /// The message's id, for the answer.
    pub id: MessageId,
    /// What it calls itself, shortened.
    pub found: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    id: MessageId,
    #[serde(borrow, with = "serde_bytes")]
    body: &'a [u8],
    r#type: &'a str,
    #[serde(default)]
    order: Option<Order>,
    #[serde(default)]
    in_reply_to: Option<MessageId>,
}

/// Bytes that `messages` take as a batch.
pub(crate) fn encoded_len(messages: &[Message]) -> usize {
    head_len(messages.len() as u64) + messages.iter().map(message_len).sum::<usize>()
}

/// Bytes of one message in a batch.
pub(crate) fn message_len(message: &Message) -> usize {
    const ID: usize = 3 + 17;
    const REPLY: usize = 12 + 17;
    let kind = message.kind.as_str().len();
    let body = message.body.len();
    let reply = if message.in_reply_to.is_some() { REPLY } else { 0 };
    let order = message.order.as_ref().map_or(0, order_len);
    1 + ID + 5 + head_len(body as u64) + body + 5 + head_len(kind as u64) + kind + order + reply
}

fn order_len(order: &Order) -> usize {
    const STREAM: usize = 7 + 17;
    let after = order.after.map_or(0, |after| 6 + head_len(after));
    6 + 1 + after + 7 + head_len(order.number) + STREAM
}

fn push_order(out: &mut Vec<u8>, order: &Order) {
    push_text(out, "order");
    push_head(out, 5, 2 + u64::from(order.after.is_some()));
    if let Some(after) = order.after {
        push_text(out, "after");
        push_head(out, 0, after);
    }
    push_text(out, "number");
    push_head(out, 0, order.number);
    push_text(out, "stream");
    push_bytes(out, order.stream.as_bytes());
}

/// Appends `messages` as a batch.
pub(crate) fn encode(out: &mut Vec<u8>, messages: &[Message]) {
    push_head(out, 4, messages.len() as u64);
    for message in messages {
        let optional = [message.in_reply_to.is_some(), message.order.is_some()];
        push_head(out, 5, 3 + optional.into_iter().map(u64::from).sum::<u64>());
        push_text(out, "id");
        push_bytes(out, message.id.as_bytes());
        push_text(out, "body");
        push_bytes(out, &message.body);
        push_text(out, "type");
        push_text(out, message.kind.as_str());
        if let Some(order) = &message.order {
            push_order(out, order);
        }
        if let Some(id) = &message.in_reply_to {
            push_text(out, "in_reply_to");
            push_bytes(out, id.as_bytes());
        }
    }
}

/// Reads a batch; bodies stay slices of `plaintext`.
///
/// # Errors
/// [`BatchError`] if the plaintext is no batch. A message of unknown kind spoils only itself.
pub fn decode(plaintext: &Bytes) -> Result<Vec<Result<Message, UnknownKind>>, BatchError> {
    // Before room is made for that many.
    if let Some(len) = announced(plaintext).filter(|len| *len > MAX_BATCH) {
        return Err(BatchError::Length { len });
    }
    let wire: Vec<Wire<'_>> = cbor::decode(plaintext)?;
    if wire.is_empty() || wire.len() > MAX_BATCH {
        return Err(BatchError::Length { len: wire.len() });
    }
    Ok(wire
        .into_iter()
        .map(|message| match MessageKind::named(message.r#type) {
            Some(kind) => Ok(Message {
                id: message.id,
                kind,
                in_reply_to: message.in_reply_to,
                order: message.order,
                body: plaintext.slice_ref(message.body),
            }),
            None => Err(UnknownKind {
                id: message.id,
                found: message.r#type.chars().take(32).collect(),
            }),
        })
        .collect())
}

/// How many messages a batch says that it has, if it says so in one or two bytes.
fn announced(plaintext: &[u8]) -> Option<usize> {
    match *plaintext {
        [0x98, len, ..] => Some(usize::from(len)),
        [0x99, high, low, ..] => Some(usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}
