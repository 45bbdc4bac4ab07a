//! Private networks: who does not hold the same key does not get as far as a handshake.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use libp2p::pnet::PreSharedKey;
use thiserror::Error;

use crate::private_file;

/// Longest key file, in bytes.
const MAX_FILE_LEN: u64 = 4096;
/// Mode bits a key file must not have: it is a secret.
const FORBIDDEN: u32 = 0o077;
/// The lines of a key file before the key.
const HEAD: [&str; 2] = ["/key/swarm/psk/1.0.0/", "/base16/"];

/// The key of a private network. It covers TCP (and WebSocket) connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PrivateNetwork(PreSharedKey);

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrivateNetworkError {
    /// The file cannot be read, or others may read it.
    #[error("cannot read the private network's key {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not a key file.
    #[error(
        "this is no key of a private network: expected the lines `{}`, `{}` and 64 hex digits",
        HEAD[0], HEAD[1]
    )]
    Malformed,
}

impl PrivateNetwork {
    /// The network of a key of 32 random bytes.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(PreSharedKey::new(key))
    }

    /// Reads a key file; only its owner may have access to it.
    ///
    /// # Errors
    /// [`PrivateNetworkError`].
    pub fn read(path: &Path) -> Result<Self, PrivateNetworkError> {
        let bytes = private_file::read(path, FORBIDDEN, MAX_FILE_LEN).map_err(|error| {
            let (path, reason) = (path.to_owned(), error.to_string());
            PrivateNetworkError::Unreadable { path, reason }
        })?;
        std::str::from_utf8(&bytes).map_err(|_| PrivateNetworkError::Malformed)?.parse()
    }

    pub(crate) const fn key(self) -> PreSharedKey {
        self.0
    }
}

impl FromStr for PrivateNetwork {
    type Err = PrivateNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut lines = text.lines().map(str::trim_end);
        let mut key = [0; 32];
        let well_formed = HEAD.iter().all(|line| lines.next() == Some(line))
            && lines.next().is_some_and(|digits| hex::decode_to_slice(digits, &mut key).is_ok())
            && lines.all(str::is_empty);
        if well_formed { Ok(Self::new(key)) } else { Err(PrivateNetworkError::Malformed) }
    }
}

/// Shows a fingerprint, never the key.
impl fmt::Debug for PrivateNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivateNetwork").field(&self.0.fingerprint().to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    #[test]
    fn a_key_file_is_read_as_libp2p_reads_it() {
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{DIGITS}\n");
        let network: PrivateNetwork = text.parse().unwrap();
        assert_eq!(network.key(), text.parse().unwrap());
        assert!(!format!("{network:?}").contains("0011"), "{network:?}");
    }

    #[test]
    fn anything_else_is_refused() {
        let three = |a: &str, b: &str, c: &str| format!("{a}\n{b}\n{c}\n");
        // libp2p's own parser panics at the last: 64 bytes, but not 64 characters.
        for text in [
            String::new(),
            three(HEAD[0], HEAD[1], ""),
            three(HEAD[0], "/base64/", DIGITS),
            three("/key/swarm/psk/2.0.0/", HEAD[1], DIGITS),
            three(HEAD[0], HEAD[1], &DIGITS[2..]),
            three(HEAD[0], HEAD[1], &format!("{DIGITS}\nmore")),
            three(HEAD[0], HEAD[1], &"é".repeat(31).chars().chain(['a', 'b']).collect::<String>()),
            three(HEAD[0], HEAD[1], &format!("a{}b", "é".repeat(31))),
        ] {
            assert_eq!(text.parse::<PrivateNetwork>(), Err(PrivateNetworkError::Malformed));
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("swarm.key");
        std::fs::write(&path, format!("{}\n{}\n{DIGITS}\n", HEAD[0], HEAD[1])).unwrap();
        for (mode, fine) in [(0o600, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(PrivateNetwork::read(&path).is_ok(), fine, "{mode:o}");
        }
    }
}
