//! Tells a service manager how far the node has come, if one wants to know (`sd_notify(3)`).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The node listens, and its local API answers.
pub(super) const READY: &str = "READY=1";
/// The node ends what is under way, and then itself.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Sends `state` to the socket that `NOTIFY_SOCKET` names; without the variable nobody wants to know.
///
/// # Errors
/// The socket cannot be reached. Whoever started the node will think it never came up.
pub(super) fn tell(state: &str) -> io::Result<()> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(socket) => send(&socket, state),
        None => Ok(()),
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(state.as_bytes(), &address(socket)?).map(drop)
}

/// A path, or `@` and a name that is in no file system.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let len = listener.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_over_a_path() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), READY).unwrap();
        assert_eq!(heard(&listener), READY);
        drop(listener);
        assert!(send(path.as_os_str(), STOPPING).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_is_told_over_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("peer-notify-{}", std::process::id());
        let listener =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), STOPPING).unwrap();
        assert_eq!(heard(&listener), STOPPING);
    }
}
