//! What neighbours may spend: packets carried for them, packets brought for this node, and bytes
//! (§12.7).

use hashlink::LruCache;

use crate::crypto::PublicKey;
use crate::rate_limit::{Quota, RateLimited, TokenBucket};
use crate::time::Instant;

/// Most neighbours whose accounts are remembered.
const REMEMBERED: usize = 4_096;
/// What one token of the byte rate stands for.
pub(super) const BYTES_PER_TOKEN: usize = 16 << 10;

/// Quotas of one neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Packets handed on for it; each neighbour that is tried counts.
    pub carried: Quota,
    /// Packets that it brings for this node itself.
    pub brought: Quota,
    /// Bytes of both, in units of 16 KiB; a part of one counts as one.
    pub bytes: Quota,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            carried: Quota { per_minute: 120, burst: 240 },
            brought: Quota { per_minute: 1_200, burst: 2_400 },
            bytes: Quota { per_minute: 1_920, burst: 1_920 },
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    carried: TokenBucket,
    brought: TokenBucket,
    bytes: TokenBucket,
}

/// All accounts; that of the neighbour used least recently is forgotten first.
#[derive(Debug)]
pub(super) struct Accounts {
    quotas: Quotas,
    accounts: LruCache<PublicKey, Account>,
}

impl Accounts {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self { quotas, accounts: LruCache::new(REMEMBERED) }
    }

    /// `neighbour` pays for one try with `len` bytes on its behalf.
    pub(super) fn carry(
        &mut self,
        neighbour: PublicKey,
        len: usize,
        now: Instant,
    ) -> Result<(), RateLimited> {
        let Quotas { carried, bytes, .. } = self.quotas;
        self.charge(neighbour, |account| {
            account.carried.take(carried, now)?;
            take_bytes(&mut account.bytes, bytes, len, now)
        })
    }

    /// `neighbour` pays for bringing `len` bytes to this node.
    pub(super) fn bring(
        &mut self,
        neighbour: PublicKey,
        len: usize,
        now: Instant,
    ) -> Result<(), RateLimited> {
        let Quotas { brought, bytes, .. } = self.quotas;
        self.charge(neighbour, |account| {
            account.brought.take(brought, now)?;
            take_bytes(&mut account.bytes, bytes, len, now)
        })
    }

    /// A charge that cannot be paid in full takes nothing.
    fn charge(
        &mut self,
        neighbour: PublicKey,
        pay: impl FnOnce(&mut Account) -> Result<(), RateLimited>,
    ) -> Result<(), RateLimited> {
        let mut account = self.accounts.get(&neighbour).copied().unwrap_or_default();
        pay(&mut account)?;
        self.accounts.insert(neighbour, account);
        Ok(())
    }
}

fn take_bytes(
    bucket: &mut TokenBucket,
    quota: Quota,
    len: usize,
    now: Instant,
) -> Result<(), RateLimited> {
    (0..len.div_ceil(BYTES_PER_TOKEN)).try_for_each(|_| bucket.take(quota, now))
}
