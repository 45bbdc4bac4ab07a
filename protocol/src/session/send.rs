//! Sealing: one counter, never reused, never wrapped.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Session, SessionError, record_nonce};
use crate::crypto::{Aead, AeadError, IV_LEN, Prehash, Suite, TAG_LEN, TrafficKeys};
use crate::envelope::{self, EnvelopeKind, Header};
use crate::id::Nonce;
use crate::identity::Identity;
use crate::limits::{MAX_BYTES_PER_KEY, MAX_RECORDS_PER_KEY};
use crate::message::{Message, batch_len, encode_batch};
use crate::time::Now;

/// The sending half.
pub(super) struct Sender {
    aead: Box<dyn Aead>,
    prehash: Prehash,
    /// Only this is needed besides the cipher, which holds the key.
    iv: Zeroizing<[u8; IV_LEN]>,
    next: u64,
    bytes: u64,
}

impl Sender {
    pub(super) fn new(suite: &dyn Suite, keys: &TrafficKeys) -> Self {
        let (aead, prehash) = (suite.aead(&keys.key), suite.prehash());
        Self { aead, prehash, iv: Zeroizing::new(keys.iv), next: 0, bytes: 0 }
    }

    pub(super) const fn is_exhausted(&self) -> bool {
        self.next >= MAX_RECORDS_PER_KEY || self.bytes >= MAX_BYTES_PER_KEY
    }

    pub(super) const fn is_half_exhausted(&self) -> bool {
        self.next >= MAX_RECORDS_PER_KEY / 2 || self.bytes >= MAX_BYTES_PER_KEY / 2
    }

    #[cfg(test)]
    pub(super) const fn skip_to(&mut self, next: u64) {
        self.next = next;
    }

    #[cfg(test)]
    pub(super) const fn pretend_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
    }
}

/// A sealed envelope, ready to travel.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The envelope's bytes.
    pub bytes: Vec<u8>,
    /// Its nonce, by which an error outside the session refers to it.
    pub nonce: Nonce,
}

impl Session {
    /// Seals `messages` into one envelope.
    ///
    /// # Errors
    /// [`SessionError::Expired`] or [`SessionError::KeyExhausted`]; then a new session is due.
    pub fn seal(
        &mut self,
        messages: &[Message],
        identity: &Identity,
        rng: &mut (impl CryptoRng + ?Sized),
        now: Now,
    ) -> Result<Sealed, SessionError> {
        if self.is_expired(now.instant) {
            return Err(SessionError::Expired);
        }
        if self.send.is_exhausted() {
            return Err(SessionError::KeyExhausted);
        }
        let header = Header {
            kind: EnvelopeKind::Sealed,
            sender: identity.entity().clone(),
            recipient: self.peer.entity.clone(),
            session: Some(self.id),
            sequence: self.send.next,
            timestamp: now.timestamp,
            nonce: Nonce::random(rng),
        };
        let nonce = record_nonce(&self.send.iv, self.send.next);
        let len = batch_len(messages);
        let bytes = envelope::sealed(
            &header,
            len,
            |out| encode_batch(out, messages),
            self.send.aead.as_ref(),
            &nonce,
            self.send.prehash,
            identity,
        )
        .map_err(|AeadError| SessionError::KeyExhausted)?;
        self.send.next += 1;
        self.send.bytes += len as u64;
        Ok(Sealed { bytes, nonce: header.nonce })
    }

    /// Seals the record that proves to the initiator that encryption works (§3.6): `text` under
    /// `aad`, as record 0 of this direction.
    pub(crate) fn seal_first(&mut self, aad: &[u8], text: &[u8]) -> Result<Vec<u8>, SessionError> {
        if self.send.next != 0 {
            return Err(SessionError::KeyExhausted);
        }
        let mut record = text.to_vec();
        let nonce = record_nonce(&self.send.iv, 0);
        let tag: [u8; TAG_LEN] = self
            .send
            .aead
            .seal(&nonce, aad, &mut record)
            .map_err(|AeadError| SessionError::KeyExhausted)?;
        record.extend_from_slice(&tag);
        self.send.next = 1;
        Ok(record)
    }
}
