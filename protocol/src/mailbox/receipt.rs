//! Receipts that a receiver leaves for senders that are not there (`docs/PROTOCOL.md` §18.5).

use bytes::Bytes;
use serde::Deserialize;

use super::ReceiptError;
use crate::cbor::{self, push_bytes, push_head, push_text, text_enum};
use crate::crypto::{PublicKey, SIGNATURE_LEN, Signature, sha256};
use crate::error::ErrorCode;
use crate::id::MessageId;
use crate::identity::Identity;
use crate::limits::MAX_RECEIPT_IDS;
use crate::time::Timestamp;

/// Domain separation of these receipts.
const LABEL: &[u8] = b"peer-v1.1-mailbox-receipt";
/// Encoded length of the entry `signature`, the last of the map.
const SIGNATURE_ENTRY_LEN: usize = 10 + 2 + SIGNATURE_LEN;

/// What became of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MailStatus {
    /// Durable at the receiver.
    Delivered,
    /// The receiving agent took them.
    Processed,
    /// Refused for good.
    Refused,
}

text_enum!(MailStatus {
    Delivered = "delivered",
    Processed = "processed",
    Refused = "refused",
});

/// A receiver's word on what became of messages, signed, so that anybody may carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailReceipt {
    /// When it was made.
    pub at: Timestamp,
    /// The messages.
    pub ids: Vec<MessageId>,
    /// Why they were refused, if they were.
    pub code: Option<ErrorCode>,
    /// The receiver, who signs.
    pub owner: PublicKey,
    /// Who sent the messages.
    pub sender: PublicKey,
    /// What became of them.
    pub status: MailStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    at: Timestamp,
    ids: Vec<MessageId>,
    #[serde(default)]
    code: Option<ErrorCode>,
    #[serde(with = "serde_bytes")]
    owner: [u8; 32],
    #[serde(with = "serde_bytes")]
    sender: [u8; 32],
    status: MailStatus,
    #[serde(with = "serde_bytes")]
    signature: Signature,
}

impl MailReceipt {
    /// The receipt's bytes, signed by `identity` as its owner.
    #[must_use]
    pub fn sign(
        identity: &Identity,
        sender: &PublicKey,
        ids: &[MessageId],
        (status, code): (MailStatus, Option<ErrorCode>),
        at: Timestamp,
    ) -> Bytes {
        let mut out = Vec::with_capacity(256 + ids.len() * 17);
        push_head(&mut out, 5, 6 + u64::from(code.is_some()));
        push_text(&mut out, "at");
        push_head(&mut out, 0, at.as_millis());
        push_text(&mut out, "ids");
        push_head(&mut out, 4, ids.len() as u64);
        ids.iter().for_each(|id| push_bytes(&mut out, id.as_bytes()));
        if let Some(code) = code {
            push_text(&mut out, "code");
            push_text(&mut out, code.as_str());
        }
        push_text(&mut out, "owner");
        push_bytes(&mut out, identity.public_key().as_bytes());
        push_text(&mut out, "sender");
        push_bytes(&mut out, sender.as_bytes());
        push_text(&mut out, "status");
        push_text(&mut out, status.as_str());
        push_text(&mut out, "signature");
        push_bytes(&mut out, &[0; SIGNATURE_LEN]);
        let signature = identity.sign(&signed_message(&out));
        let start = out.len().saturating_sub(SIGNATURE_LEN);
        if let Some(place) = out.get_mut(start..) {
            place.copy_from_slice(&signature);
        }
        out.into()
    }

    /// Reads a receipt and checks that its owner signed it.
    ///
    /// # Errors
    /// [`ReceiptError`] says what is wrong with it.
    pub fn verify(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let wire: Wire = cbor::decode(bytes)?;
        let refuses = wire.status == MailStatus::Refused;
        if wire.ids.is_empty() || wire.ids.len() > MAX_RECEIPT_IDS || wire.code.is_some() != refuses
        {
            return Err(ReceiptError::Form);
        }
        let owner = PublicKey::from_bytes(&wire.owner)?;
        let sender = PublicKey::from_bytes(&wire.sender)?;
        owner.verify(&signed_message(bytes), &wire.signature)?;
        let Wire { at, ids, code, status, .. } = wire;
        Ok(Self { at, ids, code, owner, sender, status })
    }
}

/// What the owner signs: the label, and SHA-256 of the receipt without its entry `signature`, its map
/// head reduced by one.
fn signed_message(receipt: &[u8]) -> Vec<u8> {
    let head = receipt.first().map_or(0, |head| head.saturating_sub(1));
    let end = receipt.len().saturating_sub(SIGNATURE_ENTRY_LEN);
    let unsigned = [&[head], receipt.get(1..end).unwrap_or_default()].concat();
    [LABEL, &sha256(&unsigned)].concat()
}
