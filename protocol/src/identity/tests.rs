use super::*;
use crate::crypto::Ed25519Authenticator;
use crate::limits::MAX_SEEN_ENTITIES;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_800_000_001_000);

fn key(seed: u8) -> PublicKey {
    Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
}

fn name(text: &str) -> EntityId {
    text.parse().unwrap()
}

#[test]
fn fingerprints_show_eight_groups_and_read_them_back() {
    let fingerprint = Fingerprint::of(&key(1));
    let text = fingerprint.to_string();
    let groups: Vec<_> = text.split(' ').collect();
    assert_eq!(groups.len(), 8);
    assert!(groups.iter().all(|group| group.len() == 8));
    assert_eq!(text.parse(), Ok(fingerprint));
    assert_eq!(text.replace(' ', "").to_uppercase().parse(), Ok(fingerprint));
    for wrong in ["", "00", &text[1..], &format!("{text}00"), &text.replace('a', "g")] {
        if wrong != text {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(FingerprintError), "{wrong}");
        }
    }
}

#[test]
fn entity_ids_have_a_length_a_form_and_no_control_characters() {
    for fine in ["a", "entity_a", "エンティティ", "é", &"x".repeat(128)] {
        assert_eq!(name(fine).as_str(), fine);
    }
    let long = "é".repeat(65);
    let length = |len| Err(EntityIdError::Length { len });
    assert_eq!("".parse::<EntityId>(), length(0));
    assert_eq!(long.parse::<EntityId>(), length(130));
    for control in ["a\0", "a\n", "\u{1b}[2J", "a\u{7f}", "a\u{85}"] {
        assert_eq!(control.parse::<EntityId>(), Err(EntityIdError::Control), "{control:?}");
    }
    for other in ["e\u{301}", "\u{212b}", "\u{1100}\u{1161}"] {
        assert_eq!(other.parse::<EntityId>(), Err(EntityIdError::NotNormalized), "{other:?}");
    }
}

/// Commands take addresses, fingerprints and peer ids wherever they take entity ids.
#[test]
fn entity_ids_do_not_look_like_the_other_names_of_a_peer() {
    let fingerprint = Fingerprint::of(&key(9)).to_string();
    let digits = fingerprint.replace(' ', "");
    let upper = digits.to_uppercase();
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    let pairs = pairs.collect::<Vec<_>>().join(" ");
    let peer_id = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
    let cases = [
        (Imitated::Address, vec!["/", "/ip4/1.2.3.4/tcp/4001", " /x"]),
        (Imitated::Fingerprint, vec![&fingerprint, &digits, &upper, &pairs]),
        (
            Imitated::PeerId,
            vec![
                peer_id,
                "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
                "16Uiu2HAm9Z5hkHXsgcvyVyKZWZ7uBbkWm5dJoMyfsRXg4UqLYq5a",
                " 12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X ",
            ],
        ),
    ];
    for (what, texts) in cases {
        for text in texts {
            let refused = EntityIdError::Imitates { what };
            assert_eq!(text.parse::<EntityId>(), Err(refused), "{text:?}");
        }
    }
    for fine in [
        "a/b",
        &digits[1..],
        "deadbeef",
        "12D3KooW",
        "Qm",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx0N",
        &peer_id.replace('K', "-"),
    ] {
        assert_eq!(name(fine).as_str(), fine);
    }
}

#[test]
fn derived_ids_belong_to_their_key() {
    let own = EntityId::derived(&key(1));
    assert!(own.has_derived_shape());
    assert_eq!(own.as_str().len(), 20);
    assert_eq!(own.check_key(&key(1)), Ok(()));
    let refused = own.check_key(&key(2)).unwrap_err();
    assert_eq!(
        refused,
        EntityIdError::Reserved { entity: own, derived: EntityId::derived(&key(2)) }
    );
    for free in
        ["ent-", "ent-aaaaaaaaaaaaaaa", "ent-aaaaaaaaaaaaaaaaa", "ent-AAAAAAAAAAAAAAAA", "Ent-x"]
    {
        assert!(!name(free).has_derived_shape(), "{free}");
        assert_eq!(name(free).check_key(&key(1)), Ok(()));
    }
    assert!(name("ent-aaaaaaaaaaaaaa11").check_key(&key(1)).is_ok(), "1 is no base32 digit");
}

#[test]
fn an_identity_answers_to_its_name_and_to_the_id_its_key_derives() {
    let authenticator = || Arc::new(Ed25519Authenticator::from_seed(&[1; 32]));
    let identity = Identity::new(Some(name("entity_a")), authenticator()).unwrap();
    assert!(identity.answers_to(&name("entity_a")));
    assert!(identity.answers_to(&EntityId::derived(&key(1))));
    assert!(!identity.answers_to(&name("entity_b")));
    assert!(!identity.answers_to(&EntityId::derived(&key(2))));
    let unnamed = Identity::new(None, authenticator()).unwrap();
    assert_eq!(unnamed.entity(), &EntityId::derived(&key(1)));
    assert!(Identity::new(Some(EntityId::derived(&key(2))), authenticator()).is_err());
}

#[test]
fn first_use_is_recorded_and_another_key_is_refused_ever_after() {
    let mut store = TrustStore::default();
    assert_eq!(store.judge(&name("a"), &key(1)), Ok(()));
    assert_eq!(store.get(&name("a")), None, "judging records nothing");
    assert_eq!(store.admit(&name("a"), &key(1), NOW), Ok(Admission::Recorded));
    let known = Ok(Admission::Known(TrustLevel::Seen));
    assert_eq!(store.admit(&name("a"), &key(1), LATER), known);
    let entry = store.get(&name("a")).unwrap();
    assert_eq!((entry.first_seen, entry.last_seen), (NOW, LATER));

    let before = store.clone();
    let mismatch = TrustError::KeyMismatch {
        entity: name("a"),
        known: Fingerprint::of(&key(1)),
        offered: Fingerprint::of(&key(2)),
    };
    assert_eq!(store.judge(&name("a"), &key(2)), Err(mismatch.clone()));
    assert_eq!(store.admit(&name("a"), &key(2), LATER), Err(mismatch));
    assert_eq!(store, before, "it is never overwritten silently");
    assert_eq!(store.admit(&name("b"), &key(1), NOW), Ok(Admission::Recorded), "a second name");
}

#[test]
fn a_level_belongs_to_a_name_and_its_key() {
    let mut store = TrustStore::default();
    store.pin(name("a"), Fingerprint::of(&key(1)), NOW);
    assert_eq!(store.level(&name("a"), &key(1)), Some(TrustLevel::Pinned));
    assert_eq!(store.level(&name("a"), &key(2)), None, "another key under the name");
    assert_eq!(store.level(&name("b"), &key(1)), None, "the key under another name");
}

#[test]
fn only_the_operator_replaces_a_key() {
    let mut store = TrustStore::default();
    store.admit(&name("a"), &key(1), NOW).unwrap();
    store.pin(name("a"), Fingerprint::of(&key(2)), LATER);
    let entry = store.get(&name("a")).unwrap();
    assert_eq!((entry.level, entry.first_seen), (TrustLevel::Pinned, LATER));
    assert!(store.judge(&name("a"), &key(1)).is_err());
    let known = Ok(Admission::Known(TrustLevel::Pinned));
    assert_eq!(store.admit(&name("a"), &key(2), LATER), known);
    // Pinning what was seen keeps its history.
    store.admit(&name("b"), &key(3), NOW).unwrap();
    store.pin(name("b"), Fingerprint::of(&key(3)), LATER);
    assert_eq!(store.get(&name("b")).unwrap().first_seen, NOW);
}

#[test]
fn a_revoked_key_is_refused_under_every_name_until_it_is_pinned_again() {
    let mut store = TrustStore::default();
    store.admit(&name("a"), &key(1), NOW).unwrap();
    store.admit(&name("b"), &key(1), NOW).unwrap();
    store.admit(&name("c"), &key(2), NOW).unwrap();
    assert_eq!(store.revoke(Fingerprint::of(&key(1))), [name("a"), name("b")]);
    for any in ["a", "b", "never seen"] {
        let refused = store.admit(&name(any), &key(1), NOW).unwrap_err();
        let fingerprint = Fingerprint::of(&key(1));
        assert_eq!(refused, TrustError::Revoked { entity: name(any), fingerprint });
    }
    assert_eq!(store.get(&name("a")).unwrap().level, TrustLevel::Revoked);
    // The name is not free for whoever comes next.
    assert!(matches!(store.judge(&name("a"), &key(3)), Err(TrustError::KeyMismatch { .. })));
    assert_eq!(store.judge(&name("c"), &key(2)), Ok(()));
    store.pin(name("a"), Fingerprint::of(&key(1)), LATER);
    assert_eq!(store.judge(&name("a"), &key(1)), Ok(()));
}

#[test]
fn pinned_only_admits_nobody_else() {
    let mut store = TrustStore::new(TrustPolicy::PinnedOnly);
    let refused = store.admit(&name("a"), &key(1), NOW).unwrap_err();
    assert!(matches!(refused, TrustError::NotPinned { .. }));
    store.pin(name("a"), Fingerprint::of(&key(1)), NOW);
    assert!(store.admit(&name("a"), &key(1), NOW).is_ok());
    assert!(store.judge(&name("a"), &key(2)).is_err());
    store.set_policy(TrustPolicy::Open);
    assert!(store.admit(&name("b"), &key(2), NOW).is_ok());
    store.set_policy(TrustPolicy::PinnedOnly);
    assert!(store.judge(&name("b"), &key(2)).is_err(), "having been seen is not enough");
}

/// A full list takes no more strangers, and forgets nobody.
#[test]
fn a_flood_of_strangers_does_not_wash_out_who_is_known() {
    let mut store = TrustStore::default();
    for number in 0..MAX_SEEN_ENTITIES {
        let admission = store.admit(&name(&format!("n{number}")), &key(1), NOW);
        assert_eq!(admission, Ok(Admission::Recorded));
    }
    assert_eq!(store.admit(&name("late"), &key(2), NOW), Ok(Admission::Unrecorded));
    assert_eq!(store.iter().count(), MAX_SEEN_ENTITIES);
    assert!(store.judge(&name("n0"), &key(2)).is_err());
    store.pin(name("late"), Fingerprint::of(&key(2)), NOW);
    assert!(store.judge(&name("late"), &key(1)).is_err(), "the operator's word is kept");
}

#[test]
fn a_store_survives_the_disk() {
    let mut store = TrustStore::new(TrustPolicy::PinnedOnly);
    store.pin(name("エンティティ"), Fingerprint::of(&key(1)), NOW);
    store.revoke(Fingerprint::of(&key(2)));
    let text = serde_json::to_string(&store).unwrap();
    assert_eq!(serde_json::from_str::<TrustStore>(&text).unwrap(), store);
    assert_eq!(serde_json::from_str::<TrustStore>("{}").unwrap(), TrustStore::default());
}
