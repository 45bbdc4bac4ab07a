//! Opening: window, AEAD, signature, then mark. The dear check comes last, so that an outsider
//! never reaches it, and nothing is marked before everything holds.

use std::time::Duration;

use zeroize::Zeroizing;

use super::window::Window;
use super::{Session, SessionError, record_nonce};
use crate::crypto::{
    Aead, AeadError, BadSignature, IV_LEN, Prehash, Suite, TAG_LEN, TrafficKeys, Verifier,
};
use crate::envelope::{Envelope, Header, SignedMessage};
use crate::identity::Identity;
use crate::message::{Message, UnknownKind, decode_batch};
use crate::replay::ReplayGuard;
use crate::time::Now;

/// The receiving half.
pub(super) struct Receiver {
    aead: Box<dyn Aead>,
    prehash: Prehash,
    /// Only this is needed besides the cipher, which holds the key.
    iv: Zeroizing<[u8; IV_LEN]>,
    window: Window,
    replay: ReplayGuard,
    verifier: Verifier,
}

impl Receiver {
    pub(super) fn new(
        suite: &dyn Suite,
        keys: &TrafficKeys,
        max_skew: Duration,
        verifier: Verifier,
    ) -> Self {
        Self {
            aead: suite.aead(&keys.key),
            prehash: suite.prehash(),
            iv: Zeroizing::new(keys.iv),
            window: Window::new(),
            replay: ReplayGuard::within_session(max_skew),
            verifier,
        }
    }
}

/// A decrypted record whose signature has not been verified yet: proof that the session's peer
/// sealed it, but not that its identity key signed it.
#[derive(Debug)]
pub struct Unverified {
    header: Header,
    signed: SignedMessage,
    messages: Vec<Result<Message, UnknownKind>>,
}

impl Unverified {
    /// The messages, for a rate limit to look at before the dear check.
    pub fn messages(&self) -> &[Result<Message, UnknownKind>] {
        &self.messages
    }
}

/// What a sealed envelope held.
#[derive(Debug)]
pub struct Opened {
    /// The envelope's header.
    pub header: Header,
    /// The messages, in the sender's order; one of unknown kind spoils only itself.
    pub messages: Vec<Result<Message, UnknownKind>>,
}

impl Session {
    /// Decrypts a sealed envelope of this session, in place.
    ///
    /// # Errors
    /// [`SessionError`]; nothing changes in either case until [`Session::accept`].
    pub fn open(
        &self,
        envelope: Envelope,
        identity: &Identity,
        now: Now,
    ) -> Result<Unverified, SessionError> {
        if self.is_expired(now.instant) {
            return Err(SessionError::Expired);
        }
        let header = envelope.header();
        self.check_addresses(header, identity)?;
        self.receive.replay.check(header.timestamp, &header.nonce, now.timestamp)?;
        self.receive.window.check(header.sequence)?;
        let nonce = record_nonce(&self.receive.iv, header.sequence);
        let signed = envelope.signed_message(self.receive.prehash);
        let (header, plaintext) = envelope
            .open(self.receive.aead.as_ref(), &nonce)
            .map_err(|AeadError| SessionError::Decryption)?;
        let messages = decode_batch(&plaintext)?;
        Ok(Unverified { header, signed, messages })
    }

    /// Verifies the signature of a decrypted record and marks the record as received.
    ///
    /// # Errors
    /// [`SessionError`]; the session is then unchanged.
    pub fn accept(&mut self, record: Unverified, now: Now) -> Result<Opened, SessionError> {
        let Unverified { header, signed, messages } = record;
        let verifier = &mut self.receive.verifier;
        signed
            .verify_with(verifier, now.instant)
            .map_err(|BadSignature| SessionError::Signature)?;
        self.receive.window.check(header.sequence)?;
        self.receive.window.mark(header.sequence);
        self.receive.replay.remember(header.timestamp, header.nonce, now.timestamp);
        Ok(Opened { header, messages })
    }

    /// Opens the record of [`Session::seal_first`].
    pub(crate) fn open_first(
        &mut self,
        aad: &[u8],
        record: &[u8],
    ) -> Result<Vec<u8>, SessionError> {
        self.receive.window.check(0)?;
        let mut text = record.to_vec();
        let nonce = record_nonce(&self.receive.iv, 0);
        let (body, tag) = text.split_last_chunk_mut::<TAG_LEN>().ok_or(SessionError::Decryption)?;
        self.receive
            .aead
            .open(&nonce, aad, body, tag)
            .map_err(|AeadError| SessionError::Decryption)?;
        text.truncate(record.len() - TAG_LEN);
        self.receive.window.mark(0);
        Ok(text)
    }

    fn check_addresses(&self, header: &Header, identity: &Identity) -> Result<(), SessionError> {
        if header.sender != self.peer.entity {
            let (found, expected) = (header.sender.clone(), self.peer.entity.clone());
            return Err(SessionError::Address { found, expected });
        }
        if !identity.answers_to(&header.recipient) {
            let (found, expected) = (header.recipient.clone(), identity.entity().clone());
            return Err(SessionError::Address { found, expected });
        }
        Ok(())
    }
}
