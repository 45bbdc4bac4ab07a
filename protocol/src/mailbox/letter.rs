//! What is inside an item (`docs/PROTOCOL.md` §18.3): who wrote, and what.

use bytes::Bytes;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::ItemError;
use crate::cbor::{self, push_bytes, push_head, push_text};
use crate::crypto::{PublicKey, SIGNATURE_LEN, Sha256, Signature};
use crate::delivery::Order;
use crate::envelope::range_within;
use crate::id::PrekeyId;
use crate::identity::{EntityId, Identity};
use crate::limits::MAX_SPENT_PREKEYS;
use crate::message::{Message, batch_len, decode_batch, encode_batch};
use crate::time::Timestamp;

/// Domain separation of the signature in an item.
const SIGNATURE_LABEL: &[u8] = b"peer-v1.1-mailbox-item";
/// Encoded length of the entry `signature`.
const SIGNATURE_ENTRY_LEN: usize = 10 + 2 + SIGNATURE_LEN;

/// What an item says to the one who opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The messages: ordered ones of one stream, by rising number.
    pub messages: Vec<Message>,
    /// Prekeys of the same mailbox node to which earlier forms of this item were sealed.
    pub spent: Vec<PrekeyId>,
    /// The sender's name; its key has signed it.
    pub sender_id: EntityId,
    /// When it was sealed, by the sender's clock.
    pub timestamp: Timestamp,
    /// The sender's key.
    pub sender: PublicKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow, with = "serde_bytes")]
    batch: &'a [u8],
    #[serde(default)]
    spent: Vec<PrekeyId>,
    sender_id: &'a str,
    #[serde(borrow, with = "serde_bytes")]
    signature: &'a [u8],
    timestamp: Timestamp,
    #[serde(with = "serde_bytes")]
    sender_key: [u8; 32],
}

/// The plaintext of an item with `header` as its associated data, signed by `identity`.
pub(super) fn write(
    identity: &Identity,
    messages: &[Message],
    spent: &[PrekeyId],
    now: Timestamp,
    header: &[u8],
) -> Zeroizing<Vec<u8>> {
    let batch_len = batch_len(messages);
    let mut batch = Zeroizing::new(Vec::with_capacity(batch_len));
    encode_batch(&mut batch, messages);
    // As long as it ever gets, with the tag: growing would leave plaintext behind in memory.
    let capacity = batch_len + spent.len() * 17 + identity.entity().as_str().len() + 256;
    let mut out = Zeroizing::new(Vec::with_capacity(capacity));
    push_head(&mut out, 5, 5 + u64::from(!spent.is_empty()));
    push_text(&mut out, "batch");
    push_bytes(&mut out, &batch);
    if !spent.is_empty() {
        push_text(&mut out, "spent");
        push_head(&mut out, 4, spent.len() as u64);
        spent.iter().for_each(|id| push_bytes(&mut out, id.as_bytes()));
    }
    push_text(&mut out, "sender_id");
    push_text(&mut out, identity.entity().as_str());
    push_text(&mut out, "signature");
    push_bytes(&mut out, &[0; SIGNATURE_LEN]);
    let signature_end = out.len();
    push_text(&mut out, "timestamp");
    push_head(&mut out, 0, now.as_millis());
    push_text(&mut out, "sender_key");
    push_bytes(&mut out, identity.public_key().as_bytes());
    let signature = identity.sign(&signed_message(header, &out, signature_end));
    if let Some(place) = out.get_mut(signature_end - SIGNATURE_LEN..signature_end) {
        place.copy_from_slice(&signature);
    }
    out
}

/// Reads and verifies the plaintext of an item with `header` as its associated data.
pub(super) fn read(plaintext: &Bytes, header: &[u8]) -> Result<Letter, ItemError> {
    let wire: Wire<'_> = cbor::decode(plaintext)?;
    let written = plaintext.first().is_some_and(|head| *head == 0xa6);
    let signature: &Signature = wire.signature.try_into().map_err(|_| ItemError::Form)?;
    if written == wire.spent.is_empty() || wire.spent.len() > MAX_SPENT_PREKEYS {
        return Err(ItemError::Form);
    }
    let sender = PublicKey::from_bytes(&wire.sender_key)?;
    let sender_id: EntityId = wire.sender_id.parse()?;
    sender_id.check_key(&sender)?;
    let signature_end = range_within(plaintext, wire.signature).end;
    sender.verify(&signed_message(header, plaintext, signature_end), signature)?;
    let batch = decode_batch(&plaintext.slice_ref(wire.batch))?;
    let messages =
        batch.into_iter().collect::<Result<Vec<_>, _>>().map_err(|_| ItemError::Order)?;
    check_order(&messages)?;
    Ok(Letter { messages, spent: wire.spent, sender_id, timestamp: wire.timestamp, sender })
}

/// Whether `messages` may stand in one item.
pub(super) fn check_order(messages: &[Message]) -> Result<(), ItemError> {
    let mut before: Option<&Order> = None;
    for message in messages {
        let ordered = message.order.as_ref().filter(|_| message.kind.may_be_ordered());
        let order = ordered.ok_or(ItemError::Order)?;
        if before
            .is_some_and(|before| before.stream != order.stream || before.number >= order.number)
            || order.after.is_some_and(|after| after >= order.number)
        {
            return Err(ItemError::Order);
        }
        before = Some(order);
    }
    if before.is_none() { Err(ItemError::Order) } else { Ok(()) }
}

/// What the sender signs: the label, and SHA-256 of `len(header) ‖ header ‖ plaintext without its
/// entry signature, its map head reduced by one`.
fn signed_message(header: &[u8], plaintext: &[u8], signature_end: usize) -> Vec<u8> {
    let signature_start = signature_end.saturating_sub(SIGNATURE_ENTRY_LEN);
    let head = plaintext.first().map_or(0, |head| head.saturating_sub(1));
    let mut hash = Sha256::new();
    hash.update(&(header.len() as u64).to_be_bytes());
    hash.update(header);
    hash.update(&[head]);
    hash.update(plaintext.get(1..signature_start).unwrap_or_default());
    hash.update(plaintext.get(signature_end..).unwrap_or_default());
    [SIGNATURE_LABEL, &hash.finish()].concat()
}
