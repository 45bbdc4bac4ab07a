//! The six-step handshake (`docs/PROTOCOL.md` §3).

mod initiator;
mod responder;

pub use initiator::{AwaitInitAck, AwaitReady, AwaitSessionEstablished, start};
pub use responder::{AwaitChallengeResponse, AwaitSessionConfirm, accept};

use super::state::Step;
use crate::crypto::Digest;

/// What the initiator signs to answer the challenge: label ‖ handshake hash ‖ challenge.
fn challenge_message(handshake_hash: &Digest, challenge: &[u8; 32]) -> Vec<u8> {
    const LABEL: &[u8] = b"peer-v1.1-challenge";
    [LABEL, handshake_hash, challenge].concat()
}

/// The sequence number of a step's envelope.
const fn sequence(step: Step) -> u64 {
    step.number() - 1
}
