//! Whatever does the cryptography accepts the same: signatures as dalek's `verify_strict`, with a table or without, with points
//! of small order and encodings that are not canonical, and the same bytes as the Rust ciphers. Run it
//! with and without the feature `fast-crypto`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::cell::RefCell;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use peer_protocol::crypto::{
    Authenticator as _, Ed25519Authenticator, EphemeralKey, KeyTable, PublicKey, SuiteRegistry,
};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha512};

/// All spellings of small-order points: the canonical ones, those with a coordinate that is too large,
/// and those with a sign for a coordinate of zero.
fn small_order_spellings() -> Vec<[u8; 32]> {
    let mut spellings: Vec<_> =
        EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    for low in [0xec, 0xed, 0xee, 0xef] {
        for last in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, last);
            spellings.push(bytes);
        }
    }
    for first in [0, 1] {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (first, 0x80);
        spellings.push(bytes);
    }
    spellings
}

/// Points with a y of less than nineteen, spelled with the field's order added.
fn too_large_spellings() -> Vec<[u8; 32]> {
    let mut spellings = Vec::new();
    for low in 0xed..=0xff {
        for last in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, last);
            if CompressedEdwardsY(bytes).decompress().is_some() {
                spellings.push(bytes);
            }
        }
    }
    spellings
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// What `judge` says of the key's table. The one used last is kept.
fn table_of(key: &PublicKey, judge: impl FnOnce(&KeyTable) -> bool) -> bool {
    thread_local!(static LAST: RefCell<Option<(PublicKey, KeyTable)>> = const { RefCell::new(None) });
    LAST.with_borrow_mut(|last| {
        let known = last.take().filter(|(of, _)| of == key);
        let (_, table) = last.insert(known.unwrap_or_else(|| (*key, KeyTable::new(key))));
        judge(table)
    })
}

/// The judgement of all, of one key with a table and without, which must be the same; returns it.
fn judged(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let ours = PublicKey::from_bytes(key).ok().map(|key| {
        let held = key.verify(message, signature).is_ok();
        let by_table = table_of(&key, |table| table.verify(message, signature).is_ok());
        assert_eq!(by_table, held, "key {key:?}, signature {signature:02x?}");
        held
    });
    let strict = VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak()).map(|key| {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        key.verify_strict(message, &signature).is_ok()
    });
    assert_eq!(ours, strict, "key {key:02x?}, signature {signature:02x?}");
    ours.unwrap_or(false)
}

fn joined(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(r);
    signature[32..].copy_from_slice(s);
    signature
}

/// `s` plus so many times the group's order; `None` if that does not fit.
fn plus_order(s: &[u8; 32], times: u8) -> Option<[u8; 32]> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut sum = *s;
    for _ in 0..times {
        let mut carry = 0_u16;
        for (byte, add) in sum.iter_mut().zip(ORDER) {
            let total = u16::from(*byte) + u16::from(add) + carry;
            *byte = total as u8;
            carry = total >> 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(sum)
}

/// The equation holds for each of these as it stands, with the key and the nonce off the large subgroup
/// in every way; only those with a nonce of large order may pass.
#[test]
fn torsion_in_key_and_nonce_is_judged_alike() {
    let (secret, nonce) = (Scalar::from(1_234_567_u64), Scalar::from(7_654_321_u64));
    let mut passed = 0;
    for (place, with) in EIGHT_TORSION.iter().enumerate() {
        let key_point = ED25519_BASEPOINT_POINT * secret + with;
        let key = key_point.compress().to_bytes();
        for nonce_point in nonces(nonce) {
            for spelling in spellings_of(nonce_point) {
                for message in 0..24_u8 {
                    let k = challenge(&spelling, &key, &[message]);
                    // The nonce that this S proves is on the subgroup; k times the torsion is what is off.
                    for base in [nonce, Scalar::ZERO] {
                        let s = (base + k * secret).to_bytes();
                        passed += usize::from(judged(&key, &[message], &joined(&spelling, &s)));
                        if let Some(s) = plus_order(&s, 1) {
                            let again = judged(&key, &[message], &joined(&spelling, &s));
                            assert!(!again, "a second spelling of S, torsion {place}");
                        }
                    }
                }
            }
        }
    }
    assert!(passed > 100, "none of it would show a difference: {passed}");
}

/// Nonce points: the ordinary one and every point of small order, alone and added to it.
fn nonces(nonce: Scalar) -> Vec<EdwardsPoint> {
    let ordinary = ED25519_BASEPOINT_POINT * nonce;
    EIGHT_TORSION.iter().flat_map(|torsion| [ordinary + torsion, *torsion]).collect()
}

fn spellings_of(point: EdwardsPoint) -> Vec<[u8; 32]> {
    let canonical = point.compress().to_bytes();
    let others = small_order_spellings().into_iter().filter(|bytes| {
        CompressedEdwardsY(*bytes).decompress() == Some(point) && *bytes != canonical
    });
    std::iter::once(canonical).chain(others).collect()
}

#[test]
fn keys_and_nonces_with_a_coordinate_too_large_are_judged_alike() {
    let spellings = [small_order_spellings(), too_large_spellings()].concat();
    assert!(spellings.len() > 30);
    let honest = SigningKey::from_bytes(&[5; 32]);
    let signature = honest.sign(b"message").to_bytes();
    let honest = honest.verifying_key().to_bytes();
    for spelling in &spellings {
        judged(spelling, b"message", &signature);
        // A key of unknown secret: S cannot be had, but R can be any.
        for s in [Scalar::ZERO, Scalar::ONE] {
            judged(spelling, b"message", &joined(spelling, s.as_bytes()));
            judged(&honest, b"message", &joined(spelling, s.as_bytes()));
        }
    }
}

/// With a key whose torsion part is all there is left of it, R can be chosen for a key that is spelled
/// with a coordinate too large: `S·B - k·A` is known whatever the secret is.
#[test]
fn signatures_made_to_fit_a_key_are_judged_alike() {
    for key in [small_order_spellings(), too_large_spellings()].concat() {
        let point = CompressedEdwardsY(key).decompress();
        let Some(point) = point else { continue };
        for message in 0..64_u8 {
            // Guess the challenge's residue, and keep what comes true.
            for residue in 0..8_u64 {
                let s = Scalar::from(99_u64);
                let r = ED25519_BASEPOINT_POINT * s - point * Scalar::from(residue);
                let r = r.compress().to_bytes();
                judged(&key, &[message], &joined(&r, s.as_bytes()));
            }
        }
    }
}

proptest! {
    #[test]
    fn honest_and_spoilt_signatures_are_judged_alike(
        seed in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 0..200),
        bit in 0..512_usize,
    ) {
        let dalek = SigningKey::from_bytes(&seed);
        let ours = Ed25519Authenticator::from_seed(&seed);
        prop_assert_eq!(*ours.public_key().as_bytes(), dalek.verifying_key().to_bytes());
        let signature = ours.sign(&message);
        prop_assert_eq!(signature, dalek.sign(&message).to_bytes());
        let key = ours.public_key();
        prop_assert!(judged(key.as_bytes(), &message, &signature));
        let mut spoilt = signature;
        spoilt[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!judged(key.as_bytes(), &message, &spoilt));
        let mut other = *key.as_bytes();
        other[bit / 16] ^= 1 << (bit % 8);
        judged(&other, &message, &signature);
        for times in 1..8 {
            let s: [u8; 32] = signature[32..].try_into().unwrap();
            let r: [u8; 32] = signature[..32].try_into().unwrap();
            if let Some(s) = plus_order(&s, times) {
                prop_assert!(!judged(key.as_bytes(), &message, &joined(&r, &s)));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_judged_alike(key in any::<[u8; 32]>(), r in any::<[u8; 32]>(), s in any::<[u8; 32]>()) {
        judged(&key, b"message", &joined(&r, &s));
    }

    #[test]
    fn aes_is_the_same_and_opens_nothing_else(
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; 12]>(),
        aad in prop::collection::vec(any::<u8>(), 0..64),
        text in prop::collection::vec(any::<u8>(), 0..600),
        bit in 0..128_usize,
    ) {
        let suites = SuiteRegistry::default();
        let aead = suites.get(SuiteRegistry::AES_256_GCM).unwrap().aead(&key);
        let mut ours = text.clone();
        let tag = aead.seal(&nonce, &aad, &mut ours).unwrap();
        let mut theirs = text.clone();
        let rust = Aes256Gcm::new((&key).into());
        let their_tag =
            rust.encrypt_inout_detached((&nonce).into(), &aad, theirs.as_mut_slice().into()).unwrap();
        prop_assert_eq!((&ours, tag), (&theirs, their_tag.into()));
        let mut spoilt = tag;
        spoilt[bit / 8] ^= 1 << (bit % 8);
        let mut refused = ours.clone();
        prop_assert!(aead.open(&nonce, &aad, &mut refused, &spoilt).is_err());
        prop_assert!(text.len() < 8 || refused != text, "plaintext of what does not open");
        aead.open(&nonce, &aad, &mut ours, &tag).unwrap();
        prop_assert_eq!(ours, text);
    }

    #[test]
    fn key_agreement_is_the_same(seed in any::<u64>(), other in any::<[u8; 32]>()) {
        let ours = EphemeralKey::generate(&mut StdRng::seed_from_u64(seed));
        let mut private = [0; 32];
        StdRng::seed_from_u64(seed).fill_bytes(&mut private);
        let basepoint = x25519_dalek::X25519_BASEPOINT_BYTES;
        prop_assert_eq!(*ours.public(), x25519_dalek::x25519(private, basepoint));
        let shared = ours.agree(&other).ok().map(|shared| *shared.expose());
        let theirs = x25519_dalek::x25519(private, other);
        prop_assert_eq!(shared, (theirs != [0; 32]).then_some(theirs));
    }
}

/// Keys of small order on the curve and its twist lead nowhere.
#[test]
fn low_order_ephemeral_keys_are_refused() {
    let ours = EphemeralKey::generate(&mut StdRng::seed_from_u64(1));
    for torsion in EIGHT_TORSION {
        assert!(ours.agree(&torsion.to_montgomery().to_bytes()).is_err());
    }
    let mut too_large = [0xff; 32];
    too_large[31] = 0x7f;
    for low in [0xec, 0xed, 0xee] {
        too_large[0] = low;
        assert!(ours.agree(&too_large).is_err(), "{low:x}");
    }
}
