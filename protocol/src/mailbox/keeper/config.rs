//! How much a mailbox node keeps, and for whom.

use std::time::Duration;

use crate::limits::MAX_ITEM_TTL;
use crate::rate_limit::Quota;

/// The quotas of a mailbox node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeeperConfig {
    /// Most owners.
    pub owners: usize,
    /// How long a box is kept whose owner does not show up.
    pub box_life: Duration,
    /// How long an item stays at most; never longer than [`MAX_ITEM_TTL`].
    pub ttl: Duration,
    /// Most items and bytes in all.
    pub total: Room,
    /// Most items and bytes for one owner.
    pub owner: Room,
    /// Most items and bytes for one owner from one sender.
    pub sender: Room,
    /// Most prekeys of one owner.
    pub prekeys: usize,
    /// Prekeys that one asker gets, of all owners together; beyond it the last-resort ones.
    pub taking: Quota,
    /// Most prekeys of one owner that one asker has and did not use.
    pub unused: usize,
    /// Most receipts from one owner for one sender.
    pub receipts: usize,
    /// Most receipts from one owner.
    pub owner_receipts: usize,
    /// Most receipts in all.
    pub total_receipts: usize,
}

/// A number of items, and of their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Items.
    pub items: usize,
    /// Bytes.
    pub bytes: u64,
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self {
            owners: 1_024,
            box_life: Duration::from_secs(60 * 86_400),
            ttl: MAX_ITEM_TTL,
            total: Room { items: 65_536, bytes: 1 << 30 },
            owner: Room { items: 8_192, bytes: 128 << 20 },
            sender: Room { items: 1_024, bytes: 32 << 20 },
            prekeys: 512,
            taking: Quota { per_minute: 10, burst: 128 },
            unused: 64,
            receipts: 256,
            owner_receipts: 4_096,
            total_receipts: 65_536,
        }
    }
}

impl Room {
    /// Whether `more` bytes as one more item stay within `limit`.
    pub(super) const fn fits(self, more: u64, limit: Self) -> bool {
        self.items < limit.items && self.bytes.saturating_add(more) <= limit.bytes
    }

    pub(super) const fn add(&mut self, bytes: u64) {
        self.items += 1;
        self.bytes += bytes;
    }

    pub(super) const fn subtract(&mut self, bytes: u64) {
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
