//! Against a naive model, across crashes, and on a disk that is full.

mod bounds;
mod crash;
mod gone;
mod model;
mod random;
mod shaky;
mod writing;

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator, PublicKey};
use peer_protocol::delivery::{Arrival, Outgoing, Position, Write};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::message::{Message, MessageKind};
use peer_protocol::time::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::store::Store;

fn peer(seed: u8) -> PublicKey {
    Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn message(rng: &mut StdRng, len: usize) -> Message {
    let mut body = vec![0; len];
    rng.fill_bytes(&mut body);
    Message {
        id: MessageId::random(rng),
        kind: MessageKind::StatusReport,
        in_reply_to: None,
        order: None,
        body: body.into(),
    }
}

fn outgoing(rng: &mut StdRng, peer: PublicKey, number: u64, len: usize) -> Outgoing {
    Outgoing {
        peer,
        number,
        message: message(rng, len),
        created: at(1_000 + number),
        expires: at(9_000_000),
        may_be_sent: false,
    }
}

/// The next message of a stream.
fn arrival(rng: &mut StdRng, peer: PublicKey, before: &Position, len: usize) -> Arrival {
    let stream = before.stream.unwrap_or_else(|| StreamId::random(rng));
    let after = Position { stream: Some(stream), next: before.next + 1, dead: before.dead.clone() };
    let message = message(rng, len);
    Arrival { peer, message, before: before.clone(), after, at: at(5_000 + before.next) }
}
