//! Which files a model may send.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::failure::Failed;
use crate::paths::DataDir;

/// The directories whose files may be sent. What peers write could talk a model into sending files away:
/// without a directory that the operator named, it sends none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    directories: Vec<PathBuf>,
    /// The node's own directory, with its key: not opened by opening what it lies in.
    closed: Option<PathBuf>,
}

/// A file that may be sent, and why: it lies below this directory. Neither path has links in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) root: PathBuf,
}

/// A directory whose files were to be sent cannot be used.
#[derive(Debug, Error)]
#[error("files of {} cannot be sent: {reason}", path.display())]
pub struct BadDirectory {
    /// The directory.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Files {
    /// Files below these directories, which have to be there. Those of the node's own, such as its key, are only
    /// open if a directory in it is named.
    ///
    /// # Errors
    /// [`BadDirectory`].
    pub fn below(directories: &[PathBuf], own: &DataDir) -> Result<Self, BadDirectory> {
        let real = |path: &PathBuf| {
            let bad = |reason: String| BadDirectory { path: path.clone(), reason };
            let real = path.canonicalize().map_err(|error| bad(error.to_string()))?;
            if real.is_dir() { Ok(real) } else { Err(bad("it is no directory".to_owned())) }
        };
        let directories = directories.iter().map(real).collect::<Result<_, _>>()?;
        Ok(Self { directories, closed: Some(own.root().to_owned()) })
    }

    /// The file that a path leads to, if it may be sent. A relative path begins at the first directory. What is
    /// there may change before the node opens it: that has to check it against `root`.
    pub(super) fn find(&self, path: &str) -> Result<Found, Failed> {
        let Some(first) = self.directories.first() else {
            return Err(Failed::new(
                "refused",
                "no directory is open to this tool, so that no file can be sent",
                "ask the user to name one when the server is started: `peer mcp --files <directory>`, or \
                 `mcp.files` in the node's configuration for /mcp",
            ));
        };
        let wanted = first.join(path);
        // Links are followed before the comparison, so that none leads out.
        let real = wanted.canonicalize().map_err(|error| {
            let detail = format!("cannot open {}: {error}", wanted.display());
            Failed::new("bad_file", detail, "check the path")
        })?;
        // It need not have been there when this began.
        let closed = self.closed.as_ref().and_then(|closed| closed.canonicalize().ok());
        let is_closed = closed.as_ref().is_some_and(|closed| real.starts_with(closed));
        let opens = |directory: &&PathBuf| {
            let opens_all =
                closed.as_ref().is_some_and(|closed| closed.starts_with(directory.as_path()));
            real.starts_with(directory.as_path()) && !(is_closed && opens_all)
        };
        let Some(root) = self.directories.iter().find(opens) else {
            let open: Vec<String> = self.directories.iter().map(|it| shown(it)).collect();
            return Err(Failed::new(
                "refused",
                format!("{} lies outside of what may be sent", shown(&real)),
                format!("choose a file below {}", open.join(" or ")),
            ));
        };
        if !real.is_file() {
            let detail = format!("{} is no file", shown(&real));
            return Err(Failed::new("bad_file", detail, "name a file"));
        }
        Ok(Found { path: real, root: root.clone() })
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_open_directories_are_found() {
        let temp = tempfile::tempdir().unwrap();
        let (open, closed) = (temp.path().join("open"), temp.path().join("closed"));
        for dir in [&open, &closed, &temp.path().join("open-too")] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("f"), "x").unwrap();
        }
        std::os::unix::fs::symlink(closed.join("f"), open.join("link")).unwrap();
        let own = DataDir::resolve(Some(temp.path().join("own"))).unwrap();
        let files = Files::below(std::slice::from_ref(&open), &own).unwrap();
        let real = open.canonicalize().unwrap().join("f");
        for path in ["f", "./f", "../open/f", open.join("f").to_str().unwrap()] {
            assert_eq!(files.find(path).unwrap().path, real, "{path}");
        }
        for path in ["../closed/f", "link", "/etc/passwd", "../open-too/f"] {
            assert_eq!(files.find(path).unwrap_err().0.kind, "refused", "{path}");
        }
        for path in ["none", "."] {
            assert_eq!(files.find(path).unwrap_err().0.kind, "bad_file", "{path}");
        }
        assert_eq!(Files::default().find("f").unwrap_err().0.kind, "refused");
        for path in ["f", "no"] {
            assert!(Files::below(&[open.join(path)], &own).is_err(), "{path}");
        }
    }

    #[test]
    fn the_key_of_the_node_stays_where_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let own = DataDir::resolve(Some(temp.path().join("own"))).unwrap();
        let received = own.root().join("received");
        let all = Files::below(&[temp.path().to_owned()], &own).unwrap();
        std::fs::create_dir_all(&received).unwrap();
        std::fs::write(own.root().join("key"), "x").unwrap();
        std::fs::write(received.join("f"), "x").unwrap();
        std::fs::write(temp.path().join("f"), "x").unwrap();
        let itself = Files::below(&[own.root().to_owned()], &own).unwrap();
        for (files, path) in [(&all, "own/key"), (&all, "own/received/f"), (&itself, "key")] {
            assert_eq!(files.find(path).unwrap_err().0.kind, "refused", "{path}");
        }
        assert!(all.find("f").is_ok());
        let inside = Files::below(&[temp.path().to_owned(), received], &own).unwrap();
        assert!(inside.find("own/received/f").is_ok() && inside.find("own/key").is_err());
    }
}
