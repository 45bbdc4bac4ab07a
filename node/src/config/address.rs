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

/// Parses an address to listen on: `/ip4/…` or `/ip6/…`, then `/tcp/<port>`, `/tcp/<port>/ws` or
/// `/udp/<port>/quic-v1`.
///
/// # Errors
/// [`BadAddress`] says what is wrong.
pub fn listen_address(text: &str) -> Result<Multiaddr, BadAddress> {
    let address = parse(text)?;
    let mut parts = address.iter();
    if !matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_))) {
        let reason = "an address to listen on begins with /ip4/<address> or /ip6/<address>";
        return Err(bad(text, reason));
    }
    let rest: Vec<_> = parts.collect();
    match rest.as_slice() {
        [Protocol::Tcp(_)]
        | [Protocol::Udp(_), Protocol::QuicV1]
        | [Protocol::Tcp(_), Protocol::Ws(_)] => Ok(address),
        _ => Err(bad(
            text,
            "expected /tcp/<port>, /tcp/<port>/ws or /udp/<port>/quic-v1 after the IP address, and \
             nothing more",
        )),
    }
}

/// Parses an address to dial: a host (`/ip4`, `/ip6`, `/dns`, `/dns4`, `/dns6`, `/dnsaddr`), a
/// transport (`/tcp/<port>`, that and `/ws`, `/wss` or `/tls/ws`, or `/udp/<port>/quic-v1`), and
/// usually `/p2p/<peer id>`; `/p2p-circuit/p2p/<peer id>` after that goes over the first peer as a
/// relay.
///
/// # Errors
/// [`BadAddress`] says what is wrong.
pub fn dial_address(text: &str) -> Result<Multiaddr, BadAddress> {
    let address = parse(text)?;
    let rest = past_host(text, &address)?;
    let rest = match rest.as_slice() {
        [rest @ .., Protocol::P2p(_), Protocol::P2pCircuit, Protocol::P2p(_)]
        | [rest @ .., Protocol::P2p(_)] => rest,
        rest => rest,
    };
    if matches!(address.iter().next(), Some(Protocol::Dnsaddr(_))) {
        return match rest {
            [] => Ok(address),
            _ => Err(bad(text, "/dnsaddr/<name> is followed by /p2p/<peer id> or nothing")),
        };
    }
    transport(text, rest).map(|()| address)
}

/// Parses an address at which the node is reachable: as [`dial_address`], but not unspecified, not
/// over a relay and not `/dnsaddr`.
///
/// # Errors
/// [`BadAddress`] says what is wrong.
pub fn external_address(text: &str) -> Result<Multiaddr, BadAddress> {
    let address = parse(text)?;
    let rest = past_host(text, &address)?;
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) if ip.is_unspecified() => Err(bad(text, UNSPECIFIED)),
        Some(Protocol::Ip6(ip)) if ip.is_unspecified() => Err(bad(text, UNSPECIFIED)),
        Some(Protocol::Dnsaddr(_)) => Err(bad(text, "others cannot dial a /dnsaddr of this node")),
        _ => transport(text, &rest).map(|()| address),
    }
}

const UNSPECIFIED: &str = "nobody can dial an unspecified IP address";

/// What follows the host.
fn past_host<'a>(text: &str, address: &'a Multiaddr) -> Result<Vec<Protocol<'a>>, BadAddress> {
    let mut parts = address.iter();
    match parts.next() {
        Some(
            Protocol::Ip4(_)
            | Protocol::Ip6(_)
            | Protocol::Dns(_)
            | Protocol::Dns4(_)
            | Protocol::Dns6(_)
            | Protocol::Dnsaddr(_),
        ) => Ok(parts.collect()),
        _ => Err(bad(text, "it begins with no host: /ip4, /ip6, /dns, /dns4, /dns6 or /dnsaddr")),
    }
}

fn transport(text: &str, parts: &[Protocol<'_>]) -> Result<(), BadAddress> {
    match parts {
        [Protocol::Tcp(0) | Protocol::Udp(0), ..] => Err(bad(text, "port 0 cannot be dialled")),
        [Protocol::Tcp(_)]
        | [Protocol::Tcp(_), Protocol::Ws(_) | Protocol::Wss(_)]
        | [Protocol::Tcp(_), Protocol::Tls, Protocol::Ws(_)]
        | [Protocol::Udp(_), Protocol::QuicV1] => Ok(()),
        _ => Err(bad(
            text,
            "expected /tcp/<port>, /tcp/<port>/ws or /udp/<port>/quic-v1 after the host, then \
             /p2p/<peer id> or nothing",
        )),
    }
}

fn parse(text: &str) -> Result<Multiaddr, BadAddress> {
    text.parse().map_err(|error: libp2p::multiaddr::Error| bad(text, &error.to_string()))
}

fn bad(address: &str, reason: &str) -> BadAddress {
    BadAddress { address: address.to_owned(), reason: reason.to_owned() }
}
