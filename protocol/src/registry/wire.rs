//! A record's bytes (`docs/PROTOCOL.md` §11.2, §11.3).
//!
//! A record is a map of seven entries, in the order of their encoded keys: `ttl`, `addresses`,
//! `entity_id`, `last_seen`, `signature`, `public_key`, `capabilities`; and of two more if the entity has
//! mailboxes: `prekey` after `ttl`, `mailboxes` after `last_seen`. Its head is thus one of the bytes
//! `0xa7` to `0xa9`, and the entry `signature` always has 76 bytes: key, byte-string head, signature.
//! What is signed is what travels, with those 76 bytes cut out and the head reduced by one; nothing
//! is ever encoded again in order to verify it.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_bytes::ByteArray;

use super::record::entries;
use super::{Record, RegistryError};
use crate::cbor::{self, CborError, push_bytes, push_head, push_text};
use crate::crypto::{PublicKey, SIGNATURE_LEN, Sha256, Signature};
use crate::envelope::range_within;
use crate::identity::{Fingerprint, Identity};
use crate::limits::{MAX_MAILBOXES, MAX_RECORD_ADDRESSES, MAX_RECORD_CAPABILITIES, MAX_RECORD_LEN};
use crate::mailbox::Prekey;
use crate::time::Timestamp;

/// Domain separation of record signatures.
const SIGNATURE_LABEL: &[u8; 18] = b"peer-v1.1-registry";
/// Entries that every record has.
const ENTRIES: u64 = 7;
/// Encoded length of the entry `signature`.
const SIGNATURE_ENTRY_LEN: usize = 10 + 2 + SIGNATURE_LEN;

/// A well-formed record whose key, life and signature have not been checked yet.
#[derive(Debug, Clone)]
pub struct SignedRecord {
    record: Record,
    bytes: Bytes,
    signature: Signature,
    /// Where the signature's 64 bytes end.
    signature_end: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    ttl: u64,
    #[serde(default)]
    prekey: Option<Prekey>,
    #[serde(borrow)]
    addresses: Vec<&'a str>,
    entity_id: &'a str,
    last_seen: u64,
    #[serde(default)]
    mailboxes: Option<Vec<ByteArray<32>>>,
    #[serde(borrow, with = "serde_bytes")]
    signature: &'a [u8],
    #[serde(with = "serde_bytes")]
    public_key: [u8; 32],
    #[serde(borrow)]
    capabilities: Vec<&'a str>,
}

impl SignedRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RegistryError`] if the bytes are not exactly one record within all limits.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, RegistryError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_RECORD_LEN {
            return Err(RegistryError::TooLong { len: bytes.len() });
        }
        let wire: Wire<'_> = cbor::decode(&bytes)?;
        let signature = wire.signature.try_into().map_err(|_| CborError::Shape {
            detail: format!("a signature has {SIGNATURE_LEN} bytes"),
        })?;
        entries("addresses", wire.addresses.len(), MAX_RECORD_ADDRESSES)?;
        entries("capabilities", wire.capabilities.len(), MAX_RECORD_CAPABILITIES)?;
        let mailboxes = wire.mailboxes.as_deref();
        if mailboxes.is_some_and(<[_]>::is_empty) {
            let what = "is absent where there are none";
            return Err(RegistryError::Form { field: "mailboxes", what });
        }
        let mailboxes = mailboxes.unwrap_or_default();
        entries("mailboxes", mailboxes.len(), MAX_MAILBOXES)?;
        let mailboxes: Result<_, _> =
            mailboxes.iter().map(|key| PublicKey::from_bytes(key)).collect();
        let capabilities: Result<_, _> =
            wire.capabilities.iter().map(|name| name.parse()).collect();
        let record = Record {
            entity: wire.entity_id.parse()?,
            addresses: wire.addresses.iter().map(|address| (*address).to_owned()).collect(),
            public_key: PublicKey::from_bytes(&wire.public_key)?,
            capabilities: capabilities?,
            last_seen: Timestamp::from_millis(wire.last_seen),
            ttl: Duration::from_secs(wire.ttl),
            mailboxes: mailboxes?,
            prekey: wire.prekey,
        };
        record.check()?;
        let signature_end = range_within(&bytes, wire.signature).end;
        Ok(Self { record, bytes, signature, signature_end })
    }

    /// What the record says.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The exact bytes that travelled.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks that the key in the record signed the bytes that travelled.
    ///
    /// # Errors
    /// [`RegistryError::Signature`] if it did not.
    pub(super) fn check_signature(&self) -> Result<(), RegistryError> {
        let message = signed_message(&self.bytes, self.signature_end);
        Ok(self.record.public_key.verify(&message, &self.signature)?)
    }

    pub(super) fn into_parts(self) -> (Record, Bytes) {
        (self.record, self.bytes)
    }
}

impl Record {
    /// The record's bytes, signed by `identity`.
    ///
    /// # Errors
    /// [`RegistryError`] if a limit is broken, the entity id is reserved for another key, or the
    /// record names another key than that of `identity`.
    pub fn sign(&self, identity: &Identity) -> Result<Bytes, RegistryError> {
        self.check()?;
        self.entity.check_key(&self.public_key)?;
        if self.public_key != *identity.public_key() {
            return Err(RegistryError::Signer {
                named: Fingerprint::of(&self.public_key),
                signer: identity.fingerprint(),
            });
        }
        let (mut bytes, signature_end) = self.write();
        if bytes.len() > MAX_RECORD_LEN {
            return Err(RegistryError::TooLong { len: bytes.len() });
        }
        let signature = identity.sign(&signed_message(&bytes, signature_end));
        if let Some(place) = bytes.get_mut(signature_end - SIGNATURE_LEN..signature_end) {
            place.copy_from_slice(&signature);
        }
        Ok(bytes.into())
    }

    /// The map, keys in deterministic order, with a zero signature; and where that ends.
    fn write(&self) -> (Vec<u8>, usize) {
        let mut out = Vec::with_capacity(512);
        let optional = [self.prekey.is_some(), !self.mailboxes.is_empty()];
        push_head(&mut out, 5, ENTRIES + optional.into_iter().map(u64::from).sum::<u64>());
        push_text(&mut out, "ttl");
        push_head(&mut out, 0, self.ttl.as_secs());
        if let Some(prekey) = &self.prekey {
            push_text(&mut out, "prekey");
            out.extend(cbor::encode(prekey));
        }
        push_text(&mut out, "addresses");
        push_head(&mut out, 4, self.addresses.len() as u64);
        self.addresses.iter().for_each(|address| push_text(&mut out, address));
        push_text(&mut out, "entity_id");
        push_text(&mut out, self.entity.as_str());
        push_text(&mut out, "last_seen");
        push_head(&mut out, 0, self.last_seen.as_millis());
        if !self.mailboxes.is_empty() {
            push_text(&mut out, "mailboxes");
            push_head(&mut out, 4, self.mailboxes.len() as u64);
            self.mailboxes.iter().for_each(|key| push_bytes(&mut out, key.as_bytes()));
        }
        push_text(&mut out, "signature");
        push_bytes(&mut out, &[0; SIGNATURE_LEN]);
        let signature_end = out.len();
        push_text(&mut out, "public_key");
        push_bytes(&mut out, self.public_key.as_bytes());
        push_text(&mut out, "capabilities");
        push_head(&mut out, 4, self.capabilities.len() as u64);
        self.capabilities.iter().for_each(|name| push_text(&mut out, name.as_str()));
        (out, signature_end)
    }
}

/// What the entity signs: the label, and SHA-256 of the record without its signature.
fn signed_message(record: &[u8], signature_end: usize) -> [u8; 50] {
    let signature_start = signature_end.saturating_sub(SIGNATURE_ENTRY_LEN);
    let mut hash = Sha256::new();
    hash.update(&[record.first().map_or(0, |head| head.saturating_sub(1))]);
    hash.update(record.get(1..signature_start).unwrap_or_default());
    hash.update(record.get(signature_end..).unwrap_or_default());
    let mut message = [0; 50];
    let (head, tail) = message.split_at_mut(SIGNATURE_LABEL.len());
    head.copy_from_slice(SIGNATURE_LABEL);
    tail.copy_from_slice(&hash.finish());
    message
}
