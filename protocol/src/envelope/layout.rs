//! Where payload and signature lie in an envelope's bytes, so that what is signed and what is
//! authenticated are the exact bytes that travel, with entries cut out and nothing encoded again.

use std::ops::Range;

use crate::cbor;
use crate::crypto::{Digest, SIGNATURE_LEN, Sha256, Signature};

/// Domain separation of envelope signatures.
const SIGNATURE_LABEL: &[u8; 18] = b"peer-v1.1-envelope";

/// Encoded lengths of the map keys `"payload"` and `"signature"`.
const PAYLOAD_KEY_LEN: usize = 8;
const SIGNATURE_KEY_LEN: usize = 10;

/// The positions that matter. All ranges lie within the envelope they were taken from.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Entries in the map.
    pub(super) entries: u8,
    /// The payload's content.
    pub(super) payload: Range<usize>,
    /// The signature's 64 bytes.
    pub(super) signature: Range<usize>,
}

impl Layout {
    /// The envelope without payload and signature: associated data of the AEAD.
    pub(super) fn aad(&self, envelope: &[u8]) -> Vec<u8> {
        let (payload, signature) = (self.payload_entry(), self.signature_entry());
        let parts = [1..payload.start, payload.end..signature.start, signature.end..envelope.len()];
        let mut aad = Vec::with_capacity(envelope.len() - payload.len() - signature.len());
        cbor::push_head(&mut aad, 5, u64::from(self.entries - 2));
        for part in parts {
            aad.extend_from_slice(envelope.get(part).unwrap_or_default());
        }
        aad
    }

    /// The envelope without its signature, in pieces that follow each other.
    pub(super) fn unsigned_parts<'a>(
        &self,
        envelope: &'a [u8],
        head: &'a [u8; 1],
    ) -> [&'a [u8]; 3] {
        let signature = self.signature_entry();
        [
            head,
            envelope.get(1..signature.start).unwrap_or_default(),
            envelope.get(signature.end..).unwrap_or_default(),
        ]
    }

    /// The map head of the envelope without its signature.
    pub(super) const fn unsigned_head(&self) -> [u8; 1] {
        [0xa0 | (self.entries - 1)]
    }

    /// What the sender signs: the label, and SHA-256 of the envelope without its signature.
    pub(super) fn signed_message(&self, envelope: &[u8]) -> [u8; 50] {
        let head = self.unsigned_head();
        let mut hash = Sha256::new();
        for part in self.unsigned_parts(envelope, &head) {
            hash.update(part);
        }
        label(&hash.finish())
    }

    /// Writes the signature into its place.
    pub(super) fn put_signature(&self, envelope: &mut [u8], signature: &Signature) {
        if let Some(place) = envelope.get_mut(self.signature.clone()) {
            place.copy_from_slice(signature);
        }
    }

    fn payload_entry(&self) -> Range<usize> {
        let head = PAYLOAD_KEY_LEN + cbor::head_len(self.payload.len() as u64);
        self.payload.start - head..self.payload.end
    }

    fn signature_entry(&self) -> Range<usize> {
        let head = SIGNATURE_KEY_LEN + cbor::head_len(SIGNATURE_LEN as u64);
        self.signature.start - head..self.signature.end
    }
}

fn label(digest: &Digest) -> [u8; 50] {
    let mut message = [0; 50];
    let (head, tail) = message.split_at_mut(SIGNATURE_LABEL.len());
    head.copy_from_slice(SIGNATURE_LABEL);
    tail.copy_from_slice(digest);
    message
}
