//! The nodes that keep an entity's messages, and its last-resort prekey, in its record (§11.2).

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::PublicKey;
use crate::limits::MAX_MAILBOXES;
use crate::mailbox::{Keyring, Prekey};

fn node(seed: u8) -> PublicKey {
    *identity("node", seed).public_key()
}

fn prekey_of(identity: &Identity) -> Prekey {
    Keyring::default().last_resort(identity, NOW, &mut StdRng::seed_from_u64(1)).0
}

/// `record` as somebody signs it who checks nothing.
fn forged(record: &Record, identity: &Identity) -> Vec<u8> {
    let mut forger = Forger::new(identity);
    forger.number("ttl", record.ttl.as_secs());
    let addresses: Vec<_> = record.addresses.iter().map(String::as_str).collect();
    forger.texts("addresses", &addresses);
    if !record.mailboxes.is_empty() {
        forger.set("mailboxes", |out| {
            cbor::push_head(out, 4, record.mailboxes.len() as u64);
            record.mailboxes.iter().for_each(|key| cbor::push_bytes(out, key.as_bytes()));
        });
    }
    if let Some(prekey) = &record.prekey {
        forger.set("prekey", |out| out.extend(cbor::encode(prekey)));
    }
    forger.sign(identity)
}

#[test]
fn mailboxes_and_prekey_come_back_as_they_were() {
    let identity = identity("a", 1);
    let most: Vec<_> = (0..MAX_MAILBOXES).map(|number| node(10 + number as u8)).collect();
    for prekey in [None, Some(prekey_of(&identity))] {
        let record = record_of(&identity, NOW).with_mailboxes(most.clone(), prekey);
        let verified = verify(&record.sign(&identity).unwrap(), &key_of("a")).unwrap();
        let read = verified.record();
        assert_eq!((&read.mailboxes, &read.prekey), (&most, &prekey));
    }
}

#[test]
fn mailboxes_that_make_no_sense_are_neither_signed_nor_read() {
    let identity = identity("a", 1);
    let own = *identity.public_key();
    let prekey = Some(prekey_of(&identity));
    let live = record_of(&identity, NOW);
    let gone = Record::withdrawal(&identity, vec![can("read")], NOW);
    let many = (0..=MAX_MAILBOXES).map(|number| node(10 + number as u8)).collect();
    for (record, mailboxes, prekey, said) in [
        (&live, many, None, "has 5 entries; at most 4 are allowed"),
        (&live, vec![node(2), own], None, "names the entity itself"),
        (&live, vec![node(2), node(3), node(2)], None, "names one twice"),
        (&live, vec![], prekey, "must be there where there is a prekey"),
        (&gone, vec![node(2)], None, "must be absent"),
        (&gone, vec![], prekey, "must be absent"),
    ] {
        let record = record.clone().with_mailboxes(mailboxes, prekey);
        let error = record.sign(&identity).unwrap_err();
        assert!(error.to_string().contains("`mailboxes`"), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(verify(&forged(&record, &identity), &key_of("a")), Err(error));
    }
}
