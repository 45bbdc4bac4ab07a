//! Building envelopes: one buffer, sized before it is filled, sealed and signed in place.

use std::ops::Range;

use super::layout::Layout;
use super::{Header, VERSION};
use crate::cbor::{push_bytes, push_head, push_text};
use crate::crypto::{Aead, AeadError, IV_LEN, Prehash, SIGNATURE_LEN, TAG_LEN, Transcript};
use crate::identity::Identity;
use crate::spare;

/// Room for everything but the payload; entity ids are the largest part.
const FRAME_LEN: usize = 512;

/// A signed envelope around a payload that is not encrypted.
#[must_use]
pub fn plain(header: &Header, payload: &[u8], identity: &Identity) -> Vec<u8> {
    Draft::new(header, payload).sign(identity)
}

/// An envelope that is not signed yet, for payloads that depend on the rest of the envelope.
pub(crate) struct Draft {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Draft {
    pub(crate) fn new(header: &Header, payload: &[u8]) -> Self {
        let (bytes, layout) =
            write(header, payload.len(), false, |bytes| bytes.extend_from_slice(payload));
        Self { bytes, layout }
    }

    /// The envelope without payload and signature.
    pub(crate) fn aad(&self) -> Vec<u8> {
        self.layout.aad(&self.bytes)
    }

    /// `transcript` with this envelope as it stands, without its signature.
    pub(crate) fn transcript(&self, transcript: &Transcript) -> Transcript {
        let head = self.layout.unsigned_head();
        transcript.with_parts(&self.layout.unsigned_parts(&self.bytes, &head))
    }

    /// Overwrites a part of the payload.
    pub(crate) fn fill(&mut self, part: &Range<usize>, content: &[u8]) {
        let start = self.layout.payload.start;
        if let Some(place) = self.bytes.get_mut(start + part.start..start + part.end) {
            place.copy_from_slice(content);
        }
    }

    /// The finished envelope.
    pub(crate) fn sign(mut self, identity: &Identity) -> Vec<u8> {
        sign(&mut self.bytes, &self.layout, Prehash::Sha256, identity);
        self.bytes
    }
}

/// A signed envelope whose payload of `plaintext_len` bytes is written by `plaintext` straight into
/// the envelope's buffer and encrypted there. Its signature covers a digest by `prehash`.
///
/// # Errors
/// [`AeadError`] if the plaintext is longer than the cipher allows.
pub fn sealed(
    header: &Header,
    plaintext_len: usize,
    plaintext: impl FnOnce(&mut Vec<u8>),
    aead: &dyn Aead,
    nonce: &[u8; IV_LEN],
    prehash: Prehash,
    identity: &Identity,
) -> Result<Vec<u8>, AeadError> {
    let (mut bytes, layout) = write(header, plaintext_len + TAG_LEN, true, |bytes| {
        plaintext(bytes);
        bytes.extend_from_slice(&[0; TAG_LEN]);
    });
    let aad = layout.aad(&bytes);
    let payload = bytes.get_mut(layout.payload.clone()).ok_or(AeadError)?;
    let (text, place) = payload.split_last_chunk_mut::<TAG_LEN>().ok_or(AeadError)?;
    *place = aead.seal(nonce, &aad, text)?;
    sign(&mut bytes, &layout, prehash, identity);
    Ok(bytes)
}

fn sign(bytes: &mut [u8], layout: &Layout, prehash: Prehash, identity: &Identity) {
    let signature = identity.sign(layout.signed_message(bytes, prehash).as_bytes());
    layout.put_signature(bytes, &signature);
}

/// Writes the map, keys in deterministic order, with a zero signature.
fn write(
    header: &Header,
    payload_len: usize,
    encrypted: bool,
    payload: impl FnOnce(&mut Vec<u8>),
) -> (Vec<u8>, Layout) {
    let entries = 9 + u8::from(encrypted) + u8::from(header.session.is_some());
    let mut out = spare::empty(FRAME_LEN + payload_len);
    push_head(&mut out, 5, u64::from(entries));
    push_text(&mut out, "nonce");
    push_bytes(&mut out, header.nonce.as_bytes());
    push_text(&mut out, "payload");
    push_head(&mut out, 2, payload_len as u64);
    let payload_start = out.len();
    payload(&mut out);
    debug_assert_eq!(out.len(), payload_start + payload_len, "the payload's length was announced");
    push_text(&mut out, "version");
    push_text(&mut out, VERSION);
    push_text(&mut out, "msg_type");
    push_text(&mut out, header.kind.as_str());
    if encrypted {
        push_text(&mut out, "encrypted");
        push_head(&mut out, 7, 21);
    }
    push_text(&mut out, "sender_id");
    push_text(&mut out, header.sender.as_str());
    push_text(&mut out, "signature");
    push_bytes(&mut out, &[0; SIGNATURE_LEN]);
    let signature_end = out.len();
    push_text(&mut out, "timestamp");
    push_head(&mut out, 0, header.timestamp.as_millis());
    if let Some(session) = &header.session {
        push_text(&mut out, "session_id");
        push_bytes(&mut out, session.as_bytes());
    }
    push_text(&mut out, "recipient_id");
    push_text(&mut out, header.recipient.as_str());
    push_text(&mut out, "sequence_num");
    push_head(&mut out, 0, header.sequence);
    let layout = Layout {
        entries,
        payload: payload_start..payload_start + payload_len,
        signature: signature_end - SIGNATURE_LEN..signature_end,
    };
    (out, layout)
}
