//! Relaying connections: late, in order. A stream loses nothing; real loss on TCP is the switch's work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::weather::{Dice, Weather};

/// Most connections at once; further ones are closed.
const MAX_CONNECTIONS: usize = 64;
/// Most pieces of one direction under way at once; then reading stops until some have arrived.
const MAX_PIECES: usize = 256;
const PIECE: usize = 16 * 1024;

/// Relays connections to `listen` on to `target`, for as long as the process lives.
///
/// # Errors
/// If the address cannot be listened on.
pub(super) async fn relay(
    listen: SocketAddr,
    target: SocketAddr,
    weather: Weather,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(target).await {
                let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::join!(
                    one_way(from_client, to_server, Dice::new(weather, 2)),
                    one_way(from_server, to_client, Dice::new(weather, 3)),
                );
            }
            drop(place);
        });
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut dice: Dice) {
    let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_PIECES);
    let read = async move {
        let mut buffer = vec![0; PIECE];
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + dice.delay();
            if pieces.send((due, buffer[..len].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = arriving.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
