//! The file that is sent. All of this blocks.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
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
    /// The file at `path` as it is now; with a `root` only if it lies below that.
    pub(crate) fn look(
        path: &Path,
        root: Option<PathBuf>,
        spooled: bool,
    ) -> Result<Self, TransferFailure> {
        let metadata = match &root {
            Some(root) => beneath(root, path).and_then(|file| file.metadata()),
            None => std::fs::metadata(path),
        };
        let metadata = metadata.map_err(|error| TransferFailure::unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(TransferFailure::NotAFile { path: path.to_owned() });
        }
        let (size, modified) = stamp(&metadata);
        if size > MAX_TRANSFER_LEN {
            return Err(TransferFailure::TooLarge { path: path.to_owned(), size });
        }
        Ok(Self { path: path.to_owned(), root, spooled, size, modified })
    }

    /// Opens the file, if it is what it was.
    pub(super) fn open(&self) -> Result<Opened, TransferFailure> {
        let unreadable = |error| TransferFailure::unreadable(&self.path, &error);
        let file = match &self.root {
            Some(root) => beneath(root, &self.path),
            None => {
                let mut options = OpenOptions::new();
                // A pipe that took the place of the file would never open.
                options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(&self.path)
            }
        };
        let file = file.map_err(unreadable)?;
        let opened = Opened { file, source: self.clone() };
        opened.check()?;
        Ok(opened)
    }
}

/// Opens the file at `path`, which has to lie below `root`. Each name on the way is looked up in the directory
/// that was opened before it, and is no link: whoever may change things below `root` cannot lead out of it, at
/// whatever moment.
fn beneath(root: &Path, path: &Path) -> io::Result<File> {
    let outside = || io::Error::other(format!("it lies outside of {}", root.display()));
    let inside = path.strip_prefix(root).map_err(|_| outside())?;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut at = open(root, flags | OFlag::O_DIRECTORY, Mode::empty())?;
    let mut names = inside.components().peekable();
    while let Some(name) = names.next() {
        let Component::Normal(name) = name else { return Err(outside()) };
        let directory = if names.peek().is_some() { OFlag::O_DIRECTORY } else { OFlag::empty() };
        at = openat(&at, name, flags | directory, Mode::empty()).map_err(|error| match error {
            Errno::ELOOP => io::Error::other("there is a link on the way"),
            error => error.into(),
        })?;
    }
    Ok(at.into())
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
            io::ErrorKind::UnexpectedEof => self.changed(),
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
        let opened = Source::look(&path, None, false).unwrap().open().unwrap();
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
        let source = Source::look(&path, None, false).unwrap();
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
        let missing = Source::look(&dir.path().join("none"), None, false).unwrap_err();
        assert!(matches!(missing, TransferFailure::Unreadable { .. }), "{missing}");
        let directory = Source::look(dir.path(), None, false).unwrap_err();
        assert!(matches!(directory, TransferFailure::NotAFile { .. }), "{directory}");
        let path = dir.path().join("a");
        fs::write(&path, "text").unwrap();
        let source = Source::look(&path, None, false).unwrap();
        fs::remove_file(&path).unwrap();
        let vanished = source.open().map(drop).unwrap_err();
        assert!(matches!(vanished, TransferFailure::Unreadable { .. }), "{vanished}");
    }

    #[test]
    fn nothing_leads_out_of_the_root_at_any_moment() {
        let dir = tempfile::tempdir().unwrap();
        let temp = dir.path().canonicalize().unwrap();
        let (root, outside) = (temp.join("root"), temp.join("outside"));
        for directory in [&root, &outside, &root.join("sub")] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("f"), "text").unwrap();
        }
        let look = |path: PathBuf| Source::look(&path, Some(root.clone()), false);
        let found = [root.join("f"), root.join("sub/f")].map(|path| look(path).unwrap());
        for source in &found {
            assert!(source.open().is_ok());
        }
        for path in [outside.join("f"), root.join("../outside/f"), temp.join("root-too/f")] {
            let refused = look(path).unwrap_err().to_string();
            assert!(refused.contains("outside of"), "{refused}");
        }
        assert!(matches!(look(root.clone()), Err(TransferFailure::NotAFile { .. })));
        // Links take the places of what was looked at. What they lead to has the same size and time.
        let time = fs::metadata(root.join("f")).unwrap().modified().unwrap();
        for name in ["root/f", "root/sub/f", "outside/f"] {
            File::options().write(true).open(temp.join(name)).unwrap().set_modified(time).unwrap();
        }
        let found = [root.join("f"), root.join("sub/f")].map(|path| look(path).unwrap());
        fs::remove_file(root.join("f")).unwrap();
        std::os::unix::fs::symlink(outside.join("f"), root.join("f")).unwrap();
        fs::rename(root.join("sub"), root.join("was")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("sub")).unwrap();
        for source in &found {
            let refused = source.open().map(drop).unwrap_err();
            assert!(matches!(refused, TransferFailure::Unreadable { .. }), "{refused}");
            assert!(look(source.path.clone()).is_err());
            // Without a root that is the very same file.
            assert!(Source { root: None, ..source.clone() }.open().is_ok());
        }
    }
}
