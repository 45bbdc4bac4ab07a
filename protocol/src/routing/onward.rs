//! Handing packets on, and what becomes of them (§12.4, §12.5).

use bytes::Bytes;

use super::choice::next_hop;
use super::event::{Event, ExchangeId, Transmit, TryId};
use super::router::{Router, Try};
use super::transit::{Source, Transit};
use super::{Header, Outcome, Reason, Refusal};
use crate::crypto::PublicKey;
use crate::limits::MAX_HOPS;
use crate::time::{Instant, Now};

/// How long a neighbour that carries nothing, or that refuses for its rate, is left alone at most.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(60);

impl Router {
    /// Hands a packet to the next neighbour, if there is one; otherwise waits for the tries that are
    /// open, and without any ends it.
    pub(super) fn advance(&mut self, number: u64, now: Instant) {
        let Some(transit) = self.transits.get_mut(&number) else { return };
        self.dues.remove(&(transit.due(), number));
        transit.stalls_at = None;
        let Header { destination, .. } = transit.packet.header;
        let next = if transit.may_try(now) {
            let skip = |key: &PublicKey| transit.rules_out(key);
            next_hop(&self.neighbours, &self.routes, &destination, now, skip)
        } else {
            None
        };
        let paid = next.is_some()
            && match transit.source {
                // The first one is paid for.
                Source::Neighbour { key, .. } if !transit.tried.is_empty() => {
                    self.accounts.carry(key, transit.packet.envelope.len(), now).is_ok()
                }
                Source::Neighbour { .. } | Source::Own => true,
            };
        match next.filter(|_| paid) {
            Some(neighbour) => {
                let id = TryId(self.next_try);
                self.next_try += 1;
                let usual = self.routes.to(&destination, now).find(|it| it.neighbour == neighbour);
                let patience = transit.patience(usual.map(|route| route.took));
                transit.stalls_at = Some(now + patience);
                transit.tried.push(neighbour);
                transit.open.push(id);
                self.tries.insert(id, Try { transit: number, neighbour, destination, since: now });
                if let Some(neighbour) = self.neighbours.get_mut(&neighbour) {
                    neighbour.under_way += 1;
                }
                self.stats.tries += 1;
                let packet = Box::new(transit.packet.clone());
                self.transmits.push_back(Transmit::Packet { id, neighbour, packet });
            }
            None if transit.open.is_empty() => return self.finish(number, None),
            None => {}
        }
        self.dues.insert((transit.due(), number));
    }

    /// The newest try takes too long: another neighbour is tried beside it.
    pub(super) fn stalled(&mut self, number: u64, now: Instant) {
        let Some(transit) = self.transits.get_mut(&number) else { return };
        transit.note(Reason::Unanswered);
        let destination = transit.packet.header.destination;
        for id in &transit.open {
            if let Some(made) = self.tries.get(id) {
                self.routes.fail(destination, made.neighbour, now);
            }
        }
        self.advance(number, now);
    }

    /// The owner reports about a try, for the first and last time.
    pub(super) fn close(&mut self, id: TryId) -> Option<Try> {
        let made = self.tries.remove(&id)?;
        if let Some(neighbour) = self.neighbours.get_mut(&made.neighbour) {
            neighbour.under_way = neighbour.under_way.saturating_sub(1);
        }
        if let Some(transit) = self.transits.get_mut(&made.transit) {
            transit.open.retain(|open| *open != id);
        }
        Some(made)
    }

    pub(super) fn answered(&mut self, made: &Try, hops: u8, envelope: Bytes, now: Now) {
        if hops == 0 || hops > MAX_HOPS {
            return self.refused(made, Reason::Malformed.into(), now.instant);
        }
        if self.neighbours.contains_key(&made.neighbour) {
            let took = now.instant.since(made.since);
            self.routes.learn(made.destination, made.neighbour, hops, took, now.instant);
        }
        self.finish(made.transit, Some((hops, envelope)));
    }

    pub(super) fn refused(&mut self, made: &Try, refusal: Refusal, now: Instant) {
        match refusal.reason {
            // What a destination limits is what is for itself.
            Reason::RateLimited if made.neighbour == made.destination => {}
            Reason::RateLimited | Reason::NotCarrying => {
                let pause = refusal.retry_after.unwrap_or(PAUSE).min(PAUSE);
                if let Some(neighbour) = self.neighbours.get_mut(&made.neighbour) {
                    neighbour.paused_until = neighbour.paused_until.max(now + pause);
                }
            }
            // They say nothing about the way.
            Reason::Seen | Reason::Busy => {}
            Reason::NoRoute
            | Reason::Expired
            | Reason::HopLimit
            | Reason::TooLarge
            | Reason::Unanswered
            | Reason::Malformed => self.routes.fail(made.destination, made.neighbour, now),
        }
        if let Some(transit) = self.transits.get_mut(&made.transit) {
            transit.note(refusal.reason);
            let newest = transit.tried.last() == Some(&made.neighbour);
            if newest || transit.open.is_empty() {
                self.advance(made.transit, now);
            }
        }
    }

    /// Ends a transit with an answer, or without one, and tells whoever waits.
    pub(super) fn finish(&mut self, number: u64, answer: Option<(u8, Bytes)>) {
        let Some(transit) = self.remove(number) else { return };
        let Transit { source, packet, reason, .. } = transit;
        let Header { id, destination, .. } = packet.header;
        match (source, answer) {
            (Source::Own, Some((hops, envelope))) => {
                self.stats.answered += 1;
                let event = Event::Answered { packet: id, destination, hops, envelope };
                self.events.push_back(event);
            }
            (Source::Own, None) => {
                self.stats.failed += 1;
                let refusal = reason.into();
                self.events.push_back(Event::Failed { packet: id, destination, refusal });
            }
            (Source::Neighbour { exchange, .. }, Some((hops, envelope))) if hops < MAX_HOPS => {
                self.stats.carried += 1;
                let bytes = packet.envelope.len() + envelope.len();
                self.stats.carried_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
                let outcome = Outcome::Answered { hops: hops + 1, envelope };
                self.transmits.push_back(Transmit::Outcome { exchange, outcome });
            }
            (Source::Neighbour { exchange, .. }, Some(_)) => {
                self.refuse(exchange, Reason::HopLimit.into());
            }
            (Source::Neighbour { exchange, .. }, None) => self.refuse(exchange, reason.into()),
        }
    }

    /// The transits that `wanted` looks for, oldest first.
    pub(super) fn numbers(&self, wanted: impl Fn(&Transit) -> bool) -> Vec<u64> {
        let found = self.transits.iter().filter(|(_, transit)| wanted(transit));
        let mut numbers: Vec<_> = found.map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers
    }

    pub(super) fn refuse(&mut self, exchange: ExchangeId, refusal: Refusal) {
        self.stats.refuse(refusal.reason);
        let outcome = Outcome::Refused(refusal);
        self.transmits.push_back(Transmit::Outcome { exchange, outcome });
    }

    pub(super) fn insert(&mut self, transit: Transit) -> u64 {
        let number = self.next_transit;
        self.next_transit += 1;
        match transit.source {
            Source::Own => self.own_transits += 1,
            Source::Neighbour { .. } => self.carried_bytes += transit.packet.envelope.len(),
        }
        self.transits.insert(number, transit);
        number
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Transit> {
        let transit = self.transits.remove(&number)?;
        self.dues.remove(&(transit.due(), number));
        match transit.source {
            Source::Own => self.own_transits -= 1,
            Source::Neighbour { .. } => self.carried_bytes -= transit.packet.envelope.len(),
        }
        Some(transit)
    }
}
