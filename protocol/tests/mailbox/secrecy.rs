//! Forward secrecy: what was fetched stays closed to whoever later gets everything that there is.

use std::collections::{BTreeSet, HashSet};

use peer_protocol::crypto::{PrekeyPair, Secret, SuiteRegistry};
use peer_protocol::mailbox::Item;
use sha2::{Digest as _, Sha512};

use crate::people::Disk;
use crate::simulation::{Rules, Who, World};

/// Every 32 bytes in a row that a disk holds: whatever way a key is written, it is among them.
fn keys_on(disk: &Disk) -> BTreeSet<[u8; 32]> {
    let rows = disk.0.iter().flat_map(|(key, value)| [key, value]);
    rows.flat_map(|bytes| bytes.windows(32)).map(|part| part.try_into().unwrap()).collect()
}

/// The long-term keys of all, as they are and as the X25519 keys that the same seeds make.
fn long_term_keys() -> BTreeSet<[u8; 32]> {
    let seeds = [1, 2, 10, 11, 12].map(|seed| [seed; 32]);
    let scalars = seeds.map(|seed| Sha512::digest(seed)[..32].try_into().unwrap());
    seeds.into_iter().chain(scalars).collect()
}

/// How many of `items` open with any of `keys`.
fn opened(world: &World, items: &[Item], keys: &BTreeSet<[u8; 32]>) -> usize {
    let own = world.receiver.key();
    let suites = SuiteRegistry::default();
    let pairs: Vec<_> =
        keys.iter().map(|key| PrekeyPair::from_secret(&Secret::new(*key))).collect();
    let now = items[0].header().expires - std::time::Duration::from_secs(86_400);
    let opens = |item: &&Item| pairs.iter().any(|pair| item.open(&own, pair, &suites, now).is_ok());
    items.iter().filter(opens).count()
}

#[test]
fn what_was_fetched_cannot_be_opened_with_any_key_that_is_left() {
    let mut world = World::new(7, Rules { messages: 30, prekeys: 6, ..Rules::default() });
    world.turn(Who::Receiver);
    world.turn(Who::Sender);
    let before = keys_on(&world.receiver.disk);
    world.turn(Who::Receiver);
    world.turn(Who::Sender);
    world.turn(Who::Receiver);
    world.check();

    let recorded = world.nodes.iter().flat_map(|node| &node.recorded);
    let items: Vec<_> = recorded.map(|bytes| Item::decode(bytes.to_vec()).unwrap()).collect();
    assert!(items.len() >= 3, "{}", items.len());
    let mut left = long_term_keys();
    left.extend(keys_on(&world.receiver.disk));
    left.extend(keys_on(&world.sender.disk));
    world.nodes.iter().for_each(|node| left.extend(keys_on(&node.disk)));
    assert_eq!(opened(&world, &items, &left), 0, "of {} with {} keys", items.len(), left.len());
    // Had the prekeys stayed, all would open: that they are deleted is what keeps them closed.
    assert_eq!(opened(&world, &items, &before), items.len());
    let used: HashSet<_> = items.iter().map(|item| item.header().prekey).collect();
    assert_eq!(used.len(), items.len(), "each item has a prekey of its own");
    assert!(used.iter().all(|id| !world.receiver.receiver.keyring().has(*id)), "wiped in memory");
}
