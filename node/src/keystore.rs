//! The key file: an Ed25519 seed that only its owner may read.
//!
//! Two lines of text, a version and the seed in hex:
//!
//! ```text
//! peer-ed25519-key-v1
//! 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60
//! ```

use std::io;
use std::path::{Path, PathBuf};

use peer_protocol::crypto::Ed25519Authenticator;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::private_file::{self, ReadError};

const VERSION: &str = "peer-ed25519-key-v1";
/// Any valid key file is shorter, in bytes.
const MAX_FILE_LEN: u64 = 256;
/// Mode bits that a key file must not have: anything for group and others.
const FORBIDDEN: u32 = 0o077;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// No such file.
    #[error("there is no key at {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A key exists, and is never overwritten.
    #[error("there is a key at {} already, and a key is never overwritten", path.display())]
    Exists {
        /// The key.
        path: PathBuf,
    },
    /// Others may read or change the file.
    #[error("the key {} is exposed: {reason}", path.display())]
    Exposed {
        /// The key.
        path: PathBuf,
        /// Its mode, and what that allows.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read the key {}: {reason}", path.display())]
    Unreadable {
        /// The key.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file holds no key of a known version.
    #[error("{} is no key file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write the key {}: {reason}", path.display())]
    Unwritable {
        /// Where it should go.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl KeyError {
    /// A stable word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "no_key",
            Self::Exists { .. } => "key_exists",
            Self::Exposed { .. } => "key_exposed",
            Self::Unreadable { .. } | Self::Malformed { .. } | Self::Unwritable { .. } => "bad_key",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Missing { .. } => "make one: `peer init`".to_owned(),
            Self::Exists { path } => {
                let path = path.display();
                format!(
                    "use it as it is (`peer id`), or move it away first: `mv {path} {path}.old`"
                )
            }
            Self::Exposed { path, .. } => format!(
                "`chmod 600 {}`; if others may have read it, make a new key instead",
                path.display()
            ),
            Self::Unreadable { .. } => "check who owns the file and its directory".to_owned(),
            Self::Malformed { path, .. } => {
                let path = path.display();
                format!(
                    "restore it from a copy, or start anew: `mv {path} {path}.bad`, `peer init`"
                )
            }
            Self::Unwritable { .. } => {
                "make room, or repair the permissions of its directory".to_owned()
            }
        }
    }
}

/// Reads the key at `path`.
///
/// # Errors
/// [`KeyError`]: missing, exposed to group or others, unreadable, or no key.
pub fn load(path: &Path) -> Result<Ed25519Authenticator, KeyError> {
    let text = private_file::read(path, FORBIDDEN, MAX_FILE_LEN).map_err(|error| {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error {
            ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                KeyError::Missing { path }
            }
            ReadError::Io(_) => KeyError::Unreadable { path, reason },
            ReadError::Exposed { .. } => KeyError::Exposed { path, reason },
            ReadError::NotAFile | ReadError::TooLong { .. } => KeyError::Malformed { path, reason },
        }
    })?;
    let seed =
        decode(&text).map_err(|reason| KeyError::Malformed { path: path.to_owned(), reason })?;
    Ok(Ed25519Authenticator::from_seed(&seed))
}

/// Writes `key` to `path`, where nothing may be yet.
///
/// # Errors
/// [`KeyError::Exists`] or [`KeyError::Unwritable`].
pub fn create(path: &Path, key: &Ed25519Authenticator) -> Result<(), KeyError> {
    private_file::create(path, &encode(&key.seed())).map_err(|error| {
        let path = path.to_owned();
        if error.kind() == io::ErrorKind::AlreadyExists {
            KeyError::Exists { path }
        } else {
            KeyError::Unwritable { path, reason: error.to_string() }
        }
    })
}

/// A new key at `path`, where nothing may be yet.
///
/// # Errors
/// As for [`create`].
pub fn generate(path: &Path) -> Result<Ed25519Authenticator, KeyError> {
    let key = Ed25519Authenticator::generate(&mut rand::rng());
    create(path, &key)?;
    Ok(key)
}

fn encode(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut hex = Zeroizing::new([0; 64]);
    // The buffer has twice the seed's length, so that this cannot fail.
    let _ = hex::encode_to_slice(seed, hex.as_mut_slice());
    let mut text = Zeroizing::new(Vec::with_capacity(VERSION.len() + 66));
    text.extend_from_slice(VERSION.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(hex.as_slice());
    text.push(b'\n');
    text
}

fn decode(text: &[u8]) -> Result<Zeroizing<[u8; 32]>, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines.next() != Some(VERSION.as_bytes()) {
        return Err(format!("its first line is not `{VERSION}`"));
    }
    let digits = lines.next().unwrap_or_default();
    if digits.len() != 64 {
        let len = digits.len();
        return Err(format!("its second line has {len} characters, not 64 hex digits"));
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, seed.as_mut_slice())
        .map_err(|_| "its second line is not hexadecimal".to_owned())?;
    if lines.any(|line| !line.is_empty()) {
        return Err("something follows the second line".to_owned());
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use peer_protocol::crypto::Authenticator as _;

    use super::*;

    #[test]
    fn a_key_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = generate(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(load(&path).unwrap().public_key(), key.public_key());
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = generate(&path).unwrap();
        let error = generate(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exists { .. }), "{error}");
        assert!(error.next_step().contains("mv "));
        assert_eq!(load(&path).unwrap().public_key(), key.public_key());
    }

    #[test]
    fn exposed_keys_are_refused_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        generate(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = load(&path).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains(&format!("{mode:04o}")), "{error}");
            assert!(error.next_step().contains(&format!("chmod 600 {}", path.display())));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(load(&path).is_ok());
    }

    #[test]
    fn whatever_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let good = String::from_utf8(encode(&[7; 32]).to_vec()).unwrap();
        assert!(matches!(load(&path), Err(KeyError::Missing { .. })));
        assert!(matches!(load(dir.path()), Err(KeyError::Malformed { .. })));
        for (text, reason) in [
            (String::new(), "empty"),
            (good[..good.len() - 9].to_owned(), "56 characters"),
            (VERSION.to_owned(), "0 characters"),
            (good.replace("v1", "v2"), "first line"),
            (good.replace("07", "xy"), "not hexadecimal"),
            (format!("{good}more"), "follows"),
            ("x".repeat(10_000), "more than 256 bytes"),
        ] {
            let _ = fs::remove_file(&path);
            private_file::create(&path, text.as_bytes()).unwrap();
            let error = load(&path).unwrap_err();
            assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
            assert!(!error.to_string().contains("0707"), "no key material in {error}");
        }
    }
}
