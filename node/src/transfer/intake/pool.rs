//! How much may come in, and lie here.

use std::collections::HashMap;

use peer_protocol::transfer::TransferError;

/// One part in so many of what there is for all is kept for pinned peers.
const KEPT_FREE: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    open: usize,
    bytes: u64,
}

/// Open transfers, and bytes: those that open transfers bring, and those that complete ones left here.
#[derive(Debug)]
pub(super) struct Pool {
    most_per_peer: Used,
    most: Used,
    peers: HashMap<[u8; 32], Used>,
    all: Used,
}

impl Pool {
    pub(super) fn new(open_per_peer: usize, open: usize, per_peer: u64, total: u64) -> Self {
        Self {
            most_per_peer: Used { open: open_per_peer, bytes: per_peer },
            most: Used { open, bytes: total },
            peers: HashMap::new(),
            all: Used::default(),
        }
    }

    /// Makes room for a transfer of `total` bytes of `peer`. The last part of what all have together is
    /// for those who are `entitled`, so that throw-away names do not shut them out.
    ///
    /// # Errors
    /// [`TransferError`] if there is none; nothing has changed then.
    pub(super) fn open(
        &mut self,
        peer: [u8; 32],
        total: u64,
        entitled: bool,
    ) -> Result<(), TransferError> {
        let own = self.peers.get(&peer).copied().unwrap_or_default();
        let mut most = self.most;
        if !entitled {
            most.open -= most.open / KEPT_FREE;
            most.bytes -= most.bytes / KEPT_FREE as u64;
        }
        for (used, most) in [(own, self.most_per_peer), (self.all, most)] {
            if used.open >= most.open {
                return Err(TransferError::TooMany { open: used.open });
            }
            let left = most.bytes.saturating_sub(used.bytes);
            if total > left {
                return Err(TransferError::Quota { total, left });
            }
        }
        self.open_anyway(peer, total);
        Ok(())
    }

    /// The same for a transfer that was let in before.
    pub(super) fn open_anyway(&mut self, peer: [u8; 32], total: u64) {
        self.keep(peer, total);
        self.all.open += 1;
        self.peers.entry(peer).or_default().open += 1;
    }

    /// A transfer is open no more, and its bytes are not counted any more.
    pub(super) fn close(&mut self, peer: [u8; 32], total: u64) {
        self.all.open = self.all.open.saturating_sub(1);
        if let Some(own) = self.peers.get_mut(&peer) {
            own.open = own.open.saturating_sub(1);
        }
        self.release(peer, total);
    }

    /// So many bytes lie here.
    pub(super) fn keep(&mut self, peer: [u8; 32], bytes: u64) {
        self.all.bytes = self.all.bytes.saturating_add(bytes);
        let own = self.peers.entry(peer).or_default();
        own.bytes = own.bytes.saturating_add(bytes);
    }

    /// They are gone.
    pub(super) fn release(&mut self, peer: [u8; 32], bytes: u64) {
        self.all.bytes = self.all.bytes.saturating_sub(bytes);
        if let Some(own) = self.peers.get_mut(&peer) {
            own.bytes = own.bytes.saturating_sub(bytes);
            if own.open == 0 && own.bytes == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_and_bytes_are_bounded_per_peer_and_in_all() {
        let mut pool = Pool::new(2, 3, 100, 150);
        let (one, other, third) = ([1; 32], [2; 32], [3; 32]);
        pool.open(one, 40, true).unwrap();
        assert_eq!(pool.open(one, 61, true), Err(TransferError::Quota { total: 61, left: 60 }));
        pool.open(one, 60, true).unwrap();
        assert_eq!(pool.open(one, 0, true), Err(TransferError::TooMany { open: 2 }));
        assert_eq!(pool.open(other, 51, true), Err(TransferError::Quota { total: 51, left: 50 }));
        pool.open(other, 50, true).unwrap();
        assert_eq!(pool.open(third, 0, true), Err(TransferError::TooMany { open: 3 }));
        pool.close(one, 40);
        pool.keep(one, 40);
        assert_eq!(pool.open(one, 1, true), Err(TransferError::Quota { total: 1, left: 0 }));
        pool.release(one, 40);
        pool.open(one, 40, true).unwrap();
    }

    #[test]
    fn strangers_leave_room_for_those_who_are_pinned() {
        let mut pool = Pool::new(4, 16, 64, 512);
        let mut taken = 0;
        for stranger in 10..30 {
            taken += u32::from(pool.open([stranger; 32], 64, false).is_ok());
        }
        assert_eq!((taken, pool.all.bytes), (7, 448));
        assert_eq!(pool.open([1; 32], 64, true), Ok(()));
        let mut pool = Pool::new(4, 16, 64, 512);
        let opened = (10..40).filter(|peer| pool.open([*peer; 32], 0, false).is_ok()).count();
        assert_eq!(opened, 14);
        assert_eq!(pool.open([1; 32], 0, true), Ok(()));
    }

    #[test]
    fn nothing_is_remembered_of_peers_that_left_nothing() {
        let mut pool = Pool::new(1, 1000, 100, 1000);
        for peer in 0..200 {
            pool.open([peer; 32], 5, true).unwrap();
            pool.close([peer; 32], 5);
        }
        assert!(pool.peers.is_empty());
        assert_eq!((pool.all.open, pool.all.bytes), (0, 0));
    }
}
