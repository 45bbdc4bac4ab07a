//! Both ends against each other, against a naive model, and against peers that do what none should.

mod attacks;
mod model;
mod sending;
mod storm;

use std::time::Duration;

use super::*;
use crate::id::TransferId;
use crate::message::{ChunkAck, Offer, Purpose};
use crate::time::Instant;

const K64: u64 = 64 << 10;

fn offer() -> Offer {
    Offer {
        name: Some("a.bin".to_owned()),
        digest: [7; 32],
        purpose: Purpose::File,
        content_type: "application/octet-stream".to_owned(),
    }
}

fn transfer() -> TransferId {
    let mut bytes = [9; 16];
    bytes[6] = 0x49;
    bytes[8] = 0x89;
    TransferId::from_bytes(bytes).unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

fn ack(received: u64, window: u64) -> ChunkAck {
    ChunkAck { window, received, transfer: transfer() }
}
