//! What an entity says about itself (`docs/PROTOCOL.md` §11.2).

use std::time::Duration;

use super::{Capability, Key, RegistryError};
use crate::crypto::PublicKey;
use crate::identity::{EntityId, Identity};
use crate::limits::{
    MAX_ADDRESS_LEN, MAX_MAILBOXES, MAX_RECORD_ADDRESSES, MAX_RECORD_CAPABILITIES, RECORD_TTL,
};
use crate::mailbox::Prekey;
use crate::time::Timestamp;

/// One entity, where it is and what it can do.
///
/// The same record stands under several keys: under the entity's id, under the id that its public
/// key derives (`ent-…`, which nobody else can claim, and which a seeker knows who has nothing but
/// the entity's `PeerId`), and under its id with each of its capabilities.
///
/// A record with a life of zero **withdraws** the entity from the keys it stands under. It is kept
/// like any other for [`RECORD_TTL`] after `last_seen`: until then older records, which a hostile
/// node may bring again, could still pass for valid. Whoever withdraws single capabilities publishes
/// the record without them afterwards, under the other keys and with a later `last_seen`, since the
/// withdrawal would hold under those keys too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The entity's id.
    pub entity: EntityId,
    /// Where it listens: multiaddresses as text, the best first. Empty if it is reached by its id
    /// alone, over other nodes.
    pub addresses: Vec<String>,
    /// Its public key, which signs the record.
    pub public_key: PublicKey,
    /// What it can do: sorted by their bytes, none twice.
    pub capabilities: Vec<Capability>,
    /// When it made this record, by its own clock. The later of two records holds, so that an
    /// entity never uses a time twice.
    pub last_seen: Timestamp,
    /// How long the record lives from `last_seen` on, in whole seconds; zero withdraws.
    pub ttl: Duration,
    /// The nodes that keep messages for it while it is away (§18.1), none twice; usually none.
    pub mailboxes: Vec<PublicKey>,
    /// Its last-resort prekey (§18.2). Whoever seals to it verifies it first.
    pub prekey: Option<Prekey>,
}

impl Record {
    /// The record of `identity`. Sorts the capabilities and drops repeated ones.
    #[must_use]
    pub fn new(
        identity: &Identity,
        addresses: Vec<String>,
        mut capabilities: Vec<Capability>,
        last_seen: Timestamp,
        ttl: Duration,
    ) -> Self {
        capabilities.sort_unstable();
        capabilities.dedup();
        Self {
            entity: identity.entity().clone(),
            addresses,
            public_key: *identity.public_key(),
            capabilities,
            last_seen,
            ttl: Duration::from_secs(ttl.as_secs()),
            mailboxes: Vec::new(),
            prekey: None,
        }
    }

    /// This record, with the nodes that keep messages for the entity, and its last-resort prekey.
    #[must_use]
    pub fn with_mailboxes(self, mailboxes: Vec<PublicKey>, prekey: Option<Prekey>) -> Self {
        Self { mailboxes, prekey, ..self }
    }

    /// The record that withdraws `identity`, and the capabilities that it had or gives up.
    #[must_use]
    pub fn withdrawal(
        identity: &Identity,
        capabilities: Vec<Capability>,
        last_seen: Timestamp,
    ) -> Self {
        Self::new(identity, Vec::new(), capabilities, last_seen, Duration::ZERO)
    }

    /// Whether it withdraws the entity.
    #[must_use]
    pub const fn is_withdrawal(&self) -> bool {
        self.ttl.is_zero()
    }

    /// The keys that the record is looked up by: by entity id, by derived id, by each capability.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = vec![Key::of_entity(&self.entity)];
        let derived = EntityId::derived(&self.public_key);
        if derived != self.entity {
            keys.push(Key::of_entity(&derived));
        }
        keys.extend(self.capabilities.iter().map(|name| Key::of_capability(&self.entity, name)));
        keys
    }

    /// The mirrors of the keys of the entity, under which the record stands too.
    pub fn mirrors(&self) -> impl Iterator<Item = Key> + use<> {
        let entity = Key::of_entity(&self.entity);
        let derived = Key::of_entity(&EntityId::derived(&self.public_key));
        let derived = Some(derived).filter(|derived| *derived != entity);
        entity.mirrors().chain(derived.into_iter().flat_map(|derived| derived.mirrors()))
    }

    /// Whether the record may stand under `key`.
    #[must_use]
    pub fn stands_under(&self, key: &Key) -> bool {
        *key == Key::of_entity(&self.entity)
            || *key == Key::of_entity(&EntityId::derived(&self.public_key))
            || self.capabilities.iter().any(|name| *key == Key::of_capability(&self.entity, name))
            || self.mirrors().any(|mirror| *key == mirror)
    }

    /// Checks everything that neither key, clock nor signature decide.
    ///
    /// # Errors
    /// [`RegistryError`] if a limit is broken or a field is not of its form.
    pub(super) fn check(&self) -> Result<(), RegistryError> {
        entries("addresses", self.addresses.len(), MAX_RECORD_ADDRESSES)?;
        self.addresses.iter().try_for_each(|address| check_address(address))?;
        entries("capabilities", self.capabilities.len(), MAX_RECORD_CAPABILITIES)?;
        if !self.capabilities.is_sorted_by(|one, next| one < next) {
            let what = "is not sorted, or names one twice";
            return Err(RegistryError::Form { field: "capabilities", what });
        }
        if self.ttl > RECORD_TTL {
            return Err(RegistryError::Ttl { secs: self.ttl.as_secs() });
        }
        if self.ttl.subsec_nanos() != 0 {
            return Err(RegistryError::Form { field: "ttl", what: "is not in whole seconds" });
        }
        if self.is_withdrawal() && !self.addresses.is_empty() {
            let what = "must be empty where the record withdraws";
            return Err(RegistryError::Form { field: "addresses", what });
        }
        self.check_mailboxes()
    }

    fn check_mailboxes(&self) -> Result<(), RegistryError> {
        let form = |what| Err(RegistryError::Form { field: "mailboxes", what });
        entries("mailboxes", self.mailboxes.len(), MAX_MAILBOXES)?;
        let mut rest = self.mailboxes.as_slice();
        while let [one, others @ ..] = rest {
            if *one == self.public_key {
                return form("names the entity itself");
            }
            if others.contains(one) {
                return form("names one twice");
            }
            rest = others;
        }
        if self.is_withdrawal() && !(self.mailboxes.is_empty() && self.prekey.is_none()) {
            return form("must be absent, as the prekey, where the record withdraws");
        }
        if self.mailboxes.is_empty() && self.prekey.is_some() {
            return form("must be there where there is a prekey");
        }
        Ok(())
    }
}

/// Shallow on purpose: what an address means is for those to know who dial it.
fn check_address(address: &str) -> Result<(), RegistryError> {
    let form = |what| Err(RegistryError::Form { field: "addresses", what });
    if address.len() > MAX_ADDRESS_LEN {
        return Err(RegistryError::Limit {
            field: "addresses",
            len: address.len(),
            limit: MAX_ADDRESS_LEN,
            unit: "bytes",
        });
    }
    if !address.starts_with('/') {
        return form("has an address that does not begin with a slash");
    }
    if address.chars().any(char::is_control) {
        return form("has an address with control characters");
    }
    Ok(())
}

pub(super) const fn entries(
    field: &'static str,
    len: usize,
    limit: usize,
) -> Result<(), RegistryError> {
    if len > limit {
        Err(RegistryError::Limit { field, len, limit, unit: "entries" })
    } else {
        Ok(())
    }
}
