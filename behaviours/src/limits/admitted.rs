//! Peers with a session.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libp2p_core::PeerId;

/// Peers with a session, for everybody who treats strangers otherwise.
#[derive(Debug, Default)]
pub struct Admitted(Mutex<HashSet<PeerId>>);

impl Admitted {
    fn peers(&self) -> MutexGuard<'_, HashSet<PeerId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the peer has a session.
    #[must_use]
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.peers().contains(peer)
    }

    /// The peer has a session.
    pub fn insert(&self, peer: PeerId) {
        self.peers().insert(peer);
    }

    /// The peer has no session any more.
    pub fn remove(&self, peer: &PeerId) {
        self.peers().remove(peer);
    }
}
