//! Whether the system has ever said that what was written may not be on disk.
//!
//! After a sync that failed, Linux counts the pages that it could not write as written: another sync says that all
//! is well, and whoever reads the file sees what the disk does not hold. So nothing is written or read any
//! more. What a restart reads is fetched from the disk anew.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use redb::StorageBackend;

/// Why nobody knows what is on disk; empty as long as that is known. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubt(Arc<OnceLock<String>>);

impl Doubt {
    pub(super) fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn arises(&self, error: &io::Error) {
        // The first is what counts.
        let _ = self.0.set(error.to_string());
    }
}

/// What the store is on, watched for syncs that fail.
#[derive(Debug)]
pub(super) struct Watched<B> {
    inner: B,
    doubt: Doubt,
}

impl<B> Watched<B> {
    pub(super) const fn new(inner: B, doubt: Doubt) -> Self {
        Self { inner, doubt }
    }

    fn check(&self) -> io::Result<()> {
        match self.doubt.reason() {
            Some(reason) => Err(io::Error::other(reason.to_owned())),
            None => Ok(()),
        }
    }
}

impl<B: StorageBackend> StorageBackend for Watched<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.inner.sync_data().inspect_err(|error| self.doubt.arises(error))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

/// Forgets what the system remembers of the file at `path`, as far as it counts as written, so that it is read
/// from the disk.
pub(super) fn forget_cached(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    #[cfg(target_os = "linux")]
    {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        // Where it is not heeded the file is read as the system remembers it.
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }
    drop(file);
}
