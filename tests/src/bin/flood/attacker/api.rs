//! Clients of the local API that are idle, slow, or send too much.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{Attempt, Tasks};

const CLIENTS: usize = 1024;
/// Before one that was refused is tried again.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn begin(attempt: &Attempt) -> Tasks {
    let mut tasks = Tasks::new();
    for number in 0..CLIENTS {
        let attempt = attempt.clone();
        tasks.spawn(async move {
            loop {
                // A client that is closed comes again.
                let _ = bother(number, &attempt).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    tasks
}

async fn bother(number: usize, attempt: &Attempt) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(&attempt.socket).await?;
    attempt.count();
    let mut buffer = [0; 4096];
    match number % 4 {
        // Asks once, and stays.
        0 => stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: peer\r\n\r\n").await?,
        // Follows the events.
        1 => stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: peer\r\n\r\n").await?,
        // Never ends its head.
        2 => loop {
            stream.write_all(b"G").await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        },
        // Announces and sends more than is read.
        _ => {
            let head =
                b"POST /v1/talk HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\n\
                         Content-Length: 90000000\r\n\r\n{\"peer\":\"";
            stream.write_all(head).await?;
            for _ in 0..256 {
                stream.write_all(&[b'x'; 4096]).await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
