use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::limits::{MAX_CHANGED_KEYS, MAX_FOUND_PROVIDERS};

type Store = ProviderStore<Bytes>;

fn peer(number: u32) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn provider(number: u32) -> Provider {
    Provider::new(peer(number), [Bytes::from_static(b"/ip4/192.0.2.1/tcp/1")]).unwrap()
}

fn store(limits: Limits) -> Store {
    ProviderStore::new(Place::of(b"own"), limits)
}

/// One node holds all keys; `count` providers announce themselves; one seeker looks for all.
fn found(count: u32) -> (usize, usize) {
    let limits = Limits { total: 1 << 20, ..Store::LIMITS };
    let mut holder = store(limits);
    for number in 0..count {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let key = crate::crypto::Authenticator::public_key(&Ed25519Authenticator::from_seed(&seed));
        for shard in Shard::all_of(&key) {
            let key = Key::of_providers(&can("x"), &shard);
            let _ = holder.put(Origin::Peer(peer(number)), key.as_bytes(), provider(number), NOW);
        }
    }
    let mut search = CapabilitySearch::new(can("x"), usize::MAX);
    let mut queries = 0;
    while !search.is_done() {
        let key = search.next_key().unwrap();
        queries += 1;
        let answer: Vec<_> = holder.get(&key, NOW).map(|it| it.peer().clone()).collect();
        search.feed(&key, answer);
        search.answered(&key);
    }
    assert_eq!(search.next_key(), None);
    (search.found().len(), queries)
}

#[test]
fn all_providers_are_found_far_beyond_twenty() {
    let mut seen = BTreeMap::new();
    for count in [0, 1, 19, 20, 21, 40, 100, 160, 640] {
        let (found, queries) = found(count);
        assert!(found as f64 >= f64::from(count) * 0.999, "{found} of {count}");
        seen.insert(count, queries);
    }
    assert_eq!((seen[&0], seen[&19], seen[&21], seen[&40]), (5, 1, 5, 5));
    assert!(seen[&640] <= 85);
}

#[test]
fn a_search_ends_when_it_knows_enough_and_goes_on_when_one_was_no_good() {
    let mut search = CapabilitySearch::new(can("x"), 3);
    let root = search.next_key().unwrap();
    assert_eq!(search.next_key(), None, "its children come when it turns out to be full");
    assert!(!search.is_done());
    assert_eq!(search.feed(&root, 0..20), (0..20).collect::<Vec<_>>());
    assert!(search.feed(&root, 0..20).is_empty(), "nobody is new twice");
    search.answered(&root);
    assert!(search.is_done());
    assert_eq!(search.next_key(), None);
    for liar in 0..18 {
        assert!(search.reject(liar));
    }
    assert!(!search.is_done() && !search.reject(0));
    let child = search.next_key().unwrap();
    assert_eq!(search.feed(&child, [0, 20]), [20], "a liar is not found again");
    assert!(search.feed(&key_of("a"), [99]).is_empty(), "nobody asked");
    assert_eq!(search.found(), &BTreeSet::from([18, 19, 20]));
}

#[test]
fn lies_cost_a_search_at_most_85_queries_and_bounded_memory() {
    let mut search = CapabilitySearch::new(can("x"), usize::MAX);
    let (mut queries, mut lie) = (0, 0);
    while let Some(key) = search.next_key() {
        queries += 1;
        for _ in 0..50 {
            search.feed(&key, lie..lie + 1_000);
            lie += 1_000;
        }
        search.answered(&key);
    }
    assert!(search.is_done() && queries <= 85);
    assert_eq!(search.found().len(), 2_048);
}

/// Providers cost their inventor nothing, and the search a look at each.
#[test]
fn a_search_all_of_whose_providers_are_rejected_ends() {
    let mut search = CapabilitySearch::new(can("x"), 1);
    let root = search.next_key().unwrap();
    let mut looked_at = 0;
    for answer in 0..200 {
        for liar in search.feed(&root, answer * 20..(answer + 1) * 20) {
            assert!(search.reject(liar));
            looked_at += 1;
        }
    }
    search.answered(&root);
    assert_eq!(looked_at, MAX_FOUND_PROVIDERS);
    assert!(search.is_done() && search.found().is_empty());
    assert_eq!(search.next_key(), None);
}

#[test]
fn when_the_root_leads_to_nobody_its_children_are_asked() {
    let mut search = CapabilitySearch::new(can("x"), 9);
    let root = search.next_key().unwrap();
    search.feed(&root, [1, 2]);
    search.answered(&root);
    assert!(search.is_done());
    assert!(search.reject(1) && search.reject(2) && !search.is_done());
    let children: Vec<_> = std::iter::from_fn(|| search.next_key()).collect();
    assert_eq!(children.len(), 4);
    search.feed(&children[3], [3]);
    children.iter().for_each(|child| search.answered(child));
    assert!(search.is_done() && search.found().contains(&3));
    assert!(search.reject(3) && search.is_done(), "once");
}

#[test]
fn a_few_that_invent_providers_do_not_make_a_shard_full() {
    for (liars, queries) in [(0, 1), (6, 1), (7, 5), (20, 5)] {
        let mut search = CapabilitySearch::new(can("x"), usize::MAX);
        let root = search.next_key().unwrap();
        for answer in 0..20 {
            let names = if answer < liars { 100 * answer..100 * answer + 99 } else { 0..19 };
            search.feed(&root, names);
        }
        search.answered(&root);
        let mut asked = 1;
        while let Some(key) = search.next_key() {
            search.answered(&key);
            asked += 1;
        }
        assert_eq!(asked, queries, "{liars}");
    }
}

#[test]
fn providers_are_bounded_per_key_per_source_and_in_all() {
    let limits = Limits { total: 50, per_source: 5, per_key: 20 };
    let mut store = store(limits);
    let key = Key::of_providers(&can("x"), &Shard::root());
    for number in 0..30 {
        let put = store.put(Origin::Peer(peer(number)), key.as_bytes(), provider(number), NOW);
        assert_eq!(put.is_ok(), number < 20, "who comes first keeps its place");
    }
    assert_eq!(store.refusals().get(Reason::Crowded), 10);
    let own = store.put(Origin::Own, key.as_bytes(), provider(99), NOW);
    assert_eq!(own, Ok(Accepted::Stored), "this node itself always finds room");
    assert_eq!(store.get(&key, NOW).count(), 20);
    for number in 0..30 {
        let key = Key::of_providers(&can(&format!("c{number}")), &Shard::root());
        let put = store.put(Origin::Peer(peer(1)), key.as_bytes(), provider(1), NOW);
        assert_eq!(put.is_ok(), number < 4, "one of its five is above");
    }
    for number in 100..300 {
        let key = Key::of_providers(&can(&format!("c{number}")), &Shard::root());
        let _ = store.put(Origin::Peer(peer(number)), key.as_bytes(), provider(number), NOW);
        assert!(store.len() <= 50);
    }
    assert_eq!(store.put(Origin::Own, b"short", provider(1), NOW), Err(RegistryError::Key.into()));
}

#[test]
fn providers_are_refreshed_expire_and_come_back_from_disk() {
    let mut store = store(Store::LIMITS);
    let key = Key::of_providers(&can("x"), &Shard::root());
    let day = crate::limits::PROVIDER_TTL;
    let put = |store: &mut Store, number, now| {
        store.put(Origin::Peer(peer(number)), key.as_bytes(), provider(number), now)
    };
    assert_eq!(put(&mut store, 1, NOW), Ok(Accepted::Stored));
    assert_eq!(put(&mut store, 2, NOW), Ok(Accepted::Stored));
    assert_eq!(put(&mut store, 1, NOW + SECOND), Ok(Accepted::Refreshed));
    let mut warm = self::store(Store::LIMITS);
    for (key, provider, origin, expires) in store.iter() {
        let now = NOW + 2 * SECOND;
        warm.import(origin.clone(), key.as_bytes(), provider.clone(), expires, now).unwrap();
    }
    for store in [&mut store, &mut warm] {
        assert_eq!(store.get(&key, NOW + day).map(Provider::peer).collect::<Vec<_>>(), [&peer(1)]);
        assert_eq!((store.sweep(NOW + day), store.len()), (1, 1));
        assert!(store.remove(&key, &peer(1)) && store.is_empty());
        assert!(!store.remove(&key, &peer(1)), "it is gone");
    }
    let late = warm.import(Origin::Own, key.as_bytes(), provider(1), NOW, NOW);
    assert!(matches!(late, Err(Refusal::Record(RegistryError::Expired { .. }))));
}

/// Entries of providers change whenever they are put: what is on disk is to live as long as they do.
#[test]
fn keys_of_providers_that_changed_are_told_and_no_more_than_are_bounded() {
    let mut store = store(Limits { total: 1 << 20, per_source: 1 << 20, per_key: 20 });
    let key = Key::of_providers(&can("x"), &Shard::root());
    let mut put = |key: &Key, now| {
        let put = store.put(Origin::Peer(peer(1)), key.as_bytes(), provider(1), now);
        put.unwrap();
        store.take_changed(2)
    };
    assert_eq!(put(&key, NOW), [key]);
    assert!(put(&key, NOW).is_empty(), "the same again lives no longer");
    assert_eq!(put(&key, NOW + SECOND), [key]);
    for number in 0..=MAX_CHANGED_KEYS as u64 {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        store.put(Origin::Peer(peer(1)), &bytes, provider(1), NOW).unwrap();
    }
    assert_eq!(store.take_changed(usize::MAX).len(), MAX_CHANGED_KEYS);
}

#[test]
fn a_provider_has_no_more_addresses_than_fit_one_answer() {
    let long = |len: usize| Bytes::from(vec![b'/'; len]);
    let addresses = [long(257), long(256), long(256), long(256), long(124), long(1)];
    let kept = Provider::new(long(4), addresses).unwrap();
    let lens: Vec<_> = kept.addresses().iter().map(Bytes::len).collect();
    assert_eq!(lens, [256, 256, 124], "what is too long is left out, the rest stays");
    assert_eq!(Provider::new(long(4), vec![long(1); 50]).unwrap().addresses().len(), 16);
    assert!(matches!(Provider::new(long(641), []), Err(RegistryError::Limit { .. })));
}
