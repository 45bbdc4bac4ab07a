//! Reading envelopes: bounded, strict, and in place.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;

use super::layout::{Layout, SignatureInput};
use super::{EnvelopeError, EnvelopeKind, Header, VERSION};
use crate::cbor;
use crate::crypto::{
    Aead, AeadError, BadSignature, IV_LEN, Prehash, PublicKey, SIGNATURE_LEN, Signature, TAG_LEN,
    Transcript, Verifier,
};
use crate::id::{Nonce, SessionId};
use crate::limits::{MAX_ENVELOPE_LEN, MAX_PLAIN_ENVELOPE_LEN};
use crate::spare;
use crate::time::{Instant, Timestamp};

/// A well-formed envelope whose signature has not been checked yet.
#[derive(Debug)]
pub struct Envelope {
    header: Header,
    bytes: Vec<u8>,
    pub(super) layout: Layout,
    pub(super) signature: Signature,
}

/// What a signature must cover, kept while the payload is decrypted in place.
#[derive(Debug)]
pub(crate) struct SignedMessage {
    message: SignatureInput,
    signature: Signature,
}

impl SignedMessage {
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        key.verify(self.message.as_bytes(), &self.signature)
    }

    pub(crate) fn verify_with(
        &self,
        verifier: &mut Verifier,
        now: Instant,
    ) -> Result<(), BadSignature> {
        verifier.verify(self.message.as_bytes(), &self.signature, now)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(with = "serde_bytes")]
    nonce: [u8; 16],
    #[serde(borrow, with = "serde_bytes")]
    payload: &'a [u8],
    version: &'a str,
    msg_type: &'a str,
    #[serde(default)]
    encrypted: Option<bool>,
    sender_id: &'a str,
    #[serde(borrow, with = "serde_bytes")]
    signature: &'a [u8],
    timestamp: u64,
    #[serde(default, borrow)]
    session_id: Option<&'a serde_bytes::Bytes>,
    recipient_id: &'a str,
    sequence_num: u64,
}

impl Envelope {
    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] if the bytes are not exactly one envelope of version 1.1.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, EnvelopeError> {
        let len = bytes.len();
        if len > MAX_ENVELOPE_LEN {
            return Err(EnvelopeError::TooLong { len });
        }
        let wire: Wire<'_> = cbor::decode(&bytes)?;
        if wire.version != VERSION {
            return Err(EnvelopeError::Version { found: shortened(wire.version) });
        }
        let kind = EnvelopeKind::named(wire.msg_type)
            .ok_or_else(|| EnvelopeError::Kind { found: shortened(wire.msg_type) })?;
        let sealed = kind == EnvelopeKind::Sealed;
        if wire.encrypted != sealed.then_some(true) {
            return Err(EnvelopeError::Encryption { kind });
        }
        if !sealed && len > MAX_PLAIN_ENVELOPE_LEN {
            return Err(EnvelopeError::PlainTooLong { len });
        }
        let session = match wire.session_id {
            None => None,
            Some(id) => Some(
                <[u8; 16]>::try_from(&**id)
                    .ok()
                    .and_then(SessionId::from_bytes)
                    .ok_or(EnvelopeError::Session)?,
            ),
        };
        let header = Header {
            kind,
            sender: wire.sender_id.parse()?,
            recipient: wire.recipient_id.parse()?,
            session,
            sequence: wire.sequence_num,
            timestamp: Timestamp::from_millis(wire.timestamp),
            nonce: Nonce::from_bytes(wire.nonce),
        };
        let signature = wire.signature.try_into().map_err(|_| cbor::CborError::Shape {
            detail: format!("a signature has {SIGNATURE_LEN} bytes"),
        })?;
        let layout = Layout {
            entries: 9 + u8::from(sealed) + u8::from(session.is_some()),
            payload: range_within(&bytes, wire.payload),
            signature: range_within(&bytes, wire.signature),
        };
        Ok(Self { header, bytes, layout, signature })
    }

    /// What the envelope says about itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The exact bytes that travelled.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the bytes that travelled back.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The payload: a CBOR body, or ciphertext.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.layout.payload.clone()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) const fn signature_range(&self) -> &Range<usize> {
        &self.layout.signature
    }

    /// Checks the signature. Which digest that of a sealed envelope covers depends on its session's
    /// suite, which only its two ends know: here, either will do.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold for the bytes that travelled.
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        let held = self.signed_message(Prehash::Sha256).verify(key);
        if self.header.kind != EnvelopeKind::Sealed {
            return held;
        }
        held.or_else(|BadSignature| self.signed_message(Prehash::Blake3).verify(key))
    }

    /// What the signature must cover; taken before [`Envelope::open`] turns ciphertext into plaintext.
    pub(crate) fn signed_message(&self, prehash: Prehash) -> SignedMessage {
        SignedMessage {
            message: self.layout.signed_message(&self.bytes, prehash),
            signature: self.signature,
        }
    }

    /// The envelope without payload and signature: associated data of whatever it seals.
    pub(crate) fn aad(&self) -> Vec<u8> {
        self.layout.aad(&self.bytes)
    }

    /// `transcript` with this envelope, unsigned and with zeros in place of `blank`, a part of the
    /// payload. The three-way handshake confirms a transcript that cannot hold its own MAC (§4).
    pub(crate) fn provisional(&self, transcript: &Transcript, blank: &Range<usize>) -> Transcript {
        let mut bytes = self.bytes.clone();
        let start = self.layout.payload.start;
        if let Some(place) = bytes.get_mut(start + blank.start..start + blank.end) {
            place.fill(0);
        }
        let head = self.layout.unsigned_head();
        transcript.with_parts(&self.layout.unsigned_parts(&bytes, &head))
    }

    /// Decrypts the payload in place and hands over the plaintext, without copying it.
    ///
    /// # Errors
    /// [`AeadError`] if the record does not open.
    pub(crate) fn open(
        self,
        aead: &dyn Aead,
        nonce: &[u8; IV_LEN],
    ) -> Result<(Header, Bytes), AeadError> {
        let aad = self.aad();
        let Self { header, mut bytes, layout, .. } = self;
        let payload = bytes.get_mut(layout.payload.clone()).ok_or(AeadError)?;
        let (text, tag) = payload.split_last_chunk_mut::<TAG_LEN>().ok_or(AeadError)?;
        aead.open(nonce, &aad, text, tag)?;
        let end = layout.payload.end - TAG_LEN;
        Ok((header, spare::bytes(bytes).slice(layout.payload.start..end)))
    }
}

/// Where `part`, a slice of `whole`, lies in it.
pub(crate) fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// At most 32 characters of what a stranger wrote, for an error message.
fn shortened(text: &str) -> String {
    text.chars().take(32).collect()
}
