//! Where connections come from, and where they go.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rand::RngExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::case::Place;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Addresses of this machine to connect from, another one each time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    place: Place,
    to: SocketAddr,
}

impl Source {
    pub(super) const fn new(place: Place, to: SocketAddr) -> Self {
        Self { place, to }
    }

    fn address(self) -> Ipv4Addr {
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
