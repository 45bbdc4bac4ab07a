//! Where payload and signature lie in an envelope's bytes, so that what is signed and what is
//! authenticated are the exact bytes that travel, with entries cut out and nothing encoded again.

use std::ops::Range;

use crate::cbor;
use crate::crypto::{Digest, Prehash, SIGNATURE_LEN, Signature};

/// Domain separation of envelope signatures, one label for each prehash.
const SHA256_LABEL: &[u8] = b"peer-v1.1-envelope";
const BLAKE3_LABEL: &[u8] = b"peer-v1.1-envelope-blake3";
/// Bytes of the longest label, and a digest.
const INPUT_LEN: usize = 25 + 32;

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

    /// What the sender signs: the label, and the digest of the envelope without its signature.
    pub(super) fn signed_message(&self, envelope: &[u8], prehash: Prehash) -> SignatureInput {
        let head = self.unsigned_head();
        SignatureInput::new(prehash, &prehash.digest(&self.unsigned_parts(envelope, &head)))
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

/// Label and digest.
#[derive(Debug, Clone)]
pub(super) struct SignatureInput {
    bytes: [u8; INPUT_LEN],
    len: usize,
}

impl SignatureInput {
    fn new(prehash: Prehash, digest: &Digest) -> Self {
        let label = match prehash {
            Prehash::Sha256 => SHA256_LABEL,
            Prehash::Blake3 => BLAKE3_LABEL,
        };
        let mut bytes = [0; INPUT_LEN];
        let content = label.iter().chain(digest);
        bytes.iter_mut().zip(content).for_each(|(place, byte)| *place = *byte);
        Self { bytes, len: label.len() + digest.len() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
