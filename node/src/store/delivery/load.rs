//! What the node needs to go on where it was, in bounded pieces.

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Head, Outgoing, Position, Resume, Saved, Status};
use peer_protocol::id::MessageId;
use peer_protocol::limits::MAX_TAKEN_IDS;
use peer_protocol::message::Message;
use peer_protocol::time::Timestamp;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _,
};

use super::rows::{self, Counters, Place, Sent, Stream, Waiting};
use super::tables::{
    COUNTERS, IN_BODIES, Numbered, OUT_BODIES, OWED, PLACES, RECEIVED, SENT, SENT_IDS, STREAMS,
    TAKEN, TRAIL, numbered, parts,
};
use crate::store::bytes::{Broken, Take};
use crate::store::error::Failed;
use crate::store::{Store, StoreError};

/// What a record takes with its indices, or a step, at most, about.
const RECORD_LEN: u64 = 512;

/// What came from one sender and waits for the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The sender.
    pub peer: PublicKey,
    /// How far its messages were taken.
    pub position: Position,
    /// What no agent took yet.
    pub waiting: Waiting,
}

/// A message in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its inbox number; they rise in the order of arrival.
    pub number: u64,
    /// Its sender.
    pub peer: PublicKey,
    /// The message.
    pub message: Message,
    /// When it came.
    pub at: Timestamp,
}

impl Store {
    /// Every receiver that something was ever sent to, and its unsettled messages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn saved(&self) -> Result<Vec<Saved>, StoreError> {
        self.read(|transaction| {
            let sent = transaction.open_table(SENT)?;
            let mut all = Vec::new();
            for row in transaction.open_table(STREAMS)?.iter()? {
                let (key, row) = row?;
                let Stream { stream: Some(stream), next, waiting } = Stream::decode(row.value())?
                else {
                    continue;
                };
                let peer = peer_of(key.value())?;
                let heads =
                    if waiting.messages > 0 { heads(&sent, key.value())? } else { Vec::new() };
                all.push(Saved { peer, stream, next, heads });
            }
            Ok(all)
        })
    }

    /// Every sender that something ever came from.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn senders(&self) -> Result<Vec<Sender>, StoreError> {
        self.read(|transaction| {
            let mut senders = Vec::new();
            for row in transaction.open_table(PLACES)?.iter()? {
                let (key, row) = row?;
                let peer = peer_of(key.value())?;
                let Place { position, waiting, .. } = Place::decode(row.value())?;
                senders.push(Sender { peer, position, waiting });
            }
            Ok(senders)
        })
    }

    /// The unsettled messages to `peer` with these numbers, in order. Whoever asks has reserved room for
    /// their bodies.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn window(
        &self,
        peer: &PublicKey,
        from: u64,
        to: u64,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let room = Room { messages: usize::MAX, bytes: usize::MAX, taken: 0 };
        self.read(|transaction| waiting(transaction, peer, (from, to), room))
    }

    /// The oldest unsettled messages to `peer`: at most `messages`, and `bytes` of bodies; a larger one
    /// comes alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn oldest(
        &self,
        peer: &PublicKey,
        messages: usize,
        bytes: usize,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let room = Room { messages, bytes, taken: 0 };
        self.read(|transaction| waiting(transaction, peer, (0, u64::MAX), room))
    }

    /// Of these messages those that were sent to `peer` and are known still: number, id and status.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recall(
        &self,
        peer: &PublicKey,
        ids: &[MessageId],
    ) -> Result<Vec<(u64, MessageId, Status)>, StoreError> {
        self.read(|transaction| {
            let (known, sent) = (transaction.open_table(SENT_IDS)?, transaction.open_table(SENT)?);
            let mut found = Vec::new();
            for id in ids {
                let Some(key) = known.get(id.as_bytes())? else { continue };
                let (receiver, number) = parts(key.value());
                if receiver == *peer.as_bytes()
                    && let Some(row) = sent.get(key.value())?
                {
                    found.push((number, *id, Sent::decode(row.value())?.status));
                }
            }
            Ok(found)
        })
    }

    /// Where to go on with messages from `peer`: its position, the last [`MAX_TAKEN_IDS`] that were taken,
    /// and the oldest so many of which it does not know yet that they are processed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn resume(&self, peer: &PublicKey) -> Result<Resume, StoreError> {
        self.read(|transaction| {
            let position = match transaction.open_table(PLACES)?.get(peer.as_bytes())? {
                Some(row) => Place::decode(row.value())?.position,
                None => return Ok(Resume::default()),
            };
            let waiting = transaction.open_table(IN_BODIES)?;
            let (first, last) = ends(peer.as_bytes(), 0);
            let mut taken = Vec::new();
            for row in transaction.open_table(TAKEN)?.range::<&Numbered>(&first..=&last)? {
                let (_, row) = row?;
                let mut row = Take(row.value());
                let (number, id) = (row.number()?, row.id(MessageId::from_bytes)?);
                taken.push((id, waiting.get(number)?.is_none()));
            }
            let table = transaction.open_table(OWED)?;
            let owed = table.range::<&Numbered>(&first..=&last)?.take(MAX_TAKEN_IDS);
            let owed = owed.map(|row| Ok(message_id(row?.1.value())?));
            Ok(Resume { position, taken, owed: owed.collect::<Result<_, Failed>>()? })
        })
    }

    /// Peers that do not know yet that messages of theirs are processed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn owed_peers(&self) -> Result<Vec<PublicKey>, StoreError> {
        self.read(|transaction| {
            let owed = transaction.open_table(OWED)?;
            let (mut peers, mut from) = (Vec::new(), [0; 40]);
            while let Some(row) = owed.range::<&Numbered>(&from..)?.next() {
                let (peer, _) = parts(row?.0.value());
                peers.push(peer_of(&peer)?);
                from = numbered(&peer, u64::MAX);
            }
            Ok(peers)
        })
    }

    /// Transactions with ordered messages so far; each was synced once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commits(&self) -> Result<u64, StoreError> {
        self.read(|transaction| match transaction.open_table(COUNTERS)?.get(0)? {
            Some(row) => Ok(Counters::decode(row.value())?.commits),
            None => Ok(0),
        })
    }

    /// The next inbox number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn head(&self) -> Result<u64, StoreError> {
        self.read(|transaction| match transaction.open_table(COUNTERS)?.get(0)? {
            Some(row) => Ok(Counters::decode(row.value())?.inbox),
            None => Ok(0),
        })
    }

    /// Messages that no agent took yet, from inbox number `from` on: at most `messages`, and `bytes` of
    /// bodies; a larger one comes alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inbox(
        &self,
        from: u64,
        messages: usize,
        bytes: usize,
    ) -> Result<Vec<Arrived>, StoreError> {
        self.read(|transaction| {
            let received = transaction.open_table(RECEIVED)?;
            let mut room = Room { messages, bytes, taken: 0 };
            let mut arrived = Vec::new();
            for row in transaction.open_table(IN_BODIES)?.range(from..)? {
                let (number, body) = row?;
                if !room.take(body.value().len()) {
                    break;
                }
                arrived.push(arrival(
                    &received_row(&received, number.value())?,
                    number.value(),
                    body.value(),
                )?);
            }
            Ok(arrived)
        })
    }
}

fn waiting(
    transaction: &ReadTransaction,
    peer: &PublicKey,
    (from, to): (u64, u64),
    mut room: Room,
) -> Result<Vec<Outgoing>, Failed> {
    let sent = transaction.open_table(SENT)?;
    let mut waiting = Vec::new();
    let (first, last) = (numbered(peer.as_bytes(), from), numbered(peer.as_bytes(), to));
    for row in transaction.open_table(OUT_BODIES)?.range::<&Numbered>(&first..=&last)? {
        let (key, body) = row?;
        if !room.take(body.value().len()) {
            break;
        }
        let row = sent.get(key.value())?.ok_or(Broken)?;
        let Sent { head, created, expires, may_be_sent, .. } = Sent::decode(row.value())?;
        waiting.push(Outgoing {
            peer: *peer,
            number: parts(key.value()).1,
            message: head.message(None, body.value()),
            created,
            expires,
            may_be_sent,
        });
    }
    Ok(waiting)
}

/// Bytes of the file that ordered messages take, about.
pub(in crate::store) fn used_bytes(database: &Database) -> Result<u64, Failed> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(SENT)?.len()? + transaction.open_table(RECEIVED)?.len()?;
    let steps = transaction.open_table(TRAIL)?.len()?;
    let mut used = (records + steps).saturating_mul(RECORD_LEN);
    for row in transaction.open_table(STREAMS)?.iter()? {
        used = used.saturating_add(Stream::decode(row?.1.value())?.waiting.bytes);
    }
    for row in transaction.open_table(PLACES)?.iter()? {
        used = used.saturating_add(Place::decode(row?.1.value())?.waiting.bytes);
    }
    Ok(used)
}

fn heads(
    sent: &ReadOnlyTable<&'static Numbered, &'static [u8]>,
    peer: &[u8; 32],
) -> Result<Vec<Head>, Failed> {
    let (first, last) = ends(peer, 0);
    let mut heads = Vec::new();
    for row in sent.range::<&Numbered>(&first..=&last)? {
        let (key, row) = row?;
        let row = Sent::decode(row.value())?;
        if !row.status.is_settled() {
            heads.push(Head {
                number: parts(key.value()).1,
                id: row.head.id,
                len: usize::try_from(row.head.len).map_err(|_| Broken)?,
                expires: row.expires,
                may_be_sent: row.may_be_sent,
            });
        }
    }
    Ok(heads)
}

/// Room for rows that are read at once.
struct Room {
    messages: usize,
    bytes: usize,
    taken: usize,
}

impl Room {
    fn take(&mut self, len: usize) -> bool {
        let fits = self.taken == 0 || len <= self.bytes;
        if self.taken == self.messages || !fits {
            return false;
        }
        self.taken += 1;
        self.bytes = self.bytes.saturating_sub(len);
        true
    }
}

pub(super) fn received_row(
    received: &ReadOnlyTable<u64, &'static [u8]>,
    number: u64,
) -> Result<rows::Received, Failed> {
    let row = received.get(number)?.ok_or(Broken)?;
    Ok(rows::Received::decode(row.value())?)
}

pub(super) fn arrival(row: &rows::Received, number: u64, body: &[u8]) -> Result<Arrived, Failed> {
    let message = row.head.message(row.order, body);
    Ok(Arrived { number, peer: peer_of(&row.peer)?, message, at: row.at })
}

/// The first and last key of a peer from a number on.
pub(super) fn ends(peer: &[u8; 32], from: u64) -> (Numbered, Numbered) {
    (numbered(peer, from), numbered(peer, u64::MAX))
}

pub(super) fn peer_of(key: &[u8; 32]) -> Result<PublicKey, Broken> {
    PublicKey::from_bytes(key).map_err(|_| Broken)
}

pub(super) fn message_id(bytes: &[u8; 16]) -> Result<MessageId, Broken> {
    MessageId::from_bytes(*bytes).ok_or(Broken)
}
