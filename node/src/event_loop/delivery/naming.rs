//! The disk knows peers by key, libp2p by peer id.

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;

/// The peer id of a key.
pub(super) fn peer_id_of(key: &PublicKey) -> PeerId {
    // Every usable key has one. If libp2p were ever stricter than the protocol, the holder would be
    // nobody that can be reached.
    secure::peer_id_of(key).unwrap_or_else(PeerId::random)
}
