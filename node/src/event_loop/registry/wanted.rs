//! What a name that a caller uses asks the registry for.

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::registry::Key;

/// What a name asks the registry for.
pub(super) struct Wanted {
    pub(super) key: Key,
    /// The key that the entity must have, where the name says so.
    pub(super) fingerprint: Option<Fingerprint>,
}

impl Wanted {
    /// Where the key is known, the record is looked up under the id that the key derives: nobody else
    /// can stand there, and a crowd of others under the name does not matter.
    pub(super) fn of(name: &str, known: impl Fn(&EntityId) -> Option<Fingerprint>) -> Option<Self> {
        if name.starts_with('/') {
            return None;
        }
        if let Ok(id) = name.parse::<PeerId>() {
            return Some(Self::with_key(Fingerprint::of(&secure::key_of(&id)?)));
        }
        if let Ok(fingerprint) = name.parse::<Fingerprint>() {
            return Some(Self::with_key(fingerprint));
        }
        let entity: EntityId = name.parse().ok()?;
        let named = || Self { key: Key::of_entity(&entity), fingerprint: None };
        Some(known(&entity).map_or_else(named, Self::with_key))
    }

    fn with_key(fingerprint: Fingerprint) -> Self {
        let key = Key::of_entity(&EntityId::of_fingerprint(&fingerprint));
        Self { key, fingerprint: Some(fingerprint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_whose_key_is_known_is_looked_up_under_that_key() {
        let fingerprint: Fingerprint = "ab".repeat(32).parse().unwrap();
        let unknown = Wanted::of("bob", |_| None).unwrap();
        let known = Wanted::of("bob", |_| Some(fingerprint)).unwrap();
        assert_eq!(unknown.key, Key::of_entity(&"bob".parse().unwrap()));
        assert_eq!(known.key, Key::of_entity(&EntityId::of_fingerprint(&fingerprint)));
        assert_eq!((unknown.fingerprint, known.fingerprint), (None, Some(fingerprint)));
        let by_fingerprint = Wanted::of(&fingerprint.to_string(), |_| None).unwrap();
        assert_eq!(by_fingerprint.key, known.key);
        assert!(Wanted::of("/ip4/44.1.2.3/tcp/1", |_| None).is_none());
    }
}
