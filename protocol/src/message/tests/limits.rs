//! Every field that is bounded (`docs/PROTOCOL.md` §7.2, §18.4), at its limit and beyond it.

use std::borrow::Cow;

use serde_bytes::ByteBuf;

use super::super::*;
use super::{PrekeyId, Timestamp};
use crate::cbor;
use crate::error::ErrorCode;
use crate::id::{MessageId, TransferId};
use crate::mailbox::Prekey;

const TEXT: usize = 4_096;
const NAME: usize = 64;
const CONTENT: usize = 1_048_576;
const LIST: usize = 64;

/// A body of which one field has so many bytes or entries.
type Make = fn(usize) -> Body<'static>;

fn text(len: usize) -> String {
    "x".repeat(len)
}

fn content(len: usize) -> Cow<'static, [u8]> {
    Cow::Owned(vec![7; len])
}

fn id() -> [u8; 16] {
    let mut id = [0x44; 16];
    id[8] = 0x84;
    id
}

fn chunk() -> Chunk<'static> {
    Chunk {
        data: content(0),
        offer: None,
        total: 1,
        cancel: None,
        offset: 0,
        transfer: TransferId::from_bytes(id()).unwrap(),
    }
}

fn offer() -> Offer {
    Offer { name: None, digest: [0; 32], purpose: Purpose::File, content_type: text(0) }
}

fn found() -> FoundEntity {
    FoundEntity {
        addresses: Vec::new(),
        entity_id: "entity_a".parse().unwrap(),
        public_key: [7; 32],
        capabilities: Vec::new(),
    }
}

fn prekeys(count: usize) -> Vec<Prekey> {
    let expires = Timestamp::from_millis(1_800_000_000_000);
    let key = Prekey {
        id: PrekeyId::from_bytes(id()).unwrap(),
        key: [8; 32],
        expires,
        signature: [9; 64],
    };
    vec![key; count]
}

/// So many bytes, in items that are as long as they may be but for the last.
fn items(bytes: usize) -> Vec<ByteBuf> {
    let all = vec![7; bytes];
    all.chunks(131_072).map(ByteBuf::from).collect()
}

fn page(items: Vec<ByteBuf>) -> Page {
    let items = items.into_iter().zip(0..).map(|(item, number)| PageItem { item, number });
    Page { more: false, items: items.collect() }
}

const TALK: [(&str, usize, Make); 19] = [
    ("name", TEXT, |n| Task { name: Some(text(n)), ..Task::default() }.into()),
    ("content", CONTENT, |n| Task { content: content(n), ..Task::default() }.into()),
    ("content_type", NAME, |n| Task { content_type: text(n), ..Task::default() }.into()),
    ("conversation", TEXT, |n| Task { conversation: Some(text(n)), ..Task::default() }.into()),
    ("content", CONTENT, |n| TaskResult { content: content(n), ..TaskResult::default() }.into()),
    ("content_type", NAME, |n| {
        TaskResult { content_type: text(n), ..TaskResult::default() }.into()
    }),
    ("status", TEXT, |n| StatusReport { status: text(n), ..StatusReport::default() }.into()),
    ("content", CONTENT, |n| {
        StatusReport { content: content(n), ..StatusReport::default() }.into()
    }),
    ("next_action", TEXT, |n| {
        StatusReport { next_action: Some(text(n)), ..StatusReport::default() }.into()
    }),
    ("content_type", NAME, |n| {
        StatusReport { content_type: text(n), ..StatusReport::default() }.into()
    }),
    ("reason", TEXT, |n| WakeUp { reason: text(n), attempt: 1 }.into()),
    ("detail", TEXT, |n| WakeUpAck { detail: text(n), outcome: WakeOutcome::Refused }.into()),
    ("detail", TEXT, |n| {
        ErrorReport { detail: text(n), ..ErrorReport::new(ErrorCode::RateLimited, "") }.into()
    }),
    ("reason", TEXT, |n| SessionClose { reason: text(n) }.into()),
    ("message_ids", 512, |n| {
        let ids = vec![MessageId::from_bytes(id()).unwrap(); n];
        Receipt { status: ReceiptStatus::Received, message_ids: ids }.into()
    }),
    ("data", CONTENT, |n| Chunk { data: content(n), ..chunk() }.into()),
    ("cancel", TEXT, |n| Chunk { cancel: Some(text(n)), ..chunk() }.into()),
    ("name", 255, |n| {
        Chunk { offer: Some(Offer { name: Some(text(n)), ..offer() }), ..chunk() }.into()
    }),
    ("content_type", NAME, |n| {
        Chunk { offer: Some(Offer { content_type: text(n), ..offer() }), ..chunk() }.into()
    }),
];

const SEARCH: [(&str, usize, Make); 10] = [
    ("names", LIST, |n| CapabilityQuery { names: vec![text(1); n] }.into()),
    ("names", NAME, |n| CapabilityQuery { names: vec![text(n)] }.into()),
    ("capabilities", LIST, |n| CapabilityResponse { capabilities: vec![text(1); n] }.into()),
    ("capabilities", NAME, |n| CapabilityResponse { capabilities: vec![text(n)] }.into()),
    ("capability", NAME, |n| Discovery { entity_id: None, capability: Some(text(n)) }.into()),
    ("entities", LIST, |n| DiscoveryResponse { entities: vec![found(); n] }.into()),
    ("addresses", LIST, |n| {
        let entity = FoundEntity { addresses: vec![text(1); n], ..found() };
        DiscoveryResponse { entities: vec![found(), entity] }.into()
    }),
    ("addresses", TEXT, |n| {
        let entity = FoundEntity { addresses: vec![text(n)], ..found() };
        DiscoveryResponse { entities: vec![found(), entity] }.into()
    }),
    ("capabilities", LIST, |n| {
        let entity = FoundEntity { capabilities: vec![text(1); n], ..found() };
        DiscoveryResponse { entities: vec![found(), entity] }.into()
    }),
    ("capabilities", NAME, |n| {
        let entity = FoundEntity { capabilities: vec![text(n)], ..found() };
        DiscoveryResponse { entities: vec![found(), entity] }.into()
    }),
];

const MAIL: [(&str, usize, Make); 13] = [
    ("items", 64, |n| Mailbox::Put(Put { items: vec![ByteBuf::new(); n], owner: [1; 32] }).into()),
    ("item", 131_072, |n| {
        Mailbox::Put(Put { items: vec![ByteBuf::from(vec![7; n])], owner: [1; 32] }).into()
    }),
    ("items", CONTENT, |n| Mailbox::Put(Put { items: items(n), owner: [1; 32] }).into()),
    ("items", 512, |n| Mailbox::Settle(Settle { items: vec![1; n], receipts: Vec::new() }).into()),
    ("receipts", 64, |n| {
        Mailbox::Settle(Settle { items: Vec::new(), receipts: vec![ByteBuf::new(); n] }).into()
    }),
    ("keys", 128, |n| {
        Mailbox::Deposit(Deposit { keys: prekeys(n), reset: false, last_resort: None }).into()
    }),
    ("items", 64, |n| MailboxResult::Page(page(vec![ByteBuf::new(); n])).into()),
    ("item", 131_072, |n| MailboxResult::Page(page(vec![ByteBuf::from(vec![7; n])])).into()),
    ("items", CONTENT, |n| MailboxResult::Page(page(items(n))).into()),
    ("items", 64, |n| {
        MailboxResult::Stored(Stored { items: vec![PutOutcome::Full; n], waiting: 0 }).into()
    }),
    ("keys", 32, |n| {
        MailboxResult::Prekeys(Prekeys { keys: prekeys(n), last_resort: None }).into()
    }),
    ("receipts", 64, |n| {
        let receipt = NumberedReceipt { number: 1, receipt: ByteBuf::new() };
        MailboxResult::Receipts(Receipts { more: false, receipts: vec![receipt; n] }).into()
    }),
    ("detail", TEXT, |n| {
        let report =
            ErrorReport { detail: text(n), ..ErrorReport::new(ErrorCode::RateLimited, "") };
        MailboxResult::Refused(report).into()
    }),
];

/// What somebody who keeps to no limit would send.
fn unchecked(body: &Body<'_>) -> Vec<u8> {
    macro_rules! encoded {
        ($($variant:ident)+) => {
            match body { $(Body::$variant(body) => cbor::encode(body),)+ }
        };
    }
    encoded!(
        Task TaskResult StatusReport WakeUp WakeUpAck Heartbeat HeartbeatAck CapabilityQuery
        CapabilityResponse Discovery DiscoveryResponse Chunk ChunkAck Mailbox MailboxResult Receipt
        Error SessionClose
    )
}

#[test]
fn a_field_over_its_limit_is_neither_sent_nor_read() {
    for (field, limit, body) in TALK.into_iter().chain(SEARCH).chain(MAIL) {
        let most = body(limit);
        let kind = most.kind();
        let bytes = most.encode().unwrap_or_else(|error| panic!("{kind} {field}: {error}"));
        assert_eq!(Body::decode(kind, &bytes).as_ref(), Ok(&most), "{kind} {field}");
        let over = body(limit + 1);
        let bytes = unchecked(&over);
        for refused in [over.encode().err(), Body::decode(kind, &bytes).err()] {
            let Some(BodyError::Field { field: named, len, limit: most, .. }) = refused else {
                panic!("{kind} {field}: {refused:?}");
            };
            assert_eq!((named, len, most), (field, limit + 1, limit), "{kind}");
        }
    }
}
