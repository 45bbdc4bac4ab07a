//! Which multiaddresses a node can listen on or dial.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use thiserror::Error;

/// The text is no address this node can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{address:?} is no usable multiaddress: {reason}")]
pub struct BadAddress {
    /// The text.
    pub address: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Parses an address to listen on: `/ip4/…` or `/ip6/…`, then `/tcp/<port>` or
/// `/udp/<port>/quic-v1`.
///
/// # Errors
/// [`BadAddress`] says what is wrong.
pub fn listen_address(text: &str) -> Result<Multiaddr, BadAddress> {
    let address = parse(text)?;
    let mut parts = address.iter();
    let reason = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Protocol::Ip4(_) | Protocol::Ip6(_)), Some(Protocol::Tcp(_)), None, _)
        | (
            Some(Protocol::Ip4(_) | Protocol::Ip6(_)),
            Some(Protocol::Udp(_)),
            Some(Protocol::QuicV1),
            None,
        ) => return Ok(address),
        (Some(Protocol::Ip4(_) | Protocol::Ip6(_)), ..) => {
            "expected /tcp/<port> or /udp/<port>/quic-v1 after the IP address, and nothing more"
        }
        _ => "an address to listen on begins with /ip4/<address> or /ip6/<address>",
    };
    Err(bad(text, reason))
}

/// Parses an address to dial: a host (`/ip4`, `/ip6`, `/dns`, `/dns4`, `/dns6`, `/dnsaddr`), a
/// transport (`/tcp/<port>` or `/udp/<port>/quic-v1`), and usually `/p2p/<peer id>`.
///
/// # Errors
/// [`BadAddress`] says what is wrong.
pub fn dial_address(text: &str) -> Result<Multiaddr, BadAddress> {
    let address = parse(text)?;
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Dnsaddr(_)) => return Ok(address),
        Some(
            Protocol::Ip4(_)
            | Protocol::Ip6(_)
            | Protocol::Dns(_)
            | Protocol::Dns4(_)
            | Protocol::Dns6(_),
        ) => {}
        _ => {
            return Err(bad(
                text,
                "it begins with no host: /ip4, /ip6, /dns, /dns4, /dns6 or /dnsaddr",
            ));
        }
    }
    match (parts.next(), parts.next()) {
        (Some(Protocol::Tcp(0) | Protocol::Udp(0)), _) => {
            Err(bad(text, "port 0 cannot be dialled"))
        }
        (Some(Protocol::Tcp(_)), None | Some(Protocol::P2p(_)))
        | (Some(Protocol::Udp(_)), Some(Protocol::QuicV1)) => Ok(address),
        _ => Err(bad(text, "expected /tcp/<port> or /udp/<port>/quic-v1 after the host")),
    }
}

fn parse(text: &str) -> Result<Multiaddr, BadAddress> {
    text.parse().map_err(|error: libp2p::multiaddr::Error| bad(text, &error.to_string()))
}

fn bad(address: &str, reason: &str) -> BadAddress {
    BadAddress { address: address.to_owned(), reason: reason.to_owned() }
}
