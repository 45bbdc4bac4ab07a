//! An item as whoever keeps it sees it (`docs/PROTOCOL.md` §18.3): for whom, until when, under which
//! prekey; the rest is ciphertext.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;

use super::ItemError;
use crate::cbor::{self, head_len, push_bytes, push_head, push_text};
use crate::crypto::{EphemeralPublic, PublicKey, Sha256, TAG_LEN};
use crate::envelope::range_within;
use crate::id::{ItemId, PrekeyId};
use crate::limits::{MAX_ITEM_LEN, MAX_NAME_LEN};
use crate::time::Timestamp;

/// Domain separation of the salt of an item's key.
const SALT_LABEL: &[u8] = b"peer-v1.1-mailbox";
/// Bytes of the key `payload` in the map.
const PAYLOAD_KEY_LEN: usize = 1 + 7;
/// Entries of the map without the payload.
const HEADER_ENTRIES: u8 = 6;

/// What an item says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemHeader {
    /// Which one it is; the same if its sender puts it again.
    pub id: ItemId,
    /// The suite that sealed it.
    pub suite: String,
    /// The prekey that it is sealed to.
    pub prekey: PrekeyId,
    /// When nobody needs it any more.
    pub expires: Timestamp,
    /// The sender's X25519 key, made for this item.
    pub ephemeral: EphemeralPublic,
    /// For whom it is.
    pub recipient: PublicKey,
}

/// A well-formed item. Whether it opens, its recipient alone can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    header: ItemHeader,
    bytes: Bytes,
    payload: Range<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    id: ItemId,
    suite: &'a str,
    prekey: PrekeyId,
    expires: Timestamp,
    #[serde(borrow, with = "serde_bytes")]
    payload: &'a [u8],
    #[serde(with = "serde_bytes")]
    ephemeral: EphemeralPublic,
    #[serde(with = "serde_bytes")]
    recipient: [u8; 32],
}

impl Item {
    /// Reads an item.
    ///
    /// # Errors
    /// [`ItemError`] if the bytes are not exactly one item within all limits.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, ItemError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_ITEM_LEN {
            return Err(ItemError::TooLong { len: bytes.len() });
        }
        let wire: Wire<'_> = cbor::decode(&bytes)?;
        if wire.suite.len() > MAX_NAME_LEN || wire.payload.len() <= TAG_LEN {
            return Err(ItemError::Form);
        }
        let header = ItemHeader {
            id: wire.id,
            suite: wire.suite.to_owned(),
            prekey: wire.prekey,
            expires: wire.expires,
            ephemeral: wire.ephemeral,
            recipient: PublicKey::from_bytes(&wire.recipient)?,
        };
        let payload = range_within(&bytes, wire.payload);
        Ok(Self { header, bytes, payload })
    }

    /// What it says about itself.
    #[must_use]
    pub const fn header(&self) -> &ItemHeader {
        &self.header
    }

    /// The exact bytes that travelled.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The ciphertext and its tag.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(self.payload.clone()).unwrap_or_default()
    }

    /// The item without its payload: what is authenticated beside the ciphertext.
    pub(super) fn aad(&self) -> Vec<u8> {
        let entry = PAYLOAD_KEY_LEN + head_len(self.payload.len() as u64);
        let before = self.bytes.get(1..self.payload.start.saturating_sub(entry));
        let after = self.bytes.get(self.payload.end..);
        [&[0xa0 | HEADER_ENTRIES], before.unwrap_or_default(), after.unwrap_or_default()].concat()
    }
}

impl ItemHeader {
    /// The map with `payload` in it, or without: then it is the associated data.
    pub(super) fn write(&self, payload: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + payload.map_or(0, <[u8]>::len));
        push_head(&mut out, 5, u64::from(HEADER_ENTRIES) + u64::from(payload.is_some()));
        push_text(&mut out, "id");
        push_bytes(&mut out, self.id.as_bytes());
        push_text(&mut out, "suite");
        push_text(&mut out, &self.suite);
        push_text(&mut out, "prekey");
        push_bytes(&mut out, self.prekey.as_bytes());
        push_text(&mut out, "expires");
        push_head(&mut out, 0, self.expires.as_millis());
        if let Some(payload) = payload {
            push_text(&mut out, "payload");
            push_bytes(&mut out, payload);
        }
        push_text(&mut out, "ephemeral");
        push_bytes(&mut out, &self.ephemeral);
        push_text(&mut out, "recipient");
        push_bytes(&mut out, self.recipient.as_bytes());
        out
    }

    /// The salt of the item's key: whom it is for, which prekey, which ephemeral key, which suite.
    pub(super) fn transcript(&self, prekey: &EphemeralPublic) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(SALT_LABEL);
        hash.update(self.recipient.as_bytes());
        hash.update(self.prekey.as_bytes());
        hash.update(prekey);
        hash.update(&self.ephemeral);
        hash.update(self.suite.as_bytes());
        hash.finish()
    }
}
