//! What comes from standard input is kept until it was sent: only what stays can be sent again.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use peer_protocol::id::TransferId;

use crate::cli::error::CliError;
use crate::paths::DataDir;

/// Writes standard input into the node's spool.
pub(super) async fn standard_input(dir: &DataDir) -> Result<PathBuf, CliError> {
    let name = TransferId::random(&mut rand::rng()).to_string();
    let path = dir.transfers().join("spool").join(name);
    let (written, at) = (path.clone(), path.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&written)).await;
    copied.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| {
        // Half of it is of no use.
        let _ = std::fs::remove_file(&at);
        CliError::system("cannot keep standard input", &error)
    })?;
    Ok(path)
}

fn copy(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    file.sync_all()
}
