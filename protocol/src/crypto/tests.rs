//! Known answers from the standards, so that no primitive is taken for another.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

use super::*;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// Random bytes that are always the same.
struct Fixed([u8; 32]);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// Compiles only with the libraries' `zeroize` features.
#[test]
fn what_holds_a_key_is_zeroized_when_dropped() {
    const fn zeroized<T: zeroize::ZeroizeOnDrop>() {}
    zeroized::<aes_gcm::Aes256Gcm>();
    zeroized::<chacha20poly1305::ChaCha20Poly1305>();
    zeroized::<sha2::Sha256>();
    zeroized::<Secret>();
    zeroized::<TrafficKeys>();
}

/// The reference implementation's vectors, of the input 0, 1, …, 250, 0, 1, …
#[test]
fn blake3_is_that_of_its_specification() {
    let input: Vec<u8> = (0..251).cycle().take(1025).collect();
    let digest = |bytes: &[u8]| hex::encode(Prehash::Blake3.digest(&[bytes]));
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(digest(b""), empty);
    let long = "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444";
    assert_eq!(digest(&input), long);
    let (one, two) = input.split_at(7);
    assert_eq!(hex::encode(Prehash::Blake3.digest(&[one, b"", two])), long);
    assert_eq!(Prehash::Sha256.digest(&[b"a", b"bc"]), sha256(b"abc"));
}

/// However a message lies in memory, around the first sixteen kibibytes and beyond them.
#[test]
fn blake3_of_parts_is_that_of_the_whole() {
    let whole: Vec<u8> = (0..251).cycle().take(70_000).collect();
    for len in [0, 1, 16_383, 16_384, 16_385, 40_000, 70_000] {
        let whole = &whole[..len];
        let expected: Digest = ::blake3::hash(whole).into();
        let mut streaming = Blake3::new();
        whole.chunks(1_000).for_each(|part| streaming.update(part));
        assert_eq!(streaming.finish(), expected, "{len} bytes");
        for one in [0, 1, 100, 16_384, 16_385, len] {
            for two in [one, one + 1, 16_384, 20_000, len] {
                let (one, two) = (one.min(len), two.min(len));
                if one <= two {
                    let parts = [&whole[..one], &whole[one..two], &whole[two..]];
                    let digest = Prehash::Blake3.digest(&parts);
                    assert_eq!(digest, expected, "{len} bytes, cut at {one} and {two}");
                }
            }
        }
    }
}

#[test]
fn sha256_is_that_of_fips_180() {
    let digest = bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(sha256(b"abc"), digest);
    let mut streaming = Sha256::new();
    streaming.update(b"a");
    streaming.update(b"bc");
    assert_eq!(streaming.finish(), digest);
}

/// RFC 7748 §6.1.
#[test]
fn x25519_is_that_of_rfc_7748() {
    let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    let sides: [([u8; 32], [u8; 32]); 2] = [
        (
            bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
            bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
        ),
        (
            bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
            bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
        ),
    ];
    for (own, other) in [(0, 1), (1, 0)] {
        let key = EphemeralKey::generate(&mut Fixed(sides[own].0));
        assert_eq!(key.public(), &sides[own].1);
        assert_eq!(key.agree(&sides[other].1).unwrap().expose(), &shared);
    }
}

const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

/// By the same key, over nothing, with a nonce point of small order.
const SMALL_ORDER_NONCE: &str = "0100000000000000000000000000000000000000000000000000000000000000756cf9b1d6f0d7a979b9d2af3dc2bc1294ec7cb6daa20eaff534c024fc57920f";

/// RFC 8032 §7.1, test 1.
#[test]
fn ed25519_is_that_of_rfc_8032() {
    let authenticator = Ed25519Authenticator::from_seed(&bytes(SEED));
    let key = authenticator.public_key();
    let expected = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_eq!(key.as_bytes(), &expected);
    assert_eq!(authenticator.sign(b""), bytes::<64>(SIGNATURE));
    assert_eq!(key.verify(b"", &bytes(SIGNATURE)), Ok(()));
    assert_eq!(key.verify(b"x", &bytes(SIGNATURE)), Err(BadSignature));
    assert_eq!(*authenticator.seed(), bytes(SEED));
}

/// It settles who stays initiator when both sides open at once.
#[test]
fn keys_are_ordered_as_their_bytes() {
    let key = |seed| Ed25519Authenticator::from_seed(&[seed; 32]).public_key();
    for (one, two) in [(key(1), key(2)), (key(2), key(1)), (key(3), key(3))] {
        assert_eq!(one < two, one.as_bytes() < two.as_bytes());
        assert_eq!(one.cmp(&two), one.as_bytes().cmp(two.as_bytes()));
    }
}

/// S + L stands for the same number as S; one message and key must not have two signatures.
#[test]
fn a_signature_has_one_spelling() {
    let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut signature: Signature = bytes(SIGNATURE);
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let key = Ed25519Authenticator::from_seed(&bytes(SEED)).public_key();
    assert_eq!(key.verify(b"", &signature), Err(BadSignature));
}

/// For a key of small order one signature holds for many messages; and strict verification refuses a
/// nonce point of small order as well.
#[test]
fn keys_and_signatures_of_small_order_are_refused() {
    let one = bytes("0100000000000000000000000000000000000000000000000000000000000000");
    assert_eq!(PublicKey::from_bytes(&one), Err(BadPublicKey));
    let off_curve = bytes("0200000000000000000000000000000000000000000000000000000000000000");
    assert_eq!(PublicKey::from_bytes(&off_curve), Err(BadPublicKey));
    let key = Ed25519Authenticator::from_seed(&bytes(SEED)).public_key();
    // R is the neutral point and S = k·a, so that the plain verification equation holds.
    let signature = bytes(SMALL_ORDER_NONCE);
    assert_eq!(key.verify(b"", &signature), Err(BadSignature));
}

fn sealed(suite: SuiteId, key: &str, nonce: &str, aad: &str, text: &[u8]) -> (String, String) {
    let suites = SuiteRegistry::default();
    let aead = suites.get(suite).unwrap().aead(&bytes(key));
    let (nonce, aad) = (bytes(nonce), hex::decode(aad).unwrap());
    let mut buffer = text.to_vec();
    let tag = aead.seal(&nonce, &aad, &mut buffer).unwrap();
    let ciphertext = hex::encode(&buffer);
    let mut wrong = tag;
    wrong[15] ^= 1;
    for (aad, tag) in [(aad.as_slice(), &wrong), (b"other", &tag)] {
        let mut spoilt = buffer.clone();
        assert_eq!(aead.open(&nonce, aad, &mut spoilt, tag), Err(AeadError));
        let wiped = spoilt.iter().all(|byte| *byte == 0);
        assert!(wiped || hex::encode(spoilt) == ciphertext, "nothing is shown that does not open");
    }
    assert_eq!(aead.open(&nonce, &aad, &mut buffer, &tag), Ok(()));
    assert_eq!(buffer, text);
    (ciphertext, hex::encode(tag))
}

/// Test cases 13 and 14 of the specification of GCM.
#[test]
fn aes_256_gcm_is_that_of_the_specification() {
    let (key, nonce) = ("00".repeat(32), "00".repeat(12));
    let (text, tag) = sealed(SuiteRegistry::AES_256_GCM, &key, &nonce, "", b"");
    assert_eq!((text.as_str(), tag.as_str()), ("", "530f8afbc74536b9a963b4f1c4cb738b"));
    let (text, tag) = sealed(SuiteRegistry::AES_256_GCM, &key, &nonce, "", &[0; 16]);
    assert_eq!(text, "cea7403d4d606b6e074ec5d3baf39d18");
    assert_eq!(tag, "d0d1c8a799996bf0265b98b5d48ab919");
}

/// RFC 8439 §2.8.2.
#[test]
fn chacha20_poly1305_is_that_of_rfc_8439() {
    let (text, tag) = sealed(
        SuiteRegistry::CHACHA20_POLY1305,
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "070000004041424344454647",
        "50515253c0c1c2c3c4c5c6c7",
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
          future, sunscreen would be it.",
    );
    assert!(text.starts_with("d31a8d34648e60db7b86afbc53ef7ec2"), "{text}");
    assert_eq!(tag, "1ae10b594f09e26a7e902ecbd0600691");
}

#[test]
fn a_registry_chooses_by_the_other_sides_preference_and_knows_nothing_else() {
    let suites = SuiteRegistry::named(["ChaCha20-Poly1305", "NULL", "AES-256-GCM"]);
    assert_eq!(suites.names().collect::<Vec<_>>(), ["ChaCha20-Poly1305", "AES-256-GCM"]);
    let chosen = |offered: &[&str]| suites.choose(offered.iter().copied()).map(Suite::id);
    assert_eq!(chosen(&["NULL", "AES-256-GCM", "ChaCha20-Poly1305"]), Some("AES-256-GCM"));
    assert_eq!(chosen(&["NULL", "aes-256-gcm", ""]), None);
    assert!(SuiteRegistry::named(["NULL"]).is_empty() && !suites.is_empty());
    assert!(suites.get("NULL").is_none());
}

/// Envelopes cannot be split or joined into another history.
#[test]
fn a_transcript_keeps_envelopes_apart() {
    let hash = |envelopes: &[&[u8]]| {
        envelopes.iter().fold(Transcript::new(), |sum, next| sum.with(next)).hash()
    };
    let all = [
        hash(&[]),
        hash(&[b""]),
        hash(&[b"ab"]),
        hash(&[b"a", b"b"]),
        hash(&[b"b", b"a"]),
        hash(&[b"ab", b""]),
        hash(&[b"", b"ab"]),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{index}");
    }
    assert_eq!(Transcript::new().with_parts(&[b"a", b"", b"b"]).hash(), hash(&[b"ab"]));
}
