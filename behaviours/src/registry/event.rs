//! What the registry tells, and what it refuses.

use std::time::Duration;

use peer_protocol::registry::{Key, Lookup, Refusal, RegistryError, Verified};
use thiserror::Error;

/// Names one publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub(super) u64);

/// Names one lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub(super) u64);

/// Names one search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchId(pub(super) u64);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A publication is over.
    Published {
        /// Which.
        id: PublishId,
        /// How many keys the record stands under.
        keys: usize,
        /// How many of them at least one other node took.
        stored: usize,
        /// The others, and why.
        failed: Vec<(Key, NotStored)>,
        /// How many provider keys it was announced under. Nodes do not answer announcements.
        announced: usize,
    },
    /// A lookup is over.
    LookedUp {
        /// Which.
        id: LookupId,
        /// All valid answers, those of this node's own store included. Whom to trust is for the
        /// caller to decide.
        lookup: Lookup,
        /// How many requests were sent.
        asked: usize,
        /// How long it took, waiting for its turn included.
        took: Duration,
    },
    /// A search found a provider.
    Found {
        /// Which.
        id: SearchId,
        /// The provider's own record, which lists the capability.
        record: Box<Verified>,
    },
    /// A search is over.
    SearchDone {
        /// Which.
        id: SearchId,
        /// How many providers it found.
        found: usize,
        /// How many entries did not stand up to a closer look.
        rejected: usize,
        /// How many provider keys were asked for.
        keys: usize,
        /// How many requests were sent.
        asked: usize,
        /// How long it took.
        took: Duration,
    },
    /// The routing table has gained or lost peers.
    TableChanged {
        /// How many it has now.
        peers: usize,
    },
}

/// Why a key of a publication is at no other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotStored {
    /// None was found that takes it.
    #[error("no node took the record")]
    NobodyTook,
    /// Time ran out before one took it.
    #[error("no node took the record in time")]
    TimedOut,
    /// A newer record of this node has replaced it meanwhile.
    #[error("a newer record has replaced it")]
    Replaced,
}

/// Why nothing is published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// It is not a valid record.
    #[error(transparent)]
    Record(#[from] RegistryError),
    /// It is signed by another key than that of this node.
    #[error("the record is not that of this node's key")]
    Foreign,
    /// The own store does not take it; a newer one may be known.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much waits for publication.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Too much is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{waiting} queries of the registry wait already; try again later")]
pub struct Busy {
    /// How many wait.
    pub waiting: usize,
}
