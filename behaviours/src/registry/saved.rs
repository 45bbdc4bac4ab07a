//! What of the stores goes to disk and comes back from there.

use bytes::Bytes;
use libp2p_core::PeerId;
use peer_protocol::registry::{Key, Origin, Provider, SignedRecord};
use peer_protocol::time::Timestamp;

use super::source::Source;
use super::store::Store;
use crate::prefix::Prefix;
use crate::secure::key_of;

/// Most items in the encoding of a provider: its id, and sixteen addresses.
const MAX_ITEMS: usize = 17;

/// Which of the two spaces of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Signed records.
    Records,
    /// Who can do what.
    Providers,
}

/// One entry, as it is written to disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its space.
    pub space: Space,
    /// Its key.
    pub key: [u8; 32],
    /// Who brought it; `None` if this node did.
    pub source: Option<PeerId>,
    /// A record's exact bytes; or the provider's `PeerId` and addresses, each after its length as
    /// two bytes, the higher first.
    pub value: Bytes,
    /// When it leaves the store.
    pub expires: Timestamp,
}

/// All entries that are now under one key. Without any, the key is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The key's space.
    pub space: Space,
    /// The key.
    pub key: [u8; 32],
    /// What is under it.
    pub entries: Vec<StoredEntry>,
}

impl Store {
    /// Takes an entry back; it is checked like any other.
    pub(super) fn restore(&mut self, own: &PeerId, entry: StoredEntry, now: Timestamp) -> bool {
        let StoredEntry { space, key, source, value, expires } = entry;
        let origin = source.map_or(Origin::Own, |peer| {
            // The network that it came from is not known any more.
            Origin::Peer(Source::new(peer, Prefix::Other))
        });
        match space {
            Space::Records => {
                let ours = || {
                    SignedRecord::decode(value.clone())
                        .is_ok_and(|record| Some(record.record().public_key) == key_of(own))
                };
                (origin != Origin::Own || ours())
                    && self.records.import(origin, &key, &value, expires, now).is_ok()
            }
            Space::Providers => {
                let Some(provider) = decode(&value) else { return false };
                let speaker = source.unwrap_or(*own);
                provider.peer()[..] == speaker.to_bytes()
                    && self.providers.import(origin, &key, provider, expires, now).is_ok()
            }
        }
    }

    /// Up to `most` keys that changed, with what is under them.
    pub(super) fn take_changes(&mut self, most: usize) -> Vec<KeyChange> {
        let mut changes = Vec::new();
        for key in self.records.take_changed(most) {
            let entries = self.records.entries(&key).map(|stored| StoredEntry {
                space: Space::Records,
                key: *key.as_bytes(),
                source: source(stored.origin),
                value: stored.value.clone(),
                expires: stored.expires,
            });
            changes.push(change(Space::Records, &key, entries.collect()));
        }
        for key in self.providers.take_changed(most.saturating_sub(changes.len())) {
            let entries = self.providers.entries(&key).map(|(provider, origin, expires)| {
                let (space, value) = (Space::Providers, encode(provider));
                StoredEntry { space, key: *key.as_bytes(), source: source(origin), value, expires }
            });
            changes.push(change(Space::Providers, &key, entries.collect()));
        }
        changes
    }
}

const fn change(space: Space, key: &Key, entries: Vec<StoredEntry>) -> KeyChange {
    KeyChange { space, key: *key.as_bytes(), entries }
}

const fn source(origin: &Origin<Source>) -> Option<PeerId> {
    match origin {
        Origin::Own => None,
        Origin::Peer(source) => source.peer(),
    }
}

pub(crate) fn encode(provider: &Provider) -> Bytes {
    let mut out = Vec::new();
    for item in std::iter::once(provider.peer()).chain(provider.addresses()) {
        // A provider's items have at most 640 bytes.
        let len = u16::try_from(item.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(item);
    }
    out.into()
}

pub(crate) fn decode(bytes: &Bytes) -> Option<Provider> {
    let mut rest = bytes.clone();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (len, _) = rest.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        if items.len() >= MAX_ITEMS || rest.len() < 2 + len {
            return None;
        }
        items.push(rest.slice(2..2 + len));
        rest = rest.slice(2 + len..);
    }
    let mut items = items.into_iter();
    Provider::new(items.next()?, items).ok().filter(|provider| encode(provider) == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_read_as_they_were_written_and_in_no_other_form() {
        let peer = Bytes::from(PeerId::random().to_bytes());
        let provider = Provider::new(peer, [Bytes::from_static(b"/a"), Bytes::new()]).unwrap();
        let bytes = encode(&provider);
        assert_eq!(decode(&bytes), Some(provider));
        for cut in 1..bytes.len() {
            let again = decode(&bytes.slice(..cut));
            assert!(again.is_none_or(|provider| encode(&provider) == bytes[..cut]));
        }
        assert_eq!(decode(&Bytes::new()), None);
        assert_eq!(decode(&Bytes::from(vec![0; 2 * MAX_ITEMS + 2])), None);
        assert_eq!(decode(&Bytes::from_static(&[0xff, 0xff, 1])), None);
    }
}
