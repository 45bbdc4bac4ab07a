//! Where an entity's messages wait, and how often it looks.

use std::time::Duration;

use crate::crypto::PublicKey;

/// A receiver's mailbox nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// The nodes; at most [`MAX_MAILBOXES`](crate::limits::MAX_MAILBOXES).
    pub nodes: Vec<PublicKey>,
    /// How often items are looked for at each.
    pub every: Duration,
    /// When it is tried again after a failure.
    pub again: Duration,
    /// One-time prekeys left with each node; it is topped up when half of them are gone.
    pub prekeys: usize,
    /// Most items of one sender that are open at once: taken in part, or being written.
    pub open_per_sender: usize,
    /// Most items that are open at once.
    pub open: usize,
    /// Most bytes of items that are open at once and do not wait for a predecessor.
    pub open_bytes: usize,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            every: Duration::from_secs(60),
            again: Duration::from_secs(15),
            prekeys: 128,
            open_per_sender: 64,
            open: 512,
            open_bytes: 16 << 20,
        }
    }
}
