//! The tables of ordered messages.

use peer_protocol::id::MessageId;
use redb::{TableDefinition, TableError, WriteTransaction};

/// A peer's key, and a number that counts for that peer.
pub(super) type Numbered = [u8; 40];
/// A message's id, and its sender's key.
pub(super) type Named = [u8; 48];

type Definition<K> = TableDefinition<'static, K, &'static [u8]>;

/// One row of [`super::rows::Counters`] under the key 0; single numbers under [`RAN`] and [`FLOOR`].
pub(super) const COUNTERS: Definition<u8> = TableDefinition::new("delivery_counters");
/// For how many seconds nodes with this store have run.
pub(super) const RAN: u8 = 1;
/// Below which numbers may have been used in streams to receivers that are forgotten.
pub(super) const FLOOR: u8 = 2;

/// For how many hours nodes with this store had run when something was last written of a peer.
pub(super) const AGES: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("peer_ages");

/// Receivers: [`super::rows::Stream`].
pub(super) const STREAMS: Definition<&[u8; 32]> = TableDefinition::new("out_streams");
/// Bodies of messages that are not settled, by receiver and number.
pub(super) const OUT_BODIES: Definition<&Numbered> = TableDefinition::new("out_bodies");
/// This entity's messages, by receiver and number: [`super::rows::Sent`].
pub(super) const SENT: Definition<&Numbered> = TableDefinition::new("out_messages");
/// Receiver and number of this entity's messages, by id.
pub(super) const SENT_IDS: TableDefinition<'_, &[u8; 16], &Numbered> =
    TableDefinition::new("out_ids");

/// Tasks of this entity that were not answered yet, by id: whom they were for.
pub(super) const ASKED: TableDefinition<'_, &[u8; 16], &[u8; 32]> =
    TableDefinition::new("out_asked");

/// Senders: [`super::rows::Place`].
pub(super) const PLACES: Definition<&[u8; 32]> = TableDefinition::new("in_positions");
/// The last messages of each sender, by sender and arrival: where they stand in [`RECEIVED`], and id.
pub(super) const TAKEN: Definition<&Numbered> = TableDefinition::new("in_taken");
/// Bodies of messages that no agent took yet, by inbox number.
pub(super) const IN_BODIES: Definition<u64> = TableDefinition::new("in_bodies");
/// Messages that came in, by inbox number: [`super::rows::Received`].
pub(super) const RECEIVED: Definition<u64> = TableDefinition::new("in_messages");
/// Inbox numbers, by id and sender.
pub(super) const RECEIVED_IDS: TableDefinition<'_, &Named, u64> = TableDefinition::new("in_ids");
/// Messages whose sender does not know yet that they are processed, by sender and inbox number.
pub(super) const OWED: TableDefinition<'_, &Numbered, &[u8; 16]> = TableDefinition::new("in_owed");

/// Messages that are done with, the oldest first: [`super::keeping::Settled`].
pub(super) const SETTLED: Definition<u64> = TableDefinition::new("settled");
/// Steps of messages, the oldest first: [`super::rows::TrailStep`].
pub(super) const TRAIL: Definition<u64> = TableDefinition::new("trail");

/// Makes them.
pub(in crate::store) fn create(transaction: &WriteTransaction) -> Result<(), TableError> {
    transaction.open_table(COUNTERS)?;
    transaction.open_table(AGES)?;
    transaction.open_table(STREAMS)?;
    transaction.open_table(OUT_BODIES)?;
    transaction.open_table(SENT)?;
    transaction.open_table(SENT_IDS)?;
    transaction.open_table(ASKED)?;
    transaction.open_table(PLACES)?;
    transaction.open_table(TAKEN)?;
    transaction.open_table(IN_BODIES)?;
    transaction.open_table(RECEIVED)?;
    transaction.open_table(RECEIVED_IDS)?;
    transaction.open_table(OWED)?;
    transaction.open_table(SETTLED)?;
    transaction.open_table(TRAIL)?;
    Ok(())
}

pub(super) fn numbered(peer: &[u8; 32], number: u64) -> Numbered {
    let mut key = [0; 40];
    let (start, end) = key.split_at_mut(32);
    start.copy_from_slice(peer);
    end.copy_from_slice(&number.to_be_bytes());
    key
}

/// The two parts of a [`Numbered`] key.
pub(super) fn parts(key: &Numbered) -> ([u8; 32], u64) {
    let (mut peer, mut number) = ([0; 32], [0; 8]);
    let (start, end) = key.split_at(32);
    peer.copy_from_slice(start);
    number.copy_from_slice(end);
    (peer, u64::from_be_bytes(number))
}

pub(super) fn named(id: &MessageId, peer: &[u8; 32]) -> Named {
    named_bytes(id.as_bytes(), peer)
}

pub(super) fn named_bytes(id: &[u8; 16], peer: &[u8; 32]) -> Named {
    let mut key = [0; 48];
    let (start, end) = key.split_at_mut(16);
    start.copy_from_slice(id);
    end.copy_from_slice(peer);
    key
}
