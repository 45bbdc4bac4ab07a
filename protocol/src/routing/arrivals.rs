//! Packets for this node. One that comes again, on another path, joins the first or gets the same
//! answer, so that nothing is delivered twice and nothing is lost (§12.6).

use std::collections::HashMap;

use bytes::Bytes;
use hashlink::LinkedHashMap;

use super::event::{ArrivalId, ExchangeId};
use super::{Mark, Reason};
use crate::crypto::PublicKey;
use crate::limits::{
    ANSWER_MEMORY, MAX_ARRIVALS, MAX_DUPLICATE_PATHS, MAX_KEPT_ANSWER_BYTES, MAX_KEPT_ANSWERS,
    MAX_PACKET_LIFE,
};
use crate::time::Instant;

/// Most of [`MAX_ARRIVALS`] that came from one neighbour.
const PER_NEIGHBOUR: usize = MAX_ARRIVALS / 4;

/// One that waits for its answer.
#[derive(Debug)]
struct Pending {
    mark: Mark,
    neighbour: PublicKey,
    waiting: Vec<ExchangeId>,
    until: Instant,
}

/// What to do with a packet for this node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Deliver it.
    New(ArrivalId),
    /// It waits with the first of its kind.
    Joined,
    /// It was answered before.
    Known(Bytes),
    /// It is refused.
    Refused(Reason),
}

#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Oldest first.
    pending: LinkedHashMap<ArrivalId, Pending>,
    by_mark: HashMap<Mark, ArrivalId>,
    /// Oldest first.
    answers: LinkedHashMap<Mark, (Bytes, Instant)>,
    bytes: usize,
    next: u64,
}

impl Arrivals {
    pub(super) fn take_in(
        &mut self,
        mark: Mark,
        neighbour: PublicKey,
        exchange: ExchangeId,
        now: Instant,
    ) -> Arrived {
        if let Some((answer, _)) = self.answers.get(&mark) {
            return Arrived::Known(answer.clone());
        }
        if let Some(pending) = self.by_mark.get(&mark).and_then(|id| self.pending.get_mut(id)) {
            if pending.waiting.len() >= MAX_DUPLICATE_PATHS {
                return Arrived::Refused(Reason::Busy);
            }
            pending.waiting.push(exchange);
            return Arrived::Joined;
        }
        let of_neighbour = |pending: &&Pending| pending.neighbour == neighbour;
        if self.pending.len() >= MAX_ARRIVALS
            || self.pending.values().filter(of_neighbour).count() >= PER_NEIGHBOUR
        {
            return Arrived::Refused(Reason::Busy);
        }
        let id = ArrivalId(self.next);
        self.next += 1;
        let until = now + MAX_PACKET_LIFE;
        self.by_mark.insert(mark, id);
        self.pending.insert(id, Pending { mark, neighbour, waiting: vec![exchange], until });
        Arrived::New(id)
    }

    /// The answer to a packet; returns who waits for it.
    pub(super) fn answer(
        &mut self,
        id: ArrivalId,
        answer: &Bytes,
        now: Instant,
    ) -> Vec<ExchangeId> {
        let Some(pending) = self.remove(id) else { return Vec::new() };
        self.bytes += answer.len();
        self.answers.insert(pending.mark, (answer.clone(), now + ANSWER_MEMORY));
        while self.answers.len() > MAX_KEPT_ANSWERS || self.bytes > MAX_KEPT_ANSWER_BYTES {
            self.forget_oldest();
        }
        pending.waiting
    }

    /// A packet will not be answered; returns who waits for it. One that comes again is new.
    pub(super) fn give_up(&mut self, id: ArrivalId) -> Vec<ExchangeId> {
        self.remove(id).map(|pending| pending.waiting).unwrap_or_default()
    }

    /// Forgets what is over; returns who waited in vain.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<ExchangeId> {
        while self.answers.front().is_some_and(|(_, (_, until))| *until <= now) {
            self.forget_oldest();
        }
        let mut over = Vec::new();
        while let Some((id, pending)) = self.pending.front()
            && pending.until <= now
        {
            let id = *id;
            over.extend(self.give_up(id));
        }
        over
    }

    pub(super) fn next_tick(&self) -> Option<Instant> {
        let answer = self.answers.front().map(|(_, (_, until))| *until);
        let pending = self.pending.front().map(|(_, pending)| pending.until);
        [answer, pending].into_iter().flatten().min()
    }

    fn remove(&mut self, id: ArrivalId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.by_mark.remove(&pending.mark);
        Some(pending)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, (answer, _))) = self.answers.pop_front() {
            self.bytes -= answer.len();
        }
    }
}
