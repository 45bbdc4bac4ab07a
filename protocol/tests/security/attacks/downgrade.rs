//! Downgrade of version, suite, features and handshake.

use peer_protocol::crypto::{BadSignature, SuiteRegistry};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError, HandshakeKind};

use crate::rig::{KINDS, Node, Run};
use crate::wire::{Item, Letter, Map};

const UNSIGNED: HandshakeError = HandshakeError::Signature(BadSignature);

type Strip = fn(&mut Letter);

/// What Mallory would like to take out of an offer, or out of what was chosen.
const OFFERS: [(&str, Strip); 3] = [
    ("versions", |letter| letter.set_in_body("versions", Item::texts(&["1.1", "1.0"]))),
    ("cipher_suites", |letter| {
        letter.set_in_body("cipher_suites", Item::texts(&["ChaCha20-Poly1305"]));
    }),
    ("features", |letter| letter.set_in_body("features", Item::texts(&[]))),
];
const CHOICES: [(&str, Strip); 3] = [
    ("version", |letter| letter.set_in_body("version", Item::text("1.0"))),
    ("suite", |letter| letter.set_in_body("suite", Item::text("ChaCha20-Poly1305"))),
    ("features", |letter| letter.set_in_body("features", Item::texts(&[]))),
];

#[test]
fn version_suite_and_feature_downgrade_on_the_way_breaks_the_signature() {
    for kind in KINDS {
        for (made, changes) in [(1, OFFERS), (2, CHOICES)] {
            for (what, strip) in changes {
                let mut run = Run::at(kind, made);
                let stripped = run.tampered(strip);
                let error = run.refuses(&stripped);
                if (made, what) == (2, "version") {
                    assert_eq!(error, HandshakeError::NotOffered { what });
                } else {
                    assert_eq!(error, UNSIGNED, "{kind} {made} {what}");
                }
                run.finish();
            }
        }
    }
}

/// Mallory strips the offer and signs it with an own key, in A's name. B may believe it, but A, whose
/// offer was another one, refuses B's answer: the answer names the history that B saw.
#[test]
fn version_suite_and_feature_downgrade_under_mallorys_signature_is_noticed_by_the_initiator() {
    let mallory = Node::new("entity_a", 66);
    for kind in KINDS {
        for (what, strip) in OFFERS {
            let mut run = Run::at(kind, 1);
            let mut stripped = Letter::parse(&run.pending());
            strip(&mut stripped);
            stripped.set_in_body("public_key", Item::bytes(mallory.key().as_bytes()));
            stripped.set("nonce", Item::bytes([7; 16]));
            let stripped = stripped.signed(&mallory.signing);
            let (_, e2) = run.nodes[1].answer(&stripped, &Expected::default()).unwrap();
            assert_eq!(run.refused(0, &e2).handshake(), HandshakeError::Transcript, "{what}");
            run.finish();
        }
    }
}

/// Only what was offered may be chosen, whoever signs the choice.
#[test]
fn a_choice_that_was_not_offered_is_refused() {
    for kind in KINDS {
        let mut run = Run::new(kind);
        run.nodes[0].config.suites = SuiteRegistry::named([SuiteRegistry::AES_256_GCM]);
        let mut run = run.to(2);
        for (what, item) in [
            ("version", Item::text("1.0")),
            ("version", Item::text("1.2")),
            ("suite", Item::text(SuiteRegistry::CHACHA20_POLY1305)),
            ("suite", Item::text("NULL")),
            ("suite", Item::text("aes-256-gcm")),
            ("features", Item::texts(&["alpha", "gamma"])),
            ("features", Item::texts(&["alpha", ""])),
        ] {
            let forged = run.forged(|letter| letter.set_in_body(what, item));
            let what = what.trim_end_matches('s');
            let error = run.refuses(&forged);
            assert_eq!(error, HandshakeError::NotOffered { what }, "{kind}");
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidVersion);
        }
        run.finish();
    }
}

#[test]
fn nothing_in_common_is_an_error_and_no_downgrade() {
    for kind in KINDS {
        let mut run = Run::at(kind, 1);
        for (key, what, offered) in [
            ("versions", "version", Item::texts(&["1.0"])),
            ("versions", "version", Item::texts(&[])),
            ("cipher_suites", "suite", Item::texts(&["NULL"])),
            ("cipher_suites", "suite", Item::texts(&[])),
        ] {
            let forged = run.forged(|letter| letter.set_in_body(key, offered));
            let error = run.refuses(&forged);
            assert_eq!(error, HandshakeError::NoCommon { what });
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidVersion);
        }
        run.finish();
    }
}

/// The initiator's preference decides among what both have, and only common features are in use.
#[test]
fn the_best_common_suite_and_features_are_chosen() {
    let [aes, chacha] = [SuiteRegistry::AES_256_GCM, SuiteRegistry::CHACHA20_POLY1305];
    let blake3 = SuiteRegistry::AES_256_GCM_BLAKE3;
    for (ours, theirs, chosen) in [
        (vec![aes, chacha], vec![chacha, aes], aes),
        (vec![chacha, aes], vec![aes, chacha], chacha),
        (vec![aes, chacha], vec![chacha], chacha),
        (vec![blake3, aes, chacha], vec![aes, chacha], aes),
        (vec![aes, chacha], vec![blake3, aes, chacha], aes),
        (vec![blake3, aes], vec![chacha, aes, blake3], blake3),
    ] {
        for kind in KINDS {
            let mut run = Run::new(kind);
            run.nodes[0].config.suites = SuiteRegistry::named(ours.clone());
            run.nodes[1].config.suites = SuiteRegistry::named(theirs.clone());
            run.nodes[1].config.features = vec!["beta".to_owned(), "gamma".to_owned()];
            let established = run.finish();
            for session in &established.sessions {
                assert_eq!(session.suite(), chosen);
                assert_eq!(session.features(), ["beta"]);
            }
        }
    }
}

/// An envelope of another version is none at all.
#[test]
fn version_downgrade_of_the_envelope_is_refused() {
    for (kind, made) in crate::rig::all_stages() {
        let mut run = Run::at(kind, made);
        for version in ["1.0", "1.2", "1", "", "1.1 "] {
            let forged = run.forged(|letter| letter.set("version", Item::text(version)));
            let refusal = run.refused(run.receiver(), &forged);
            assert_eq!(refusal.code(), ErrorCode::InvalidVersion);
        }
        run.finish();
    }
}

/// The shorter handshake happens only where both sides allow it.
#[test]
fn the_three_way_handshake_is_never_a_silent_downgrade() {
    let mut run = Run::at(HandshakeKind::ThreeWay, 1);
    run.nodes[1].config.accept_three_way = false;
    let error = run.refuses(&run.pending());
    assert_eq!(error, HandshakeError::ThreeWayDisabled);
    assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidState);

    // An answer of the three-way handshake to the first of six steps.
    let ack = Run::at(HandshakeKind::ThreeWay, 2).pending();
    let mut run = Run::at(HandshakeKind::SixStep, 2);
    assert_eq!(run.refused(0, &ack).code(), ErrorCode::InvalidState);
    // The same body in the first message of either handshake: the kind is under the signature.
    let mut run = Run::at(HandshakeKind::SixStep, 1);
    let renamed = run.tampered(|letter| letter.set("msg_type", Item::text("handshake")));
    assert_eq!(run.refuses(&renamed), UNSIGNED);
    run.finish();
}

/// Offers have bounds: 64 names of 64 bytes.
#[test]
fn an_offer_too_long_is_refused() {
    let name = |len: usize| "x".repeat(len);
    let many = |count: usize| Item::List(vec![Item::text("x"); count]);
    for kind in KINDS {
        let mut run = Run::at(kind, 1);
        for list in ["versions", "cipher_suites", "features"] {
            for spoilt in [many(65), Item::List(vec![Item::text(name(65))])] {
                let forged = run.forged(|letter| letter.set_in_body(list, spoilt));
                let error = run.refuses(&forged);
                assert!(matches!(error, HandshakeError::Parameter { .. }), "{list}: {error}");
            }
        }
        let fine = Map::from([("features", many(64))]);
        let full = run.forged(|letter| {
            letter.set_in_body("features", fine.get("features").clone());
        });
        let expected = run.expected[1].clone();
        assert!(run.nodes[1].answer(&full, &expected).is_ok());
    }
}
