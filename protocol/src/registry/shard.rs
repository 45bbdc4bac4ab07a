//! Which keys the providers of one capability stand under (`docs/PROTOCOL.md` §11.6).
//!
//! A node keeps at most twenty providers of one key, as many as one answer holds, so that one key
//! finds about twenty providers and no more. The providers are therefore also spread over a tree of
//! further keys, by the fingerprint of their public key:
//!
//! - The tree has fan-out 4 and three levels below its root: 1 + 4 + 16 + 64 = 85 shards. A shard is
//!   named by 0 to 3 digits `0`–`3`. The root has no digits; its key is
//!   SHA-256(`"capability:"` ‖ capability hash). All others' is
//!   SHA-256(`"capability:"` ‖ capability hash ‖ `":"` ‖ digits).
//! - A provider's digits are the first three pairs of bits of its fingerprint, from the highest bit
//!   down, each pair as a number 0–3. It announces itself in four shards: those named by the first
//!   0, 1, 2 and 3 of its digits. It needs to read nothing first, and never announces elsewhere.
//! - A seeker asks the root. Where a third of the nodes that answer show twenty providers, the shard
//!   is full and may hide others: the seeker goes on to the shard's four children. Otherwise all
//!   providers below it were seen, and none of its children is asked. If in the end nobody was found
//!   in the root, its children are asked nevertheless: hostile nodes may surround one key.
//!
//! One flat row of N shards would cost every seeker N queries as soon as there are twenty providers;
//! the tree costs five for up to about forty, and 85 only for hundreds, while a provider announces
//! itself four times, whatever the number of shards. With random fingerprints the last level finds
//! 640 providers with less than one in a thousand missing (ten expected a shard, of twenty places).
//! The digits are fixed by the provider's key, so that the same provider is found by every seeker.

use std::fmt;

use crate::crypto::{PublicKey, sha256};
use crate::limits::{SHARD_FANOUT, SHARD_LEVELS};

/// One shard of a capability's providers.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(String);

impl Shard {
    /// The first shard, in which every provider announces itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The shards in which a provider with this key announces itself: one of each level, the first
    /// shard first.
    #[must_use]
    pub fn all_of(key: &PublicKey) -> Vec<Self> {
        let [mut bits, ..] = sha256(key.as_bytes());
        let mut shards = vec![Self::root()];
        let mut shard = Self::root();
        for _ in 0..SHARD_LEVELS {
            shard = shard.child(bits >> 6);
            bits <<= 2;
            shards.push(shard.clone());
        }
        shards
    }

    /// The shards that this one splits into; none at the last level.
    pub fn children(&self) -> impl Iterator<Item = Self> {
        let splits = if self.0.len() < SHARD_LEVELS { SHARD_FANOUT } else { 0 };
        (0..splits).map(|digit| self.child(digit))
    }

    /// Its digits, `0`–`3`; empty for the first shard.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    fn child(&self, digit: u8) -> Self {
        Self(format!("{}{digit}", self.0))
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({})", self.0)
    }
}
