use std::borrow::Cow;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::{Ed25519Authenticator, HotKeys, IV_LEN, KeySchedule, Secret, SuiteRegistry};
use crate::envelope::Envelope;
use crate::identity::Identity;
use crate::limits::{MAX_BYTES_PER_KEY, MAX_RECORDS_PER_KEY};
use crate::message::{Body, Message, Task};
use crate::time::{Now, Timestamp};

fn identity(seed: u8) -> Identity {
    Identity::new(None, Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]))).unwrap()
}

fn session(role: Role, own: u8, peer: u8) -> Session {
    let mut id = [0x44; 16];
    id[8] = 0x84;
    let session_key = crate::crypto::SessionKey::derive(&Secret::new([1; 32]), &[2; 32]);
    let (_, peer) = (identity(own), identity(peer));
    let agreed = Agreed {
        id: SessionId::from_bytes(id).unwrap(),
        role,
        handshake: HandshakeKind::ThreeWay,
        suite: SuiteRegistry::default().get(SuiteRegistry::AES_256_GCM).unwrap(),
        features: Vec::new(),
        keys: KeySchedule::expand(&session_key),
        peer: PeerIdentity { entity: peer.entity().clone(), key: *peer.public_key() },
        lifetime: Duration::from_secs(1000),
        started: start().instant - Duration::from_secs(1),
        max_skew: Duration::from_secs(60),
        hot_keys: HotKeys::default(),
    };
    Session::new(agreed, start().instant)
}

fn start() -> Now {
    Now {
        instant: Instant::from_start(Duration::from_secs(100)),
        timestamp: Timestamp::from_millis(1_800_000_000_000),
    }
}

fn task(rng: &mut StdRng, len: usize) -> Message {
    let content = Cow::Owned(vec![7; len]);
    Message::new(rng, &Body::from(Task { content, ..Task::default() }), None).unwrap()
}

#[test]
fn each_direction_counts_its_own_records_from_zero() {
    let rng = &mut StdRng::seed_from_u64(1);
    let ids = [identity(1), identity(2)];
    let mut sessions = [session(Role::Initiator, 1, 2), session(Role::Responder, 2, 1)];
    for expected in 0..5 {
        for side in 0..2 {
            let message = task(rng, 10);
            let batch = std::slice::from_ref(&message);
            let sealed = sessions[side].seal(batch, &ids[side], rng, start()).unwrap();
            let envelope = Envelope::decode(sealed.bytes).unwrap();
            assert_eq!(envelope.header().sequence, expected);
            assert_eq!(envelope.header().nonce, sealed.nonce);
            let receiver = &mut sessions[1 - side];
            let record = receiver.open(envelope, &ids[1 - side], start()).unwrap();
            assert_eq!(record.messages(), [Ok(message.clone())]);
            let opened = receiver.accept(record, start()).unwrap();
            assert_eq!(opened.messages, [Ok(message)]);
        }
    }
}

/// The counter ends in an error, never in a number that was used before.
#[test]
fn a_counter_that_runs_out_is_an_error_and_never_wraps() {
    let rng = &mut StdRng::seed_from_u64(2);
    let mut session = session(Role::Initiator, 1, 2);
    let batch = [task(rng, 1)];
    session.send.skip_to(MAX_RECORDS_PER_KEY / 2 - 1);
    assert!(!session.wants_renewal(start().instant));
    session.seal(&batch, &identity(1), rng, start()).unwrap();
    assert!(session.wants_renewal(start().instant), "half used up");
    session.send.skip_to(MAX_RECORDS_PER_KEY - 1);
    assert!(session.can_send(start().instant));
    let last = session.seal(&batch, &identity(1), rng, start()).unwrap();
    let last = Envelope::decode(last.bytes).unwrap();
    assert_eq!(last.header().sequence, MAX_RECORDS_PER_KEY - 1);
    for _ in 0..3 {
        assert!(!session.can_send(start().instant));
        let refused = session.seal(&batch, &identity(1), rng, start()).unwrap_err();
        assert_eq!(refused, SessionError::KeyExhausted);
    }
}

#[test]
fn a_key_that_sealed_as_many_bytes_as_it_may_seals_no_more() {
    let rng = &mut StdRng::seed_from_u64(3);
    let mut session = session(Role::Initiator, 1, 2);
    let batch = [task(rng, 1000)];
    let len = crate::message::batch_len(&batch) as u64;
    session.send.pretend_bytes(MAX_BYTES_PER_KEY / 2 - len - 1);
    session.seal(&batch, &identity(1), rng, start()).unwrap();
    assert!(!session.wants_renewal(start().instant), "the plaintext counts, and nothing else");
    session.send.pretend_bytes(MAX_BYTES_PER_KEY / 2 - len);
    session.seal(&batch, &identity(1), rng, start()).unwrap();
    assert!(session.wants_renewal(start().instant));
    session.send.pretend_bytes(MAX_BYTES_PER_KEY - 1);
    session.seal(&batch, &identity(1), rng, start()).unwrap();
    let refused = session.seal(&batch, &identity(1), rng, start()).unwrap_err();
    assert_eq!(refused, SessionError::KeyExhausted);
}

/// Record 0 of `ready` is sealed once, before anything else.
#[test]
fn the_first_record_is_sealed_and_opened_once() {
    let rng = &mut StdRng::seed_from_u64(4);
    let mut sender = session(Role::Responder, 2, 1);
    let mut receiver = session(Role::Initiator, 1, 2);
    let record = sender.seal_first(b"aad", &[9; 32]).unwrap();
    assert_eq!(receiver.open_first(b"other", &record), Err(SessionError::Decryption));
    assert_eq!(receiver.open_first(b"aad", &record[..10]), Err(SessionError::Decryption));
    assert_eq!(receiver.open_first(b"aad", &record).unwrap(), [9; 32]);
    let repeated = SessionError::Window(WindowError::Repeated { sequence: 0 });
    assert_eq!(receiver.open_first(b"aad", &record), Err(repeated));
    assert_eq!(sender.seal_first(b"aad", &[9; 32]), Err(SessionError::KeyExhausted));
    let next = sender.seal(&[task(rng, 1)], &identity(2), rng, start()).unwrap();
    assert_eq!(Envelope::decode(next.bytes).unwrap().header().sequence, 1);
}

#[test]
fn nonces_are_the_iv_xor_the_number_and_never_meet() {
    let iv: [u8; IV_LEN] = std::array::from_fn(|index| index as u8 * 20);
    assert_eq!(record_nonce(&iv, 0), iv);
    let mut nonces = std::collections::HashSet::new();
    for bit in 0..64 {
        for sequence in [1_u64 << bit, (1 << bit) - 1, u64::MAX - (1 << bit)] {
            let nonce = record_nonce(&iv, sequence);
            assert_eq!(nonce[..4], iv[..4]);
            let tail = u64::from_be_bytes(nonce[4..].try_into().unwrap());
            assert_eq!(tail ^ u64::from_be_bytes(iv[4..].try_into().unwrap()), sequence);
            nonces.insert((sequence, nonce));
        }
    }
    let distinct: std::collections::HashSet<_> = nonces.iter().map(|(_, nonce)| nonce).collect();
    assert_eq!(distinct.len(), nonces.len());
}

/// The initiator renews first, so that normally only one of the two begins.
#[test]
fn a_session_has_a_life_and_wants_renewal_before_its_end() {
    let at = |seconds: u64| start().instant + Duration::from_secs(seconds);
    for (role, renew) in [(Role::Initiator, 800), (Role::Responder, 900)] {
        let session = session(role, 1, 2);
        assert_eq!(session.handshake_took(), Duration::from_secs(1));
        assert_eq!((session.established(), session.expires()), (at(0), at(1000)));
        assert_eq!(session.renew_at(), at(renew));
        assert!(!session.wants_renewal(at(renew - 1)) && session.wants_renewal(at(renew)));
        assert!(session.can_send(at(999)) && !session.is_expired(at(999)));
        assert!(!session.can_send(at(1000)) && session.is_expired(at(1000)));
    }
}
