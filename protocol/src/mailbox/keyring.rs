//! The private halves of an entity's prekeys (`docs/PROTOCOL.md` §18.2). Each is deleted once what was
//! sealed to it has been taken, or when nothing that is sealed to it can arrive any more.

use std::collections::HashMap;
use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::change::{Change, Row, Tag};
use super::{Item, ItemError, Letter, Prekey};
use crate::cbor;
use crate::crypto::{PrekeyPair, PublicKey, Secret, SuiteRegistry};
use crate::id::PrekeyId;
use crate::identity::Identity;
use crate::limits::{
    LAST_RESORT_LIFE, LAST_RESORT_ROTATION, MAX_CLOCK_SKEW, MAX_ITEM_TTL, MAX_PREKEY_LIFE,
};
use crate::time::Timestamp;

/// An own prekey, with its private half.
struct Own {
    pair: PrekeyPair,
    prekey: Prekey,
    /// The mailbox node that a one-time prekey is left with; none of a last-resort one.
    node: Option<PublicKey>,
    made: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretRow {
    made: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    node: Option<[u8; 32]>,
    prekey: Prekey,
    #[serde(with = "serde_bytes")]
    secret: [u8; 32],
}

impl Drop for SecretRow {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

/// An entity's own prekeys.
#[derive(Default)]
pub struct Keyring {
    keys: HashMap<PrekeyId, Own>,
    /// The last-resort prekey that is handed out now.
    current: Option<PrekeyId>,
}

impl Keyring {
    /// Takes back a row that was written before; others are left alone.
    pub fn restore(&mut self, row: Row<'_>) {
        let Some((Tag::Secret, _)) = Tag::of(row.key) else { return };
        let Ok(row) = cbor::decode::<SecretRow>(row.value) else { return };
        let node = match row.node {
            None => None,
            Some(bytes) => match PublicKey::from_bytes(&bytes) {
                Ok(key) => Some(key),
                Err(_) => return,
            },
        };
        let pair = PrekeyPair::from_secret(&Secret::new(row.secret));
        let (prekey, made) = (row.prekey, row.made);
        self.keys.insert(prekey.id, Own { pair, prekey, node, made });
    }

    /// Makes `count` one-time prekeys for the mailbox node `node`. They are left there only once the
    /// changes are on disk.
    pub fn make_batch(
        &mut self,
        identity: &Identity,
        node: &PublicKey,
        count: usize,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Vec<Prekey>, Vec<Change>) {
        let life = MAX_PREKEY_LIFE;
        let one = |_| self.make(identity, Some(*node), now, now + life, rng);
        (0..count).map(one).unzip()
    }

    /// The last-resort prekey, a new one if it is due, with the changes that must be on disk first.
    pub fn last_resort(
        &mut self,
        identity: &Identity,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Prekey, Vec<Change>) {
        let current = self.current.and_then(|id| self.keys.get(&id));
        // One that was made when the clock was ahead seems new for as long as it was, and lives longer
        // than others allow.
        let usable = |own: &&Own| {
            own.node.is_none()
                && own.made <= now + MAX_CLOCK_SKEW
                && own.made + LAST_RESORT_ROTATION > now
        };
        let newest = || self.keys.values().filter(usable).max_by_key(|own| own.made);
        if let Some(prekey) = current.filter(usable).or_else(newest).map(|own| own.prekey) {
            self.current = Some(prekey.id);
            return (prekey, Vec::new());
        }
        let (prekey, change) = self.make(identity, None, now, now + LAST_RESORT_LIFE, rng);
        self.current = Some(prekey.id);
        (prekey, vec![change])
    }

    fn make(
        &mut self,
        identity: &Identity,
        node: Option<PublicKey>,
        made: Timestamp,
        expires: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Prekey, Change) {
        let pair = PrekeyPair::generate(rng);
        let prekey = Prekey::sign(identity, PrekeyId::random(rng), *pair.public(), expires);
        let row = SecretRow {
            made,
            node: node.as_ref().map(|key| *key.as_bytes()),
            prekey,
            secret: *pair.secret().expose(),
        };
        let change = Change::write(Tag::Secret, &[prekey.id.as_bytes()], cbor::encode(&row));
        self.keys.insert(prekey.id, Own { pair, prekey, node, made });
        (prekey, change)
    }

    /// One-time prekeys of `node` that it did not take: nothing will ever be sealed to them.
    pub(super) fn not_left(&mut self, node: &PublicKey, ids: &[PrekeyId]) -> Vec<Change> {
        let changes = ids.iter().filter_map(|id| self.deletion(node, *id)).collect();
        ids.iter().for_each(|id| self.forget(node, *id));
        changes
    }

    /// Opens an item that came from the mailbox node `node`. The prekey stays until it is spent.
    ///
    /// # Errors
    /// [`ItemError`] says what is wrong with the item.
    pub fn open(
        &self,
        node: &PublicKey,
        item: &Item,
        own: &PublicKey,
        suites: &SuiteRegistry,
        now: Timestamp,
    ) -> Result<Letter, ItemError> {
        let key = self.keys.get(&item.header().prekey).ok_or(ItemError::NoPrekey)?;
        if key.node.is_some_and(|left_with| left_with != *node) {
            return Err(ItemError::WrongNode);
        }
        item.open(own, &key.pair, suites, now)
    }

    /// What deletes a one-time prekey of `node`: what was sealed to it has been taken. Last-resort prekeys
    /// stay, since others may have been sealed to them too.
    #[must_use]
    pub fn deletion(&self, node: &PublicKey, id: PrekeyId) -> Option<Change> {
        let own = self.keys.get(&id)?;
        (own.node == Some(*node)).then(|| Change::delete(Tag::Secret, &[id.as_bytes()]))
    }

    /// Wipes a one-time prekey, once its [`deletion`](Self::deletion) is on disk.
    pub fn forget(&mut self, node: &PublicKey, id: PrekeyId) {
        if self.keys.get(&id).is_some_and(|own| own.node == Some(*node)) {
            self.keys.remove(&id);
        }
    }

    /// Deletes what nothing can be sealed to any more that could still arrive.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let over = |own: &Own| own.prekey.expires + MAX_ITEM_TTL + MAX_CLOCK_SKEW * 2 <= now;
        let gone = self.keys.iter().filter(|(_, own)| over(own)).map(|(id, _)| *id);
        let gone: Vec<_> = gone.collect();
        let delete = |id: PrekeyId| {
            self.keys.remove(&id);
            Change::delete(Tag::Secret, &[id.as_bytes()])
        };
        gone.into_iter().map(delete).collect()
    }

    /// How many private halves there are, of those left with `node`.
    #[must_use]
    pub fn left_with(&self, node: &PublicKey) -> usize {
        self.keys.values().filter(|own| own.node == Some(*node)).count()
    }

    /// Whether the private half of `id` is here.
    #[must_use]
    pub fn has(&self, id: PrekeyId) -> bool {
        self.keys.contains_key(&id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}
