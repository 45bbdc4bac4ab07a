//! Relaying datagrams: late, lost, twice, out of order.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use super::weather::{Dice, Weather};

/// Most clients at once; datagrams of further ones are dropped.
const MAX_CLIENTS: usize = 64;
/// Most datagrams under way at once, of all clients; what exceeds them is dropped, as a full router does.
const MAX_UNDER_WAY: usize = 4096;
const LARGEST: usize = 65_536;

/// Relays between clients of `listen` and `target`, for as long as the process lives.
///
/// # Errors
/// If the sockets cannot be had.
pub(super) async fn relay(
    listen: SocketAddr,
    target: SocketAddr,
    weather: Weather,
) -> io::Result<()> {
    let inside = Arc::new(UdpSocket::bind(listen).await?);
    let room = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut dice = Dice::new(weather, 0);
    let mut buffer = vec![0; LARGEST];
    loop {
        let Ok((len, client)) = inside.recv_from(&mut buffer).await else { continue };
        let outside = match clients.get(&client) {
            Some(socket) => Arc::clone(socket),
            None if clients.len() >= MAX_CLIENTS => continue,
            None => {
                let socket = Arc::new(UdpSocket::bind(any_port(target)).await?);
                socket.connect(target).await?;
                clients.insert(client, Arc::clone(&socket));
                let back =
                    Back { socket: Arc::clone(&socket), inside: Arc::clone(&inside), client };
                tokio::spawn(back.run(Dice::new(weather, 1), Arc::clone(&room)));
                socket
            }
        };
        for delay in dice.packet().into_iter().flatten() {
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else { break };
            let (outside, packet) = (Arc::clone(&outside), buffer[..len].to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = outside.send(&packet).await;
                drop(place);
            });
        }
    }
}

/// The way back to one client.
struct Back {
    socket: Arc<UdpSocket>,
    inside: Arc<UdpSocket>,
    client: SocketAddr,
}

impl Back {
    async fn run(self, mut dice: Dice, room: Arc<Semaphore>) {
        let mut buffer = vec![0; LARGEST];
        loop {
            let Ok(len) = self.socket.recv(&mut buffer).await else { continue };
            for delay in dice.packet().into_iter().flatten() {
                let Ok(place) = Arc::clone(&room).try_acquire_owned() else { break };
                let (inside, packet) = (Arc::clone(&self.inside), buffer[..len].to_vec());
                let client = self.client;
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = inside.send_to(&packet, client).await;
                    drop(place);
                });
            }
        }
    }
}

fn any_port(target: SocketAddr) -> SocketAddr {
    match target {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    }
}
