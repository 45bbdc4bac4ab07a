use proptest::prelude::*;

use super::*;
use crate::crypto::PublicKey;
use crate::error::ErrorCode;
use crate::identity::{Admission, TrustError, TrustLevel, TrustPolicy, TrustStore, TrustView};

/// A trust list for judging only.
struct Trust(TrustStore);

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.judge(entity, key)
    }

    fn admit(&self, _: &EntityId, _: &PublicKey, _: Timestamp) -> Result<Admission, TrustError> {
        unreachable!("a lookup records nothing")
    }

    fn level(&self, _: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
        unreachable!("a lookup judges, and that is all")
    }
}

fn strangers() -> Trust {
    Trust(TrustStore::default())
}

fn knows(entity: &str, seed: u8) -> Trust {
    let mut trust = TrustStore::default();
    trust.admit(&name(entity), identity(entity, seed).public_key(), NOW).unwrap();
    Trust(trust)
}

fn lookup<'a>(answers: impl IntoIterator<Item = &'a Bytes>) -> Lookup {
    let mut lookup = Lookup::new(key_of("a"));
    for answer in answers {
        let _ = lookup.feed(answer, NOW);
    }
    lookup
}

#[track_caller]
fn found(resolution: Resolution) -> (Bytes, usize) {
    match resolution {
        Resolution::Found { record, rivals } => (record.as_bytes().clone(), rivals.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_newest_valid_answer_holds_whatever_else_is_said() {
    let (old, new) = (signed("a", 1, NOW - SECOND), signed("a", 1, NOW));
    let mut forged = new.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Bytes::from(forged);
    let future = signed("a", 1, NOW + 61 * SECOND);
    let elsewhere = signed("b", 1, NOW);
    let noise = Bytes::from_static(b"noise");
    let lies = [&forged, &future, &elsewhere, &noise];
    let lookup = lookup(lies.into_iter().chain([&old, &new, &old]).chain(lies));
    let expected = [
        (Reason::Malformed, 2),
        (Reason::WrongKey, 2),
        (Reason::Future, 2),
        (Reason::Signature, 2),
    ];
    assert_eq!(lookup.refusals().total(), 8, "an old answer is no bad one");
    assert_eq!(lookup.refusals().iter().collect::<Vec<_>>(), expected);
    assert_eq!(found(lookup.finish(&strangers()).unwrap()), (new, 0));
}

/// What a seeker that knows the key asks before the last answer is in.
#[test]
fn the_newest_of_a_key_is_known_while_answers_come() {
    let (old, new) = (signed("a", 1, NOW - SECOND), signed("a", 1, NOW));
    let of = |lookup: &Lookup, seed| {
        let newest = lookup.newest_of(identity("a", seed).public_key());
        newest.map(|verified| verified.as_bytes().clone())
    };
    let mut lookup = lookup([&Bytes::from_static(b"noise")]);
    assert!(lookup.is_empty());
    for (answer, newest) in [(&old, &old), (&new, &new), (&old, &new)] {
        lookup.feed(answer, NOW).unwrap();
        assert!(!lookup.is_empty());
        assert_eq!(of(&lookup, 1).as_ref(), Some(newest));
        assert_eq!(of(&lookup, 2), None);
    }
}

#[test]
fn nothing_valid_is_nothing_found() {
    let lookup = lookup([&Bytes::from_static(b"noise")]);
    assert_eq!(lookup.finish(&strangers()), Ok(Resolution::Missing));
    assert_eq!(Lookup::new(key_of("a")).finish(&strangers()), Ok(Resolution::Missing));
}

#[test]
fn a_withdrawal_holds_until_something_newer_comes() {
    let (old, gone) = (signed("a", 1, NOW - SECOND), withdrawn("a", 1, NOW));
    let withdrawn = Ok(Resolution::Withdrawn { since: NOW });
    assert_eq!(lookup([&gone, &old]).finish(&strangers()), withdrawn);
    assert_eq!(lookup([&old, &gone]).finish(&knows("a", 1)), withdrawn);
    let back = signed("a", 1, NOW + SECOND);
    assert_eq!(found(lookup([&gone, &back, &old]).finish(&strangers()).unwrap()), (back, 0));
}

#[test]
fn a_known_entity_is_found_under_its_key_only_and_rivals_are_named() {
    let (own, rival) = (signed("a", 1, NOW - 60 * SECOND), signed("a", 2, NOW));
    assert_eq!(found(lookup([&rival, &own]).finish(&knows("a", 1)).unwrap()), (own.clone(), 1));
    assert_eq!(found(lookup([&own, &rival]).finish(&knows("a", 2)).unwrap()), (rival.clone(), 1));

    let error = lookup([&rival]).finish(&knows("a", 1)).unwrap_err();
    let (known, offered) = (identity("a", 1).fingerprint(), identity("a", 2).fingerprint());
    let mismatch = TrustError::KeyMismatch { entity: name("a"), known, offered };
    assert_eq!(error, RegistryError::Trust(mismatch));
    assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
    for fingerprint in [known, offered] {
        assert!(error.to_string().contains(&fingerprint.to_string()), "both are shown");
    }
    // Nobody else can withdraw it, and its own withdrawal stands beside a rival.
    let cut = withdrawn("a", 2, NOW);
    assert_eq!(found(lookup([&cut, &own]).finish(&knows("a", 1)).unwrap()), (own, 1));
    let gone = withdrawn("a", 1, NOW);
    let withdrawn = Ok(Resolution::Withdrawn { since: NOW });
    assert_eq!(lookup([&gone, &rival]).finish(&knows("a", 1)), withdrawn);
}

/// Whatever else is wrong with others: that the known key is missing is what the operator must see.
#[test]
fn a_mismatch_is_told_before_a_revoked_key() {
    for revoked in [2, 3] {
        let mut trust = knows("a", 1);
        trust.0.revoke(identity("a", revoked).fingerprint());
        let lookup = lookup(&[signed("a", 2, NOW), signed("a", 3, NOW)]);
        let error = lookup.finish(&trust).unwrap_err();
        assert!(matches!(error, RegistryError::Trust(TrustError::KeyMismatch { .. })), "{error}");
    }
}

#[test]
fn two_keys_for_a_stranger_are_never_chosen_between_silently() {
    let answers = [signed("a", 1, NOW - SECOND), signed("a", 2, NOW)];
    let error = lookup(&answers).finish(&strangers()).unwrap_err();
    assert!(matches!(error, RegistryError::Contested { .. }));
    assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
    for seed in [1, 2] {
        let fingerprint = identity("a", seed).fingerprint().to_string();
        assert!(error.to_string().contains(&fingerprint), "{error}");
    }
    // One of them revoked, or withdrawn: no contest.
    let mut trust = TrustStore::default();
    trust.revoke(identity("a", 2).fingerprint());
    assert_eq!(found(lookup(&answers).finish(&Trust(trust)).unwrap()), (answers[0].clone(), 1));
    let gone = [answers[0].clone(), withdrawn("a", 2, NOW)];
    assert_eq!(found(lookup(&gone).finish(&strangers()).unwrap()), (answers[0].clone(), 0));
}

#[test]
fn the_id_that_a_key_derives_finds_the_named_entity() {
    let identity = identity("a", 1);
    let mut lookup = Lookup::new(Key::of_entity(&EntityId::derived(identity.public_key())));
    lookup.feed(&signed("a", 1, NOW), NOW).unwrap();
    assert!(lookup.feed(&signed("a", 2, NOW), NOW).is_err(), "nobody else can stand there");
    assert_eq!(found(lookup.finish(&knows("a", 1)).unwrap()).0, signed("a", 1, NOW));
}

#[test]
fn pinned_only_finds_nobody_else() {
    let trust = Trust(TrustStore::new(TrustPolicy::PinnedOnly));
    let error = lookup([&signed("a", 1, NOW)]).finish(&trust).unwrap_err();
    assert!(matches!(error, RegistryError::Trust(TrustError::NotPinned { .. })));
}

#[test]
fn memory_for_keys_is_bounded() {
    let mut lookup = Lookup::new(key_of("a"));
    for seed in 0..40 {
        let fed = lookup.feed(&signed("a", seed, NOW), NOW);
        assert_eq!(fed.is_ok(), seed < 32);
    }
    assert_eq!(lookup.refusals().get(Reason::Crowded), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The outcome does not depend on the order of answers, and is the naive maximum.
    #[test]
    fn order_does_not_matter(
        picks in proptest::collection::vec((0_u64..4, any::<bool>(), any::<bool>()), 1..12),
    ) {
        let answers: Vec<_> = picks
            .iter()
            .map(|(step, gone, rival)| {
                let (seed, time) = (1 + u8::from(*rival), NOW + Duration::from_secs(*step));
                let bytes =
                    if *gone { withdrawn("a", seed, time) } else { signed("a", seed, time) };
                (!rival, *step, *gone, bytes)
            })
            .collect();
        let forwards = lookup(answers.iter().map(|it| &it.3)).finish(&knows("a", 1));
        let backwards = lookup(answers.iter().rev().map(|it| &it.3)).finish(&knows("a", 1));
        prop_assert_eq!(&forwards, &backwards);
        let own = answers.iter().filter(|it| it.0).max_by_key(|it| (it.1, it.2));
        match (own, forwards) {
            (None, outcome) => prop_assert!(outcome.is_err()),
            (Some((_, step, true, _)), outcome) => {
                let since = NOW + Duration::from_secs(*step);
                prop_assert_eq!(outcome, Ok(Resolution::Withdrawn { since }));
            }
            (Some((.., bytes)), outcome) => prop_assert_eq!(&found(outcome.unwrap()).0, bytes),
        }
    }
}
