//! The Unix socket, which only the operator can open.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use super::ServerError;

/// Listens at `socket`, mode 0600. The socket of a node that died is replaced; that of a live one is not.
pub(super) async fn bind(socket: &Path) -> Result<UnixListener, ServerError> {
    check_place(socket).await?;
    bind_private(socket).map_err(|error| unusable(socket, &error))
}

async fn check_place(socket: &Path) -> Result<(), ServerError> {
    match std::fs::symlink_metadata(socket) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            return Err(ServerError::InTheWay { socket: socket.to_owned() });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(socket, &error)),
    }
    match UnixStream::connect(socket).await {
        Ok(_) => Err(ServerError::InUse { socket: socket.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(unusable(socket, &error)),
    }
}

/// Binds inside a directory that only the owner may enter, and moves the socket into place once its
/// mode is right: at no instant can anybody else connect. The move replaces a stale socket.
fn bind_private(socket: &Path) -> io::Result<UnixListener> {
    let nursery = socket.with_file_name(".api");
    let new = nursery.join("s");
    match DirBuilder::new().mode(0o700).create(&nursery) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Left over if a node died right here.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, socket)?;
    std::fs::remove_dir(&nursery)?;
    Ok(listener)
}

fn unusable(socket: &Path, error: &io::Error) -> ServerError {
    ServerError::Unusable { socket: socket.to_owned(), reason: error.to_string() }
}
