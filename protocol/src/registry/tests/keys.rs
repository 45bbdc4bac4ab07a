use super::*;
use crate::crypto::PublicKey;

fn public(seed: u8) -> PublicKey {
    *identity("x", seed).public_key()
}

#[test]
fn keys_are_hashes_of_id_and_capability() {
    let hash = hex::encode(sha256(b"translate"));
    assert_eq!(can("translate").hash(), hash);
    let entity = name("エンティティ");
    let own = format!("エンティティ:{}", hex::encode(sha256(b"")));
    assert_eq!(Key::of_entity(&entity).as_bytes(), &sha256(own.as_bytes()));
    let one = format!("エンティティ:{hash}");
    let key = Key::of_capability(&entity, &can("translate"));
    assert_eq!(key.as_bytes(), &sha256(one.as_bytes()));
    assert_eq!(Key::from_bytes(key.as_bytes()), Ok(key));
    for wrong in [0, 31, 33] {
        assert_eq!(Key::from_bytes(&vec![0; wrong]), Err(RegistryError::Key));
    }
    let providers = |shard: &Shard| *Key::of_providers(&can("translate"), shard).as_bytes();
    assert_eq!(providers(&Shard::root()), sha256(format!("capability:{hash}").as_bytes()));
    let child = Shard::root().children().nth(2).unwrap().children().nth(3).unwrap();
    assert_eq!(providers(&child), sha256(format!("capability:{hash}:23").as_bytes()));
}

#[test]
fn capabilities_have_one_spelling() {
    for fine in ["a", "翻訳", &"x".repeat(64)] {
        assert_eq!(can(fine).as_str(), fine);
    }
    assert_eq!("".parse::<Capability>(), Err(CapabilityError::Length { len: 0 }));
    let long = "x".repeat(65).parse::<Capability>();
    assert_eq!(long, Err(CapabilityError::Length { len: 65 }));
    assert_eq!("a\nb".parse::<Capability>(), Err(CapabilityError::Control));
    assert_eq!("e\u{301}".parse::<Capability>(), Err(CapabilityError::NotNormalized));
}

#[test]
fn a_key_names_one_shard_of_each_level_and_shards_form_a_tree() {
    for seed in 0..=255 {
        let shards = Shard::all_of(&public(seed));
        assert_eq!(shards.len(), 4);
        let bits = format!("{:08b}", sha256(public(seed).as_bytes())[0]);
        let digit = |level: usize| {
            u8::from_str_radix(&bits[2 * level..2 * level + 2], 2).unwrap().to_string()
        };
        let digits = [0, 1, 2].map(digit).concat();
        for (level, shard) in shards.iter().enumerate() {
            assert_eq!(shard.digits(), &digits[..level]);
        }
        assert!(shards.windows(2).all(|pair| pair[0].children().any(|child| child == pair[1])));
    }
    let mut all = vec![Shard::root()];
    let mut from = 0;
    while from < all.len() {
        let children: Vec<_> = all[from].children().collect();
        all.extend(children);
        from += 1;
    }
    assert_eq!(all.len(), 85);
    let keys: std::collections::BTreeSet<_> =
        all.iter().map(|shard| Key::of_providers(&can("x"), shard)).collect();
    assert_eq!(keys.len(), 85);
}

#[test]
fn places_are_hashed_keys_and_their_distance_is_xor() {
    let (one, other) = (key_of("a"), key_of("b"));
    let (left, right) = (sha256(one.as_bytes()), sha256(other.as_bytes()));
    let expected: Vec<_> = left.iter().zip(right).map(|(a, b)| a ^ b).collect();
    assert_eq!(one.place().distance(&other.place()).to_vec(), expected);
    assert_eq!(one.place().distance(&one.place()), [0; 32]);
}

#[test]
fn mirrors_are_keys_of_their_own_and_the_entitys_record_stands_there() {
    let record = record_of(&identity("a", 1), NOW);
    let mirrors: Vec<_> = record.mirrors().collect();
    assert_eq!(mirrors.len(), 4);
    assert!(mirrors.iter().all(|mirror| record.stands_under(mirror)));
    assert!(mirrors[..2].iter().copied().eq(key_of("a").mirrors()));
    let known = [b"mirror:".as_slice(), key_of("a").as_bytes(), b"2"].concat();
    assert_eq!(mirrors[1].as_bytes(), &sha256(&known));
    let mut all = [record.keys(), mirrors].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8);
    let capability = Key::of_capability(&name("a"), &can("read"));
    assert!(capability.mirrors().all(|mirror| !record.stands_under(&mirror)));
    assert!(key_of("b").mirrors().all(|mirror| !record.stands_under(&mirror)));
    let nested = key_of("a").mirrors().flat_map(|mirror| mirror.mirrors());
    assert!(nested.into_iter().all(|mirror| !record.stands_under(&mirror)));
}
