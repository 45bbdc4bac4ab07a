//! Tampering: each field, each bit, and each encoding of every envelope.

use ed25519_dalek::SigningKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::session::SessionError;

use crate::rig::{Established, KINDS, Run, all_stages};
use crate::wire::{Item, Letter, Map};

/// Another value of the same type and, as far as possible, as valid as the old one.
fn changed(item: &Item) -> Item {
    match item {
        Item::Uint(number) => Item::Uint(number ^ 1),
        Item::Bytes(bytes) => {
            let mut bytes = bytes.clone();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            Item::Bytes(bytes)
        }
        Item::Text(text) => Item::Text(format!("{text}x")),
        Item::List(items) => {
            Item::List(items.iter().cloned().chain([Item::text("extra")]).collect())
        }
        Item::Bool(value) => Item::Bool(!value),
        Item::Map(_) => panic!("no envelope holds a map"),
    }
}

#[test]
fn tampering_with_each_field_of_each_handshake_envelope_is_noticed() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let honest = Letter::parse(&run.pending());
        for field in honest.0.keys() {
            let tampered = run.tampered(|letter| letter.set(&field, changed(honest.get(&field))));
            run.refused(run.receiver(), &tampered);
            let without = run.tampered(|letter| letter.0.remove(&field));
            run.refused(run.receiver(), &without);
        }
        let body = honest.body();
        for field in body.keys() {
            let changed = changed(body.get(&field));
            let tampered = run.tampered(|letter| letter.set_in_body(&field, changed));
            run.refused(run.receiver(), &tampered);
        }
        run.finish();
    }
}

/// A body that lacks an entry or has one too many, although its sender signed it.
#[test]
fn missing_and_unknown_entries_of_bodies_are_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let body = Letter::parse(&run.pending()).body();
        for field in body.keys() {
            let mut short = body.clone();
            short.remove(&field);
            let forged = run.forged(|letter| letter.set_body(&short));
            let code = ErrorCode::from(&run.refuses(&forged));
            assert_eq!(code, ErrorCode::InvalidVersion, "{kind} {made} {field}");
        }
        let forged = run.forged(|letter| letter.set_in_body("extra", Item::Uint(0)));
        assert_eq!(ErrorCode::from(&run.refuses(&forged)), ErrorCode::InvalidVersion);
        run.finish();
    }
}

#[test]
fn every_single_bit_of_each_handshake_envelope_counts() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let (side, mut message) = (run.receiver(), run.pending());
        for bit in 0..message.len() * 8 {
            message[bit / 8] ^= 1 << (bit % 8);
            run.refused(side, &message);
            message[bit / 8] ^= 1 << (bit % 8);
        }
        run.finish();
    }
}

#[test]
fn every_single_bit_of_a_sealed_envelope_counts() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let mut record = session.seal(0, "attack at dawn");
        for bit in 0..record.len() * 8 {
            record[bit / 8] ^= 1 << (bit % 8);
            session.receive(1, &record).expect_err("a flipped bit is noticed");
            record[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(session.receive(1, &record), Ok(vec!["attack at dawn".to_owned()]));
    }
}

/// Every header field is under the AEAD, not only under the signature: even the sender itself cannot
/// change one once a record is sealed.
#[test]
fn tampering_with_each_field_of_a_sealed_envelope_is_noticed_by_the_aead() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let (a, b) = (session.nodes[0].signing.clone(), session.nodes[1].signing.clone());
        let letter = session.record(0, 4, |_| {});
        for field in ["nonce", "timestamp", "session_id", "sequence_num", "payload"] {
            let mut tampered = letter.clone();
            tampered.set(field, changed(letter.get(field)));
            assert_eq!(
                session.refuses(1, &tampered.signed(&a)),
                SessionError::Decryption,
                "{field}"
            );
            assert_eq!(
                session.refuses(1, &tampered.signed(&b)),
                SessionError::Decryption,
                "{field}"
            );
        }
        for field in ["sender_id", "recipient_id"] {
            let mut tampered = letter.clone();
            tampered.set(field, changed(letter.get(field)));
            let error = session.refuses(1, &tampered.signed(&a));
            assert!(matches!(error, SessionError::Address { .. }), "{field}: {error}");
        }
        session.receive(1, &letter.signed(&a)).unwrap();
    }
}

/// Whoever has stolen the session's keys still cannot speak for the peer.
#[test]
fn a_record_without_the_peers_signature_is_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let letter = session.record(0, 1, |_| {});
        for key in [SigningKey::from_bytes(&[66; 32]), session.nodes[1].signing.clone()] {
            assert_eq!(session.refuses(1, &letter.signed(&key)), SessionError::Signature);
        }
        // The digest of another suite, by the right key and under its own label.
        let other = letter.signed_in("AES-256-GCM", &session.nodes[0].signing);
        assert_eq!(session.refuses(1, &other), SessionError::Signature);
        let signed = letter.signed(&session.nodes[0].signing);
        let mut unsigned = Letter::parse(&signed);
        unsigned.set("signature", Item::bytes([0; 64]));
        assert_eq!(session.refuses(1, &unsigned.encode()), SessionError::Signature);
        // All of that changed nothing: the record itself is still new.
        session.receive(1, &signed).unwrap();
    }
}

/// Spellings of one and the same envelope other than the deterministic one.
#[test]
fn other_encodings_of_an_envelope_are_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let honest = run.pending();
        let key = run.nodes[run.sender()].signing.clone();
        let signed = Letter::parse(&honest);
        assert_eq!(signed.signed(&key), honest, "the second implementation agrees");
        let mut spellings = Vec::new();

        let mut trailing = honest.clone();
        trailing.push(0);
        spellings.push(trailing);
        spellings.push([honest.as_slice(), &honest].concat());
        spellings.extend((0..honest.len()).map(|end| honest[..end].to_vec()));

        // Entries in another order; an entry twice; the map's length not in its shortest form; the
        // map of indefinite length; a tag around it.
        let mut reversed = signed.0.clone();
        reversed.0.reverse();
        spellings.push(reversed.encode_unsorted());
        let mut twice = signed.0.clone();
        twice.0.insert(0, twice.0[0].clone());
        spellings.push(twice.encode_unsorted());
        let entries = honest[0] & 0x1f;
        spellings.push([&[0xb8, entries], &honest[1..]].concat());
        spellings.push([&[0xbf], &honest[1..], &[0xff]].concat());
        spellings.push([&[0xd9, 0xd9, 0xf7], &honest[..]].concat());
        for spelling in spellings {
            assert_eq!(run.refused(run.receiver(), &spelling).code(), ErrorCode::InvalidVersion);
        }

        let mut extra = signed.clone();
        extra.set("extra", Item::Uint(1));
        let null = Map::from([("a", Item::Uint(1))]);
        let mut mistyped = signed.clone();
        mistyped.set("nonce", Item::Map(null));
        let mut wide = signed.clone();
        wide.set("nonce", Item::bytes([7; 17]));
        let mut short = signed.clone();
        short.set("signature", Item::bytes([7; 63]));
        for letter in [extra, mistyped, wide] {
            let refusal = run.refused(run.receiver(), &letter.signed(&key));
            assert_eq!(refusal.code(), ErrorCode::InvalidVersion);
        }
        assert_eq!(run.refused(run.receiver(), &short.encode()).code(), ErrorCode::InvalidVersion);
        run.finish();
    }
}

/// A body in another encoding, signed as it is, is refused as well.
#[test]
fn other_encodings_of_a_body_are_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let body = Letter::parse(&run.pending()).body();
        let mut reversed = body.clone();
        reversed.0.reverse();
        let mut twice = body.clone();
        twice.0.insert(0, twice.0[0].clone());
        let canonical = body.encode();
        let trailing = [canonical.as_slice(), &[0]].concat();
        for spelling in [reversed.encode_unsorted(), twice.encode_unsorted(), trailing, vec![]] {
            let forged = run.forged(|letter| letter.set("payload", Item::Bytes(spelling)));
            assert_eq!(ErrorCode::from(&run.refuses(&forged)), ErrorCode::InvalidVersion);
        }
        run.finish();
    }
}
