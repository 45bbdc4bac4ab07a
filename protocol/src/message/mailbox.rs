//! `mailbox` and `mailbox_result`: what is asked of a mailbox node, and what it says (§18.4).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{BodyError, ErrorReport};
use crate::cbor::text_enum;
use crate::limits::{
    MAX_DEPOSIT, MAX_ITEM_LEN, MAX_MAIL_RECEIPTS, MAX_PUT_BYTES, MAX_PUT_ITEMS, MAX_SETTLED_ITEMS,
    MAX_TAKEN_PREKEYS,
};
use crate::mailbox::Prekey;

/// Asks a mailbox node for something; one thing a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mailbox {
    /// To keep items for somebody.
    Put(Put),
    /// For prekeys of somebody.
    Take(Take),
    /// For the asker's own items.
    Fetch(Fetch),
    /// To delete items of the asker's, and to keep receipts for who sent them.
    Settle(Settle),
    /// For receipts that were left for the asker.
    Collect(Collect),
    /// To be the asker's mailbox, and to hand out these prekeys.
    Deposit(Deposit),
}

/// Items for one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Each as it was sealed.
    pub items: Vec<ByteBuf>,
    /// For whom they are.
    #[serde(with = "serde_bytes")]
    pub owner: [u8; 32],
}

/// A request for prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// How many, at most.
    pub count: u64,
    /// Whose.
    #[serde(with = "serde_bytes")]
    pub owner: [u8; 32],
}

/// A request for a page of the asker's own items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The number of the last item of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// What became of fetched items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The numbers of those that are not needed any more.
    pub items: Vec<u64>,
    /// Signed receipts (§18.5), for who sent them.
    pub receipts: Vec<ByteBuf>,
}

/// A request for receipts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// Receipts up to this number have arrived, and may be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<u64>,
}

/// Prekeys of the asker's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// To be handed out once each.
    pub keys: Vec<Prekey>,
    /// Whether those deposited before are to be forgotten.
    pub reset: bool,
    /// For when none of them is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resort: Option<Prekey>,
}

impl Mailbox {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        match self {
            Self::Put(put) => {
                limit("items", put.items.len(), MAX_PUT_ITEMS, "entries")?;
                check_items(put.items.iter())
            }
            Self::Settle(settle) => {
                limit("items", settle.items.len(), MAX_SETTLED_ITEMS, "entries")?;
                limit("receipts", settle.receipts.len(), MAX_MAIL_RECEIPTS, "entries")
            }
            Self::Deposit(deposit) => limit("keys", deposit.keys.len(), MAX_DEPOSIT, "entries"),
            Self::Take(_) | Self::Fetch(_) | Self::Collect(_) => Ok(()),
        }
    }
}

/// What a mailbox node says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxResult {
    /// A page of the asker's items.
    Page(Page),
    /// What became of each item of a `put`.
    Stored(Stored),
    /// Prekeys for the asker.
    Prekeys(Prekeys),
    /// It does not do what was asked.
    Refused(ErrorReport),
    /// The items are deleted, the receipts kept.
    Settled(Settled),
    /// Receipts for the asker.
    Receipts(Receipts),
    /// It is a mailbox of the asker's.
    Deposited(Deposited),
}

/// Items, by rising number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Whether there are more behind these.
    pub more: bool,
    /// These.
    pub items: Vec<PageItem>,
}

/// One item of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageItem {
    /// The item, as it was put.
    pub item: ByteBuf,
    /// Its number at this node.
    pub number: u64,
}

/// What became of an item that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is on disk.
    Stored,
    /// There is no room for it now.
    Full,
    /// It is not kept: malformed, too long, for somebody else, or over.
    Refused,
}

text_enum!(PutOutcome {
    Stored = "stored",
    Full = "full",
    Refused = "refused",
});

/// What became of the items of a `put`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Of each, in the order of the request.
    pub items: Vec<PutOutcome>,
    /// How many receipts wait for the asker here.
    pub waiting: u64,
}

/// Prekeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prekeys {
    /// Those that nobody else gets.
    pub keys: Vec<Prekey>,
    /// The one for when there are no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resort: Option<Prekey>,
}

/// What was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// How many items were deleted.
    pub items: u64,
    /// How many receipts are kept.
    pub receipts: u64,
}

/// Receipts, by rising number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    /// Whether there are more behind these.
    pub more: bool,
    /// These.
    pub receipts: Vec<NumberedReceipt>,
}

/// One receipt of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberedReceipt {
    /// Its number at this node.
    pub number: u64,
    /// The receipt, as its owner signed it.
    pub receipt: ByteBuf,
}

/// How a box stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposited {
    /// Prekeys that were not handed out yet.
    pub left: u64,
    /// Items that wait for the asker.
    pub items: u64,
}

impl MailboxResult {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        match self {
            Self::Page(page) => {
                limit("items", page.items.len(), MAX_PUT_ITEMS, "entries")?;
                check_items(page.items.iter().map(|item| &item.item))
            }
            Self::Stored(stored) => limit("items", stored.items.len(), MAX_PUT_ITEMS, "entries"),
            Self::Prekeys(prekeys) => {
                limit("keys", prekeys.keys.len(), MAX_TAKEN_PREKEYS, "entries")
            }
            Self::Receipts(page) => {
                limit("receipts", page.receipts.len(), MAX_MAIL_RECEIPTS, "entries")
            }
            Self::Refused(report) => report.check(),
            Self::Settled(_) | Self::Deposited(_) => Ok(()),
        }
    }
}

const fn limit(
    field: &'static str,
    len: usize,
    limit: usize,
    unit: &'static str,
) -> Result<(), BodyError> {
    if len > limit { Err(BodyError::Field { field, len, limit, unit }) } else { Ok(()) }
}

/// Items over the limits are refused before anybody looks into them.
fn check_items<'a>(items: impl Iterator<Item = &'a ByteBuf>) -> Result<(), BodyError> {
    let mut total = 0;
    for item in items {
        BodyError::bytes("item", item.len(), MAX_ITEM_LEN)?;
        total += item.len();
    }
    BodyError::bytes("items", total, MAX_PUT_BYTES)
}
