//! What goes into and comes out of a router.

use bytes::Bytes;

use super::{Outcome, Packet, PacketId, Refusal};
use crate::crypto::PublicKey;

/// A packet that a neighbour brought; the owner chose the id and waits for the outcome under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// A packet that was handed to a neighbour; the owner reports back under this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TryId(pub u64);

/// A packet for this node, which waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrivalId(pub u64);

/// Something for the owner to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Hand `packet` to `neighbour`, and report the outcome or the failure under `id`.
    Packet {
        /// The id to report under.
        id: TryId,
        /// To whom.
        neighbour: PublicKey,
        /// What.
        packet: Box<Packet>,
    },
    /// Tell the neighbour that brought a packet what became of it.
    Outcome {
        /// Which packet.
        exchange: ExchangeId,
        /// What became of it.
        outcome: Outcome,
    },
}

/// Something for the owner to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet of this node was answered.
    Answered {
        /// Which.
        packet: PacketId,
        /// Who answered.
        destination: PublicKey,
        /// How many hops it made.
        hops: u8,
        /// The answer.
        envelope: Bytes,
    },
    /// A packet of this node came to nothing.
    Failed {
        /// Which.
        packet: PacketId,
        /// Whom it was for.
        destination: PublicKey,
        /// Why.
        refusal: Refusal,
    },
    /// A packet for this node came in, and wants an answer.
    Arrived {
        /// The id to answer under.
        arrival: ArrivalId,
        /// Who sent it, as it says.
        origin: PublicKey,
        /// Who brought it.
        neighbour: PublicKey,
        /// What is in it.
        envelope: Bytes,
    },
}
