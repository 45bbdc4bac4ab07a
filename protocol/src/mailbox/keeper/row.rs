//! What a mailbox node writes, and how it reads that again.

use serde::{Deserialize, Serialize};

use super::Keeper;
use super::owner::Held;
use super::receipts::Kept;
use crate::cbor;
use crate::crypto::PublicKey;
use crate::id::ItemId;
use crate::mailbox::Prekey;
use crate::mailbox::change::{Change, Row, Tag};
use crate::time::Timestamp;

/// The row of an item.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemRow {
    id: ItemId,
    len: u64,
    #[serde(with = "serde_bytes")]
    owner: [u8; 32],
    #[serde(with = "serde_bytes")]
    sender: [u8; 32],
    expires: Timestamp,
}

pub(super) fn write_item(owner: &PublicKey, held: &Held, bytes: &[u8], changes: &mut Vec<Change>) {
    let number = held.number.to_be_bytes();
    let row = ItemRow {
        id: held.id,
        len: held.len,
        owner: *owner.as_bytes(),
        sender: *held.sender.as_bytes(),
        expires: held.expires,
    };
    changes.push(Change::write(Tag::Item, &[&number], cbor::encode(&row)));
    changes.push(Change::write(Tag::Body, &[&number], bytes.to_vec()));
}

pub(super) fn write_receipt(number: u64, kept: &Kept, bytes: &[u8], changes: &mut Vec<Change>) {
    let number = number.to_be_bytes();
    changes.push(Change::write(Tag::Receipt, &[&number], cbor::encode(kept)));
    changes.push(Change::write(Tag::Body, &[&number], bytes.to_vec()));
}

pub(super) fn write_next(next: u64, changes: &mut Vec<Change>) {
    changes.push(Change::write(Tag::Next, &[], cbor::encode(&next)));
}

impl Keeper {
    pub(super) fn take_row(&mut self, row: Row<'_>) {
        let Some((tag, rest)) = Tag::of(row.key) else { return };
        // A row that does not decode is as good as none: nothing but an item or a prekey is lost.
        match tag {
            Tag::Box => drop(self.take_box(rest, row.value)),
            Tag::Prekey | Tag::LastResort => drop(self.take_prekey(tag, rest, row.value)),
            Tag::Item => drop(self.take_item(rest, row.value)),
            Tag::Receipt => drop(self.take_receipt(rest, row.value)),
            Tag::Next => self.next = self.next.max(cbor::decode(row.value).unwrap_or(0)),
            Tag::Body | Tag::Secret | Tag::Done | Tag::Owed | Tag::Post => {}
        }
    }

    fn take_box(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let owner = public_key(key)?;
        self.boxes.entry(owner).or_default().seen = cbor::decode(value).ok()?;
        Some(())
    }

    fn take_prekey(&mut self, tag: Tag, key: &[u8], value: &[u8]) -> Option<()> {
        let owner = public_key(key.get(..32)?)?;
        let prekey: Prekey = cbor::decode(value).ok()?;
        let kept = self.boxes.entry(owner).or_default();
        if tag == Tag::LastResort {
            kept.last_resort = Some(prekey);
        } else {
            kept.restore_prekey(prekey);
        }
        Some(())
    }

    fn take_item(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let number = u64::from_be_bytes(key.try_into().ok()?);
        let row: ItemRow = cbor::decode(value).ok()?;
        let owner = public_key(&row.owner)?;
        let sender = public_key(&row.sender)?;
        self.next = self.next.max(number.saturating_add(1));
        self.used.add(row.len);
        let held = Held { number, id: row.id, sender, len: row.len, expires: row.expires };
        self.boxes.entry(owner).or_default().insert(held);
        Some(())
    }

    fn take_receipt(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let number = u64::from_be_bytes(key.try_into().ok()?);
        let kept: Kept = cbor::decode(value).ok()?;
        self.next = self.next.max(number.saturating_add(1));
        self.receipts.restore(number, kept);
        Some(())
    }
}

fn public_key(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::from_bytes(bytes.try_into().ok()?).ok()
}
