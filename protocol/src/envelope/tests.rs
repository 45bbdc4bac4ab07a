use proptest::prelude::*;
use std::sync::Arc;

use super::*;
use crate::cbor;
use crate::crypto::{
    Ed25519Authenticator, IV_LEN, Prehash, SuiteRegistry, TAG_LEN, Transcript, sha256,
};
use crate::identity::Identity;

fn identity() -> Identity {
    let key = Arc::new(Ed25519Authenticator::from_seed(&[1; 32]));
    Identity::new(Some("entity_a".parse().unwrap()), key).unwrap()
}

fn header(kind: EnvelopeKind, session: bool) -> Header {
    let mut id = [0x44; 16];
    id[8] = 0x84;
    Header {
        kind,
        sender: "entity_a".parse().unwrap(),
        recipient: "エンティティ".parse().unwrap(),
        session: session.then(|| SessionId::from_bytes(id).unwrap()),
        sequence: 300,
        timestamp: Timestamp::from_millis(1_800_000_000_000),
        nonce: Nonce::from_bytes([7; 16]),
    }
}

const NONCE: [u8; IV_LEN] = [5; IV_LEN];

fn seal(header: &Header, text: &[u8]) -> Vec<u8> {
    seal_with(Prehash::Sha256, header, text)
}

fn seal_with(prehash: Prehash, header: &Header, text: &[u8]) -> Vec<u8> {
    let suites = SuiteRegistry::default();
    let aead = suites.get("AES-256-GCM").unwrap().aead(&[3; 32]);
    let write = |out: &mut Vec<u8>| out.extend_from_slice(text);
    sealed(header, text.len(), write, aead.as_ref(), &NONCE, prehash, &identity()).unwrap()
}

#[test]
fn every_kind_comes_back_as_it_was_and_verifies() {
    for kind in EnvelopeKind::ALL.into_iter().filter(|kind| *kind != EnvelopeKind::Sealed) {
        for session in [false, true] {
            let header = header(kind, session);
            let bytes = plain(&header, b"payload", &identity());
            assert_eq!(cbor::check(&bytes), Ok(()));
            let envelope = Envelope::decode(bytes.clone()).unwrap();
            assert_eq!(envelope.header(), &header);
            assert_eq!((envelope.payload(), envelope.as_bytes()), (&b"payload"[..], &bytes[..]));
            assert!(envelope.verify(identity().public_key()).is_ok());
            let other = Ed25519Authenticator::from_seed(&[2; 32]);
            let other = Identity::new(None, Arc::new(other)).unwrap();
            assert!(envelope.verify(other.public_key()).is_err());
            assert_eq!(envelope.into_bytes(), bytes);
        }
        let first = matches!(kind, EnvelopeKind::HandshakeInit | EnvelopeKind::Handshake);
        assert_eq!(kind.starts_handshake(), first, "{kind}");
    }
    assert!(!EnvelopeKind::Sealed.starts_handshake());
}

/// Enough to see what it is, and no more than that of what a stranger wrote.
#[test]
fn what_is_not_known_is_named_in_few_characters() {
    let header = header(EnvelopeKind::Ready, false);
    let bytes = plain(&header, b"", &identity());
    let place = bytes.windows(6).position(|part| part == b"\x65ready").unwrap();
    for (name, shown) in [("x".to_owned(), "x".to_owned()), ("é".repeat(60), "é".repeat(32))] {
        let mut other = bytes[..place].to_vec();
        cbor::push_text(&mut other, &name);
        other.extend_from_slice(&bytes[place + 6..]);
        let refused = Envelope::decode(other).unwrap_err();
        assert_eq!(refused, EnvelopeError::Kind { found: shown });
    }
}

#[test]
fn a_sealed_envelope_opens_in_place_under_its_own_key_nonce_and_header() {
    let header = header(EnvelopeKind::Sealed, true);
    for len in [0, 1, 23, 24, 239, 240, 65_000, 70_000] {
        let text: Vec<u8> = (0..=255).cycle().take(len).collect();
        let bytes = seal(&header, &text);
        assert_eq!(cbor::check(&bytes), Ok(()));
        assert!(len < 32 || !bytes.windows(len).any(|window| window == text), "it is encrypted");
        let suites = SuiteRegistry::default();
        let aead = |key: u8| suites.get("AES-256-GCM").unwrap().aead(&[key; 32]);
        let envelope = || Envelope::decode(bytes.clone()).unwrap();
        assert!(envelope().verify(identity().public_key()).is_ok());
        assert_eq!(envelope().payload().len(), len + TAG_LEN);
        let (opened, plaintext) = envelope().open(aead(3).as_ref(), &NONCE).unwrap();
        assert_eq!((opened, &plaintext[..]), (header.clone(), &text[..]));
        assert!(envelope().open(aead(4).as_ref(), &NONCE).is_err());
        assert!(envelope().open(aead(3).as_ref(), &[6; IV_LEN]).is_err());
    }
}

/// What is signed and what is authenticated is the envelope with entries cut out, byte for byte.
#[test]
fn signed_and_authenticated_bytes_are_the_envelope_without_some_entries() {
    for (bytes, entries) in [
        (plain(&header(EnvelopeKind::HandshakeInit, false), &[9; 300], &identity()), 9),
        (plain(&header(EnvelopeKind::Ready, true), &[], &identity()), 10),
        (seal(&header(EnvelopeKind::Sealed, true), &[9; 10]), 11),
    ] {
        assert_eq!(bytes[0], 0xa0 | entries);
        let entry = |key: &[u8], content: &[u8]| {
            let mut entry = Vec::new();
            cbor::push_text(&mut entry, std::str::from_utf8(key).unwrap());
            cbor::push_bytes(&mut entry, content);
            entry
        };
        let without = |bytes: &[u8], entry: &[u8]| {
            let at = bytes.windows(entry.len()).position(|window| window == entry).unwrap();
            let head = [bytes[0] - 1];
            [&head, &bytes[1..at], &bytes[at + entry.len()..]].concat()
        };
        let envelope = Envelope::decode(bytes.clone()).unwrap();
        let signature = &bytes[envelope.signature_range().clone()];
        let unsigned = without(&bytes, &entry(b"signature", signature));
        let aad = without(&unsigned, &entry(b"payload", envelope.payload()));
        assert_eq!(envelope.aad(), aad);
        let transcript = Transcript::new();
        let nothing = 0..0;
        let provisional = envelope.provisional(&transcript, &nothing).hash();
        assert_eq!(provisional, transcript.with(&unsigned).hash());
        let message = [&b"peer-v1.1-envelope"[..], &sha256(&unsigned)].concat();
        let signature = signature.try_into().unwrap();
        assert!(identity().public_key().verify(&message, signature).is_ok());
    }
}

/// Carriers do not know the suite. A digest under the other's label is still none of either.
#[test]
fn a_sealed_envelope_verifies_by_either_digest_and_anything_else_by_one_only() {
    let sealed_header = header(EnvelopeKind::Sealed, true);
    let key = *identity().public_key();
    for (prehash, other) in [(Prehash::Sha256, Prehash::Blake3), (Prehash::Blake3, Prehash::Sha256)]
    {
        let bytes = seal_with(prehash, &sealed_header, b"secret");
        let mut envelope = Envelope::decode(bytes).unwrap();
        assert!(envelope.verify(&key).is_ok());
        assert!(envelope.signed_message(prehash).verify(&key).is_ok());
        assert!(envelope.signed_message(other).verify(&key).is_err(), "a session is strict");
        envelope.signature[3] ^= 1;
        assert!(envelope.verify(&key).is_err());
    }
    let bytes = plain(&header(EnvelopeKind::Error, false), b"body", &identity());
    let mut envelope = Envelope::decode(bytes).unwrap();
    let blake3 = envelope.layout.signed_message(envelope.as_bytes(), Prehash::Blake3);
    envelope.signature = identity().sign(blake3.as_bytes());
    assert!(envelope.verify(&key).is_err(), "handshakes and errors are signed over SHA-256");
}

#[test]
fn blanking_a_part_of_the_payload_touches_nothing_else() {
    let header = header(EnvelopeKind::HandshakeAck, true);
    let mut draft = Draft::new(&header, b"0123456789");
    let part = 3..8;
    draft.fill(&part, b"MACMA");
    let envelope = Envelope::decode(draft.sign(&identity())).unwrap();
    assert_eq!(envelope.payload(), b"012MACMA89");
    let zeros = Draft::new(&header, b"012\0\0\0\0\089").transcript(&Transcript::new()).hash();
    assert_eq!(envelope.provisional(&Transcript::new(), &part).hash(), zeros);
}

#[test]
fn sizes_are_refused_by_name_and_limit() {
    let limit = MAX_PLAIN_ENVELOPE_LEN;
    let header = header(EnvelopeKind::Error, false);
    let frame = plain(&header, &[0; 10_000], &identity()).len() - 10_000;
    assert!(Envelope::decode(plain(&header, &vec![0; limit - frame], &identity())).is_ok());
    let refused = Envelope::decode(plain(&header, &vec![0; limit - frame + 1], &identity()));
    assert_eq!(refused.unwrap_err(), EnvelopeError::PlainTooLong { len: limit + 1 });

    let header = self::header(EnvelopeKind::Sealed, true);
    let frame = seal(&header, &[0; 1 << 20]).len() - (1 << 20);
    assert!(Envelope::decode(seal(&header, &vec![0; MAX_ENVELOPE_LEN - frame])).is_ok());
    let refused = Envelope::decode(seal(&header, &vec![0; MAX_ENVELOPE_LEN - frame + 1]));
    assert_eq!(refused.unwrap_err(), EnvelopeError::TooLong { len: MAX_ENVELOPE_LEN + 1 });
}

/// The longest names and numbers still fit the room that is set aside for everything but the payload.
#[test]
fn the_largest_header_comes_back() {
    let name = "x".repeat(crate::limits::MAX_ENTITY_ID_LEN);
    let header = Header {
        sender: name.parse().unwrap(),
        recipient: name.parse().unwrap(),
        sequence: u64::MAX,
        timestamp: Timestamp::from_millis(u64::MAX),
        ..header(EnvelopeKind::Sealed, true)
    };
    let envelope = Envelope::decode(seal(&header, b"")).unwrap();
    assert_eq!(envelope.header(), &header);
    assert!(envelope.as_bytes().len() <= 512 + TAG_LEN);
}

#[test]
fn a_payload_shorter_than_a_tag_does_not_open() {
    let bytes = seal(&header(EnvelopeKind::Sealed, true), b"");
    // The payload has exactly the tag; one byte less is no record at all.
    let at = bytes.windows(8).position(|window| window == b"gpayload").unwrap() + 8;
    assert_eq!(bytes[at], 0x40 | TAG_LEN as u8);
    let mut short = bytes;
    short[at] -= 1;
    short.remove(at + 1);
    let envelope = Envelope::decode(short).unwrap();
    let suites = SuiteRegistry::default();
    let aead = suites.get("AES-256-GCM").unwrap().aead(&[3; 32]);
    assert!(envelope.open(aead.as_ref(), &NONCE).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Envelope::decode(bytes);
    }

    /// Whatever decodes is spelt in the one way there is.
    #[test]
    fn spoilt_envelopes_never_panic(at in 0_usize..300, value in any::<u8>(), cut in 0_usize..300) {
        let mut bytes = seal(&header(EnvelopeKind::Sealed, true), b"some text");
        let place = at % bytes.len();
        bytes[place] = value;
        if cut < bytes.len() {
            bytes.truncate(bytes.len() - cut);
        }
        if let Ok(envelope) = Envelope::decode(bytes.clone()) {
            prop_assert_eq!(cbor::check(&bytes), Ok(()));
            let _ = envelope.verify(identity().public_key());
            let _ = (envelope.aad(), envelope.payload());
        }
    }
}
