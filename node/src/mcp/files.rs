//! Which files a model may send.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::failure::Failed;

/// The directories whose files may be sent. What peers write could talk a model into sending files away:
/// without a directory that the operator named, it sends none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    directories: Vec<PathBuf>,
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
    /// Files below these directories, which have to be there.
    ///
    /// # Errors
    /// [`BadDirectory`].
    pub fn below(directories: &[PathBuf]) -> Result<Self, BadDirectory> {
        let real = |path: &PathBuf| {
            let bad = |reason: String| BadDirectory { path: path.clone(), reason };
            let real = path.canonicalize().map_err(|error| bad(error.to_string()))?;
            if real.is_dir() { Ok(real) } else { Err(bad("it is no directory".to_owned())) }
        };
        Ok(Self { directories: directories.iter().map(real).collect::<Result<_, _>>()? })
    }

    /// The file that a path leads to, if it may be sent. A relative path begins at the first directory.
    pub(super) fn find(&self, path: &str) -> Result<PathBuf, Failed> {
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
        if !self.directories.iter().any(|directory| real.starts_with(directory)) {
            let open: Vec<String> = self.directories.iter().map(|it| shown(it)).collect();
            return Err(Failed::new(
                "refused",
                format!("{} lies outside of what may be sent", shown(&real)),
                format!("choose a file below {}", open.join(" or ")),
            ));
        }
        if !real.is_file() {
            let detail = format!("{} is no file", shown(&real));
            return Err(Failed::new("bad_file", detail, "name a file"));
        }
        Ok(real)
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
        let files = Files::below(std::slice::from_ref(&open)).unwrap();
        let real = open.canonicalize().unwrap().join("f");
        for path in ["f", "./f", "../open/f", open.join("f").to_str().unwrap()] {
            assert_eq!(files.find(path).unwrap(), real, "{path}");
        }
        for path in ["../closed/f", "link", "/etc/passwd", "../open-too/f"] {
            assert_eq!(files.find(path).unwrap_err().0.kind, "refused", "{path}");
        }
        for path in ["none", "."] {
            assert_eq!(files.find(path).unwrap_err().0.kind, "bad_file", "{path}");
        }
        assert_eq!(Files::default().find("f").unwrap_err().0.kind, "refused");
        assert!(
            Files::below(&[open.join("f")]).is_err() && Files::below(&[open.join("no")]).is_err()
        );
    }
}
