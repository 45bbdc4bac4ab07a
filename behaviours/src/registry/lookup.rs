//! One lookup of a record: the walk to its key, and to the mirrors of that if there is doubt.
//!
//! Ids are free, so that somebody may hold the twenty that are nearest to a key, keep what is
//! published there to himself, and serve nothing or what is stale. Such ids stand out: they are many
//! times denser than ids elsewhere. A lookup that finds nothing, or too few who have the record, or
//! only ones that crowd around the key, therefore goes on to the key's two mirrors.

use std::collections::VecDeque;

use libp2p_core::PeerId;
use peer_protocol::registry::{Key, Lookup, Place, RegistryError};
use peer_protocol::time::Timestamp;

/// Which of the nearest is looked at, to tell how dense ids are.
pub(super) const RANK: usize = 10;
/// How many times as dense as around this node ids may be. By chance alone they are three times as
/// dense for one key in a hundred, which costs two more walks; whoever holds all twenty places needs
/// to be some twenty times as dense.
const CROWDED: u128 = 3;

/// A lookup under way.
#[derive(Debug)]
pub(super) struct Walks {
    lookup: Lookup,
    /// Distances to the key of those who have brought a valid record.
    holders: Vec<u128>,
    mirrors: VecDeque<Key>,
    /// Whether the walk to the key itself is over.
    mirrored: bool,
    asked: usize,
}

impl Walks {
    /// A lookup that takes up to `mirrors` further walks.
    pub(super) fn new(lookup: Lookup, mirrors: usize) -> Self {
        let mirrors = lookup.key().mirrors().take(mirrors).collect();
        Self { lookup, holders: Vec::new(), mirrors, mirrored: false, asked: 0 }
    }

    pub(super) fn feed(
        &mut self,
        peer: &PeerId,
        value: &[u8],
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        self.lookup.feed(value, now)?;
        if !self.mirrored {
            self.holders.push(distance(&self.lookup.key().place(), peer));
        }
        Ok(())
    }

    /// A walk is over; returns the next key to walk to, if that is necessary. `own` is how far the
    /// tenth nearest peer is from this node, if it knows more than a few.
    pub(super) fn next(&mut self, asked: usize, own: Option<u128>) -> Option<Key> {
        self.asked += asked;
        if !self.mirrored && !self.is_doubtful(own) {
            return None;
        }
        self.mirrored = true;
        self.mirrors.pop_front()
    }

    /// What was found, and how many requests that took.
    pub(super) fn finish(self) -> (Lookup, usize) {
        (self.lookup, self.asked)
    }

    fn is_doubtful(&mut self, own: Option<u128>) -> bool {
        if self.lookup.is_empty() {
            return true;
        }
        let Some(own) = own else { return false };
        self.holders.sort_unstable();
        match self.holders.get(RANK - 1) {
            Some(tenth) => *tenth < own / CROWDED,
            None => true,
        }
    }
}

/// How far a peer is from a place: the first half of the distance.
pub(super) fn distance(place: &Place, peer: &PeerId) -> u128 {
    let distance = place.distance(&Place::of(&peer.to_bytes()));
    distance.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walks(holders: &[u128]) -> Walks {
        let identity = |seed| {
            use peer_protocol::crypto::Ed25519Authenticator;
            let key = std::sync::Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
            peer_protocol::identity::Identity::new(Some("a".parse().unwrap()), key).unwrap()
        };
        let now = Timestamp::from_millis(1_800_000_000_000);
        let ttl = peer_protocol::limits::RECORD_TTL;
        let identity = identity(1);
        let record = peer_protocol::registry::Record::new(&identity, vec![], vec![], now, ttl);
        let mut lookup = Lookup::new(record.keys()[0]);
        if !holders.is_empty() {
            lookup.feed(&record.sign(&identity).unwrap(), now).unwrap();
        }
        Walks { holders: holders.to_vec(), ..Walks::new(lookup, 2) }
    }

    #[test]
    fn what_is_found_where_ids_are_as_dense_as_elsewhere_is_not_doubted() {
        let holders: Vec<u128> = (1..=20).map(|number| number * 100).collect();
        assert_eq!(walks(&holders).next(7, Some(1_000)), None);
        assert_eq!(walks(&holders).next(7, Some(3_000)), None);
        assert_eq!(walks(&[5]).next(7, None), None, "a small network");
    }

    #[test]
    fn nothing_few_and_crowded_answers_lead_to_both_mirrors() {
        let crowd: Vec<u128> = (1..=20).collect();
        for (holders, own) in [(&[][..], None), (&[50; 9], Some(1_000)), (&crowd, Some(1_000))] {
            let mut walks = walks(holders);
            let mirrors: Vec<_> = walks.lookup.key().mirrors().collect();
            assert_eq!(walks.next(7, own), Some(mirrors[0]));
            assert_eq!(walks.next(5, own), Some(mirrors[1]));
            assert_eq!(walks.next(3, own), None);
            assert_eq!(walks.finish().1, 15);
        }
    }
}
