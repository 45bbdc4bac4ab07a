//! X25519 points of small order, which make every shared secret zero.

use peer_protocol::crypto::{EphemeralKey, LowOrderPoint};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::HandshakeError;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::rig::{KINDS, Run};
use crate::wire::{Item, x25519};

/// All of them: the points of order 1, 2, 4 and 8 on the curve and its twist, and the encodings of
/// the same numbers that are not reduced modulo p = 2²⁵⁵ − 19.
const POINTS: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// With and without the top bit, which X25519 ignores.
fn points() -> impl Iterator<Item = [u8; 32]> {
    POINTS.iter().flat_map(|point| {
        let low: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
        let mut high = low;
        high[31] |= 0x80;
        [low, high]
    })
}

#[test]
fn low_order_ephemeral_keys_are_refused_by_both_roles_of_both_handshakes() {
    for kind in KINDS {
        for made in [1, 2] {
            let mut run = Run::at(kind, made);
            for point in points() {
                assert_eq!(x25519(&[9; 32], &point), [0; 32], "the point has small order");
                let forged =
                    run.forged(|letter| letter.set_in_body("ephemeral_key", Item::bytes(point)));
                let error = run.refuses(&forged);
                assert_eq!(error, HandshakeError::LowOrder(LowOrderPoint), "{kind} {made}");
                assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
            }
            run.finish();
        }
    }
}

#[test]
fn low_order_points_agree_on_nothing() {
    let key = EphemeralKey::generate(&mut StdRng::seed_from_u64(3));
    for point in points() {
        assert!(matches!(key.agree(&point), Err(LowOrderPoint)));
    }
}
