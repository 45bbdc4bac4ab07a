//! Where connections come from, and where they go.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use rand::RngExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::case::Place;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Addresses of this machine to connect from, another one each time.
#[derive(Debug, Clone)]
pub(super) struct Source {
    place: Place,
    to: SocketAddr,
    quic: Option<Multiaddr>,
}

impl Source {
    /// Toward `to`, and over QUIC if that is what the address says.
    pub(super) fn new(place: Place, to: &Multiaddr) -> Option<Self> {
        let socket = socket_address(to)?;
        let is_quic = to.iter().any(|part| part == Protocol::QuicV1);
        Some(Self { place, to: socket, quic: is_quic.then(|| to.clone()) })
    }

    /// Where to and where from, if connections are to be over QUIC.
    pub(super) fn quic(&self) -> Option<(&Multiaddr, Multiaddr)> {
        let from = Multiaddr::from(self.address()).with(Protocol::Udp(0)).with(Protocol::QuicV1);
        Some((self.quic.as_ref()?, from))
    }

    fn address(&self) -> Ipv4Addr {
        let [a, b, c] = rand::rng().random::<[u8; 3]>();
        let last = c.clamp(1, 254);
        match self.place {
            Place::Loopback => Ipv4Addr::new(127, a, b, last),
            Place::OneNetwork => Ipv4Addr::new(45, 9, 9, last),
            Place::ManyNetworks => Ipv4Addr::new(45, a, b, last),
        }
    }

    /// A TCP connection; closing it leaves nothing behind in the kernel.
    ///
    /// # Errors
    /// It is refused, or takes too long.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(self.address()), 0))?;
        let stream = timeout(PATIENCE, socket.connect(self.to)).await??;
        stream.set_nodelay(true)?;
        stream.set_zero_linger()?;
        Ok(stream)
    }
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut ip = None;
    for protocol in address {
        match protocol {
            Protocol::Ip4(found) => ip = Some(found),
            Protocol::Tcp(port) | Protocol::Udp(port) => {
                return Some(SocketAddr::new(ip?.into(), port));
            }
            _ => {}
        }
    }
    None
}
