use proptest::prelude::*;

use super::*;

#[test]
fn a_record_comes_back_as_it_was_under_each_of_its_keys() {
    let identity = identity("entity_a", 1);
    let record = record_of(&identity, NOW);
    let bytes = record.sign(&identity).unwrap();
    assert_eq!(cbor::check(&bytes), Ok(()));
    assert_eq!(bytes[0], 0xa7);
    let keys = record.keys();
    assert_eq!(keys.len(), 4, "id, derived id, and two capabilities");
    for key in &keys {
        let verified = verify(&bytes, key).unwrap();
        assert_eq!((verified.record(), verified.as_bytes()), (&record, &bytes));
        assert_eq!(verified.key(), key);
    }
    let derived = EntityId::derived(identity.public_key());
    assert!(keys.contains(&Key::of_entity(&derived)));
    let unnamed = Identity::new(None, Arc::new(Ed25519Authenticator::from_seed(&[1; 32]))).unwrap();
    assert_eq!(record_of(&unnamed, NOW).keys().len(), 3, "its id is the derived one");
}

#[test]
fn what_is_signed_is_the_record_without_its_signature_byte_for_byte() {
    let identity = identity("entity_a", 1);
    let forged = Forger::new(&identity).sign(&identity);
    let mut record = record_of(&identity, NOW);
    record.addresses = vec!["/ip4/192.0.2.1/tcp/4001".to_owned()];
    record.capabilities = vec![can("read")];
    record.ttl = Duration::from_secs(3_600);
    assert_eq!(record.sign(&identity).unwrap(), forged);
}

#[test]
fn nothing_over_a_limit_is_signed_or_read() {
    let identity = identity("entity_a", 1);
    let limit = |change: fn(&mut Record), forge: fn(&mut Forger)| {
        let mut record = record_of(&identity, NOW);
        change(&mut record);
        let error = record.sign(&identity).unwrap_err();
        let mut forger = Forger::new(&identity);
        forge(&mut forger);
        assert_eq!(verify(&forger.sign(&identity), &key_of("entity_a")).unwrap_err(), error);
        error.to_string()
    };
    insta::assert_snapshot!(
        limit(|r| r.addresses = vec!["/a".to_owned(); 17], |f| f.texts("addresses", &["/a"; 17])),
        @"`addresses` has 17 entries; at most 16 are allowed"
    );
    insta::assert_snapshot!(
        limit(
            |r| r.addresses = vec![format!("/{}", "x".repeat(256))],
            |f| f.texts("addresses", &[&format!("/{}", "x".repeat(256))]),
        ),
        @"`addresses` has 257 bytes; at most 256 are allowed"
    );
    insta::assert_snapshot!(
        limit(|r| r.addresses = vec!["ip4".to_owned()], |f| f.texts("addresses", &["ip4"])),
        @"`addresses` has an address that does not begin with a slash"
    );
    insta::assert_snapshot!(
        limit(|r| r.addresses = vec!["/\n".to_owned()], |f| f.texts("addresses", &["/\n"])),
        @"`addresses` has an address with control characters"
    );
    insta::assert_snapshot!(
        limit(
            |r| r.capabilities = (10..43).map(|n| can(&n.to_string())).collect(),
            |f| {
                let names: Vec<_> = (10..43).map(|n| n.to_string()).collect();
                f.texts("capabilities", &names.iter().map(String::as_str).collect::<Vec<_>>());
            },
        ),
        @"`capabilities` has 33 entries; at most 32 are allowed"
    );
    for unsorted in [["b", "a"], ["a", "a"]] {
        let mut forger = Forger::new(&identity);
        forger.texts("capabilities", &unsorted);
        let error = verify(&forger.sign(&identity), &key_of("entity_a")).unwrap_err();
        assert_eq!(error.to_string(), "`capabilities` is not sorted, or names one twice");
    }
    insta::assert_snapshot!(
        limit(|r| r.ttl = Duration::from_secs(86_401), |f| f.number("ttl", 86_401)),
        @"the record wants to live for 86401 s; at most 86400 s are allowed"
    );
    insta::assert_snapshot!(
        limit(|r| r.ttl = Duration::ZERO, |f| f.number("ttl", 0)),
        @"`addresses` must be empty where the record withdraws"
    );
}

#[test]
fn sizes_are_bounded_at_the_byte() {
    let identity = identity("entity_a", 1);
    let mut record = record_of(&identity, NOW);
    record.addresses = vec![format!("/{}", "x".repeat(255)); 15];
    let len = record.sign(&identity).unwrap().len();
    let room = crate::limits::MAX_RECORD_LEN - len;
    assert!((4..250).contains(&room), "{room}");
    // One more address: a head of one byte up to 23, of two above.
    let head = if room - 1 <= 23 { 1 } else { 2 };
    record.addresses.push(format!("/{}", "x".repeat(room - head - 1)));
    let bytes = record.sign(&identity).unwrap();
    assert_eq!(bytes.len(), crate::limits::MAX_RECORD_LEN);
    assert!(verify(&bytes, &key_of("entity_a")).is_ok());
    if let Some(last) = record.addresses.last_mut() {
        last.push('x');
    }
    let error = record.sign(&identity).unwrap_err();
    assert_eq!(error, RegistryError::TooLong { len: bytes.len() + 1 });
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(verify(&longer, &key_of("entity_a")).unwrap_err(), error);
}

#[test]
fn missing_and_unknown_entries_are_refused() {
    let identity = identity("entity_a", 1);
    for entry in ["ttl", "addresses", "entity_id", "last_seen", "public_key", "capabilities"] {
        let mut forger = Forger::new(&identity);
        forger.entries.retain(|(name, _)| *name != entry);
        let refused = verify(&forger.sign(&identity), &key_of("entity_a"));
        assert!(matches!(refused, Err(RegistryError::Cbor(_))), "{entry}");
    }
    let refused = verify(&Forger::new(&identity).bytes(), &key_of("entity_a"));
    assert!(matches!(refused, Err(RegistryError::Cbor(_))), "signature");
    let mut forger = Forger::new(&identity);
    forger.number("zzz", 0);
    let refused = verify(&forger.sign(&identity), &key_of("entity_a"));
    assert!(matches!(refused, Err(RegistryError::Cbor(_))));
    let signed = signed("entity_a", 1, NOW);
    for cut in 0..signed.len() {
        assert!(verify(&signed[..cut], &key_of("entity_a")).is_err());
    }
}

#[test]
fn another_identity_does_not_sign_for_this_record() {
    let (own, other) = (identity("entity_a", 1), identity("entity_a", 2));
    let refused = record_of(&own, NOW).sign(&other).unwrap_err();
    let (named, signer) = (own.fingerprint(), other.fingerprint());
    assert_eq!(refused, RegistryError::Signer { named, signer });
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        key in any::<[u8; 32]>(),
    ) {
        prop_assert!(verify(&bytes, &Key::from_bytes(&key).unwrap()).is_err());
        let mut store = RecordStore::new(Place::of(b"own"), [0; 32], RecordStore::<u8>::LIMITS);
        prop_assert!(store.put(Origin::Peer(1), &key, &bytes, NOW).is_err());
        prop_assert!(Lookup::new(Key::from_bytes(&key).unwrap()).feed(&bytes, NOW).is_err());
    }

    #[test]
    fn spoilt_records_never_panic(
        at in 0_usize..400,
        bytes in proptest::collection::vec(any::<u8>(), 0..12),
        cut in 0_usize..12,
    ) {
        let mut record = signed("entity_a", 1, NOW).to_vec();
        let at = at % record.len();
        let end = (at + cut).min(record.len());
        let same = record[at..end] == bytes[..];
        record.splice(at..end, bytes);
        prop_assert_eq!(verify(&record, &key_of("entity_a")).is_ok(), same);
    }
}
