//! What people ask for: lists, one message by the beginning of its id, the way it went.

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Order, Status, Step};
use peer_protocol::id::MessageId;
use peer_protocol::message::{Body, Message, MessageKind};
use peer_protocol::time::Timestamp;
use redb::{ReadTransaction, ReadableTable as _};

use super::load::{arrival, ends, peer_of, received_row};
use super::rows::{self, Sent, TrailStep};
use super::tables::{
    IN_BODIES, Named, Numbered, OUT_BODIES, RECEIVED, RECEIVED_IDS, SENT, SENT_IDS, TRAIL,
    named_bytes, numbered, parts,
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
    /// A file's name, in lists of what no agent took yet.
    pub name: Option<String>,
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
    /// Whether this entity has sent an answer to it.
    pub answered: bool,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter<A> {
    /// Those of one peer.
    pub peer: Option<PublicKey>,
    /// Those that are settled or taken as well.
    pub settled: bool,
    /// Those after this one.
    pub after: Option<A>,
    /// How many are listed at most.
    pub most: usize,
}

/// A place in the list of this entity's messages, which is in the order in which they were accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutboxPlace {
    /// When it was accepted.
    pub created: Timestamp,
    /// Its receiver.
    pub peer: [u8; 32],
    /// Its number.
    pub number: u64,
}

/// A part of a list, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// How many there are in all.
    pub total: u64,
    /// Those of this page.
    pub items: Vec<T>,
    /// Whether more follow.
    pub more: bool,
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
    pub fn outgoing(
        &self,
        filter: &Filter<OutboxPlace>,
    ) -> Result<Page<OutgoingRecord>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(SENT)?;
            let (first, last) = match &filter.peer {
                Some(peer) => ends(peer.as_bytes(), 0),
                None => ([0; 40], [u8::MAX; 40]),
            };
            let (mut total, mut places) = (0, Vec::new());
            for row in table.range::<&Numbered>(&first..=&last)? {
                let (key, row) = row?;
                let row = Sent::decode(row.value())?;
                if row.status.is_settled() && !filter.settled {
                    continue;
                }
                total += 1;
                let (peer, number) = parts(key.value());
                let place = OutboxPlace { created: row.created, peer, number };
                if filter.after.is_none_or(|after| place > after) {
                    places.push(place);
                }
            }
            places.sort_unstable();
            let more = places.len() > filter.most;
            let record = |place: &OutboxPlace| {
                let key = numbered(&place.peer, place.number);
                let row = table.get(&key)?.ok_or(Broken)?;
                outgoing_record(&key, Sent::decode(row.value())?)
            };
            let items = places.iter().take(filter.most).map(record).collect::<Result<_, _>>()?;
            Ok(Page { total, items, more })
        })
    }

    /// Messages that came in, after an inbox number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn incoming(&self, filter: &Filter<u64>) -> Result<Page<IncomingRecord>, StoreError> {
        self.read(|transaction| {
            let mut page = Page { total: 0, items: Vec::new(), more: false };
            let bodies = transaction.open_table(IN_BODIES)?;
            for row in transaction.open_table(RECEIVED)?.iter()? {
                let (number, row) = row?;
                let (number, row) = (number.value(), rows::Received::decode(row.value())?);
                let of_peer = filter.peer.is_none_or(|peer| *peer.as_bytes() == row.peer);
                if !of_peer || (row.taken.is_some() && !filter.settled) {
                    continue;
                }
                page.total += 1;
                if filter.after.is_some_and(|after| number <= after) {
                    continue;
                }
                if page.items.len() < filter.most {
                    let body = bodies.get(number)?;
                    let name = body.and_then(|body| file_name(&row, body.value()));
                    page.items.push(IncomingRecord { name, ..incoming_record(number, &row)? });
                } else {
                    page.more = true;
                }
            }
            Ok(page)
        })
    }

    /// Messages with ids from `first` to `last`: at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(
        &self,
        first: &[u8; 16],
        last: &[u8; 16],
        most: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.read(|transaction| {
            let mut found = Vec::new();
            let sent = transaction.open_table(SENT)?;
            let ids = transaction.open_table(SENT_IDS)?;
            for row in ids.range::<&[u8; 16]>(first..=last)?.take(most) {
                let (_, key) = row?;
                let row = sent.get(key.value())?.ok_or(Broken)?;
                let record = outgoing_record(key.value(), Sent::decode(row.value())?)?;
                found.push(Found::Outgoing(record));
            }
            let received = transaction.open_table(RECEIVED)?;
            let ids = transaction.open_table(RECEIVED_IDS)?;
            let (first, last) = (named_bytes(first, &[0; 32]), named_bytes(last, &[u8::MAX; 32]));
            for row in ids.range::<&Named>(&first..=&last)?.take(most - found.len()) {
                let number = row?.1.value();
                let record = incoming_record(number, &received_row(&received, number)?)?;
                found.push(Found::Incoming(record));
            }
            Ok(found)
        })
    }

    /// The message with an inbox number, if it is known still.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn numbered(&self, number: u64) -> Result<Option<IncomingRecord>, StoreError> {
        self.read(|transaction| {
            let received = transaction.open_table(RECEIVED)?;
            let Some(row) = received.get(number)? else { return Ok(None) };
            incoming_record(number, &rows::Received::decode(row.value())?).map(Some)
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

    /// A message of the inbox, until the agent took it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn incoming_message(&self, number: u64) -> Result<Option<Arrived>, StoreError> {
        self.read(|transaction| {
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

fn incoming_record(number: u64, row: &rows::Received) -> Result<IncomingRecord, Failed> {
    Ok(IncomingRecord {
        peer: peer_of(&row.peer)?,
        number,
        id: row.head.id,
        kind: row.head.kind,
        in_reply_to: row.head.in_reply_to,
        name: None,
        len: row.head.len,
        order: row.order,
        at: row.at,
        taken: row.taken,
        told: row.told,
        answered: row.answered,
    })
}

/// The name of the file that a task brings.
fn file_name(row: &rows::Received, body: &[u8]) -> Option<String> {
    if row.head.kind != MessageKind::Task {
        return None;
    }
    match row.head.message(None, body).decode() {
        Ok(Body::Task(task)) => task.name,
        _ => None,
    }
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
