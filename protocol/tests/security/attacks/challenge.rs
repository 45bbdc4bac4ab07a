//! The challenge of step 2 and its answer in step 3.

use std::time::Duration;

use ed25519_dalek::Signer as _;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::HandshakeKind::SixStep;
use peer_protocol::handshake::{HandshakeError, Phase, SessionState};

use crate::rig::Run;
use crate::wire::{Item, Letter, challenge_input, transcript};

/// A handshake that has more time than its challenge.
fn patient() -> Run {
    let mut run = Run::new(SixStep);
    for node in &mut run.nodes {
        node.config.timeout = Duration::from_secs(3600);
        assert_eq!(node.config.challenge_lifetime, Duration::from_secs(30));
    }
    run
}

#[test]
fn stale_challenge_is_refused() {
    let mut run = patient().to(2);
    run.pass(Duration::from_secs(30));
    run.step();
    run.step();
    assert_eq!(run.phase(1), Some(Phase::SixStep(SessionState::SessionEstablished)));

    let mut run = patient().to(2);
    run.pass(Duration::from_millis(30_001));
    run.step();
    let error = run.refuses(&run.pending());
    assert_eq!(error, HandshakeError::ChallengeExpired);
    assert_eq!(ErrorCode::from(&error).as_str(), "CHALLENGE_EXPIRED");
}

/// The envelope is A's own and correctly signed; only the answer to the challenge is wrong.
#[test]
fn wrong_challenge_signature_is_refused() {
    let mut run = Run::at(SixStep, 3);
    let hash = transcript(&run.sent[..2]);
    let challenge = Letter::parse(&run.sent[1]).body().get("challenge").as_bytes().to_vec();
    let a = run.nodes[0].signing.clone();
    let b = run.nodes[1].signing.clone();
    let right = challenge_input(&hash, &challenge);
    let honest = Letter::parse(&run.pending()).body();
    assert_eq!(honest.get("challenge_signature"), &Item::bytes(a.sign(&right).to_bytes()));

    let mut answers = vec![
        a.sign(&challenge_input(&hash, &[0; 32])),
        a.sign(&challenge_input(&transcript(&run.sent[..1]), &challenge)),
        a.sign(&challenge),
        a.sign(&right[1..]),
        b.sign(&right),
    ];
    let mut flipped = a.sign(&right).to_bytes();
    flipped[0] ^= 1;
    answers.push(ed25519_dalek::Signature::from_bytes(&flipped));
    answers.push(ed25519_dalek::Signature::from_bytes(&[0; 64]));
    for answer in answers {
        let forged = run.forged(|letter| {
            letter.set_in_body("challenge_signature", Item::bytes(answer.to_bytes()));
        });
        let error = run.refuses(&forged);
        assert_eq!(error, HandshakeError::ChallengeInvalid);
        assert_eq!(ErrorCode::from(&error).as_str(), "CHALLENGE_INVALID");
    }
    run.finish();
}

/// An answer to another challenge of the same responder.
#[test]
fn an_answer_to_an_older_challenge_is_refused() {
    let old = Run::new(SixStep).finish();
    let answer = Letter::parse(&old.sent[2]).body().get("challenge_signature").clone();
    let mut run = old.again().to(3);
    let forged = run.forged(|letter| letter.set_in_body("challenge_signature", answer));
    assert_eq!(run.refuses(&forged), HandshakeError::ChallengeInvalid);
    run.finish();
}

/// A responder may not keep an initiator's answer valid for long.
#[test]
fn a_challenge_that_lives_too_long_is_refused() {
    let mut run = Run::at(SixStep, 2);
    for millis in [300_001, u64::MAX] {
        let forged = run.forged(|letter| {
            letter.set_in_body("challenge_lifetime_ms", Item::Uint(millis));
        });
        let error = run.refuses(&forged);
        assert!(matches!(error, HandshakeError::Parameter { .. }), "{error}");
    }
    let longest =
        run.forged(|letter| letter.set_in_body("challenge_lifetime_ms", Item::Uint(300_000)));
    run.give(0, &longest).unwrap();
}
