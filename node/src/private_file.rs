//! Files that only their owner may touch.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a private file is not read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The operating system refuses, or there is no such file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not a regular file.
    #[error("it is no regular file")]
    NotAFile,
    /// Others may read or change it.
    #[error("its mode is {mode:04o}, so that others may {}", if *forbidden & 0o044 == 0 { "change it" } else { "read or change it" })]
    Exposed { mode: u32, forbidden: u32 },
    /// More than was asked for.
    #[error("it has more than {limit} bytes")]
    TooLong { limit: u64 },
}

/// Reads a file of at most `limit` bytes that has none of the mode bits `forbidden`. The bytes are
/// wiped when dropped.
pub(crate) fn read(
    path: &Path,
    forbidden: u32,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(ReadError::Exposed { mode, forbidden });
    }
    if metadata.len() > limit {
        return Err(ReadError::TooLong { limit });
    }
    // Room for all of it at once: growing would leave copies of a secret behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Creates a file that must not exist yet, for its owner's eyes only from the first moment, and makes
/// it durable. On failure nothing is left behind.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_parent(path));
    if written.is_err() {
        // The first error is the one to tell; a leftover is found and reported next time.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Replaces a file as a whole: after a crash it holds either the old bytes or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(&new, bytes)?;
    std::fs::rename(&new, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
