//! Where a node keeps its files, and the lock that makes them one node's.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use thiserror::Error;

/// A node's data directory.
///
/// It holds `config.toml`, `key`, `trust.json`, `api.sock` and `lock`, and belongs to its owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

/// The data directory is locked as long as this lives.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
pub enum PathError {
    /// There is no home directory to put it in.
    #[error("there is no home directory, and no data directory was given")]
    NoHome,
    /// It cannot be made or opened.
    #[error("cannot use the data directory {}: {reason}", root.display())]
    Unusable {
        /// The directory.
        root: PathBuf,
        /// Why.
        reason: String,
    },
    /// Others may put files into it.
    #[error("the data directory {} is exposed: its mode is {mode:04o}, so that others may change it", root.display())]
    Exposed {
        /// The directory.
        root: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The path of its socket is longer than the operating system allows.
    #[error("the path {} has {} bytes, too many for a Unix socket", socket.display(), socket.as_os_str().len())]
    TooLong {
        /// The path.
        socket: PathBuf,
    },
    /// Another node runs on it.
    #[error("another node{} runs on the data directory {}", pid.as_ref().map_or_else(String::new, |pid| format!(" (process {pid})")), root.display())]
    InUse {
        /// The directory.
        root: PathBuf,
        /// The other node's process, if it left its id.
        pid: Option<String>,
    },
}

impl PathError {
    /// A stable word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "in_use",
            _ => "data_dir",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::NoHome => "give one: `--data-dir <path>` or PEER_DATA_DIR".to_owned(),
            Self::Unusable { .. } => {
                "repair its permissions, or choose another: `--data-dir <path>`".to_owned()
            }
            Self::Exposed { root, .. } => format!("`chmod 700 {}`", root.display()),
            Self::TooLong { .. } => "choose a shorter path: `--data-dir <path>`".to_owned(),
            Self::InUse { .. } => {
                "use that node, stop it, or choose another directory: `--data-dir <path>`"
                    .to_owned()
            }
        }
    }
}

impl DataDir {
    /// The directory `root`, or the user's own (`~/.local/share/peer` on Linux) if none is given.
    /// Nothing is made yet.
    ///
    /// # Errors
    /// [`PathError::NoHome`] if there is none to choose.
    pub fn resolve(root: Option<PathBuf>) -> Result<Self, PathError> {
        let root = root.filter(|root| !root.as_os_str().is_empty());
        let own = || Some(ProjectDirs::from("", "", "peer")?.data_dir().to_owned());
        let root = root.or_else(own).ok_or(PathError::NoHome)?;
        let root = std::path::absolute(&root).map_err(|error| unusable(&root, &error))?;
        Ok(Self { root })
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The key file.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.root.join("key")
    }

    /// The trust list.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.root.join("trust.json")
    }

    /// What the node remembers.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("state.redb")
    }

    /// Transfers that are under way.
    #[must_use]
    pub fn transfers(&self) -> PathBuf {
        self.root.join("transfers")
    }

    /// Where files go that were received, if the configuration names no other place.
    #[must_use]
    pub fn received(&self) -> PathBuf {
        self.root.join("received")
    }

    /// The local API's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.join("api.sock")
    }

    /// The token of the local API, for whoever does not come over the socket.
    #[must_use]
    pub fn api_token(&self) -> PathBuf {
        self.root.join("api.token")
    }

    /// Makes the directory, with mode 0700, or checks the one that is there.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be made, others may change it, or its path is too long.
    pub fn create(&self) -> Result<(), PathError> {
        let socket = self.socket();
        if SocketAddr::from_pathname(&socket).is_err() {
            return Err(PathError::TooLong { socket });
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.root).map_err(|error| unusable(&self.root, &error))?;
        let metadata =
            std::fs::metadata(&self.root).map_err(|error| unusable(&self.root, &error))?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(PathError::Exposed { root: self.root.clone(), mode });
        }
        Ok(())
    }

    /// Locks the directory for one running node. The lock ends with the process, however it ends.
    ///
    /// # Errors
    /// [`PathError::InUse`] if another process holds it.
    pub fn lock(&self) -> Result<DataLock, PathError> {
        let unusable = |error: io::Error| unusable(&self.root, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.root.join("lock"))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PathError::InUse { root: self.root.clone(), pid: read_pid(&file) });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // The id is a courtesy to whoever finds the directory locked: the lock itself is what counts.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(DataLock { _file: file })
    }
}

fn read_pid(file: &File) -> Option<String> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).then(|| pid.to_owned())
}

fn unusable(root: &Path, error: &io::Error) -> PathError {
    PathError::Unusable { root: root.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(root: PathBuf) -> DataDir {
        DataDir::resolve(Some(root)).unwrap()
    }

    #[test]
    fn is_made_private() {
        let temp = tempfile::tempdir().unwrap();
        let dir = at(temp.path().join("a/b"));
        dir.create().unwrap();
        dir.create().unwrap();
        for made in [temp.path().join("a"), dir.root().to_owned()] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o7777, 0o700);
        }
    }

    #[test]
    fn others_must_not_be_able_to_write() {
        let temp = tempfile::tempdir().unwrap();
        let dir = at(temp.path().to_owned());
        for mode in [0o770, 0o703, 0o1777] {
            fs::set_permissions(temp.path(), Permissions::from_mode(mode)).unwrap();
            let error = dir.create().unwrap_err();
            assert!(matches!(error, PathError::Exposed { .. }), "{error}");
            assert!(error.next_step().contains("chmod 700"));
        }
        fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
        dir.create().unwrap();
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_before_anything_is_made() {
        let temp = tempfile::tempdir().unwrap();
        let dir = at(temp.path().join("x".repeat(120)));
        let error = dir.create().unwrap_err();
        assert!(matches!(error, PathError::TooLong { .. }), "{error}");
        assert!(!dir.root().exists());
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "").unwrap();
        let error = at(temp.path().join("file")).create().unwrap_err();
        assert!(matches!(error, PathError::Unusable { .. }), "{error}");
    }

    #[test]
    fn one_node_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let dir = at(temp.path().to_owned());
        let lock = dir.lock().unwrap();
        let error = dir.lock().unwrap_err();
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        assert_eq!(error.kind(), "in_use");
        drop(lock);
        dir.lock().unwrap();
    }

    #[test]
    fn relative_paths_become_absolute() {
        assert!(at("data".into()).root().is_absolute());
    }
}
