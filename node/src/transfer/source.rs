//! The file that is sent. All of this blocks.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use peer_protocol::crypto::{Blake3, Digest};
use peer_protocol::limits::MAX_TRANSFER_LEN;

use super::error::TransferFailure;
use super::row::Source;

/// Bytes that are read at once while hashing.
const BUFFER: usize = 256 << 10;

/// The open file.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    source: Source,
}

impl Source {
    /// The file at `path` as it is now.
    pub(crate) fn look(path: &Path, spooled: bool) -> Result<Self, TransferFailure> {
        let metadata =
            std::fs::metadata(path).map_err(|error| TransferFailure::unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(TransferFailure::NotAFile { path: path.to_owned() });
        }
        let (size, modified) = stamp(&metadata);
        if size > MAX_TRANSFER_LEN {
            return Err(TransferFailure::TooLarge { path: path.to_owned(), size });
        }
        Ok(Self { path: path.to_owned(), spooled, size, modified })
    }

    /// Opens the file, if it is what it was.
    pub(super) fn open(&self) -> Result<Opened, TransferFailure> {
        let unreadable = |error| TransferFailure::unreadable(&self.path, &error);
        let mut options = OpenOptions::new();
        // A pipe that took the place of the file would never open.
        options.read(true).custom_flags(nix::libc::O_NONBLOCK);
        let file = options.open(&self.path).map_err(unreadable)?;
        let opened = Opened { file, source: self.clone() };
        opened.check()?;
        Ok(opened)
    }
}

impl Opened {
    /// The digest of the whole. `progress` is told how many bytes were read, and says whether to go on.
    pub(super) fn hash(
        &self,
        mut progress: impl FnMut(u64) -> bool,
    ) -> Result<Option<Digest>, TransferFailure> {
        let mut hash = Blake3::new();
        let mut buffer = vec![0; BUFFER];
        let mut offset = 0;
        while offset < self.source.size {
            let left = usize::try_from(self.source.size - offset).unwrap_or(usize::MAX);
            let part = buffer.get_mut(..left.min(BUFFER)).unwrap_or_default();
            self.fill(part, offset)?;
            hash.update(part);
            offset += part.len() as u64;
            if !progress(offset) {
                return Ok(None);
            }
        }
        self.check()?;
        Ok(Some(hash.finish()))
    }

    /// The piece of `len` bytes at `offset`.
    pub(super) fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>, TransferFailure> {
        let mut piece = vec![0; usize::try_from(len).unwrap_or_default()];
        self.fill(&mut piece, offset)?;
        self.check()?;
        Ok(piece)
    }

    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), TransferFailure> {
        self.file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.changed(),
            _ => TransferFailure::unreadable(&self.source.path, &error),
        })
    }

    /// Whether the file is what it was.
    fn check(&self) -> Result<(), TransferFailure> {
        let metadata = self.file.metadata();
        let metadata =
            metadata.map_err(|error| TransferFailure::unreadable(&self.source.path, &error))?;
        if !metadata.is_file() {
            return Err(TransferFailure::NotAFile { path: self.source.path.clone() });
        }
        let same = stamp(&metadata) == (self.source.size, self.source.modified);
        if same { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> TransferFailure {
        TransferFailure::Changed { path: self.source.path.clone() }
    }
}

fn stamp(metadata: &Metadata) -> (u64, (i64, i64)) {
    (metadata.len(), (metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_hashed_and_read_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| n as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let opened = Source::look(&path, false).unwrap().open().unwrap();
        let mut seen = Vec::new();
        let digest = opened.hash(|read| {
            seen.push(read);
            true
        });
        let mut hash = Blake3::new();
        hash.update(&bytes);
        assert_eq!(digest, Ok(Some(hash.finish())));
        assert_eq!(seen, [262_144, 524_288, 700_000]);
        assert_eq!(opened.read(600_000, 100_000).unwrap(), bytes[600_000..]);
        assert_eq!(opened.hash(|_| false), Ok(None));
    }

    #[test]
    fn changes_are_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, vec![1; 100_000]).unwrap();
        let source = Source::look(&path, false).unwrap();
        let opened = source.open().unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"x").unwrap();
        let changed = TransferFailure::Changed { path: path.clone() };
        assert_eq!(opened.read(0, 65_536), Err(changed.clone()));
        assert_eq!(opened.hash(|_| true), Err(changed.clone()));
        assert_eq!(source.open().map(drop), Err(changed.clone()));
        fs::write(&path, vec![1; 10]).unwrap();
        assert_eq!(opened.read(0, 65_536), Err(changed));
    }

    #[test]
    fn what_is_no_file_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Source::look(&dir.path().join("none"), false).unwrap_err();
        assert!(matches!(missing, TransferFailure::Unreadable { .. }), "{missing}");
        let directory = Source::look(dir.path(), false).unwrap_err();
        assert!(matches!(directory, TransferFailure::NotAFile { .. }), "{directory}");
        let path = dir.path().join("a");
        fs::write(&path, "text").unwrap();
        let source = Source::look(&path, false).unwrap();
        fs::remove_file(&path).unwrap();
        let vanished = source.open().map(drop).unwrap_err();
        assert!(matches!(vanished, TransferFailure::Unreadable { .. }), "{vanished}");
    }
}
