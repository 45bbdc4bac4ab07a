//! The file that arrives. All of this blocks.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use peer_protocol::crypto::{Blake3, Digest};

/// Bytes that are read at once while hashing.
const BUFFER: usize = 256 << 10;

/// A file that arrives, and the digest of its beginning.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    hash: Blake3,
    hashed: u64,
    #[cfg(test)]
    path: std::path::PathBuf,
    #[cfg(test)]
    synced: u64,
}

impl Part {
    /// Opens the file of a transfer of which `received` bytes are said to be there.
    ///
    /// # Errors
    /// `UnexpectedEof` if they are not.
    pub(super) fn open(path: &Path, received: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(received == 0)
            .mode(0o600)
            .open(path)?;
        if file.metadata()?.len() < received {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self {
            file,
            hash: Blake3::new(),
            hashed: 0,
            #[cfg(test)]
            path: path.to_owned(),
            #[cfg(test)]
            synced: received,
        })
    }

    /// Writes a piece. Most come in order and are hashed at once; others when they are read again.
    pub(super) fn write(&mut self, offset: u64, piece: &[u8]) -> io::Result<()> {
        self.file.write_all_at(piece, offset)?;
        if offset == self.hashed {
            self.hash.update(piece);
            self.hashed += piece.len() as u64;
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        #[cfg(test)]
        self.fail_if_told()?;
        self.file.sync_data()?;
        #[cfg(test)]
        {
            self.synced = self.hashed;
        }
        Ok(())
    }

    /// Fails once if there is a file of that name beside this one, and loses what came since the last
    /// sync.
    #[cfg(test)]
    fn fail_if_told(&self) -> io::Result<()> {
        let told = self.path.with_extension("fails");
        if std::fs::remove_file(told).is_err() {
            return Ok(());
        }
        let from = self.synced;
        let len = self.file.metadata()?.len().saturating_sub(from);
        self.file.write_all_at(&vec![0; usize::try_from(len).unwrap_or_default()], from)?;
        Err(io::Error::from_raw_os_error(nix::libc::EIO))
    }

    /// Hashes up to `most` more of the first `until` bytes; says whether that was all of them.
    pub(super) fn catch_up(&mut self, until: u64, most: u64) -> io::Result<bool> {
        let end = until.min(self.hashed.saturating_add(most));
        let mut buffer = Vec::new();
        while self.hashed < end {
            buffer.resize(BUFFER, 0);
            let left = usize::try_from(end - self.hashed).unwrap_or(usize::MAX);
            let part = buffer.get_mut(..left.min(BUFFER)).unwrap_or_default();
            self.file.read_exact_at(part, self.hashed)?;
            self.hash.update(part);
            self.hashed += part.len() as u64;
        }
        Ok(self.hashed >= until)
    }

    /// The digest of what was hashed: see [`Part::catch_up`].
    pub(super) fn digest(&self) -> Digest {
        self.hash.finish()
    }
}

/// Whether the disk of `directory` has room for `bytes` more and what is to stay free.
pub(super) fn has_room(directory: &Path, bytes: u64, reserve: u64) -> io::Result<bool> {
    let disk = nix::sys::statvfs::statvfs(directory)?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    Ok(free >= bytes.saturating_add(reserve))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn digest(bytes: &[u8]) -> Digest {
        let mut hash = Blake3::new();
        hash.update(bytes);
        hash.finish()
    }

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 3) as u8).collect();
        let mut part = Part::open(&path, 0).unwrap();
        for offset in [0, 300_000, 100_000, 200_000, 400_000] {
            part.write(offset as u64, &bytes[offset..offset + 100_000]).unwrap();
        }
        part.sync().unwrap();
        drop(part);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // After a restart nothing is known of the digest.
        let mut part = Part::open(&path, 500_000).unwrap();
        part.write(500_000, &bytes[500_000..]).unwrap();
        assert!(!part.catch_up(1_000_000, 300_000).unwrap());
        assert!(part.catch_up(1_000_000, u64::MAX).unwrap());
        assert_eq!(part.digest(), digest(&bytes));
    }

    #[test]
    fn a_file_that_lost_its_end_is_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        fs::write(&path, [1; 10]).unwrap();
        let error = Part::open(&path, 11).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(fs::read(&path).unwrap().len(), 10);
        Part::open(&path, 0).unwrap();
        assert!(fs::read(&path).unwrap().is_empty());
    }

    #[test]
    fn room_is_what_the_disk_says() {
        let dir = tempfile::tempdir().unwrap();
        assert!(has_room(dir.path(), 1, 0).unwrap());
        assert!(!has_room(dir.path(), u64::MAX, 1).unwrap());
        assert!(!has_room(dir.path(), 1, u64::MAX).unwrap());
    }
}
