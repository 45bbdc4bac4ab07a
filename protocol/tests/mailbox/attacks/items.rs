use std::time::Duration;

use peer_protocol::crypto::{
    EphemeralKey, PrekeyPair, PublicKey, SuiteRegistry, TAG_LEN, item_key, sha256,
};
use peer_protocol::id::{ItemId, PrekeyId, StreamId};
use peer_protocol::identity::Identity;
use peer_protocol::limits::{MAX_ITEM_LEN, MAX_NAME_LEN};
use peer_protocol::mailbox::{Draft, Item, ItemError, Letter, Prekey};
use peer_protocol::message::{Body, Heartbeat, Message};
use peer_protocol::time::Timestamp;
use rand::rngs::StdRng;

use crate::cbor;
use crate::people::{at, identity, ids, key_of, ordered, rng, task};

const DAY: Duration = Duration::from_secs(86_400);

struct Rig {
    rng: StdRng,
    sender: Identity,
    receiver: Identity,
    pair: PrekeyPair,
    prekey: Prekey,
    stream: StreamId,
}

impl Rig {
    fn new() -> Self {
        let mut rng = rng(1);
        let (sender, receiver) = (identity("sender", 1), identity("receiver", 2));
        let pair = PrekeyPair::generate(&mut rng);
        let expires = at(0).timestamp + DAY * 28;
        let prekey = Prekey::sign(&receiver, PrekeyId::random(&mut rng), *pair.public(), expires);
        let stream = StreamId::random(&mut rng);
        Self { rng, sender, receiver, pair, prekey, stream }
    }

    fn seal(&mut self, messages: &[Message]) -> Result<Item, ItemError> {
        let expires = at(0).timestamp + DAY * 14;
        self.seal_until(messages, expires)
    }

    fn seal_until(&mut self, messages: &[Message], expires: Timestamp) -> Result<Item, ItemError> {
        let recipient = key_of(&self.receiver);
        let draft = Draft {
            id: ItemId::random(&mut self.rng),
            recipient: &recipient,
            prekey: &self.prekey,
            expires,
            messages,
            spent: &[],
        };
        let suites = SuiteRegistry::default();
        let suite = suites.get(SuiteRegistry::AES_256_GCM).unwrap();
        draft.seal(&self.sender, suite, at(0).timestamp, &mut self.rng)
    }

    fn one(&mut self) -> Message {
        ordered(&mut self.rng, "hello", self.stream, 0, None)
    }

    fn open(&self, item: &Item) -> Result<Letter, ItemError> {
        self.open_at(item, at(1_000).timestamp)
    }

    fn open_at(&self, item: &Item, now: Timestamp) -> Result<Letter, ItemError> {
        item.open(&key_of(&self.receiver), &self.pair, &SuiteRegistry::default(), now)
    }
}

#[test]
fn an_item_opens_and_says_who_wrote_what() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    let letter = rig.open(&item).unwrap();
    assert_eq!((letter.sender, ids(&letter.messages)), (key_of(&rig.sender), ids(&messages)));
    assert_eq!(letter.messages, messages);
}

/// Neither the sender's key, nor its name, nor anything that it says shows.
#[test]
fn an_item_shows_neither_sender_nor_content() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    let shows = |secret: &[u8]| item.as_bytes().windows(secret.len()).any(|part| part == secret);
    assert!(shows(key_of(&rig.receiver).as_bytes()), "for whom it is, it does show");
    for secret in
        [&key_of(&rig.sender).as_bytes()[..], b"sender", b"hello", messages[0].id.as_bytes()]
    {
        assert!(!shows(secret));
    }
}

#[test]
fn no_bit_of_an_item_can_be_changed() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    for place in 0..item.as_bytes().len() {
        for bit in 0..8 {
            let mut bytes = item.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            if let Ok(item) = Item::decode(bytes) {
                assert!(rig.open(&item).is_err(), "bit {bit} of byte {place}");
            }
        }
    }
}

#[test]
fn an_item_cut_short_or_longer_is_none() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    for len in 0..item.as_bytes().len() {
        assert!(Item::decode(item.as_bytes().slice(..len)).is_err(), "{len}");
    }
    assert!(Item::decode([item.as_bytes(), &[0][..]].concat()).is_err());
    let long = Item::decode(vec![0xa7; (128 << 10) + 1]);
    assert_eq!(long, Err(ItemError::TooLong { len: (128 << 10) + 1 }));
}

#[test]
fn an_item_of_full_length_is_sealed_and_read_and_a_longer_one_is_not() {
    let mut rig = Rig::new();
    let mut sealed = |len: usize| {
        let content = "x".repeat(len);
        let message = ordered(&mut rig.rng, &content, rig.stream, 0, None);
        rig.seal(&[message])
    };
    let len = sealed(MAX_ITEM_LEN - 2_048).unwrap().as_bytes().len();
    let most = 2 * MAX_ITEM_LEN - 2_048 - len;
    let item = sealed(most).unwrap();
    assert_eq!(item.as_bytes().len(), MAX_ITEM_LEN);
    assert_eq!(Item::decode(item.as_bytes().clone()), Ok(item));
    assert_eq!(sealed(most + 1), Err(ItemError::TooLong { len: MAX_ITEM_LEN + 1 }));
}

#[test]
fn a_suite_has_a_name_and_a_payload_more_than_a_tag() {
    let rig = Rig::new();
    let ephemeral = EphemeralKey::generate(&mut rng(2));
    let decode = |suite: usize, payload: usize| {
        let header = [
            ("id", cbor::bytes(ItemId::random(&mut rng(3)).as_bytes())),
            ("suite", cbor::text(&"s".repeat(suite))),
            ("prekey", cbor::bytes(rig.prekey.id.as_bytes())),
            ("expires", cbor::number(at(0).timestamp.as_millis())),
            ("ephemeral", cbor::bytes(ephemeral.public())),
            ("recipient", cbor::bytes(key_of(&rig.receiver).as_bytes())),
            ("payload", cbor::bytes(&vec![0; payload])),
        ];
        Item::decode(cbor::map(&header)).map(|item| item.header().suite.len())
    };
    assert_eq!(decode(MAX_NAME_LEN, TAG_LEN + 1), Ok(MAX_NAME_LEN));
    assert_eq!(decode(MAX_NAME_LEN + 1, TAG_LEN + 1), Err(ItemError::Form));
    assert_eq!(decode(MAX_NAME_LEN, TAG_LEN), Err(ItemError::Form));
}

/// Seals `plaintext` to `rig`'s prekey by hand, under a header of its own.
fn sealed_by_hand(rig: &mut Rig, recipient: &PublicKey, plaintext: &[u8], id: ItemId) -> Item {
    sealed_as(rig, recipient, id, |_| plaintext.to_vec())
}

/// The same with what is made of the header.
fn sealed_as(
    rig: &mut Rig,
    recipient: &PublicKey,
    id: ItemId,
    plaintext: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Item {
    let ephemeral = EphemeralKey::generate(&mut rig.rng);
    let expires = (at(0).timestamp + DAY).as_millis();
    let mut header = vec![
        ("id", cbor::bytes(id.as_bytes())),
        ("suite", cbor::text("AES-256-GCM")),
        ("prekey", cbor::bytes(rig.prekey.id.as_bytes())),
        ("expires", cbor::number(expires)),
        ("ephemeral", cbor::bytes(ephemeral.public())),
        ("recipient", cbor::bytes(recipient.as_bytes())),
    ];
    let aad = cbor::map(&header);
    let salt = sha256(
        &[
            &b"peer-v1.1-mailbox"[..],
            recipient.as_bytes(),
            rig.prekey.id.as_bytes(),
            &rig.prekey.key,
            ephemeral.public(),
            b"AES-256-GCM",
        ]
        .concat(),
    );
    let key = item_key(&ephemeral.agree(&rig.prekey.key).unwrap(), &salt);
    let suites = SuiteRegistry::default();
    let aead = suites.get(SuiteRegistry::AES_256_GCM).unwrap().aead(key.expose());
    let mut payload = plaintext(&aad);
    let tag = aead.seal(&[0; 12], &aad, &mut payload).unwrap();
    payload.extend(tag);
    header.push(("payload", cbor::bytes(&payload)));
    Item::decode(cbor::map(&header)).unwrap()
}

/// The plaintext of an item, as its recipient can get at it.
fn plaintext_of(rig: &Rig, item: &Item) -> Vec<u8> {
    let header = item.header();
    let map = [
        ("id", cbor::bytes(header.id.as_bytes())),
        ("suite", cbor::text(&header.suite)),
        ("prekey", cbor::bytes(header.prekey.as_bytes())),
        ("expires", cbor::number(header.expires.as_millis())),
        ("ephemeral", cbor::bytes(&header.ephemeral)),
        ("recipient", cbor::bytes(header.recipient.as_bytes())),
    ];
    let salt = sha256(
        &[
            &b"peer-v1.1-mailbox"[..],
            header.recipient.as_bytes(),
            header.prekey.as_bytes(),
            rig.pair.public(),
            &header.ephemeral,
            header.suite.as_bytes(),
        ]
        .concat(),
    );
    let key = item_key(&rig.pair.agree(&header.ephemeral).unwrap(), &salt);
    let suites = SuiteRegistry::default();
    let aead = suites.get(&header.suite).unwrap().aead(key.expose());
    let bytes = item.as_bytes();
    let entry = bytes.windows(8).position(|part| part == b"\x67payload").unwrap() + 8;
    let (start, len) = match bytes[entry] {
        0x58 => (entry + 2, usize::from(bytes[entry + 1])),
        0x59 => (entry + 3, usize::from(bytes[entry + 1]) << 8 | usize::from(bytes[entry + 2])),
        other => panic!("{other:x}"),
    };
    let mut text = bytes[start..start + len - TAG_LEN].to_vec();
    let tag: [u8; TAG_LEN] = bytes[start + len - TAG_LEN..start + len].try_into().unwrap();
    aead.open(&[0; 12], &cbor::map(&map), &mut text, &tag).unwrap();
    text
}

/// Whoever received a message cannot pass it on as if its sender had sent it to somebody else, nor the
/// same one again in another item.
#[test]
fn a_letter_belongs_to_its_recipient_and_to_its_item() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    let plaintext = plaintext_of(&rig, &item);
    let receiver = key_of(&rig.receiver);
    let again = sealed_by_hand(&mut rig, &receiver, &plaintext, item.header().id);
    assert!(matches!(rig.open(&again), Err(ItemError::Signature(_))), "other ephemeral key");

    let mut third = Rig::new();
    third.receiver = identity("third", 3);
    let expires = at(0).timestamp + DAY * 28;
    let id = third.prekey.id;
    third.prekey = Prekey::sign(&third.receiver, id, *third.pair.public(), expires);
    let to = key_of(&third.receiver);
    let passed_on = sealed_by_hand(&mut third, &to, &plaintext, item.header().id);
    assert!(matches!(third.open(&passed_on), Err(ItemError::Signature(_))), "other recipient");
    assert_eq!(rig.open(&passed_on), Err(ItemError::Recipient));
}

/// Sealing needs no key of the sender's: what stands inside is believed only if it is signed.
#[test]
fn nobody_writes_in_anothers_name() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    let mut plaintext = plaintext_of(&rig, &item);
    let end = plaintext.len();
    plaintext[end - 32..].copy_from_slice(key_of(&identity("third", 3)).as_bytes());
    let receiver = key_of(&rig.receiver);
    let forged = sealed_by_hand(&mut rig, &receiver, &plaintext, item.header().id);
    assert!(matches!(rig.open(&forged), Err(ItemError::Signature(_))));
    plaintext[end - 32..].copy_from_slice(&[0; 32]);
    let weak = sealed_by_hand(&mut rig, &receiver, &plaintext, item.header().id);
    assert!(matches!(rig.open(&weak), Err(ItemError::Key(_))), "a key of small order");
}

#[test]
fn an_id_that_another_key_derives_and_the_own_key_are_refused() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    rig.sender = identity("receiver", 2);
    let own = rig.seal(&messages).unwrap();
    assert_eq!(rig.open(&own), Err(ItemError::OwnKey));
}

#[test]
fn low_order_points_are_refused_on_both_sides() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    let mut bytes = item.as_bytes().to_vec();
    let ephemeral = item.header().ephemeral;
    let place = bytes.windows(32).position(|part| part == ephemeral).unwrap();
    bytes[place..place + 32].fill(0);
    let low = Item::decode(bytes).unwrap();
    assert!(matches!(rig.open(&low), Err(ItemError::LowOrder(_))));
    let expires = at(0).timestamp + DAY;
    rig.prekey = Prekey::sign(&rig.receiver, rig.prekey.id, [0; 32], expires);
    assert!(matches!(rig.seal(&messages), Err(ItemError::LowOrder(_))));
}

#[test]
fn nothing_is_sealed_to_a_prekey_that_its_owner_did_not_sign() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let expires = rig.prekey.expires;
    let thief = identity("thief", 9);
    rig.prekey = Prekey::sign(&thief, rig.prekey.id, rig.prekey.key, expires);
    assert!(matches!(rig.seal(&messages), Err(ItemError::Prekey(_))));
}

#[test]
fn items_have_an_end_and_a_beginning() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let start = at(0).timestamp;
    assert!(matches!(rig.seal_until(&messages, start), Err(ItemError::Expired { .. })));
    let late = start + DAY * 15;
    assert!(matches!(rig.seal_until(&messages, late), Err(ItemError::TtlTooLong { .. })));
    let item = rig.seal_until(&messages, start + DAY).unwrap();
    assert!(rig.open_at(&item, start + DAY).is_ok());
    let over = rig.open_at(&item, start + DAY + Duration::from_secs(60));
    assert!(matches!(over, Err(ItemError::Expired { .. })));
    let before = rig.open_at(&item, start - Duration::from_secs(61));
    assert!(matches!(before, Err(ItemError::Future { .. })));
    // To the millisecond, with a minute for clocks that differ.
    let (minute, milli) = (Duration::from_secs(60), Duration::from_millis(1));
    assert!(rig.open_at(&item, start - minute).is_ok());
    assert!(rig.open_at(&item, start + DAY + minute - milli).is_ok());
    assert!(rig.open_at(&item, start - minute - milli).is_err());
    let latest = start + DAY * 14 + minute;
    let item = rig.seal_until(&messages, latest).unwrap();
    assert!(rig.open_at(&item, start).is_ok());
    let later = rig.seal_until(&messages, latest + milli);
    assert!(matches!(later, Err(ItemError::TtlTooLong { .. })));
}

/// An item names 1 to 32 prekeys of its earlier forms, or none, and then has no entry for them.
#[test]
fn an_item_names_so_many_prekeys_of_earlier_forms() {
    let mut rig = Rig::new();
    let message = ordered(&mut rig.rng, &"x".repeat(500), rig.stream, 0, None);
    let whole = rig.seal(&[message]).unwrap();
    let known = plaintext_of(&rig, &whole);
    // A map of five entries, the first of which is a batch of a few hundred bytes.
    assert_eq!(known[..8], *b"\xa5\x65batch\x59");
    let len = usize::from(known[8]) << 8 | usize::from(known[9]);
    let batch = known[10..10 + len].to_vec();
    let receiver = key_of(&rig.receiver);
    for (count, form) in [(0, false), (1, true), (32, true), (33, false)] {
        let spent: Vec<_> = (0..count).map(|_| PrekeyId::random(&mut rig.rng)).collect();
        let sender = rig.sender.clone();
        let plaintext = |aad: &[u8]| {
            let ids: Vec<_> = spent.iter().map(|id| cbor::bytes(id.as_bytes())).collect();
            let mut entries = vec![
                ("batch", cbor::bytes(&batch)),
                ("spent", cbor::array(&ids)),
                ("sender_id", cbor::text(sender.entity().as_str())),
                ("timestamp", cbor::number(at(0).timestamp.as_millis())),
                ("sender_key", cbor::bytes(key_of(&sender).as_bytes())),
            ];
            let len = (aad.len() as u64).to_be_bytes();
            let digest = sha256(&[&len[..], aad, &cbor::map(&entries)].concat());
            let signed = [&b"peer-v1.1-mailbox-item"[..], &digest].concat();
            entries.push(("signature", cbor::bytes(&sender.sign(&signed))));
            cbor::map(&entries)
        };
        let id = ItemId::random(&mut rng(count));
        let item = sealed_as(&mut rig, &receiver, id, plaintext);
        match rig.open(&item) {
            Ok(letter) => assert_eq!((letter.spent, form), (spent, true)),
            Err(error) => assert_eq!((error, form), (ItemError::Form, false), "{count}"),
        }
    }
}

#[test]
fn only_ordered_messages_of_one_stream_by_rising_number_stand_in_an_item() {
    let mut rig = Rig::new();
    let (a, other) = (rig.stream, StreamId::random(&mut rig.rng));
    let mut message = |number, after, stream| ordered(&mut rig.rng, "x", stream, number, after);
    let (first, second) = (message(1, None, a), message(2, Some(1), a));
    let (strange, ahead) = (message(3, None, other), message(4, Some(4), a));
    let unordered = task(&mut rig.rng, "x");
    let beat = Message::new(&mut rig.rng, &Body::from(Heartbeat {}), None).unwrap();
    let beat = Message { order: first.order, ..beat };
    assert!(rig.seal(&[first.clone(), second.clone()]).is_ok());
    for wrong in [
        vec![],
        vec![second, first.clone()],
        vec![first.clone(), first.clone()],
        vec![first, strange],
        vec![ahead],
        vec![unordered],
        vec![beat],
    ] {
        assert_eq!(rig.seal(&wrong), Err(ItemError::Order));
    }
}

#[test]
fn a_suite_that_is_not_here_is_told_by_name() {
    let mut rig = Rig::new();
    let messages = [rig.one()];
    let item = rig.seal(&messages).unwrap();
    let only = SuiteRegistry::named(["ChaCha20-Poly1305"]);
    let opened = item.open(&key_of(&rig.receiver), &rig.pair, &only, at(0).timestamp);
    assert_eq!(opened, Err(ItemError::Suite { suite: "AES-256-GCM".to_owned() }));
}
