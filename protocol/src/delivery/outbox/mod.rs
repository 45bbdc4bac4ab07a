//! The sender's half of delivery, for all peers together (§8.1).
//!
//! Messages, readings of the wall clock and reports of the disk go in through the methods; after each
//! of them the owner drains [`Outbox::poll_effect`], and arranges to call [`Outbox::handle_timeout`]
//! at [`Outbox::poll_timeout`]. Each [`Effect::Write`] and each [`Effect::Load`] is reported back once;
//! writes are reported in the order in which they left.
//!
//! Of each unsettled message there is a small entry in memory; bodies are only there while they are on
//! their way to the disk, or from it to a link.

mod effect;
mod hold;
mod queue;
mod recall;
mod settle;
mod stream;
mod window;
mod writing;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use hashlink::LinkedHashMap;
use rand_core::CryptoRng;

pub use effect::{Effect, Head, NotAccepted, Saved, Ticket};

use self::queue::{Entry, Place, Queue, StreamState};
use self::recall::Asked;
use self::settle::Late;
use self::writing::Change;
use super::status::Status;
use super::write::{Outgoing, Write};
use crate::crypto::PublicKey;
use crate::id::{MessageId, StreamId};
use crate::limits::{
    MAX_MESSAGE_TTL, MAX_OUTBOX_BYTES, MAX_OUTBOX_BYTES_PER_PEER, MAX_OUTBOX_MESSAGES,
    MAX_OUTBOX_MESSAGES_PER_PEER, MAX_UNWRITTEN_BYTES, MAX_WINDOWS_BYTES,
};
use crate::message::Message;
use crate::time::{Instant, Now, Timestamp};

/// Pause before something is tried again that the disk refused.
const RETRY: Duration = Duration::from_secs(1);
/// How long the wall clock is trusted to go on as it went: it may jump.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(30);

/// Stands for a peer: keys are long. None is given twice, whoever leaves.
type Slot = u64;

/// The messages of this entity that are not settled, and what is done with them.
pub struct Outbox {
    rng: Box<dyn CryptoRng + Send>,
    slots: HashMap<PublicKey, Slot>,
    next_slot: Slot,
    queues: BTreeMap<Slot, Queue>,
    ids: HashMap<MessageId, (Slot, u64)>,
    /// Settled messages of which more may be heard, the oldest first.
    late: LinkedHashMap<MessageId, Late>,
    /// Peers about whose receipts the disk is being asked.
    recalls: HashMap<Slot, Asked>,
    deadlines: BTreeSet<(Timestamp, Slot, u64)>,
    messages: usize,
    bytes: u64,
    unwritten: u64,
    windows_bytes: usize,
    next_ticket: u64,
    /// The first number in streams to peers of which nothing was saved.
    first: u64,
    /// Transactions that have left.
    transactions: u64,
    writes: Vec<Write>,
    changes: Vec<Change>,
    under_way: BTreeMap<Ticket, Vec<Change>>,
    loads: BTreeMap<Ticket, (Slot, u64, u64)>,
    /// What the disk refused, to be tried again at `retry_at`.
    refused: Vec<Change>,
    retry_at: Option<Instant>,
    /// When queues whose stream is over begin another one.
    restarts: BTreeSet<(Instant, Slot)>,
    effects: VecDeque<Effect>,
}

impl Outbox {
    /// An outbox that goes on where the disk says it was left.
    #[must_use]
    pub fn new(saved: Vec<Saved>, rng: Box<dyn CryptoRng + Send>, now: Timestamp) -> Self {
        let mut outbox = Self {
            rng,
            slots: HashMap::new(),
            next_slot: 0,
            queues: BTreeMap::new(),
            ids: HashMap::new(),
            late: LinkedHashMap::new(),
            recalls: HashMap::new(),
            deadlines: BTreeSet::new(),
            messages: 0,
            bytes: 0,
            unwritten: 0,
            windows_bytes: 0,
            next_ticket: 0,
            first: 0,
            transactions: 0,
            writes: Vec::new(),
            changes: Vec::new(),
            under_way: BTreeMap::new(),
            loads: BTreeMap::new(),
            refused: Vec::new(),
            retry_at: None,
            restarts: BTreeSet::new(),
            effects: VecDeque::new(),
        };
        for saved in saved {
            outbox.restore(saved, now);
        }
        outbox
    }

    /// The same, but streams to peers of which nothing was saved begin at `number`: beyond all numbers that a
    /// receiver has seen that the disk has forgotten.
    #[must_use]
    pub fn beginning_at(mut self, number: u64) -> Self {
        self.first = number;
        self
    }

    /// Accepts a message: it is written, and [`Effect::Tell`] or [`Effect::NotAccepted`] follow.
    ///
    /// # Errors
    /// [`NotAccepted`] if it cannot be; then nothing has happened.
    pub fn accept(
        &mut self,
        peer: PublicKey,
        message: Message,
        ttl: Duration,
        now: Now,
    ) -> Result<(), NotAccepted> {
        self.take_in(peer, message, ttl, false, now)
    }

    fn take_in(
        &mut self,
        peer: PublicKey,
        message: Message,
        ttl: Duration,
        held: bool,
        now: Now,
    ) -> Result<(), NotAccepted> {
        let len = message.body.len();
        self.check_room(&peer, &message)?;
        let slot = self.slot(peer);
        let Some(queue) = self.queues.get_mut(&slot) else { return Err(NotAccepted::Numbers) };
        let number = queue.next;
        queue.next = number.checked_add(1).ok_or(NotAccepted::Numbers)?;
        queue.used = true;
        // If it can be handed over as soon as it is on disk, its mark is written with it.
        let fits = self.windows_bytes.saturating_add(len) <= MAX_WINDOWS_BYTES;
        let direct = queue.attached
            && !held
            && matches!(queue.stream_state, StreamState::New | StreamState::Saved)
            && queue.is_all_in_window()
            && queue.has_room(len)
            && (fits || queue.window_len == 0);
        if !queue.stream_known && queue.stream_in != Some(self.transactions) {
            queue.stream_in = Some(self.transactions);
            self.writes.push(Write::Stream { peer, stream: queue.stream });
            self.changes.push(Change::Stream { slot, stream: queue.stream });
        }
        let expires = now.timestamp + ttl.min(MAX_MESSAGE_TTL);
        let message = Message { order: None, ..message };
        let id = message.id;
        let body = direct.then(|| Box::new(message.clone()));
        let entry = Entry {
            id,
            len,
            expires,
            may_be_sent: false,
            marking: false,
            held,
            place: Place::Accepting(body),
            wanted: None,
            settled: None,
        };
        if direct {
            queue.edge = number.saturating_add(1);
            queue.window_len += 1;
            queue.window_bytes += len;
            self.windows_bytes += len;
        }
        queue.entries.insert(number, entry);
        queue.bytes += len as u64;
        self.messages += 1;
        self.bytes += len as u64;
        self.unwritten += len as u64;
        self.ids.insert(id, (slot, number));
        self.deadlines.insert((expires, slot, number));
        self.changes.push(Change::Accept { slot, number, len, marked: direct });
        let created = now.timestamp;
        let may_be_sent = direct;
        self.writes.push(Write::Accept(Outgoing {
            peer,
            number,
            message,
            created,
            expires,
            may_be_sent,
        }));
        Ok(())
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.retry(now.instant);
        self.restart(now.instant);
        self.shorten(now.timestamp);
        self.expire(now.timestamp);
    }

    /// When [`Outbox::handle_timeout`] is due; `None` if nothing will ever be.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(expires, _, _)| {
            let left = expires.as_millis().saturating_sub(now.timestamp.as_millis());
            now.instant + Duration::from_millis(left).min(LOOK_AT_CLOCK)
        });
        let restart = self.restarts.first().map(|(at, _)| *at);
        [self.retry_at, deadline, restart].into_iter().flatten().min()
    }

    /// Something for the owner to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if let Some(effect) = self.effects.pop_front() {
            return Some(effect);
        }
        if self.writes.is_empty() {
            return None;
        }
        let ticket = self.ticket();
        self.transactions += 1;
        let writes = std::mem::take(&mut self.writes);
        self.under_way.insert(ticket, std::mem::take(&mut self.changes));
        Some(Effect::Write { ticket, writes })
    }

    /// Messages that are not settled, and the bytes of their bodies.
    #[must_use]
    pub const fn len(&self) -> (usize, u64) {
        (self.messages, self.bytes)
    }

    /// Whether all are settled.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Messages to `peer` that are not settled, and the bytes of their bodies.
    #[must_use]
    pub fn waiting(&self, peer: &PublicKey) -> (usize, u64) {
        let queue = self.slots.get(peer).and_then(|slot| self.queues.get(slot));
        queue.map_or((0, 0), |queue| (queue.entries.len(), queue.bytes))
    }

    /// Peers for which messages wait.
    pub fn peers(&self) -> impl Iterator<Item = &PublicKey> {
        let waiting = |queue: &&Queue| !queue.entries.is_empty();
        self.queues.values().filter(waiting).map(|queue| &queue.peer)
    }

    /// What is known of an unsettled message.
    #[must_use]
    pub fn status(&self, id: MessageId) -> Option<Status> {
        let entry = self.entry(id)?;
        let unsettled = if entry.may_be_sent { Status::Sent } else { Status::Queued };
        Some(entry.settled.clone().unwrap_or(unsettled))
    }

    /// When the time of an unsettled message is over.
    #[must_use]
    pub fn expires(&self, id: MessageId) -> Option<Timestamp> {
        Some(self.entry(id)?.expires)
    }

    fn check_room(&self, peer: &PublicKey, message: &Message) -> Result<(), NotAccepted> {
        let len = message.body.len() as u64;
        if !message.kind.may_be_ordered() {
            return Err(NotAccepted::Kind(message.kind));
        }
        if self.ids.contains_key(&message.id) || self.late.contains_key(&message.id) {
            return Err(NotAccepted::Known);
        }
        if self.messages >= MAX_OUTBOX_MESSAGES {
            return Err(NotAccepted::Messages);
        }
        if self.bytes + len > MAX_OUTBOX_BYTES {
            return Err(NotAccepted::Bytes);
        }
        let (messages, bytes) = self.waiting(peer);
        if messages >= MAX_OUTBOX_MESSAGES_PER_PEER {
            return Err(NotAccepted::PeerMessages);
        }
        if bytes + len > MAX_OUTBOX_BYTES_PER_PEER {
            return Err(NotAccepted::PeerBytes);
        }
        if self.unwritten + len > MAX_UNWRITTEN_BYTES {
            return Err(NotAccepted::Unwritten);
        }
        Ok(())
    }

    fn restore(&mut self, saved: Saved, now: Timestamp) {
        let slot = self.slot(saved.peer);
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        // It goes on in a stream of its own: if this disk is an old copy, the receiver has seen numbers of
        // the former one that are given to other messages now.
        queue.next = saved.next;
        queue.used = true;
        for head in saved.heads {
            let Head { number, id, len, may_be_sent, .. } = head;
            let expires = head.expires.min(now + MAX_MESSAGE_TTL);
            let entry = Entry {
                id,
                len,
                expires,
                may_be_sent,
                marking: false,
                held: false,
                place: Place::OnDisk,
                wanted: None,
                settled: None,
            };
            queue.next = queue.next.max(number.saturating_add(1));
            queue.bytes += len as u64;
            queue.entries.insert(number, entry);
            self.messages += 1;
            self.bytes += len as u64;
            self.ids.insert(id, (slot, number));
            self.deadlines.insert((expires, slot, number));
        }
        queue.rewind();
    }

    /// The peer's place; made now if it has none.
    fn slot(&mut self, peer: PublicKey) -> Slot {
        if let Some(slot) = self.slots.get(&peer) {
            return *slot;
        }
        let slot = self.next_slot;
        self.next_slot = slot.saturating_add(1);
        let stream = StreamId::random(self.rng.as_mut());
        self.slots.insert(peer, slot);
        let queue = Queue::new(peer, stream, StreamState::New);
        self.queues.insert(slot, Queue { next: self.first, ..queue });
        slot
    }

    fn entry(&self, id: MessageId) -> Option<&Entry> {
        let (slot, number) = self.ids.get(&id)?;
        self.queues.get(slot)?.entries.get(number)
    }

    /// Forgets a message that is settled on disk, or was never accepted.
    fn forget(&mut self, slot: Slot, number: u64) -> Option<Entry> {
        let queue = self.queues.get_mut(&slot)?;
        let (entry, in_window) = queue.remove(number)?;
        if in_window {
            self.windows_bytes = self.windows_bytes.saturating_sub(entry.len);
        }
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.len as u64);
        self.ids.remove(&entry.id);
        self.deadlines.remove(&(entry.expires, slot, number));
        Some(entry)
    }

    const fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("messages", &self.messages)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
