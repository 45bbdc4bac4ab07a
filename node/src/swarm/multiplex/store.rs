//! Room for what has come and was not read, shared by all connections of a node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::account::Account;

/// Bytes that all connections may hold together, beyond what each has for itself.
pub(in crate::swarm) const ROOM: usize = 4 << 20;
/// A connection that holds more than its own, and has read nothing of it for so long, gives way to one
/// that finds no room.
const STALE: Duration = Duration::from_secs(1);
/// Pause between two looks for such a one, and between two tries of one that waits.
const PAUSE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(250);
/// Why it does.
const GIVES_WAY: &str = "nobody read what came on the connection, and others needed the room";

/// The store.
#[derive(Debug)]
pub(in crate::swarm) struct Store {
    free: Mutex<Free>,
    returned: Notify,
}

#[derive(Debug)]
struct Free {
    bytes: usize,
    /// Connections that hold some; those that are gone are removed when others are added.
    holders: Vec<Weak<Account>>,
    /// When somebody last looked for one that gives way.
    looked: Instant,
}

impl Default for Store {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Store {
    /// A store of so many bytes.
    pub(in crate::swarm) fn with_room(bytes: usize) -> Self {
        let free = Mutex::new(Free { bytes, holders: Vec::new(), looked: Instant::now() });
        Self { free, returned: Notify::new() }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `more` bytes for a connection that holds `held`. Each may have as much as it would leave: so a
    /// few that take all they can still leave some for the next.
    pub(super) fn take(&self, more: usize, held: usize) -> bool {
        let mut free = self.free();
        let fits = held + more <= free.bytes.saturating_sub(more);
        if fits {
            free.bytes -= more;
        }
        fits
    }

    /// Gives bytes back.
    pub(super) fn give(&self, bytes: usize) {
        if bytes > 0 {
            self.free().bytes += bytes;
            // One that waits is enough: another one looks again by itself.
            self.returned.notify_one();
        }
    }

    /// Remembers a connection that holds some.
    pub(super) fn note(&self, holder: &Arc<Account>) {
        let mut free = self.free();
        free.holders.retain(|known| known.strong_count() > 0);
        free.holders.push(Arc::downgrade(holder));
    }

    /// Forgets one that holds none any more.
    pub(super) fn forget(&self, holder: &Account) {
        self.free().holders.retain(|known| !std::ptr::eq(known.as_ptr(), holder));
    }

    /// Ends the connection that holds most of those that read nothing of it for a while.
    fn evict(&self) {
        let now = Instant::now();
        // Outside the lock: accounts take it while they hold their own.
        let mut free = self.free();
        if now.saturating_duration_since(free.looked) < PAUSE {
            return;
        }
        free.looked = now;
        let holders: Vec<_> = free.holders.iter().filter_map(Weak::upgrade).collect();
        drop(free);
        let stale = holders.iter().filter_map(|holder| Some((holder.stale(now, STALE)?, holder)));
        if let Some((_, holder)) = stale.max_by_key(|(held, _)| *held) {
            holder.end(GIVES_WAY);
        }
    }

    /// Waits until there may be room.
    pub(super) async fn returned(self: Arc<Self>) {
        let mut returned = std::pin::pin!(self.returned.notified());
        returned.as_mut().enable();
        self.evict();
        // Without anything coming back, somebody may be stale by then.
        let _ = tokio::time::timeout(RETRY, returned).await;
    }

    /// Bytes that nobody holds.
    #[cfg(test)]
    pub(in crate::swarm) fn available(&self) -> usize {
        self.free().bytes
    }
}
