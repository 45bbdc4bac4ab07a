//! The committed vectors in `protocol/tests/vectors/mailbox.json`, checked twice: what follows from the
//! inputs is recomputed with cryptographic primitives and hand-written CBOR only, and the crate says the
//! same byte for byte.
//!
//! After a deliberate change of the protocol, `UPDATE_VECTORS=1 cargo test -p peer-protocol --test
//! mailbox vectors` writes them anew; the crate must still agree.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use bytes::Bytes;
use chacha20poly1305::ChaCha20Poly1305;
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use peer_protocol::crypto::{Ed25519Authenticator, PrekeyPair, PublicKey, Secret, SuiteRegistry};
use peer_protocol::delivery::Order;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{ItemId, MessageId, PrekeyId, StreamId};
use peer_protocol::identity::Identity;
use peer_protocol::mailbox::{Draft, Item, MailReceipt, MailStatus, Prekey};
use peer_protocol::message::{Message, MessageKind};
use peer_protocol::registry::{Record, SignedRecord};
use peer_protocol::time::Timestamp;
use rand_core::{TryCryptoRng, TryRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey as XPublic, StaticSecret};

use crate::cbor::{array, bytes, map, number, text};

const ABOUT: &[&str] = &[
    "The mailbox of protocol version 1.1 (docs/PROTOCOL.md section 18), with fixed keys, times and random values. Any language will do that has SHA-256, HKDF, X25519, Ed25519, AES-256-GCM, ChaCha20-Poly1305 and CBOR.",
    "Bytes are lower-case hex. Times are in milliseconds since the Unix epoch, `ttl` in seconds. `||` joins bytes, len(x) is a length as 8 bytes, big-endian. Seeds are RFC 8032 private keys; secrets are X25519 private keys.",
    "1. `prekeys`: `key` is the X25519 public key of `secret`. `signature_input` is \"peer-v1.1-prekey\" || id || key || owner || expires as 8 bytes, big-endian; `signature` is Ed25519 over that by the key of `owner_seed`. `prekey` is a CBOR map of `id`, `key`, `expires` and `signature`, in the deterministic encoding of RFC 8949 section 4.2.1.",
    "2. `items`: `ephemeral` is the X25519 public key of `ephemeral_secret`. `header` is the CBOR map of `id`, `suite`, `prekey`, `expires`, `ephemeral` and `recipient`. `salt` is SHA-256(\"peer-v1.1-mailbox\" || recipient || prekey id || prekey key || ephemeral || suite). `shared_secret` is X25519(ephemeral_secret, prekey key), and `key` HKDF-SHA256 of it with `salt`, info \"peer-v1.1-mailbox-key\", 32 bytes.",
    "3. `batch` is the CBOR array of the messages (section 2.4). `unsigned` is the map of `batch`, `spent` (only if there are any), `sender_id`, `timestamp` and `sender_key`. `signature_input` is \"peer-v1.1-mailbox-item\" || SHA-256(len(header) || header || unsigned); `plaintext` is the same map with `signature` in it.",
    "4. `payload` is the AEAD of `suite` over `plaintext` under `key`, with 12 zero bytes as nonce and `header` as associated data, and its tag. `item` is the map `header` with `payload` in it.",
    "5. `receipts`: `unsigned` is the map of `at`, `ids`, `code` (only if the status is \"refused\"), `owner`, `sender` and `status`; `signature_input` is \"peer-v1.1-mailbox-receipt\" || SHA-256(unsigned); `receipt` is the same map with `signature` in it.",
    "6. `records`: a registry record (section 11.2) with mailboxes and a prekey; the signature as in registry.json.",
];

const TIME: u64 = 1_800_000_000_000;
const DAY: u64 = 86_400_000;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Vec<String>,
    prekeys: Vec<PrekeyVector>,
    items: Vec<ItemVector>,
    receipts: Vec<ReceiptVector>,
    records: Vec<RecordVector>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrekeyVector {
    owner_seed: String,
    owner: String,
    id: String,
    secret: String,
    key: String,
    expires: u64,
    signature_input: String,
    signature: String,
    prekey: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageVector {
    id: String,
    r#type: String,
    body: String,
    stream: String,
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemVector {
    name: String,
    sender_seed: String,
    sender_id: String,
    recipient: String,
    prekey: PrekeyVector,
    suite: String,
    item_id: String,
    ephemeral_secret: String,
    ephemeral: String,
    expires: u64,
    timestamp: u64,
    messages: Vec<MessageVector>,
    spent: Vec<String>,
    header: String,
    salt: String,
    shared_secret: String,
    key: String,
    batch: String,
    unsigned: String,
    signature_input: String,
    signature: String,
    plaintext: String,
    payload: String,
    item: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptVector {
    owner_seed: String,
    owner: String,
    sender: String,
    ids: Vec<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    at: u64,
    unsigned: String,
    signature_input: String,
    signature: String,
    receipt: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordVector {
    identity_seed: String,
    entity_id: String,
    addresses: Vec<String>,
    last_seen: u64,
    ttl: u64,
    mailboxes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prekey: Option<String>,
    unsigned: String,
    signature: String,
    record: String,
}

fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Bytes that follow from a name.
fn seed(name: &str) -> [u8; 32] {
    sha256(format!("mailbox vector: {name}"))
}

fn uuid(name: &str) -> [u8; 16] {
    let mut bytes: [u8; 16] = seed(name)[..16].try_into().unwrap();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn key(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(seed)
}

fn public(seed: &[u8; 32]) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

fn prekey(name: &str, owner: &str, expires: u64) -> PrekeyVector {
    let (owner_seed, id) = (seed(owner), uuid(name));
    let secret = seed(&format!("{name} secret"));
    let x = XPublic::from(&StaticSecret::from(secret)).to_bytes();
    let owner = public(&owner_seed);
    let input = [&b"peer-v1.1-prekey"[..], &id, &x, &owner, &expires.to_be_bytes()].concat();
    let signature = key(&owner_seed).sign(&input).to_bytes();
    let encoded = map(&[
        ("id", bytes(&id)),
        ("key", bytes(&x)),
        ("expires", number(expires)),
        ("signature", bytes(&signature)),
    ]);
    PrekeyVector {
        owner_seed: hex::encode(owner_seed),
        owner: hex::encode(owner),
        id: hex::encode(id),
        secret: hex::encode(secret),
        key: hex::encode(x),
        expires,
        signature_input: hex::encode(input),
        signature: hex::encode(signature),
        prekey: hex::encode(encoded),
    }
}

fn message(name: &str, kind: &str, number: u64, after: Option<u64>, reply: bool) -> MessageVector {
    let body = match kind {
        "task" => map(&[("content", bytes(name.as_bytes())), ("content_type", text("text/plain"))]),
        "task_result" => map(&[
            ("content", bytes(name.as_bytes())),
            ("outcome", text("done")),
            ("content_type", text("text/plain")),
        ]),
        _ => map(&[
            ("status", text(name)),
            ("content", bytes(b"")),
            ("content_type", text("text/plain")),
        ]),
    };
    MessageVector {
        id: hex::encode(uuid(name)),
        r#type: kind.to_owned(),
        body: hex::encode(body),
        stream: hex::encode(uuid("stream")),
        number,
        after,
        in_reply_to: reply.then(|| hex::encode(uuid("asked"))),
    }
}

fn encoded_message(message: &MessageVector) -> Vec<u8> {
    let mut order =
        vec![("number", number(message.number)), ("stream", bytes(&unhex(&message.stream)))];
    order.extend(message.after.map(|after| ("after", number(after))));
    let mut entries = vec![
        ("id", bytes(&unhex(&message.id))),
        ("body", bytes(&unhex(&message.body))),
        ("type", text(&message.r#type)),
        ("order", map(&order)),
    ];
    entries.extend(message.in_reply_to.as_ref().map(|id| ("in_reply_to", bytes(&unhex(id)))));
    map(&entries)
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn sealed(suite: &str, key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plaintext, aad };
    match suite {
        "AES-256-GCM" => Aes256Gcm::new(key.into()).encrypt(&[0; 12].into(), payload).unwrap(),
        _ => ChaCha20Poly1305::new(key.into()).encrypt(&[0; 12].into(), payload).unwrap(),
    }
}

fn item(
    name: &str,
    sender_id: &str,
    suite: &str,
    messages: Vec<MessageVector>,
    spent: &[&str],
) -> ItemVector {
    let prekey = prekey(&format!("{name} prekey"), "receiver", TIME + 28 * DAY);
    let (sender_seed, recipient) = (seed("sender"), public(&seed("receiver")));
    let ephemeral_secret = seed(&format!("{name} ephemeral"));
    let ephemeral = XPublic::from(&StaticSecret::from(ephemeral_secret)).to_bytes();
    let (expires, timestamp) = (TIME + 14 * DAY, TIME + 5);
    let (id, prekey_id, prekey_key) = (uuid(name), unhex(&prekey.id), unhex(&prekey.key));
    let mut header = vec![
        ("id", bytes(&id)),
        ("suite", text(suite)),
        ("prekey", bytes(&prekey_id)),
        ("expires", number(expires)),
        ("ephemeral", bytes(&ephemeral)),
        ("recipient", bytes(&recipient)),
    ];
    let aad = map(&header);
    let salt = sha256(
        [
            b"peer-v1.1-mailbox",
            &recipient[..],
            &prekey_id,
            &prekey_key,
            &ephemeral,
            suite.as_bytes(),
        ]
        .concat(),
    );
    let prekey_public: [u8; 32] = prekey_key.try_into().unwrap();
    let shared =
        StaticSecret::from(ephemeral_secret).diffie_hellman(&prekey_public.into()).to_bytes();
    let mut item_key = [0; 32];
    Hkdf::<Sha256>::new(Some(&salt), &shared)
        .expand(b"peer-v1.1-mailbox-key", &mut item_key)
        .unwrap();
    let batch = array(&messages.iter().map(encoded_message).collect::<Vec<_>>());
    let spent: Vec<String> = spent.iter().map(|name| hex::encode(uuid(name))).collect();
    let mut inside = vec![
        ("batch", bytes(&batch)),
        ("sender_id", text(sender_id)),
        ("timestamp", number(timestamp)),
        ("sender_key", bytes(&public(&sender_seed))),
    ];
    if !spent.is_empty() {
        let ids: Vec<_> = spent.iter().map(|id| bytes(&unhex(id))).collect();
        inside.push(("spent", array(&ids)));
    }
    let unsigned = map(&inside);
    let hash = sha256([&(aad.len() as u64).to_be_bytes()[..], &aad, &unsigned].concat());
    let signature_input = [&b"peer-v1.1-mailbox-item"[..], &hash].concat();
    let signature = key(&sender_seed).sign(&signature_input).to_bytes();
    inside.push(("signature", bytes(&signature)));
    let plaintext = map(&inside);
    let payload = sealed(suite, &item_key, &aad, &plaintext);
    header.push(("payload", bytes(&payload)));
    ItemVector {
        name: name.to_owned(),
        sender_seed: hex::encode(sender_seed),
        sender_id: sender_id.to_owned(),
        recipient: hex::encode(recipient),
        prekey,
        suite: suite.to_owned(),
        item_id: hex::encode(id),
        ephemeral_secret: hex::encode(ephemeral_secret),
        ephemeral: hex::encode(ephemeral),
        expires,
        timestamp,
        messages,
        spent,
        header: hex::encode(aad),
        salt: hex::encode(salt),
        shared_secret: hex::encode(shared),
        key: hex::encode(item_key),
        batch: hex::encode(batch),
        unsigned: hex::encode(unsigned),
        signature_input: hex::encode(signature_input),
        signature: hex::encode(signature),
        plaintext: hex::encode(plaintext),
        payload: hex::encode(payload),
        item: hex::encode(map(&header)),
    }
}

fn receipt(ids: &[&str], status: &str, code: Option<&str>) -> ReceiptVector {
    let (owner_seed, sender) = (seed("receiver"), public(&seed("sender")));
    let ids: Vec<_> = ids.iter().map(|name| uuid(name)).collect();
    let mut entries = vec![
        ("at", number(TIME + 9)),
        ("ids", array(&ids.iter().map(|id| bytes(id)).collect::<Vec<_>>())),
        ("owner", bytes(&public(&owner_seed))),
        ("sender", bytes(&sender)),
        ("status", text(status)),
    ];
    entries.extend(code.map(|code| ("code", text(code))));
    let unsigned = map(&entries);
    let signature_input = [&b"peer-v1.1-mailbox-receipt"[..], &sha256(&unsigned)].concat();
    let signature = key(&owner_seed).sign(&signature_input).to_bytes();
    entries.push(("signature", bytes(&signature)));
    ReceiptVector {
        owner_seed: hex::encode(owner_seed),
        owner: hex::encode(public(&owner_seed)),
        sender: hex::encode(sender),
        ids: ids.iter().map(hex::encode).collect(),
        status: status.to_owned(),
        code: code.map(str::to_owned),
        at: TIME + 9,
        unsigned: hex::encode(unsigned),
        signature_input: hex::encode(signature_input),
        signature: hex::encode(signature),
        receipt: hex::encode(map(&entries)),
    }
}

fn record(mailboxes: &[&str], prekey_name: Option<&str>) -> RecordVector {
    let identity_seed = seed("receiver");
    let keys: Vec<_> = mailboxes.iter().map(|name| public(&seed(name))).collect();
    let prekey = prekey_name.map(|name| prekey(name, "receiver", TIME + 14 * DAY).prekey);
    let addresses = ["/ip4/192.0.2.1/tcp/4001".to_owned()];
    let mut entries = vec![
        ("ttl", number(86_400)),
        ("addresses", array(&[text(&addresses[0])])),
        ("entity_id", text("receiver")),
        ("last_seen", number(TIME)),
        ("mailboxes", array(&keys.iter().map(|key| bytes(key)).collect::<Vec<_>>())),
        ("public_key", bytes(&public(&identity_seed))),
        ("capabilities", array(&[])),
    ];
    entries.extend(prekey.as_ref().map(|prekey| ("prekey", unhex(prekey))));
    let unsigned = map(&entries);
    let input = [&b"peer-v1.1-registry"[..], &sha256(&unsigned)].concat();
    let signature = key(&identity_seed).sign(&input).to_bytes();
    entries.push(("signature", bytes(&signature)));
    RecordVector {
        identity_seed: hex::encode(identity_seed),
        entity_id: "receiver".to_owned(),
        addresses: addresses.into(),
        last_seen: TIME,
        ttl: 86_400,
        mailboxes: keys.iter().map(hex::encode).collect(),
        prekey,
        unsigned: hex::encode(unsigned),
        signature: hex::encode(signature),
        record: hex::encode(map(&entries)),
    }
}

fn recomputed() -> File {
    let one = vec![message("one task", "task", 0, None, false)];
    let more = vec![
        message("a report", "status_report", 7, Some(3), false),
        message("a result", "task_result", 8, Some(7), true),
        message("a task", "task", 300, Some(8), false),
    ];
    File {
        about: ABOUT.iter().map(|line| (*line).to_owned()).collect(),
        prekeys: vec![
            prekey("one-time", "receiver", TIME + 28 * DAY),
            prekey("last resort", "receiver", TIME + 14 * DAY),
        ],
        items: vec![
            item("one message", "sender", "AES-256-GCM", one, &[]),
            item("put again", "送信者", "ChaCha20-Poly1305", more, &["first", "second"]),
        ],
        receipts: vec![
            receipt(&["a", "b"], "delivered", None),
            receipt(&["a"], "processed", None),
            receipt(&["c"], "refused", Some("INVALID_VERSION")),
        ],
        records: vec![
            record(&["box 1", "box 2", "box 3"], Some("last resort")),
            record(&["box 1"], None),
        ],
    }
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

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

fn identity(seed: &str, entity: &str) -> Identity {
    let key = Arc::new(Ed25519Authenticator::from_seed(&fixed(seed)));
    Identity::new(Some(entity.parse().unwrap()), key).unwrap()
}

fn says_prekey(vector: &PrekeyVector) -> Prekey {
    let owner = identity(&vector.owner_seed, "receiver");
    let pair = PrekeyPair::from_secret(&Secret::new(fixed(&vector.secret)));
    let id = PrekeyId::from_bytes(fixed(&vector.id)).unwrap();
    let expires = Timestamp::from_millis(vector.expires);
    let prekey = Prekey::sign(&owner, id, *pair.public(), expires);
    assert_eq!(hex::encode(prekey.key), vector.key);
    assert_eq!(hex::encode(prekey.signature), vector.signature);
    assert_eq!(prekey.verify(owner.public_key(), Timestamp::from_millis(TIME)), Ok(()));
    prekey
}

fn says_item(vector: &ItemVector) {
    let sender = identity(&vector.sender_seed, &vector.sender_id);
    let recipient = PublicKey::from_bytes(&fixed(&vector.recipient)).unwrap();
    let prekey = says_prekey(&vector.prekey);
    let message = |one: &MessageVector| Message {
        id: MessageId::from_bytes(fixed(&one.id)).unwrap(),
        kind: MessageKind::named(&one.r#type).unwrap(),
        in_reply_to: one.in_reply_to.as_ref().map(|id| MessageId::from_bytes(fixed(id)).unwrap()),
        order: Some(Order {
            after: one.after,
            number: one.number,
            stream: StreamId::from_bytes(fixed(&one.stream)).unwrap(),
        }),
        body: Bytes::from(unhex(&one.body)),
    };
    let messages: Vec<_> = vector.messages.iter().map(message).collect();
    let spent: Vec<_> =
        vector.spent.iter().map(|id| PrekeyId::from_bytes(fixed(id)).unwrap()).collect();
    let suites = SuiteRegistry::default();
    let now = Timestamp::from_millis(vector.timestamp);
    let draft = Draft {
        id: ItemId::from_bytes(fixed(&vector.item_id)).unwrap(),
        recipient: &recipient,
        prekey: &prekey,
        expires: Timestamp::from_millis(vector.expires),
        messages: &messages,
        spent: &spent,
    };
    let suite = suites.get(&vector.suite).unwrap();
    let rng = &mut Fixed(fixed(&vector.ephemeral_secret));
    let item = draft.seal(&sender, suite, now, rng).unwrap();
    assert_eq!(hex::encode(item.as_bytes()), vector.item, "{}", vector.name);
    let pair = PrekeyPair::from_secret(&Secret::new(fixed(&vector.prekey.secret)));
    let item = Item::decode(unhex(&vector.item)).unwrap();
    let letter = item.open(&recipient, &pair, &suites, now).unwrap();
    assert_eq!((letter.messages, letter.spent), (messages, spent));
    assert_eq!((letter.sender, &letter.sender_id), (*sender.public_key(), sender.entity()));
    assert_eq!(letter.timestamp, now);
}

fn says_receipt(vector: &ReceiptVector) {
    let owner = identity(&vector.owner_seed, "receiver");
    let sender = PublicKey::from_bytes(&fixed(&vector.sender)).unwrap();
    let ids: Vec<_> =
        vector.ids.iter().map(|id| MessageId::from_bytes(fixed(id)).unwrap()).collect();
    let status = MailStatus::named(&vector.status).unwrap();
    let code: Option<ErrorCode> = vector.code.as_ref().map(|code| code.parse().unwrap());
    let at = Timestamp::from_millis(vector.at);
    let bytes = MailReceipt::sign(&owner, &sender, &ids, (status, code), at);
    assert_eq!(hex::encode(&bytes), vector.receipt);
    let expected = MailReceipt { at, ids, code, owner: *owner.public_key(), sender, status };
    assert_eq!(MailReceipt::verify(&bytes), Ok(expected));
}

fn says_record(vector: &RecordVector, prekeys: &[Prekey]) {
    let owner = identity(&vector.identity_seed, &vector.entity_id);
    let keys = vector.mailboxes.iter().map(|key| PublicKey::from_bytes(&fixed(key)).unwrap());
    let prekey = vector.prekey.as_ref().map(|_| prekeys[1]);
    let (now, ttl) = (Timestamp::from_millis(vector.last_seen), Duration::from_secs(vector.ttl));
    let record = Record::new(&owner, vector.addresses.clone(), Vec::new(), now, ttl)
        .with_mailboxes(keys.collect(), prekey);
    let bytes = record.sign(&owner).unwrap();
    assert_eq!(hex::encode(&bytes), vector.record);
    for key in record.keys() {
        let verified = SignedRecord::decode(bytes.clone()).unwrap().verify(&key, now).unwrap();
        assert_eq!(verified.record(), &record);
    }
}

#[test]
fn mailbox_vectors_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/mailbox.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&recomputed()).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let file: File = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file, recomputed(), "recomputed from primitives");
    let prekeys: Vec<_> = file.prekeys.iter().map(says_prekey).collect();
    file.items.iter().for_each(says_item);
    file.receipts.iter().for_each(says_receipt);
    file.records.iter().for_each(|record| says_record(record, &prekeys));
}
