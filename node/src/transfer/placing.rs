//! Putting a file down under its name: never over another, and once, whatever crashes. All of this blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::names::numbered;

/// Most names that are tried.
pub(super) const MAX_TRIES: u32 = 10_000;

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there.
    Down,
    /// The name is taken.
    Taken,
}

/// The first free name for `name` in `directory`, from the `from`th choice on, and its number. Somebody
/// may take it before it is used.
pub(super) fn free_name(
    directory: &Path,
    name: &str,
    from: u32,
) -> io::Result<Option<(PathBuf, u32)>> {
    for number in from..MAX_TRIES {
        let path = directory.join(numbered(name, number));
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some((path, number))),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(None)
}

/// Moves `part` to `path`, unless something is there. The caller has noted durably that it will; called
/// again after a crash, it finishes what it began.
pub(super) fn put_down(part: &Path, path: &Path) -> io::Result<Put> {
    let Some(own) = metadata(part)? else {
        // Whatever stands at `path` now: the file was moved there before the crash.
        return Ok(Put::Down);
    };
    match fs::hard_link(part, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let same = |there: fs::Metadata| (there.dev(), there.ino()) == (own.dev(), own.ino());
            if !metadata(path)?.is_some_and(same) {
                return Ok(Put::Taken);
            }
        }
        // Some file systems have no second names for a file.
        Err(error) if is_unsupported(&error) => return rename_over_own(part, path),
        Err(error) => return Err(error),
    }
    sync_directory(path)?;
    fs::remove_file(part)?;
    sync_directory(part)?;
    Ok(Put::Down)
}

/// Takes the name with an empty file, and moves `part` over that.
fn rename_over_own(part: &Path, path: &Path) -> io::Result<Put> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Put::Taken),
        Err(error) => return Err(error),
    }
    fs::rename(part, path)?;
    sync_directory(path)?;
    Ok(Put::Down)
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied)
        || error.raw_os_error() == Some(nix::libc::EMLINK)
}

fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a change of names in a file's directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.txt"), "mine").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("a (1).txt")).unwrap();
        let (path, number) = free_name(dir.path(), "a.txt", 0).unwrap().unwrap();
        assert_eq!((path.file_name().unwrap().to_str(), number), (Some("a (2).txt"), 2));
        let part = dir.path().join("part");
        fs::write(&part, "new").unwrap();
        assert_eq!(put_down(&part, &dir.path().join("a.txt")).unwrap(), Put::Taken);
        assert_eq!(put_down(&part, &dir.path().join("a (1).txt")).unwrap(), Put::Taken);
        assert_eq!(fs::read(dir.path().join("a.txt")).unwrap(), b"mine");
        assert_eq!(rename_over_own(&part, &dir.path().join("a.txt")).unwrap(), Put::Taken);
        assert_eq!(put_down(&part, &path).unwrap(), Put::Down);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(!part.exists());
    }

    #[test]
    fn a_crash_in_between_leaves_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let (part, path) = (dir.path().join("part"), dir.path().join("a"));
        fs::write(&part, "new").unwrap();
        // After the second name was made, before the first was removed.
        fs::hard_link(&part, &path).unwrap();
        assert_eq!(put_down(&part, &path).unwrap(), Put::Down);
        assert!(!part.exists());
        // After all of it, before that was noted; and the agent has moved the file away since.
        assert_eq!(put_down(&part, &path).unwrap(), Put::Down);
        fs::remove_file(&path).unwrap();
        assert_eq!(put_down(&part, &path).unwrap(), Put::Down);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_second_names_the_file_is_moved() {
        let dir = tempfile::tempdir().unwrap();
        let (part, path) = (dir.path().join("part"), dir.path().join("a"));
        fs::write(&part, "new").unwrap();
        assert_eq!(rename_over_own(&part, &path).unwrap(), Put::Down);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
