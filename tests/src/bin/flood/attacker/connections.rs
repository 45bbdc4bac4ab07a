//! TCP connections that never become more.

use std::collections::VecDeque;

use rand::RngExt as _;
use tokio::io::AsyncWriteExt as _;

use super::{Attempt, Tasks};
use crate::case::Attack;

/// Connections that are being made at once.
const AT_ONCE: usize = 128;
/// Silent connections that are held at once, by all tasks.
const HELD: usize = 4096;
const GARBAGE: usize = 2048;

pub(super) fn begin(attack: Attack, attempt: &Attempt) -> Tasks {
    let mut tasks = Tasks::new();
    for _ in 0..AT_ONCE {
        let attempt = attempt.clone();
        tasks.spawn(async move {
            let mut held = VecDeque::new();
            loop {
                attempt.turn().await;
                let Ok(mut stream) = attempt.source.connect().await else { continue };
                match attack {
                    Attack::Silent => {
                        held.push_back(stream);
                        if held.len() > HELD / AT_ONCE {
                            held.pop_front();
                        }
                    }
                    Attack::Garbage => {
                        let mut bytes = [0; GARBAGE];
                        rand::rng().fill(&mut bytes[..]);
                        // The other side may hang up in the middle.
                        let _ = stream.write_all(&bytes).await;
                    }
                    _ => drop(stream),
                }
            }
        });
    }
    tasks
}
