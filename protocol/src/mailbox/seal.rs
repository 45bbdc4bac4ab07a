//! Sealing items and opening them (`docs/PROTOCOL.md` §18.3).

use bytes::Bytes;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::letter::{self, Letter};
use super::{Item, ItemError, ItemHeader, Prekey};
use crate::crypto::{
    Digest, EphemeralKey, IV_LEN, PrekeyPair, PublicKey, Secret, Suite, SuiteRegistry, TAG_LEN,
    item_key,
};
use crate::id::{ItemId, PrekeyId};
use crate::identity::Identity;
use crate::limits::{MAX_CLOCK_SKEW, MAX_ITEM_LEN, MAX_ITEM_TTL, MAX_SPENT_PREKEYS};
use crate::message::Message;
use crate::time::Timestamp;

/// An item's key seals once, so that its nonce never changes.
const NONCE: [u8; IV_LEN] = [0; IV_LEN];

/// What is to be sealed.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The item's id; the same when it is put again.
    pub id: ItemId,
    /// For whom it is.
    pub recipient: &'a PublicKey,
    /// The recipient's prekey; it is verified.
    pub prekey: &'a Prekey,
    /// When nobody needs it any more.
    pub expires: Timestamp,
    /// Ordered messages of one stream, by rising number.
    pub messages: &'a [Message],
    /// Prekeys of the same mailbox node to which earlier forms of the item were sealed.
    pub spent: &'a [PrekeyId],
}

impl Draft<'_> {
    /// Seals it to the prekey and signs it, inside, as `identity`.
    ///
    /// # Errors
    /// [`ItemError`] if the prekey is not the recipient's or is over, or something breaks a limit.
    pub fn seal(
        &self,
        identity: &Identity,
        suite: &dyn Suite,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Item, ItemError> {
        check_life(now, self.expires)?;
        self.prekey.verify(self.recipient, now)?;
        letter::check_order(self.messages)?;
        if self.spent.len() > MAX_SPENT_PREKEYS {
            return Err(ItemError::Form);
        }
        let ephemeral = EphemeralKey::generate(rng);
        let header = ItemHeader {
            id: self.id,
            suite: suite.id().to_owned(),
            prekey: self.prekey.id,
            expires: self.expires,
            ephemeral: *ephemeral.public(),
            recipient: *self.recipient,
        };
        let shared = ephemeral.agree(&self.prekey.key)?;
        let key = derive(&header, &self.prekey.key, &shared);
        let aad = header.write(None);
        let mut payload = letter::write(identity, self.messages, self.spent, now, &aad);
        let tag = suite.aead(key.expose()).seal(&NONCE, &aad, &mut payload)?;
        payload.extend_from_slice(&tag);
        let bytes = header.write(Some(&payload));
        if bytes.len() > MAX_ITEM_LEN {
            return Err(ItemError::TooLong { len: bytes.len() });
        }
        Item::decode(bytes)
    }
}

impl Item {
    /// Opens the item as `own`, with the pair of the prekey that it names, and verifies its sender.
    ///
    /// # Errors
    /// [`ItemError`] says what is wrong with it.
    pub fn open(
        &self,
        own: &PublicKey,
        pair: &PrekeyPair,
        suites: &SuiteRegistry,
        now: Timestamp,
    ) -> Result<Letter, ItemError> {
        let header = self.header();
        if header.recipient != *own {
            return Err(ItemError::Recipient);
        }
        if header.expires + MAX_CLOCK_SKEW <= now {
            return Err(ItemError::Expired { ago: now.distance(header.expires) });
        }
        let suite = suites
            .get(&header.suite)
            .ok_or_else(|| ItemError::Suite { suite: header.suite.clone() })?;
        let shared = pair.agree(&header.ephemeral)?;
        let key = derive(header, pair.public(), &shared);
        let aad = self.aad();
        let (ciphertext, tag) =
            self.payload().split_last_chunk::<TAG_LEN>().ok_or(ItemError::Form)?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        suite.aead(key.expose()).open(&NONCE, &aad, &mut plaintext, tag)?;
        let letter = letter::read(&Bytes::from_owner(plaintext), &aad)?;
        if letter.sender == *own {
            return Err(ItemError::OwnKey);
        }
        if letter.timestamp > now + MAX_CLOCK_SKEW {
            return Err(ItemError::Future { ahead: letter.timestamp.distance(now) });
        }
        check_life(letter.timestamp, header.expires)?;
        Ok(letter)
    }
}

fn derive(header: &ItemHeader, prekey: &[u8; 32], shared: &Secret) -> Secret {
    let transcript: Digest = header.transcript(prekey);
    item_key(shared, &transcript)
}

/// Whether an item that is sealed at `from` may stay until `expires`.
pub(super) fn check_life(from: Timestamp, expires: Timestamp) -> Result<(), ItemError> {
    if expires <= from {
        return Err(ItemError::Expired { ago: from.distance(expires) });
    }
    let ahead = expires.distance(from);
    if ahead > MAX_ITEM_TTL + MAX_CLOCK_SKEW {
        return Err(ItemError::TtlTooLong { ahead });
    }
    Ok(())
}
