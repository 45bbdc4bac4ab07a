//! Writes about messages that came in.

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Arrival;
use peer_protocol::id::MessageId;
use peer_protocol::limits::MAX_TAKEN_IDS;
use peer_protocol::message::MessageKind;
use peer_protocol::time::Timestamp;
use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::apply::{Delivery, Written};
use super::outgoing::MAX_ASKED;
use super::rows::{Head, Received};
use super::tables::{named, numbered, parts};
use crate::store::bytes::Put;
use crate::store::error::Failed;

/// The inbox number of what came and was not stored.
const NOWHERE: u64 = u64::MAX;

impl Delivery<'_> {
    pub(super) fn arrive(&mut self, arrival: &Arrival) -> Result<Written, Failed> {
        let Arrival { peer, message, before, after, at } = arrival;
        let sender = peer.as_bytes();
        if self.stale.contains(sender) || self.position(sender)? != *before {
            self.stale.insert(*sender);
            return Ok(Written::Stale);
        }
        let name = named(&message.id, sender);
        // The sender used an id again that is no longer among those remembered. Whatever it means by
        // that, one id stands for one message here.
        let known = self.received_ids.get(&name)?.map(|number| number.value());
        let number = match known {
            Some(number) => number,
            // Anybody could fill the disk with answers to nothing, which no rate limits.
            None if message.kind == MessageKind::TaskResult && !self.is_asked(arrival)? => NOWHERE,
            None => self.store_arrival(arrival, &name)?,
        };
        let place = self.place(sender)?;
        place.position.clone_from(after);
        let arrived = place.arrivals;
        place.arrivals += 1;
        let row = Put::default().number(number).bytes(message.id.as_bytes()).done();
        self.taken.insert(&numbered(sender, arrived), row.as_slice())?;
        let remembered = u64::try_from(MAX_TAKEN_IDS).unwrap_or(u64::MAX);
        if let Some(oldest) = arrived.checked_sub(remembered) {
            self.taken.remove(&numbered(sender, oldest))?;
        }
        self.names(*at);
        let is_new = known.is_none() && number != NOWHERE;
        Ok(if is_new { Written::Stored(number) } else { Written::Done })
    }

    /// Whether an answer is the first to a task that was sent to its sender.
    fn is_asked(&mut self, answer: &Arrival) -> Result<bool, Failed> {
        let Some(task) = answer.message.in_reply_to else { return Ok(false) };
        let (task, from) = (task.as_bytes(), answer.peer.as_bytes());
        let asked = self.asked.get(task)?.is_some_and(|peer| peer.value() == from);
        if asked {
            self.asked.remove(task)?;
            return Ok(true);
        }
        if self.asked.len()? < MAX_ASKED {
            return Ok(false);
        }
        let key = self.sent_ids.get(task)?.map(|key| *key.value());
        Ok(key.is_some_and(|key| parts(&key).0 == *from))
    }

    /// An answer to a message was accepted.
    pub(super) fn answered(&mut self, peer: &PublicKey, id: &MessageId) -> Result<(), Failed> {
        if let Some((number, mut row)) = self.received_row(peer, id)? {
            row.answered = true;
            self.received.insert(number, row.encode().as_slice())?;
        }
        Ok(())
    }

    /// Puts a message into the inbox; returns its number there.
    fn store_arrival(&mut self, arrival: &Arrival, name: &[u8; 48]) -> Result<u64, Failed> {
        let Arrival { peer, message, at, .. } = arrival;
        let number = self.counters.inbox;
        self.counters.inbox += 1;
        let head = Head::of(message);
        self.place(peer.as_bytes())?.waiting.add(head.len);
        let row = Received {
            peer: *peer.as_bytes(),
            head,
            order: message.order,
            at: *at,
            taken: None,
            told: false,
            answered: false,
        };
        self.received.insert(number, row.encode().as_slice())?;
        self.in_bodies.insert(number, message.body.as_ref())?;
        self.received_ids.insert(name, number)?;
        Ok(number)
    }

    pub(super) fn take(
        &mut self,
        messages: &[(PublicKey, MessageId)],
        at: Timestamp,
    ) -> Result<(), Failed> {
        self.names(at);
        for (peer, id) in messages {
            let Some((number, mut row)) = self.received_row(peer, id)? else { continue };
            if row.taken.is_some() {
                continue;
            }
            row.taken = Some(at);
            self.received.insert(number, row.encode().as_slice())?;
            self.in_bodies.remove(number)?;
            self.place(&row.peer)?.waiting.subtract(row.head.len);
            self.owed.insert(&numbered(&row.peer, number), id.as_bytes())?;
            self.settle_received(number)?;
        }
        Ok(())
    }

    pub(super) fn told(&mut self, peer: &PublicKey, messages: &[MessageId]) -> Result<(), Failed> {
        for id in messages {
            let Some((number, mut row)) = self.received_row(peer, id)? else { continue };
            if self.owed.remove(&numbered(&row.peer, number))?.is_some() {
                row.told = true;
                self.received.insert(number, row.encode().as_slice())?;
            }
        }
        Ok(())
    }

    fn received_row(
        &self,
        peer: &PublicKey,
        id: &MessageId,
    ) -> Result<Option<(u64, Received)>, Failed> {
        let Some(number) = self.received_ids.get(&named(id, peer.as_bytes()))? else {
            return Ok(None);
        };
        let number = number.value();
        match self.received.get(number)? {
            Some(row) => Ok(Some((number, Received::decode(row.value())?))),
            None => Ok(None),
        }
    }
}
