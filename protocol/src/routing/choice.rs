//! Which neighbour comes next (§12.4).

use std::collections::HashMap;

use super::routes::{Routes, Standing};
use crate::crypto::PublicKey;
use crate::registry::Place;
use crate::time::Instant;

/// Most packets under way over one neighbour; more wait for nothing but each other.
const MAX_OVER_NEIGHBOUR: usize = 64;

/// A node with a direct connection that speaks the hop protocol.
#[derive(Debug)]
pub(super) struct Neighbour {
    place: Place,
    /// Packets handed to it whose outcome is not known yet.
    pub(super) under_way: usize,
    /// It said that it takes nothing for others before.
    pub(super) paused_until: Instant,
}

impl Neighbour {
    pub(super) fn new(key: &PublicKey) -> Self {
        Self { place: place_of(key), under_way: 0, paused_until: Instant::default() }
    }
}

/// The next hop for a packet to `destination`, if one is left that `skip` does not rule out: the
/// destination itself; then those over which it answered, the shortest way first; then those whose
/// places are nearest to its own. Those that failed lately come last.
pub(super) fn next_hop(
    neighbours: &HashMap<PublicKey, Neighbour>,
    routes: &Routes,
    destination: &PublicKey,
    now: Instant,
    skip: impl Fn(&PublicKey) -> bool,
) -> Option<PublicKey> {
    let place = place_of(destination);
    let free = neighbours.iter().filter(|(key, neighbour)| {
        neighbour.under_way < MAX_OVER_NEIGHBOUR
            && (neighbour.paused_until <= now || *key == destination)
            && !skip(key)
    });
    let rank = |key: &PublicKey, neighbour: &Neighbour| {
        let standing = if key == destination {
            Standing::Proven(0)
        } else {
            routes.standing(destination, key, now)
        };
        (standing, neighbour.place.distance(&place))
    };
    free.min_by_key(|(key, neighbour)| rank(key, neighbour)).map(|(key, _)| *key)
}

/// The place of the holder of `key`: that of its libp2p peer id, an identity multihash of the key as
/// protobuf (§1.1).
fn place_of(key: &PublicKey) -> Place {
    const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    let mut peer_id = [0; 38];
    let (prefix, rest) = peer_id.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    rest.copy_from_slice(key.as_bytes());
    Place::of(&peer_id)
}
