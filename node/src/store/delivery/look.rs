//! What people ask for: lists, one message by the beginning of its id, the way it went.

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Order, Status, Step};
use peer_protocol::id::MessageId;
use peer_protocol::message::{Message, MessageKind};
use peer_protocol::time::Timestamp;
use redb::{ReadTransaction, ReadableTable as _};

use super::load::{arrival, ends, peer_of, received_row};
use super::rows::{self, Sent, TrailStep};
use super::tables::{
    IN_BODIES, Named, Numbered, OUT_BODIES, RECEIVED, RECEIVED_IDS, SENT, SENT_IDS, TRAIL, named,
    numbered, parts,
};
use crate::store::bytes::Broken;
use crate::store::error::Failed;
use crate::store::row::decode;
use crate::store::{Arrived, Store, StoreError};

/// Most steps of one message that are shown: the first, and the last.
const SHOWN_STEPS: usize = 64;

/// What is known of a message of this entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRecord {
    /// Its receiver.
    pub peer: PublicKey,
    /// Its number in the stream to that receiver.
    pub number: u64,
    /// Its id.
    pub id: MessageId,
    /// What it is.
    pub kind: MessageKind,
    /// What it answers.
    pub in_reply_to: Option<MessageId>,
    /// Its body, in bytes.
    pub len: u64,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its time runs out.
    pub expires: Timestamp,
    /// How it stands.
    pub status: Status,
    /// Whether it may have been sent.
    pub may_be_sent: bool,
    /// When it was first sent, if that is known.
    pub sent: Option<Timestamp>,
    /// When it expired, failed, was cancelled or became unknown.
    pub ended: Option<Timestamp>,
    /// When its receiver said that it is durable there.
    pub delivered: Option<Timestamp>,
    /// When its receiver said that the agent took it.
    pub processed: Option<Timestamp>,
}

/// What is known of a message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingRecord {
    /// Its sender.
    pub peer: PublicKey,
    /// Its inbox number.
    pub number: u64,
    /// Its id.
    pub id: MessageId,
    /// What it is.
    pub kind: MessageKind,
    /// What it answers.
    pub in_reply_to: Option<MessageId>,
    /// Its body, in bytes.
    pub len: u64,
    /// Its place in its sender's stream.
    pub order: Option<Order>,
    /// When it came.
    pub at: Timestamp,
    /// When the agent took it.
    pub taken: Option<Timestamp>,
    /// Whether its sender knows that.
    pub told: bool,
}

/// A message, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One of this entity.
    Outgoing(OutgoingRecord),
    /// One that came in.
    Incoming(IncomingRecord),
}

/// Which messages are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of one peer.
    pub peer: Option<PublicKey>,
    /// Those that are settled or taken as well.
    pub settled: bool,
    /// How many are left out, the newest first.
    pub skip: usize,
    /// How many are listed at most.
    pub most: usize,
}

/// A part of a list, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// How many there are in all.
    pub total: usize,
    /// Those of this page.
    pub items: Vec<T>,
}

/// The way of a message, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The message.
    pub message: Found,
    /// Its steps, in order.
    pub steps: Vec<(Timestamp, Step)>,
}

impl Store {
    /// Messages of this entity.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outgoing(&self, filter: &Filter) -> Result<Page<OutgoingRecord>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(SENT)?;
            let (first, last) = match &filter.peer {
                Some(peer) => ends(peer.as_bytes(), 0),
                None => ([0; 40], [u8::MAX; 40]),
            };
            let mut found = Vec::new();
            for row in table.range::<&Numbered>(&first..=&last)? {
                let (key, row) = row?;
                let row = Sent::decode(row.value())?;
                if filter.settled || !row.status.is_settled() {
                    found.push((row.created, *key.value()));
                }
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            let total = found.len();
            let shown = found.iter().skip(filter.skip).take(filter.most);
            let record = |(_, key): &(Timestamp, Numbered)| {
                let row = table.get(key)?.ok_or(Broken)?;
                outgoing_record(key, Sent::decode(row.value())?)
            };
            Ok(Page { total, items: shown.map(record).collect::<Result<_, Failed>>()? })
        })
    }

    /// Messages that came in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn incoming(&self, filter: &Filter) -> Result<Page<IncomingRecord>, StoreError> {
        self.read(|transaction| {
            let (mut total, mut items) = (0, Vec::new());
            for row in transaction.open_table(RECEIVED)?.iter()?.rev() {
                let (number, row) = row?;
                let row = rows::Received::decode(row.value())?;
                let of_peer = filter.peer.is_none_or(|peer| *peer.as_bytes() == row.peer);
                if !of_peer || (row.taken.is_some() && !filter.settled) {
                    continue;
                }
                total += 1;
                if total > filter.skip && items.len() < filter.most {
                    items.push(incoming_record(number.value(), row)?);
                }
            }
            Ok(Page { total, items })
        })
    }

    /// Messages whose id begins with `prefix`, in hexadecimal with or without hyphens: at most `most`.
    /// None if it is no beginning of an id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, prefix: &str, most: usize) -> Result<Vec<Found>, StoreError> {
        let Some((low, high)) = bounds(prefix) else { return Ok(Vec::new()) };
        self.read(|transaction| {
            let mut found = Vec::new();
            let sent = transaction.open_table(SENT)?;
            let ids = transaction.open_table(SENT_IDS)?;
            for row in ids.range::<&[u8; 16]>(&low..=&high)?.take(most) {
                let (_, key) = row?;
                let row = sent.get(key.value())?.ok_or(Broken)?;
                let record = outgoing_record(key.value(), Sent::decode(row.value())?)?;
                found.push(Found::Outgoing(record));
            }
            let received = transaction.open_table(RECEIVED)?;
            let ids = transaction.open_table(RECEIVED_IDS)?;
            let (low, high) = (name(low, 0), name(high, u8::MAX));
            for row in ids.range::<&Named>(&low..=&high)?.take(most - found.len()) {
                let number = row?.1.value();
                let record = incoming_record(number, received_row(&received, number)?)?;
                found.push(Found::Incoming(record));
            }
            Ok(found)
        })
    }

    /// The way of a message that [`Self::find`] found.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn trace(&self, message: Found) -> Result<Trace, StoreError> {
        self.read(|transaction| {
            let (id, mut steps) = match &message {
                Found::Outgoing(record) => (record.id, steps_out(record)),
                Found::Incoming(record) => (record.id, steps_in(record)),
            };
            steps.extend(noted(transaction, id)?);
            // Of one moment the order of the record and of the trail stays.
            steps.sort_by_key(|(at, _)| *at);
            if steps.len() > SHOWN_STEPS {
                steps.drain(SHOWN_STEPS / 2..steps.len() - SHOWN_STEPS / 2);
            }
            Ok(Trace { message, steps })
        })
    }

    /// The body of a message of this entity, until it is settled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outgoing_message(
        &self,
        peer: &PublicKey,
        number: u64,
    ) -> Result<Option<Message>, StoreError> {
        self.read(|transaction| {
            let key = numbered(peer.as_bytes(), number);
            let Some(body) = transaction.open_table(OUT_BODIES)?.get(&key)? else {
                return Ok(None);
            };
            let row = transaction.open_table(SENT)?.get(&key)?.ok_or(Broken)?;
            Ok(Some(Sent::decode(row.value())?.head.message(None, body.value())))
        })
    }

    /// A message of the inbox by sender and id, until the agent took it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn incoming_message(
        &self,
        peer: &PublicKey,
        id: &MessageId,
    ) -> Result<Option<Arrived>, StoreError> {
        self.read(|transaction| {
            let ids = transaction.open_table(RECEIVED_IDS)?;
            let Some(number) = ids.get(&named(id, peer.as_bytes()))? else { return Ok(None) };
            let number = number.value();
            let Some(body) = transaction.open_table(IN_BODIES)?.get(number)? else {
                return Ok(None);
            };
            let row = received_row(&transaction.open_table(RECEIVED)?, number)?;
            arrival(&row, number, body.value()).map(Some)
        })
    }
}

fn outgoing_record(key: &Numbered, row: Sent) -> Result<OutgoingRecord, Failed> {
    let (peer, number) = parts(key);
    Ok(OutgoingRecord {
        peer: peer_of(&peer)?,
        number,
        id: row.head.id,
        kind: row.head.kind,
        in_reply_to: row.head.in_reply_to,
        len: row.head.len,
        created: row.created,
        expires: row.expires,
        status: row.status,
        may_be_sent: row.may_be_sent,
        sent: row.sent,
        ended: row.ended,
        delivered: row.delivered,
        processed: row.processed,
    })
}

fn incoming_record(number: u64, row: rows::Received) -> Result<IncomingRecord, Failed> {
    Ok(IncomingRecord {
        peer: peer_of(&row.peer)?,
        number,
        id: row.head.id,
        kind: row.head.kind,
        in_reply_to: row.head.in_reply_to,
        len: row.head.len,
        order: row.order,
        at: row.at,
        taken: row.taken,
        told: row.told,
    })
}

/// The steps that a record tells.
fn steps_out(record: &OutgoingRecord) -> Vec<(Timestamp, Step)> {
    let mut steps = vec![(record.created, Step::Accepted)];
    let mut became = |at: Option<Timestamp>, status: Status| {
        steps.extend(at.map(|at| (at, Step::Became(status))));
    };
    became(record.sent, Status::Sent);
    // What ended as unknown may have been delivered since; what it was called then is known.
    let ended = match &record.status {
        Status::Expired | Status::Failed { .. } | Status::Cancelled => record.status.clone(),
        Status::Queued | Status::Sent | Status::Delivered | Status::Processed | Status::Unknown => {
            Status::Unknown
        }
    };
    became(record.ended, ended);
    became(record.delivered, Status::Delivered);
    became(record.processed, Status::Processed);
    steps
}

fn steps_in(record: &IncomingRecord) -> Vec<(Timestamp, Step)> {
    let taken = record.taken.map(|at| (at, Step::Taken));
    std::iter::once((record.at, Step::Stored)).chain(taken).collect()
}

/// The steps of a message that no record tells. They lie where they were written, among those of all
/// messages: writing them costs little, and they are read when somebody asks.
fn noted(transaction: &ReadTransaction, id: MessageId) -> Result<Vec<(Timestamp, Step)>, Failed> {
    let mut steps = Vec::new();
    for row in transaction.open_table(TRAIL)?.iter()? {
        let (_, row) = row?;
        let TrailStep { id: of, at, step } = decode(row.value()).map_err(|_| Broken)?;
        if of == id {
            steps.push((at, step));
        }
    }
    Ok(steps)
}

/// The least and the greatest id that begins with these digits.
fn bounds(prefix: &str) -> Option<([u8; 16], [u8; 16])> {
    let (mut low, mut high) = ([0; 16], [u8::MAX; 16]);
    let mut digits = 0;
    for character in prefix.chars().filter(|character| *character != '-') {
        let digit = u8::try_from(character.to_digit(16)?).ok()?;
        let (low, high) = (low.get_mut(digits / 2)?, high.get_mut(digits / 2)?);
        if digits % 2 == 0 {
            (*low, *high) = (digit << 4, digit << 4 | 0xf);
        } else {
            (*low, *high) = (*low | digit, *high & 0xf0 | digit);
        }
        digits += 1;
    }
    (digits > 0).then_some((low, high))
}

fn name(id: [u8; 16], rest: u8) -> Named {
    let mut name = [rest; 48];
    let (start, _) = name.split_at_mut(16);
    start.copy_from_slice(&id);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_for_all_ids_that_begin_with_it() {
        let (low, high) = bounds("ab-C").unwrap();
        assert_eq!((low[0], low[1], low[2]), (0xab, 0xc0, 0));
        assert_eq!((high[0], high[1], high[2]), (0xab, 0xcf, 0xff));
        let id = "9f3c1d2e-0b4a-4c6d-8e7f-001122334455";
        let (low, high) = bounds(id).unwrap();
        assert_eq!(low, high);
        assert_eq!(bounds(""), None);
        assert_eq!(bounds("-"), None);
        assert_eq!(bounds("xy"), None);
        assert_eq!(bounds(&format!("{id}0")), None, "longer than an id");
    }
}
