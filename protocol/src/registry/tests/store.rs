use super::*;
use crate::crypto::PublicKey;

const LIMITS: Limits = Limits { total: 8, per_source: 3, per_key: 2 };

fn store(limits: Limits) -> RecordStore<u32> {
    RecordStore::new(Place::of(b"own"), [7; 32], limits)
}

fn public(seed: u8) -> PublicKey {
    *identity("x", seed).public_key()
}

fn put(
    store: &mut RecordStore<u32>,
    source: u32,
    entity: &str,
    value: &[u8],
) -> Result<Accepted, Refusal> {
    store.put(Origin::Peer(source), key_of(entity).as_bytes(), value, NOW)
}

#[test]
fn the_newest_is_kept_and_an_older_one_is_refused() {
    let mut store = store(LIMITS);
    let (old, new) = (signed("a", 1, NOW - SECOND), signed("a", 1, NOW));
    assert_eq!(put(&mut store, 1, "a", &old), Ok(Accepted::Stored));
    assert_eq!(put(&mut store, 2, "a", &new), Ok(Accepted::Stored));
    assert_eq!(put(&mut store, 1, "a", &new), Ok(Accepted::Refreshed));
    assert_eq!(put(&mut store, 3, "a", &old), Err(Refusal::Superseded), "a replay");
    assert_eq!(store.get(&key_of("a"), NOW), Some(&new));
    assert_eq!((store.len(), store.refusals().get(Reason::Superseded)), (1, 1));
    assert_eq!(store.refusals().total(), 1);
}

/// No record stays for longer than a day after it was brought last, nor than its signature says.
#[test]
fn an_equal_version_refreshes_the_expiry() {
    let mut store = store(LIMITS);
    let ahead = signed("a", 1, NOW + SECOND);
    put(&mut store, 1, "a", &ahead).unwrap();
    let expiry = |store: &RecordStore<u32>| store.iter().next().unwrap().expires;
    assert_eq!(expiry(&store), NOW + RECORD_TTL);
    let mut again = |now| store.put(Origin::Peer(2), key_of("a").as_bytes(), &ahead, now);
    assert_eq!(again(NOW + SECOND), Ok(Accepted::Refreshed));
    assert_eq!(again(NOW + 2 * SECOND), Ok(Accepted::Refreshed));
    assert_eq!(expiry(&store), NOW + SECOND + RECORD_TTL);
}

#[test]
fn a_withdrawal_keeps_older_records_out_for_as_long_as_they_could_live() {
    let mut store = store(LIMITS);
    let (old, gone) = (signed("a", 1, NOW - SECOND), withdrawn("a", 1, NOW));
    put(&mut store, 1, "a", &old).unwrap();
    assert_eq!(put(&mut store, 1, "a", &gone), Ok(Accepted::Stored));
    let key = key_of("a");
    let later = |ago: Duration| NOW + RECORD_TTL - ago;
    let again = store.put(Origin::Peer(2), key.as_bytes(), &old, later(2 * SECOND));
    assert_eq!(again, Err(Refusal::Superseded));
    assert_eq!(store.get(&key, later(SECOND)), Some(&gone));
    assert_eq!(store.get(&key, later(Duration::ZERO)), None);
    assert_eq!(store.sweep(later(Duration::ZERO)), 1);
    let again = store.put(Origin::Peer(2), key.as_bytes(), &old, later(Duration::ZERO));
    assert!(matches!(again, Err(Refusal::Record(RegistryError::Expired { .. }))));
    let back = signed("a", 1, NOW + SECOND);
    put(&mut store, 1, "a", &gone).unwrap();
    assert_eq!(put(&mut store, 1, "a", &back), Ok(Accepted::Stored), "it may come back");
}

#[test]
fn expired_records_are_neither_served_nor_kept() {
    let mut store = store(LIMITS);
    put(&mut store, 1, "a", &signed("a", 1, NOW - RECORD_TTL + SECOND)).unwrap();
    put(&mut store, 1, "b", &signed("b", 1, NOW)).unwrap();
    assert!(store.get(&key_of("a"), NOW).is_some());
    assert_eq!(store.get(&key_of("a"), NOW + SECOND), None);
    assert_eq!(store.claims(&key_of("a"), NOW + SECOND).count(), 0);
    assert_eq!((store.sweep(NOW), store.sweep(NOW + SECOND)), (0, 1));
    assert_eq!(store.len(), 1);
}

#[test]
fn one_source_does_not_fill_the_store() {
    let mut store = store(LIMITS);
    let mut kept = 0;
    for number in 0..20 {
        let entity = format!("flood-{number}");
        kept += usize::from(put(&mut store, 1, &entity, &signed(&entity, 1, NOW)).is_ok());
    }
    assert_eq!((kept, store.len()), (3, 3));
    assert_eq!(store.refusals().get(Reason::SourceFull), 17);
    put(&mut store, 2, "a", &signed("a", 2, NOW)).unwrap();
    // Bringing what another brought, again or newer, costs the flooder nothing and gains it nothing.
    assert_eq!(put(&mut store, 1, "a", &signed("a", 2, NOW)), Ok(Accepted::Refreshed));
    assert_eq!(put(&mut store, 1, "a", &signed("a", 2, NOW + SECOND)), Ok(Accepted::Stored));
    assert_eq!(store.iter().filter(|stored| *stored.origin == Origin::Peer(2)).count(), 1);
    // Once its records are gone, there is room again.
    assert_eq!(store.sweep(NOW + RECORD_TTL), 4);
    let entity = "flood-again";
    let value = signed(entity, 1, NOW + RECORD_TTL);
    let again = store.put(Origin::Peer(1), key_of(entity).as_bytes(), &value, NOW + RECORD_TTL);
    assert_eq!(again, Ok(Accepted::Stored));
}

#[test]
fn a_full_store_keeps_the_nearest_and_its_own() {
    let mut store = store(LIMITS);
    let own = signed("own", 9, NOW);
    let accepted = store.put(Origin::Own, key_of("own").as_bytes(), &own, NOW);
    assert_eq!(accepted, Ok(Accepted::Stored));
    let mut all = Vec::new();
    for number in 0..40 {
        let entity = format!("e{number}");
        let distance = key_of(&entity).place().distance(&Place::of(b"own"));
        all.push((distance, key_of(&entity)));
        let _ = put(&mut store, number, &entity, &signed(&entity, 1, NOW));
    }
    all.sort();
    let nearest: Vec<_> = all.iter().take(7).map(|(_, key)| *key).collect();
    let kept: Vec<_> = store
        .iter()
        .filter(|stored| *stored.origin != Origin::Own)
        .map(|stored| stored.key)
        .collect();
    assert_eq!(kept, nearest);
    assert_eq!((store.len(), store.get(&key_of("own"), NOW)), (8, Some(&own)));
    assert!(store.refusals().get(Reason::Full) > 0);
    // A node's own records always find room.
    for number in 0..10 {
        let entity = format!("own-{number}");
        let value = signed(&entity, 9, NOW);
        assert!(store.put(Origin::Own, key_of(&entity).as_bytes(), &value, NOW).is_ok());
    }
    assert_eq!(store.len(), 11, "eleven of its own, and none of others");
}

#[test]
fn two_keys_stand_side_by_side_and_more_are_refused() {
    let mut store = store(LIMITS);
    let (first, second) = (signed("a", 1, NOW - SECOND), signed("a", 2, NOW));
    put(&mut store, 1, "a", &first).unwrap();
    assert_eq!(put(&mut store, 2, "a", &second), Ok(Accepted::Stored));
    assert_eq!(put(&mut store, 3, "a", &signed("a", 3, NOW)), Err(Refusal::Crowded));
    assert_eq!(store.claims(&key_of("a"), NOW).collect::<Vec<_>>(), [&first, &second]);
    assert!(store.remove(&key_of("a"), &public(1)));
    assert!(!store.remove(&key_of("a"), &public(1)));
    assert_eq!(store.get(&key_of("a"), NOW), Some(&second));
    assert_eq!((store.remove_all(&key_of("a")), store.is_empty()), (1, true));
}

/// Each of two claims is served by some of twenty nodes, and no newer record changes which.
#[test]
fn nodes_differ_in_which_claim_they_serve() {
    let (first, second) = (signed("a", 1, NOW), signed("a", 2, NOW + SECOND));
    let mut served = [0, 0];
    for node in 0..20 {
        let mut store = RecordStore::new(Place::of(b"own"), [node; 32], LIMITS);
        put(&mut store, 1, "a", &first).unwrap();
        put(&mut store, 2, "a", &second).unwrap();
        let value = store.get(&key_of("a"), NOW).unwrap();
        served[usize::from(*value == second)] += 1;
        put(&mut store, 3, "a", &withdrawn("a", 1, NOW + SECOND)).unwrap();
        assert_eq!(store.get(&key_of("a"), NOW), Some(&second), "a live claim goes first");
    }
    assert!(served.iter().all(|count| *count > 3), "{served:?}");
    let mut store = store(LIMITS);
    put(&mut store, 1, "a", &first).unwrap();
    put(&mut store, 2, "a", &second).unwrap();
    for (own, seed) in [(&first, 1), (&second, 2)] {
        store.put(Origin::Own, key_of("a").as_bytes(), own, NOW).unwrap();
        assert_eq!(store.get(&key_of("a"), NOW), Some(own), "its own goes first of all");
        store.remove(&key_of("a"), &public(seed));
        put(&mut store, 1, "a", own).unwrap();
    }
}

#[test]
fn what_is_exported_comes_back_until_it_would_have_left() {
    let mut store = store(LIMITS);
    store.put(Origin::Own, key_of("own").as_bytes(), &signed("own", 9, NOW), NOW).unwrap();
    put(&mut store, 1, "a", &signed("a", 1, NOW)).unwrap();
    put(&mut store, 2, "b", &withdrawn("b", 2, NOW)).unwrap();
    let later = NOW + SECOND;
    let mut warm = self::store(LIMITS);
    for stored in store.iter() {
        let origin = stored.origin.clone();
        let expires = stored.expires;
        let imported = warm.import(origin, stored.key.as_bytes(), stored.value, expires, later);
        assert_eq!(imported, Ok(Accepted::Stored));
    }
    assert_eq!(warm.iter().collect::<Vec<_>>(), store.iter().collect::<Vec<_>>());
    let (key, value) = (key_of("c"), signed("c", 1, NOW));
    let soon = NOW + 2 * SECOND;
    warm.import(Origin::Peer(4), key.as_bytes(), &value, soon, NOW).unwrap();
    assert_eq!(warm.get(&key, soon), None);
    assert_eq!(warm.sweep(soon), 1);
    let refused = warm.import(Origin::Peer(4), key.as_bytes(), &value, soon, soon);
    assert!(matches!(refused, Err(Refusal::Record(RegistryError::Expired { .. }))));
    let spoilt = warm.import(Origin::Peer(4), key.as_bytes(), &value[1..], later + SECOND, NOW);
    assert!(matches!(spoilt, Err(Refusal::Record(RegistryError::Cbor(_)))));
}

#[test]
fn records_verified_elsewhere_are_taken_too() {
    let mut store = store(LIMITS);
    let key = key_of("a");
    let verified = |bytes: &[u8]| verify(bytes, &key).unwrap();
    let (old, new) = (signed("a", 1, NOW - SECOND), signed("a", 1, NOW));
    assert_eq!(store.insert(Origin::Peer(1), &verified(&new), NOW), Ok(Accepted::Stored));
    assert_eq!(store.insert(Origin::Peer(1), &verified(&new), NOW), Ok(Accepted::Refreshed));
    assert_eq!(store.insert(Origin::Peer(1), &verified(&old), NOW), Err(Refusal::Superseded));
    let late = store.insert(Origin::Peer(1), &verified(&new), NOW + RECORD_TTL);
    assert!(matches!(late, Err(Refusal::Record(RegistryError::Expired { .. }))));
    assert_eq!(store.get(&key, NOW), Some(&new));
}

/// They are counted by these words.
#[test]
fn each_reason_has_words_of_its_own() {
    let reasons = [
        Reason::TooLong,
        Reason::Malformed,
        Reason::WrongKey,
        Reason::Ttl,
        Reason::Future,
        Reason::Expired,
        Reason::Identity,
        Reason::Signature,
        Reason::Untrusted,
        Reason::Superseded,
        Reason::Crowded,
        Reason::SourceFull,
        Reason::Full,
    ];
    let words: std::collections::BTreeSet<_> = reasons.map(Reason::as_str).into();
    assert_eq!(words.len(), reasons.len());
    assert!(!words.contains(""));
}

/// Sources of ten belong together.
fn tens(source: &u32) -> Option<u32> {
    (*source < 90).then(|| 1_000 + source / 10)
}

#[test]
fn a_group_of_sources_brings_no_more_than_its_share() {
    let limits = Limits { total: 100, per_source: 3, per_key: 2 };
    let mut store = store(limits).with_groups(tens, 4);
    let brought = |store: &mut RecordStore<u32>, source, entity: &str| {
        let value = signed(entity, 1, NOW);
        put(store, source, entity, &value)
    };
    for (source, entity) in [(10, "a"), (11, "b"), (12, "c"), (13, "d")] {
        assert_eq!(brought(&mut store, source, entity), Ok(Accepted::Stored));
    }
    assert_eq!(brought(&mut store, 14, "e"), Err(Refusal::SourceFull));
    assert_eq!(brought(&mut store, 20, "e"), Ok(Accepted::Stored), "another group");
    for (source, entity) in [(95, "f"), (96, "g"), (97, "h"), (98, "i"), (99, "j")] {
        assert_eq!(brought(&mut store, source, entity), Ok(Accepted::Stored), "of no group");
    }
    assert_eq!(store.remove_all(&key_of("a")), 1);
    assert_eq!(brought(&mut store, 14, "k"), Ok(Accepted::Stored), "its place is free again");
    assert_eq!(brought(&mut store, 10, "l"), Err(Refusal::SourceFull));
}

#[test]
fn keys_that_changed_are_told_once() {
    let limits = Limits { total: 2, per_source: 9, per_key: 2 };
    let mut store = store(limits);
    let mut names = ["a", "b", "c"];
    names.sort_by_key(|name| std::cmp::Reverse(Place::of(b"own").distance(&key_of(name).place())));
    let [far, middle, near] = names;
    let told = |store: &mut RecordStore<u32>| {
        let mut keys = store.take_changed(1);
        keys.extend(store.take_changed(9));
        keys
    };
    let sorted = |names: &[&str]| {
        let mut keys: Vec<_> = names.iter().map(|name| key_of(name)).collect();
        keys.sort();
        keys
    };
    for name in [far, middle] {
        put(&mut store, 1, name, &signed(name, 1, NOW - SECOND)).unwrap();
    }
    assert_eq!(told(&mut store), sorted(&[far, middle]));
    assert!(told(&mut store).is_empty());
    put(&mut store, 1, far, &signed(far, 1, NOW - SECOND)).unwrap();
    assert!(told(&mut store).is_empty(), "the same again lives no longer");
    put(&mut store, 1, middle, &signed(middle, 1, NOW)).unwrap();
    assert_eq!(told(&mut store), sorted(&[middle]));
    put(&mut store, 1, near, &signed(near, 1, NOW)).unwrap();
    assert_eq!(told(&mut store), sorted(&[near, far]), "the farthest gave way");
    store.sweep(NOW);
    store.remove(&key_of(far), &public(1));
    assert!(told(&mut store).is_empty(), "nothing was there to go");
    store.sweep(NOW + RECORD_TTL);
    assert_eq!(store.take_changed(1).len(), 1, "no more than is asked for");
    assert_eq!(told(&mut store).len(), 1);
    put(&mut store, 1, near, &signed(near, 1, NOW)).unwrap();
    told(&mut store);
    store.remove(&key_of(near), &public(1));
    assert_eq!(told(&mut store), sorted(&[near]));
}
