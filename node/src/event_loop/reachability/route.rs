//! From which of its addresses this machine reaches another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Any port will do: nothing is sent.
const DISCARD: u16 = 9;

/// The address that packets to `remote` leave from now; none if there is no way there.
pub(super) fn source_toward(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Connecting a UDP socket only looks up the route.
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, DISCARD)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_loopback() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(source_toward(loopback), Some(loopback));
    }
}
