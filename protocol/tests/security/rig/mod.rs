//! Two nodes, and a handshake between them that is driven message by message.

mod ends;
mod established;
mod node;
mod refusal;
mod run;

pub(crate) use ends::Ends;
pub(crate) use established::Established;
pub(crate) use node::{Node, Recorder, Trust};
pub(crate) use refusal::Refusal;
pub(crate) use run::Run;

use peer_protocol::handshake::HandshakeKind;

pub(crate) const KINDS: [HandshakeKind; 2] = [HandshakeKind::SixStep, HandshakeKind::ThreeWay];
/// Wall-clock time at which everything starts.
pub(crate) const START: u64 = 1_800_000_000_000;

pub(crate) const fn steps(kind: HandshakeKind) -> usize {
    match kind {
        HandshakeKind::SixStep => 6,
        HandshakeKind::ThreeWay => 3,
    }
}

/// Both handshakes, after each number of messages: the last of them is not delivered yet.
pub(crate) fn all_stages() -> impl Iterator<Item = (HandshakeKind, usize)> {
    KINDS.into_iter().flat_map(|kind| (1..=steps(kind)).map(move |made| (kind, made)))
}
