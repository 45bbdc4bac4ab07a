//! A registry as a file: who is where, as the operator knows it. For networks without a DHT, and for
//! entities that it does not know.

use std::path::{Path, PathBuf};

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::secure;
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::limits::{MAX_RECORD_ADDRESSES, MAX_RECORD_CAPABILITIES};
use peer_protocol::registry::Capability;
use serde::Deserialize;
use thiserror::Error;

use crate::config::dial_address;
use crate::directory::peer_of;

/// Longest file that is read, in bytes.
const MAX_FILE_LEN: u64 = 4 << 20;

/// The entries of a registry file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct RegistryFile {
    entries: Vec<Listed>,
}

/// One entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) entity: EntityId,
    pub(crate) peer: PeerId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) capabilities: Vec<Capability>,
}

/// Why a registry file is not used.
#[derive(Debug, Error)]
pub enum RegistryFileError {
    /// It cannot be read.
    #[error("cannot read the registry file {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is no TOML of the expected form.
    #[error("the registry file {}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        reason: String,
    },
    /// An entry makes no sense.
    #[error("the registry file {}, entity {entity:?}: {reason}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry.
        entity: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryFileError {
    /// What to do next.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "correct the path (`registry_file`) or its permissions",
            Self::Malformed { .. } | Self::Entry { .. } => {
                "write each entity as [[entity]] with id and addresses that end in /p2p/<peer id>; \
                 fingerprint and capabilities are optional"
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    entity: Vec<RawEntity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntity {
    id: String,
    addresses: Vec<String>,
    fingerprint: Option<String>,
    #[serde(default)]
    capabilities: Vec<String>,
}

impl RegistryFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RegistryFileError`] names the entry at fault.
    pub(crate) fn read(path: &Path) -> Result<Self, RegistryFileError> {
        let unreadable = |reason: String| {
            let path = path.to_owned();
            RegistryFileError::Unreadable { path, reason }
        };
        let len = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if len > MAX_FILE_LEN {
            return Err(unreadable(format!(
                "it has {len} bytes, and at most {MAX_FILE_LEN} are read"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(path, &text)
    }

    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, RegistryFileError> {
        let raw: Raw = toml::from_str(text).map_err(|error| RegistryFileError::Malformed {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let mut entries: Vec<Listed> = Vec::with_capacity(raw.entity.len());
        for raw in raw.entity {
            let id = raw.id.clone();
            let fail = |reason| {
                let (path, entity) = (path.to_owned(), id.clone());
                RegistryFileError::Entry { path, entity, reason }
            };
            let listed = raw.check().map_err(&fail)?;
            if entries.iter().any(|known| known.entity == listed.entity) {
                return Err(fail("it stands there twice".to_owned()));
            }
            entries.push(listed);
        }
        Ok(Self { entries })
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of an entity id, a fingerprint, a peer id, or the id that a key derives.
    pub(crate) fn find(&self, name: &str) -> Option<&Listed> {
        let fingerprint: Option<Fingerprint> = name.parse().ok();
        let peer: Option<PeerId> = name.parse().ok();
        self.entries.iter().find(|listed| {
            listed.entity.as_str() == name
                || peer.is_some_and(|it| it == listed.peer)
                || fingerprint.is_some_and(|it| it == listed.fingerprint)
                || EntityId::of_fingerprint(&listed.fingerprint).as_str() == name
        })
    }

    /// Those that can do all of these.
    pub(crate) fn able<'a>(
        &'a self,
        capabilities: &'a [Capability],
    ) -> impl Iterator<Item = &'a Listed> {
        let able =
            |listed: &&Listed| capabilities.iter().all(|name| listed.capabilities.contains(name));
        self.entries.iter().filter(able)
    }
}

impl RawEntity {
    fn check(self) -> Result<Listed, String> {
        let entity: EntityId =
            self.id.parse().map_err(|error| format!("the id is none: {error}"))?;
        if self.addresses.is_empty() || self.addresses.len() > MAX_RECORD_ADDRESSES {
            let count = self.addresses.len();
            return Err(format!("it has {count} addresses: expected 1 to {MAX_RECORD_ADDRESSES}"));
        }
        let addresses: Vec<Multiaddr> = self
            .addresses
            .iter()
            .map(|text| dial_address(text).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let ids: Option<Vec<PeerId>> = addresses.iter().map(peer_of).collect();
        let Some((peer, others)) = ids.as_deref().and_then(<[_]>::split_first) else {
            return Err("an address does not end in /p2p/<peer id>".to_owned());
        };
        if let Some(other) = others.iter().find(|other| *other != peer) {
            return Err(format!("its addresses name two peers, {peer} and {other}"));
        }
        let Some(key) = secure::key_of(peer) else {
            return Err(format!("the peer id {peer} is not that of an Ed25519 key"));
        };
        let fingerprint = Fingerprint::of(&key);
        if let Some(text) = self.fingerprint {
            let given: Fingerprint =
                text.parse().map_err(|error| format!("the fingerprint is none: {error}"))?;
            if given != fingerprint {
                return Err(format!(
                    "the fingerprint is {given}, but the key of {peer} has {fingerprint}"
                ));
            }
        }
        entity.check_key(&key).map_err(|error| error.to_string())?;
        if self.capabilities.len() > MAX_RECORD_CAPABILITIES {
            let count = self.capabilities.len();
            return Err(format!("it has {count} capabilities: at most {MAX_RECORD_CAPABILITIES}"));
        }
        let capabilities = self
            .capabilities
            .iter()
            .map(|name| name.parse().map_err(|error| format!("capability {name:?}: {error}")))
            .collect::<Result<_, _>>()?;
        Ok(Listed { entity, peer: *peer, fingerprint, addresses, capabilities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(seed: u8) -> PeerId {
        libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
    }

    fn parse(text: &str) -> Result<RegistryFile, String> {
        RegistryFile::parse(Path::new("r.toml"), text).map_err(|error| error.to_string())
    }

    fn entry(id: &str, seed: u8, more: &str) -> String {
        let peer = peer(seed);
        format!(
            "[[entity]]\nid = \"{id}\"\naddresses = [\"/ip4/192.0.2.7/tcp/4711/p2p/{peer}\"]\n{more}\n"
        )
    }

    #[test]
    fn entries_are_found_by_name_fingerprint_and_capability() {
        let text =
            entry("bob", 1, "capabilities = [\"translate\", \"ocr\"]") + &entry("carol", 2, "");
        let file = parse(&text).unwrap();
        let bob = file.find("bob").unwrap().clone();
        assert_eq!(bob.peer, peer(1));
        let derived = EntityId::of_fingerprint(&bob.fingerprint);
        for name in [bob.fingerprint.to_string(), bob.peer.to_string(), derived.to_string()] {
            assert_eq!(file.find(&name), Some(&bob), "{name}");
        }
        assert_eq!(file.find("dave"), None);
        let ocr = ["ocr".parse().unwrap(), "translate".parse().unwrap()];
        assert_eq!(file.able(&ocr).collect::<Vec<_>>(), [&bob]);
        assert_eq!(parse("").unwrap(), RegistryFile::default());
    }

    #[test]
    fn errors_name_the_entry_and_what_is_wrong() {
        for (text, expected) in [
            (entry("bob", 1, "") + &entry("bob", 2, ""), "\"bob\": it stands there twice"),
            (entry("bob", 1, "fingerprint = \"abc\""), "the fingerprint is none"),
            (entry("bob", 1, "colour = \"red\""), "unknown field `colour`"),
            (entry("bob", 1, "capabilities = [\"\"]"), "capability \"\""),
            (entry("", 1, ""), "the id is none"),
            ("[[entity]]\nid = \"bob\"\naddresses = []".to_owned(), "0 addresses"),
            (
                "[[entity]]\nid = \"bob\"\naddresses = [\"/ip4/192.0.2.7/tcp/1\"]".to_owned(),
                "does not end in /p2p/",
            ),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let other = Fingerprint::of(&secure::key_of(&peer(9)).unwrap());
        let error = parse(&entry("bob", 1, &format!("fingerprint = \"{other}\""))).unwrap_err();
        assert!(error.contains(&other.to_string()), "{error}");
    }
}
