//! The disk knows peers by key, libp2p by peer id.

use hashlink::LruCache;
use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;

/// Most that are remembered.
const MAX_NAMES: usize = 4_096;

/// Peer ids of keys, remembered: making one takes microseconds.
pub(super) struct Names(LruCache<PublicKey, PeerId>);

impl Default for Names {
    fn default() -> Self {
        Self(LruCache::new(MAX_NAMES))
    }
}

impl Names {
    /// The peer id of a key.
    pub(super) fn id(&mut self, key: &PublicKey) -> PeerId {
        *self.0.entry(*key).or_insert_with(|| peer_id_of(key))
    }
}

/// The peer id of a key.
pub(super) fn peer_id_of(key: &PublicKey) -> PeerId {
    // Every usable key has one. If libp2p were ever stricter than the protocol, the holder would be
    // nobody that can be reached.
    secure::peer_id_of(key).unwrap_or_else(PeerId::random)
}
