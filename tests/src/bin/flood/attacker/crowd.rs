//! Noise connections of peer ids that nobody has seen.

use std::time::Duration;

use libp2p::identity::Keypair;

use super::line::{Line, half_a_frame};
use super::{Attempt, Tasks};
use crate::case::Attack;

/// Connections that are being made at once.
const AT_ONCE: usize = 64;
/// Connections that are held at once: more than a node takes.
const HELD: usize = 1536;
/// Before one that was refused is tried again.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn begin(attack: Attack, attempt: &Attempt) -> Tasks {
    let mut tasks = Tasks::new();
    let (at_once, stays) = match attack {
        Attack::NoiseHeld | Attack::HalfNoise => (HELD, true),
        _ => (AT_ONCE, false),
    };
    for _ in 0..at_once {
        let attempt = attempt.clone();
        tasks.spawn(async move {
            loop {
                attempt.turn().await;
                if attack == Attack::HalfNoise {
                    // One that is refused comes again.
                    let _ = half_a_frame(&attempt.source, &Keypair::generate_ed25519()).await;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                match Line::open(&attempt.source, &Keypair::generate_ed25519()).await {
                    Ok(line) if stays => line.closed().await,
                    // Whatever is answered.
                    Ok(line) if attack == Attack::Passers => drop(line.ask(b"nothing").await),
                    Ok(_) => {}
                    Err(_) if stays => tokio::time::sleep(PAUSE).await,
                    Err(_) => {}
                }
            }
        });
    }
    tasks
}
