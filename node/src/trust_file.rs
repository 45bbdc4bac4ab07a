//! The trust list on disk.

use std::io;
use std::path::{Path, PathBuf};

use peer_protocol::identity::{TrustPolicy, TrustStore};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::private_file::{self, ReadError};

const VERSION: u32 = 1;
/// Room for the most entities a node remembers, in bytes.
const MAX_FILE_LEN: u64 = 64 << 20;
/// Mode bits that the file must not have: others who could change it would decide whom to trust.
const FORBIDDEN: u32 = 0o022;

/// A trust list and the file it is kept in, if it is kept at all.
#[derive(Debug)]
pub struct TrustFile {
    path: Option<PathBuf>,
    store: TrustStore,
}

/// Why the trust list cannot be used. It is never replaced by an empty one.
#[derive(Debug, Error)]
pub enum TrustFileError {
    /// The file is there but cannot be read.
    #[error("cannot read the trust list {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Others may change the file.
    #[error("the trust list {} is exposed: {reason}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode, and what that allows.
        reason: String,
    },
    /// The file holds no trust list of a known version.
    #[error("{} is no trust list: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        reason: String,
    },
}

impl TrustFileError {
    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check who owns the file and its directory".to_owned(),
            Self::Exposed { path, .. } => format!(
                "look whether it still says what you want, then `chmod 600 {}`",
                path.display()
            ),
            Self::Malformed { path, .. } => {
                let path = path.display();
                format!(
                    "repair it, or move it away and start without known peers: `mv {path} {path}.bad`"
                )
            }
        }
    }
}

#[derive(Deserialize)]
struct Stored {
    version: u32,
    trust: serde_json::Value,
}

#[derive(Serialize)]
struct Storing<'a> {
    version: u32,
    trust: &'a TrustStore,
}

impl TrustFile {
    /// The list at `path`, empty if there is no such file, under `policy`.
    ///
    /// # Errors
    /// [`TrustFileError`] if there is a file that cannot be used.
    pub fn load(path: &Path, policy: TrustPolicy) -> Result<Self, TrustFileError> {
        let at = || path.to_owned();
        let mut store = match private_file::read(path, FORBIDDEN, MAX_FILE_LEN) {
            Ok(text) => {
                parse(&text).map_err(|reason| TrustFileError::Malformed { path: at(), reason })?
            }
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                TrustStore::default()
            }
            Err(error @ ReadError::Io(_)) => {
                return Err(TrustFileError::Unreadable { path: at(), reason: error.to_string() });
            }
            Err(error @ ReadError::Exposed { .. }) => {
                return Err(TrustFileError::Exposed { path: at(), reason: error.to_string() });
            }
            Err(error) => {
                return Err(TrustFileError::Malformed { path: at(), reason: error.to_string() });
            }
        };
        store.set_policy(policy);
        Ok(Self { path: Some(at()), store })
    }

    /// An empty list that is kept nowhere.
    #[must_use]
    pub fn in_memory(policy: TrustPolicy) -> Self {
        Self { path: None, store: TrustStore::new(policy) }
    }

    /// A given list that is kept nowhere.
    #[must_use]
    pub const fn of(store: TrustStore) -> Self {
        Self { path: None, store }
    }

    /// Where the list is kept.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The list.
    #[must_use]
    pub const fn store(&self) -> &TrustStore {
        &self.store
    }

    /// Where the list is kept, and the list.
    #[must_use]
    pub fn into_parts(self) -> (Option<PathBuf>, TrustStore) {
        (self.path, self.store)
    }

    /// Writes `store` to `path` as a whole: after a crash the file holds the old list or the new one.
    /// Blocks on the disk; two calls for the same path must not overlap.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn save(path: &Path, store: &TrustStore) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(&Storing { version: VERSION, trust: store })?;
        text.push(b'\n');
        private_file::replace(path, &text)
    }
}

fn parse(text: &[u8]) -> Result<TrustStore, String> {
    // The version first: what a later version means, this one cannot say.
    let stored: Stored = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        let found = stored.version;
        return Err(format!("it has version {found}, and this program reads version {VERSION}"));
    }
    serde_json::from_value(stored.trust).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
    use peer_protocol::identity::Fingerprint;
    use peer_protocol::time::Timestamp;

    use super::*;

    fn filled() -> TrustStore {
        let mut store = TrustStore::new(TrustPolicy::Open);
        for (seed, name) in [(1, "entity_a"), (2, "エンティティ")] {
            let key = Ed25519Authenticator::from_seed(&[seed; 32]).public_key();
            store.pin(name.parse().unwrap(), Fingerprint::of(&key), Timestamp::from_millis(5));
        }
        store.revoke(Fingerprint::of(&Ed25519Authenticator::from_seed(&[2; 32]).public_key()));
        store
    }

    #[test]
    fn a_list_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.json");
        let empty = TrustFile::load(&path, TrustPolicy::PinnedOnly).unwrap();
        assert_eq!(empty.store(), &TrustStore::new(TrustPolicy::PinnedOnly));
        TrustFile::save(&path, &filled()).unwrap();
        TrustFile::save(&path, &filled()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing left behind");
        let (kept, store) = TrustFile::load(&path, TrustPolicy::Open).unwrap().into_parts();
        assert_eq!((kept, store), (Some(path), filled()));
    }

    #[test]
    fn a_crash_while_saving_leaves_the_old_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.json");
        TrustFile::save(&path, &filled()).unwrap();
        fs::write(dir.path().join("trust.json.new"), "half of").unwrap();
        assert_eq!(TrustFile::load(&path, TrustPolicy::Open).unwrap().store(), &filled());
        TrustFile::save(&path, &TrustStore::default()).unwrap();
        assert_eq!(
            TrustFile::load(&path, TrustPolicy::Open).unwrap().store(),
            &TrustStore::default()
        );
    }

    #[test]
    fn a_broken_list_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.json");
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"version":2,"trust":{"new":true}}"#,
            r#"{"version":1,"trust":{"entities":{"a":{"fingerprint":"00"}}}}"#,
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let error = TrustFile::load(&path, TrustPolicy::Open).unwrap_err();
            assert!(matches!(error, TrustFileError::Malformed { .. }), "{text}: {error}");
            assert!(error.to_string().contains("trust.json"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_list_that_others_may_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.json");
        TrustFile::save(&path, &filled()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let error = TrustFile::load(&path, TrustPolicy::Open).unwrap_err();
        assert!(matches!(error, TrustFileError::Exposed { .. }), "{error}");
        assert!(error.next_step().contains("chmod 600"));
    }
}
