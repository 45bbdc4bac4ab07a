//! Messages that their sender signed correctly, but whose MAC, transcript, session or first record is
//! wrong: what a peer sends that does not hold the same keys or saw another history.

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::HandshakeKind::{SixStep, ThreeWay};
use peer_protocol::handshake::{HandshakeError, HandshakeKind};
use peer_protocol::session::SessionError;

use crate::rig::{KINDS, Run, all_stages};
use crate::wire::{Item, Letter, confirmation, record_nonce, seal, transcript};

/// The messages that carry a MAC, and whose MAC it is.
const CONFIRMED: [(HandshakeKind, usize, usize); 4] =
    [(SixStep, 4, 1), (SixStep, 5, 0), (ThreeWay, 2, 1), (ThreeWay, 3, 0)];

fn session_id(last: u8) -> Item {
    let mut id = [7; 16];
    (id[6], id[8], id[15]) = (0x47, 0x87, last);
    Item::bytes(id)
}

/// The wrong MAC under the right signature, in both roles of both handshakes.
#[test]
fn wrong_confirmation_mac_is_refused() {
    for (kind, made, side) in CONFIRMED {
        let mut run = Run::at(kind, made);
        let honest = Letter::parse(&run.pending()).body().get("mac").as_bytes().to_vec();
        let keys = run.keys();
        let own = &keys.of(side).confirm;
        let mut wrong = vec![
            confirmation(own, &transcript(&run.sent)).to_vec(),
            confirmation(own, &transcript(&run.sent[..1])).to_vec(),
            confirmation(own, &[0; 32]).to_vec(),
            confirmation(&keys.of(1 - side).confirm, &transcript(&run.sent[..made - 1])).to_vec(),
            confirmation(&keys.session_key, &transcript(&run.sent[..made - 1])).to_vec(),
            vec![0; 32],
        ];
        for bit in 0..256 {
            let mut flipped = honest.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            wrong.push(flipped);
        }
        for mac in wrong {
            assert_ne!(mac, honest);
            let forged = run.forged(|letter| letter.set_in_body("mac", Item::bytes(mac)));
            let error = run.refuses(&forged);
            assert_eq!(error, HandshakeError::Confirmation, "{kind} {made}");
            assert_eq!(ErrorCode::from(&error), ErrorCode::DecryptionFailed);
        }
        run.finish();
    }
}

#[test]
fn confirmation_mac_of_another_length_is_refused() {
    for (kind, made, _) in CONFIRMED {
        let mut run = Run::at(kind, made);
        let honest = Letter::parse(&run.pending()).body().get("mac").as_bytes().to_vec();
        for mac in [&honest[..31], &[honest.as_slice(), &[0]].concat(), &[]] {
            let forged = run.forged(|letter| letter.set_in_body("mac", Item::bytes(mac)));
            let code = ErrorCode::from(&run.refuses(&forged));
            assert_eq!(code, ErrorCode::InvalidVersion, "{kind} {made}");
        }
        run.finish();
    }
}

/// Another history than the receiver's, in every body that names one, under the right signature. Where
/// there is a MAC it fits the claim, so that nothing but the transcript is wrong.
#[test]
fn wrong_transcript_is_refused_in_every_body() {
    for (kind, made) in all_stages().filter(|(_, made)| *made > 1) {
        let mut run = Run::at(kind, made);
        let honest = Letter::parse(&run.pending()).body().get("transcript").as_bytes().to_vec();
        assert_eq!(honest, transcript(&run.sent[..made - 1]), "{kind} {made}");
        let mut wrong = vec![vec![0; 32], transcript(&run.sent[..made - 2]).to_vec()];
        for bit in 0..256 {
            let mut flipped = honest.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            wrong.push(flipped);
        }
        for claim in wrong {
            let forged = run.forged(|letter| letter.set_in_body("transcript", Item::bytes(claim)));
            let error = run.refuses(&forged);
            assert_eq!(error, HandshakeError::Transcript, "{kind} {made}");
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
        }
        run.finish();
    }
}

/// The session id in the envelope, in the body, or in both is not the one of this handshake.
#[test]
fn session_id_mismatch_is_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let named = Letter::parse(&run.pending()).0.find("session_id").is_some();
        let in_envelope = run.forged(|letter| letter.set("session_id", session_id(1)));
        let mut spoilt = vec![in_envelope];
        if named {
            spoilt.push(run.forged(|letter| letter.0.remove("session_id")));
            spoilt.push(run.forged(|letter| letter.set_in_body("session_id", session_id(1))));
            spoilt.push(run.forged(|letter| {
                letter.set("session_id", session_id(1));
                letter.set_in_body("session_id", session_id(2));
            }));
        }
        if (kind, made) == (SixStep, 5) || (kind, made) == (SixStep, 6) || made == 3 && named {
            spoilt.push(run.forged(|letter| {
                letter.set("session_id", session_id(1));
                letter.set_in_body("session_id", session_id(1));
            }));
        }
        for message in spoilt {
            let error = run.refuses(&message);
            assert!(matches!(error, HandshakeError::Session { .. }), "{kind} {made}: {error}");
            assert_eq!(ErrorCode::from(&error).as_str(), "SESSION_NOT_FOUND");
        }
        run.finish();
    }
}

#[test]
fn session_id_that_is_no_uuid_v4_is_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        for bytes in [vec![7; 16], vec![0; 16], vec![0x47; 15], vec![]] {
            let forged = run.forged(|letter| letter.set("session_id", Item::bytes(bytes)));
            let refusal = run.refused(run.receiver(), &forged);
            assert_eq!(refusal.code(), ErrorCode::InvalidVersion);
        }
        run.finish();
    }
}

/// `ready` whose first record is wrong, although B itself signed it.
#[test]
fn ready_with_a_wrong_first_record_is_refused() {
    let mut run = Run::at(SixStep, 6);
    let keys = run.keys();
    let history = transcript(&run.sent[..5]);
    let letter = Letter::parse(&run.pending());
    let honest = letter.body().get("record").as_bytes().to_vec();
    let suite = "AES-256-GCM";
    let made = |side: usize, sequence: u64, aad: &[u8]| {
        let direction = keys.of(side);
        seal(suite, &direction.key, &record_nonce(&direction.iv, sequence), aad, &history)
    };
    let aad = letter.aad();
    assert_eq!(made(1, 0, &aad), honest);
    let mut flipped = honest;
    flipped[47] ^= 1;
    for record in [made(0, 0, &aad), made(1, 1, &aad), made(1, 0, b""), vec![0; 48], flipped] {
        let forged = run.forged(|letter| letter.set_in_body("record", Item::bytes(record)));
        let error = run.refuses(&forged);
        assert_eq!(error, HandshakeError::FirstRecord(SessionError::Decryption));
        assert_eq!(ErrorCode::from(&error).as_str(), "DECRYPTION_FAILED");
    }
    // A record that opens, but says something else.
    let direction = keys.of(1);
    let nonce = record_nonce(&direction.iv, 0);
    let other = seal(suite, &direction.key, &nonce, &aad, &[0; 32]);
    let forged = run.forged(|letter| letter.set_in_body("record", Item::bytes(other)));
    assert_eq!(run.refuses(&forged), HandshakeError::Transcript);
    // Record and body agree with each other, but not with what was said before.
    let other = seal(suite, &direction.key, &nonce, &aad, &[0; 32]);
    let forged = run.forged(|letter| {
        letter.set_in_body("record", Item::bytes(other));
        letter.set_in_body("transcript", Item::bytes([0; 32]));
    });
    assert_eq!(run.refuses(&forged), HandshakeError::Transcript);
    run.finish();
}

/// A session's life lies between one second and one day, whatever a responder says.
#[test]
fn a_session_lifetime_out_of_bounds_is_refused() {
    for (kind, made) in [(SixStep, 4), (ThreeWay, 2)] {
        let mut run = Run::at(kind, made);
        for millis in [0, 999, 86_400_001, u64::MAX] {
            let forged = run.forged(|letter| letter.set_in_body("lifetime_ms", Item::Uint(millis)));
            let error = run.refuses(&forged);
            assert!(matches!(error, HandshakeError::Parameter { .. }), "{kind}: {error}");
        }
        run.finish();
    }
}

/// Both sides hold the keys that an independent computation gives, and no two sessions share any.
#[test]
fn keys_are_those_of_the_specification_and_of_one_session_only() {
    for kind in KINDS {
        let first = Run::new(kind).finish();
        let keys = first.keys.clone();
        let second = first.again().finish();
        assert_ne!(keys.session_key, second.keys.session_key);
        assert_ne!(keys.shared_secret, second.keys.shared_secret);
        let all = [&keys.initiator.key, &keys.responder.key, &keys.initiator.confirm];
        assert!(all.iter().all(|key| **key != keys.responder.confirm && **key != keys.session_key));
        assert_ne!(keys.initiator.iv, keys.responder.iv);
    }
}
