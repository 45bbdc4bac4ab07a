//! What the node needs to go on where it was, in bounded pieces.

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Outgoing, Position};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::message::{Message, ReceiptStatus};
use peer_protocol::time::Timestamp;
use redb::ReadableTable as _;

use super::rows::{self, Place, Sent, Stream, Waiting};
use super::tables::{
    IN_BODIES, Numbered, OUT_BODIES, OWED, PLACES, RECEIVED, SENT, STREAMS, TAKEN, numbered, parts,
};
use crate::store::bytes::{Broken, Take};
use crate::store::error::Failed;
use crate::store::{Store, StoreError};

/// What waits for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// The receiver.
    pub peer: PublicKey,
    /// The stream that its messages are numbered in; `None` before the first.
    pub stream: Option<StreamId>,
    /// The next number.
    pub next: u64,
    /// What is not settled.
    pub waiting: Waiting,
}

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

/// Where to go on with one sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// How far its messages were taken.
    pub position: Position,
    /// The last [`MAX_TAKEN_IDS`] of them, the oldest first: `delivered` or `processed`.
    ///
    /// [`MAX_TAKEN_IDS`]: peer_protocol::limits::MAX_TAKEN_IDS
    pub taken: Vec<(MessageId, ReceiptStatus)>,
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
    /// Every receiver that something was ever sent to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outboxes(&self) -> Result<Vec<Outbox>, StoreError> {
        self.read(|transaction| {
            let mut outboxes = Vec::new();
            for row in transaction.open_table(STREAMS)?.iter()? {
                let (key, row) = row?;
                let peer = peer_of(key.value())?;
                let Stream { stream, next, waiting } = Stream::decode(row.value())?;
                outboxes.push(Outbox { peer, stream, next, waiting });
            }
            Ok(outboxes)
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

    /// The oldest unsettled messages to `peer` with `from` or a greater number: at most `messages`, and
    /// `bytes` of bodies; a larger one comes alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn window(
        &self,
        peer: &PublicKey,
        from: u64,
        messages: usize,
        bytes: usize,
    ) -> Result<Vec<Outgoing>, StoreError> {
        self.read(|transaction| {
            let sent = transaction.open_table(SENT)?;
            let mut room = Room { messages, bytes, taken: 0 };
            let mut window = Vec::new();
            let (first, last) = ends(peer.as_bytes(), from);
            for row in transaction.open_table(OUT_BODIES)?.range::<&Numbered>(&first..=&last)? {
                let (key, body) = row?;
                if !room.take(body.value().len()) {
                    break;
                }
                let Some(row) = sent.get(key.value())? else { return Err(Broken.into()) };
                let Sent { head, created, expires, may_be_sent, .. } = Sent::decode(row.value())?;
                window.push(Outgoing {
                    peer: *peer,
                    number: parts(key.value()).1,
                    message: head.message(None, body.value()),
                    created,
                    expires,
                    may_be_sent,
                });
            }
            Ok(window)
        })
    }

    /// Where to go on with messages from `peer`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn resume(&self, peer: &PublicKey) -> Result<Resume, StoreError> {
        self.read(|transaction| {
            let Some(row) = transaction.open_table(PLACES)?.get(peer.as_bytes())? else {
                return Ok(Resume::default());
            };
            let position = Place::decode(row.value())?.position;
            let waiting = transaction.open_table(IN_BODIES)?;
            let mut taken = Vec::new();
            let (first, last) = ends(peer.as_bytes(), 0);
            for row in transaction.open_table(TAKEN)?.range::<&Numbered>(&first..=&last)? {
                let (_, row) = row?;
                let mut row = Take(row.value());
                let (number, id) = (row.number()?, row.id(MessageId::from_bytes)?);
                let status = match waiting.get(number)? {
                    Some(_) => ReceiptStatus::Delivered,
                    None => ReceiptStatus::Processed,
                };
                taken.push((id, status));
            }
            Ok(Resume { position, taken })
        })
    }

    /// At most so many messages of which `peer` does not know yet that they are processed, the oldest
    /// first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn owed(&self, peer: &PublicKey, most: usize) -> Result<Vec<MessageId>, StoreError> {
        self.read(|transaction| {
            let owed = transaction.open_table(OWED)?;
            let (first, last) = ends(peer.as_bytes(), 0);
            let range = owed.range::<&Numbered>(&first..=&last)?;
            range.take(most).map(|row| Ok(message_id(row?.1.value())?)).collect()
        })
    }

    /// Peers that [`Self::owed`] has something for.
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
                arrived.push(arrival(&received_row(&received, number.value())?, number.value(), body.value())?);
            }
            Ok(arrived)
        })
    }
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
    received: &redb::ReadOnlyTable<u64, &'static [u8]>,
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
