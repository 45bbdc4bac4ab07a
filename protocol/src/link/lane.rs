//! Ordered messages on their way to the peer, in order (§8.4): the window that the outbox gave.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hashlink::DefaultHashBuilder;

use super::batch::Batch;
use super::pace::Pacer;
use crate::id::{MessageId, SessionId, StreamId};
use crate::message::{Message, MessageKind};
use crate::time::Instant;

/// Pause before a message is sent again that an answer did not mention; it doubles each time.
const FIRST_RESEND: Duration = Duration::from_secs(2);
const MAX_RESEND: Duration = Duration::from_secs(60);
/// Pause of all after the second request in a row that failed; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In `due`.
    Due,
    /// In a request that is in flight.
    UnderWay,
    /// In `delayed`, until then: it was sent, and not mentioned.
    Unmentioned(Instant),
    /// Refused for good. It stays until the owner has written that down: what comes after it must not
    /// go without it before.
    Refused,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    place: Place,
    /// How often it was sent without being mentioned.
    unmentioned: u32,
    /// The session it was last sealed in.
    session: Option<SessionId>,
}

/// Every message is in `entries`, by number; the other collections say where else it is.
#[derive(Debug, Default)]
pub(super) struct Lane {
    stream: Option<StreamId>,
    entries: BTreeMap<u64, Entry>,
    ids: HashMap<MessageId, u64, DefaultHashBuilder>,
    due: BTreeSet<u64>,
    delayed: BTreeSet<(Instant, u64)>,
    /// Requests in a row that failed; those that fail during the pause that follows count as one.
    failures: u32,
    failing_until: Option<Instant>,
    /// Nothing is sent before: the peer asked for that.
    paced_until: Option<Instant>,
}

impl Lane {
    /// Takes a message; one that is here already stays as it is. A message of another stream begins
    /// anew.
    pub(super) fn push(&mut self, message: Message) {
        let Some(order) = message.order else { return };
        if self.stream != Some(order.stream) {
            *self = Self { stream: Some(order.stream), ..Self::default() };
        }
        if self.entries.contains_key(&order.number) {
            return;
        }
        self.ids.insert(message.id, order.number);
        self.due.insert(order.number);
        let entry = Entry { message, place: Place::Due, unmentioned: 0, session: None };
        self.entries.insert(order.number, entry);
    }

    /// The message is done with; returns its kind if it was here.
    pub(super) fn remove(&mut self, id: MessageId) -> Option<MessageKind> {
        let number = self.ids.remove(&id)?;
        let entry = self.entries.remove(&number)?;
        match entry.place {
            Place::Due => {
                self.due.remove(&number);
            }
            Place::Unmentioned(until) => {
                self.delayed.remove(&(until, number));
            }
            Place::UnderWay | Place::Refused => {}
        }
        Some(entry.message.kind)
    }

    /// The owner takes the message back; what comes after it need not wait for it any more.
    pub(super) fn withdraw(&mut self, id: MessageId) {
        let Some(number) = self.ids.get(&id).copied() else { return };
        self.remove(id);
        let Some((next, entry)) = self.entries.range_mut(number..).next() else { return };
        if let Place::Unmentioned(until) = entry.place {
            entry.place = Place::Due;
            self.delayed.remove(&(until, *next));
            self.due.insert(*next);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn kind(&self, id: MessageId) -> Option<MessageKind> {
        Some(self.entries.get(self.ids.get(&id)?)?.message.kind)
    }

    pub(super) const fn stream(&self) -> Option<StreamId> {
        self.stream
    }

    /// Whether anything is to be sent, now or as soon as that is possible.
    pub(super) fn wants_to_send(&self) -> bool {
        !self.due.is_empty() || !self.delayed.is_empty()
    }

    /// How many are to be sent next.
    pub(super) fn due(&self) -> usize {
        self.due.len()
    }

    /// The lengths of their bodies.
    pub(super) fn due_lens(&self) -> impl Iterator<Item = usize> {
        self.due.iter().filter_map(|number| Some(self.entries.get(number)?.message.body.len()))
    }

    /// Whether anything could be sent right now.
    pub(super) fn has_due(&self, now: Instant) -> bool {
        !self.due.is_empty() && self.paused_until().is_none_or(|until| until <= now)
    }

    /// Puts what is due into `batch`, in order, each with the greatest lower number that is here.
    pub(super) fn fill(&mut self, batch: &mut Batch, pacer: &mut Pacer, now: Instant) {
        if !self.has_due(now) {
            return;
        }
        while let Some(number) = self.due.first().copied() {
            let after = self.entries.range(..number).next_back().map(|(number, _)| *number);
            let Some(entry) = self.entries.get_mut(&number) else {
                self.due.remove(&number);
                continue;
            };
            if !batch.fits(&entry.message) {
                return;
            }
            if let Err(until) = pacer.admit(entry.message.kind, now) {
                self.paced_until = Some(until);
                return;
            }
            self.due.remove(&number);
            entry.place = Place::UnderWay;
            let mut message = entry.message.clone();
            if let Some(order) = &mut message.order {
                order.after = after;
            }
            batch.push(message);
        }
    }

    /// Messages left in `session`.
    pub(super) fn sealed(&mut self, ids: &[MessageId], session: SessionId) {
        for id in ids {
            if let Some(entry) = self.get_mut(*id) {
                entry.session = Some(session);
            }
        }
    }

    /// The request with these messages failed: they go again in order, at once the first time.
    pub(super) fn lost(&mut self, ids: &[MessageId], now: Instant) {
        let mut any = false;
        for id in ids {
            any |= self.is_under_way(*id) && self.set_due(*id);
        }
        if any && self.failing_until.is_none_or(|until| until <= now) {
            self.failures = self.failures.saturating_add(1);
            if let Some(doublings) = self.failures.checked_sub(2) {
                let pause = FIRST_BACKOFF.saturating_mul(1 << doublings.min(10)).min(MAX_BACKOFF);
                self.failing_until = Some(now + pause);
            }
        }
    }

    /// The answer did not mention these, or they went out in an answer: they are held or being written,
    /// and go again after a while. `jitter` is the part of a quarter by which that is shortened.
    pub(super) fn unmentioned(&mut self, ids: &[MessageId], jitter: f64, now: Instant) {
        for id in ids {
            let Some(number) = self.ids.get(id).copied() else { continue };
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            if entry.place != Place::UnderWay {
                continue;
            }
            let pause = FIRST_RESEND.saturating_mul(1 << entry.unmentioned.min(10)).min(MAX_RESEND);
            entry.unmentioned = entry.unmentioned.saturating_add(1);
            let until = now + pause.mul_f64(1.0 - jitter / 4.0);
            entry.place = Place::Unmentioned(until);
            self.delayed.insert((until, number));
        }
    }

    /// The peer takes these again at `at`, and nothing after them before.
    pub(super) fn delay(&mut self, id: MessageId, at: Instant) {
        if self.set_due(id) {
            self.paced_until = self.paced_until.max(Some(at));
        }
    }

    /// The peer refused a message for good; returns whether it was here.
    pub(super) fn refuse(&mut self, id: MessageId) -> bool {
        if !self.set_due(id) {
            return false;
        }
        let Some(number) = self.ids.get(&id).copied() else { return false };
        self.due.remove(&number);
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.place = Place::Refused;
        }
        true
    }

    /// The peer answers: nothing stands in the way.
    pub(super) const fn answered(&mut self) {
        (self.failures, self.failing_until) = (0, None);
    }

    /// The session is lost, and with it what the peer had not written.
    pub(super) fn session_lost(&mut self, session: SessionId) {
        self.hurry(|entry| entry.session == Some(session));
    }

    /// There is a connection again.
    pub(super) fn connected(&mut self) {
        self.answered();
        self.hurry(|_| true);
    }

    /// Those whose time has come are due.
    pub(super) fn tick(&mut self, now: Instant) {
        self.failing_until = self.failing_until.filter(|until| *until > now);
        self.paced_until = self.paced_until.filter(|until| *until > now);
        while let Some(&(at, number)) = self.delayed.first()
            && at <= now
        {
            self.delayed.remove(&(at, number));
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.place = Place::Due;
                self.due.insert(number);
            }
        }
    }

    /// When [`Lane::tick`] has something to do, or a pause is over.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let delayed = self.delayed.first().map(|(at, _)| *at);
        let paused = self.paused_until().filter(|_| !self.due.is_empty());
        [delayed, paused].into_iter().flatten().min()
    }

    fn hurry(&mut self, which: impl Fn(&Entry) -> bool) {
        let delayed = std::mem::take(&mut self.delayed);
        for (at, number) in delayed {
            match self.entries.get_mut(&number) {
                Some(entry) if which(entry) => {
                    entry.place = Place::Due;
                    self.due.insert(number);
                }
                Some(_) => {
                    self.delayed.insert((at, number));
                }
                None => {}
            }
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        self.failing_until.max(self.paced_until)
    }

    fn is_under_way(&self, id: MessageId) -> bool {
        let entry = self.ids.get(&id).and_then(|number| self.entries.get(number));
        entry.is_some_and(|entry| entry.place == Place::UnderWay)
    }

    /// Whether it is here now, and due.
    fn set_due(&mut self, id: MessageId) -> bool {
        let Some(number) = self.ids.get(&id).copied() else { return false };
        let Some(entry) = self.entries.get_mut(&number) else { return false };
        match entry.place {
            Place::Refused => return false,
            Place::Unmentioned(until) => {
                self.delayed.remove(&(until, number));
            }
            Place::Due | Place::UnderWay => {}
        }
        entry.place = Place::Due;
        self.due.insert(number);
        true
    }

    fn get_mut(&mut self, id: MessageId) -> Option<&mut Entry> {
        self.entries.get_mut(self.ids.get(&id)?)
    }
}
