//! The router: what its owner calls, and the state behind it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use rand_core::CryptoRng;
use thiserror::Error;

use super::accounts::{Accounts, Quotas};
use super::arrivals::{Arrivals, Arrived};
use super::choice::{Neighbour, next_hop};
use super::event::{ArrivalId, Event, ExchangeId, Transmit, TryId};
use super::routes::Routes;
use super::seen::Seen;
use super::transit::{Source, Transit};
use super::{Header, HopError, Outcome, Packet, PacketId, Reason, Refusal, Stats};
use crate::crypto::PublicKey;
use crate::limits::{
    MAX_CARRIED_BYTES, MAX_ENVELOPE_LEN, MAX_HOPS, MAX_PACKET_LIFE, MAX_PACKETS,
    MAX_PACKETS_PER_NEIGHBOUR,
};
use crate::rate_limit::RateLimited;
use crate::time::{Instant, Now};

/// How long a neighbour that carries nothing, or that refuses for its rate, is left alone at most.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(60);

/// Configuration of a router.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Whether packets of others are carried. Own ones travel, and arrive, in any case.
    pub carry: bool,
    /// What each neighbour may spend.
    pub quotas: Quotas,
}

impl Default for Config {
    fn default() -> Self {
        Self { carry: true, quotas: Quotas::default() }
    }
}

/// Too many packets of this node are under way; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{MAX_PACKETS} packets are under way already")]
pub struct TooMuch;

/// A packet that was handed to a neighbour.
#[derive(Debug, Clone, Copy)]
struct Try {
    transit: u64,
    neighbour: PublicKey,
    destination: PublicKey,
    since: Instant,
}

/// Carries packets for neighbours, sends those of this node, and takes in those for it.
///
/// - The owner tells of neighbours, and hands in what they bring: [`Router::handle_packet`],
///   [`Router::handle_outcome`], [`Router::handle_failure`].
/// - After each call it drains [`Router::poll_transmit`] and [`Router::poll_event`], and arranges
///   for [`Router::handle_timeout`] at [`Router::poll_timeout`].
/// - Each [`Transmit::Packet`] is reported back exactly once. Each packet handed in gets exactly one
///   [`Transmit::Outcome`], unless its neighbour is lost before. Each own packet ends in one
///   [`Event::Answered`] or [`Event::Failed`].
#[derive(Debug)]
pub struct Router {
    own: PublicKey,
    config: Config,
    neighbours: HashMap<PublicKey, Neighbour>,
    routes: Routes,
    seen: Seen,
    arrivals: Arrivals,
    accounts: Accounts,
    transits: HashMap<u64, Transit>,
    /// When to look at which transit.
    dues: BTreeSet<(Instant, u64)>,
    /// Own transits among them.
    own_transits: usize,
    carried_bytes: usize,
    tries: HashMap<TryId, Try>,
    next_transit: u64,
    next_try: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    stats: Stats,
}

impl Router {
    /// A router of the holder of `own`, without neighbours.
    #[must_use]
    pub fn new(own: PublicKey, config: Config) -> Self {
        Self {
            own,
            config,
            neighbours: HashMap::new(),
            routes: Routes::default(),
            seen: Seen::default(),
            arrivals: Arrivals::default(),
            accounts: Accounts::new(config.quotas),
            transits: HashMap::new(),
            dues: BTreeSet::new(),
            own_transits: 0,
            carried_bytes: 0,
            tries: HashMap::new(),
            next_transit: 0,
            next_try: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// There is a connection to the holder of `key`, who speaks the hop protocol. Own packets for which
    /// nobody was left to try are handed to it.
    pub fn neighbour_up(&mut self, key: PublicKey, now: Now) {
        if key == self.own || self.neighbours.contains_key(&key) {
            return;
        }
        self.neighbours.insert(key, Neighbour::new(&key));
        let stuck =
            |transit: &Transit| transit.source == Source::Own && transit.stalls_at.is_none();
        for number in self.numbers(stuck) {
            self.advance(number, now.instant);
        }
    }

    /// There is no connection to the holder of `key` any more, or it does not speak the hop protocol.
    /// What was handed to it has failed; what it brought is forgotten.
    pub fn neighbour_down(&mut self, key: &PublicKey, now: Now) {
        if self.neighbours.remove(key).is_none() {
            return;
        }
        self.routes.forget(key);
        let brought = |transit: &Transit| matches!(&transit.source, Source::Neighbour { key: by, .. } if by == key);
        for number in self.numbers(brought) {
            self.remove(number);
        }
        let mut lost: Vec<TryId> =
            self.tries.iter().filter(|(_, it)| it.neighbour == *key).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        for id in lost {
            self.handle_failure(id, now);
        }
    }

    /// Whether there is any neighbour.
    #[must_use]
    pub fn has_neighbours(&self) -> bool {
        !self.neighbours.is_empty()
    }

    /// Sends an envelope to `destination`; what becomes of it follows as an event.
    ///
    /// # Errors
    /// [`TooMuch`] if it was not taken.
    pub fn send(
        &mut self,
        destination: PublicKey,
        envelope: Bytes,
        rng: &mut (impl CryptoRng + ?Sized),
        now: Now,
    ) -> Result<PacketId, TooMuch> {
        if self.own_transits >= MAX_PACKETS {
            return Err(TooMuch);
        }
        let header = Header {
            id: PacketId::random(rng),
            origin: self.own,
            destination,
            hop_limit: MAX_HOPS,
            expiry: now.timestamp + MAX_PACKET_LIFE,
        };
        let packet = Packet { header, envelope };
        let number = self.insert(Transit::new(Source::Own, packet, now.instant));
        self.advance(number, now.instant);
        Ok(header.id)
    }

    /// Takes in what `neighbour` brought; the outcome follows as a transmit.
    pub fn handle_packet(
        &mut self,
        neighbour: PublicKey,
        exchange: ExchangeId,
        packet: Packet,
        now: Now,
    ) {
        let taken = if packet.header.destination == self.own {
            self.take_in(neighbour, exchange, packet, now)
        } else {
            self.carry(neighbour, exchange, packet, now)
        };
        if let Err(refusal) = taken {
            self.refuse(exchange, refusal);
        }
    }

    /// Refuses what a neighbour brought and what is no packet.
    pub fn refuse_garbage(&mut self, exchange: ExchangeId, error: &HopError) {
        self.refuse(exchange, error.reason().into());
    }

    /// The neighbour said what became of a packet. The owner has checked that an answer is signed by
    /// the packet's destination.
    pub fn handle_outcome(&mut self, id: TryId, outcome: Outcome, now: Now) {
        let Some(made) = self.close(id) else { return };
        match outcome {
            Outcome::Answered { hops, envelope } => self.answered(&made, hops, envelope, now),
            Outcome::Refused(refusal) => self.refused(&made, refusal, now.instant),
        }
    }

    /// The neighbour did not say anything, or nothing that holds.
    pub fn handle_failure(&mut self, id: TryId, now: Now) {
        if let Some(made) = self.close(id) {
            self.refused(&made, Reason::Unanswered.into(), now.instant);
        }
    }

    /// Answers a packet for this node.
    pub fn answer(&mut self, arrival: ArrivalId, envelope: &Bytes, now: Now) {
        for exchange in self.arrivals.answer(arrival, envelope, now.instant) {
            let outcome = Outcome::Answered { hops: 1, envelope: envelope.clone() };
            self.transmits.push_back(Transmit::Outcome { exchange, outcome });
        }
    }

    /// Leaves a packet for this node without an answer.
    pub fn give_up(&mut self, arrival: ArrivalId, refusal: Refusal) {
        for exchange in self.arrivals.give_up(arrival) {
            self.refuse(exchange, refusal);
        }
    }

    /// The way to `destination` seems to be no good, although some neighbour may say otherwise: the
    /// next packet goes another way, and what is under way does so at once.
    pub fn penalise(&mut self, destination: &PublicKey, now: Now) {
        let best = self.routes.to(destination, now.instant).next().map(|route| route.neighbour);
        if let Some(neighbour) = best {
            self.routes.fail(*destination, neighbour, now.instant);
        }
        let own = |transit: &Transit| {
            transit.source == Source::Own && transit.packet.header.destination == *destination
        };
        for number in self.numbers(own) {
            self.stalled(number, now.instant);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        for exchange in self.arrivals.tick(now.instant) {
            self.refuse(exchange, Reason::Unanswered.into());
        }
        while let Some(&(due, number)) = self.dues.first()
            && due <= now.instant
        {
            match self.transits.get(&number) {
                Some(transit) if transit.is_over(now.instant) => self.finish(number, None),
                Some(_) => self.stalled(number, now.instant),
                None => {
                    self.dues.remove(&(due, number));
                }
            }
        }
    }

    /// When [`Router::handle_timeout`] is due; `None` if nothing will ever be.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let transit = self.dues.first().map(|(due, _)| *due);
        [transit, self.arrivals.next_tick()].into_iter().flatten().min()
    }

    /// Something for the owner to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Something for the owner to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Hops to `destination` when it last answered, if a route is known.
    #[must_use]
    pub fn hops(&self, destination: &PublicKey, now: Instant) -> Option<u8> {
        self.routes.to(destination, now).next().map(|route| route.hops)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            routes: self.routes.len(),
            neighbours: self.neighbours.len(),
            under_way: self.transits.len(),
            remembered: self.seen.len(),
            ..self.stats.clone()
        }
    }

    /// A packet for this node.
    fn take_in(
        &mut self,
        neighbour: PublicKey,
        exchange: ExchangeId,
        packet: Packet,
        now: Now,
    ) -> Result<(), Refusal> {
        let Packet { header, envelope } = packet;
        if !header.is_alive(now.timestamp) {
            return Err(Reason::Expired.into());
        }
        let len = envelope.len();
        self.accounts.bring(neighbour, len, now.instant).map_err(rate_limited)?;
        match self.arrivals.take_in(&header, neighbour, exchange, now.instant) {
            Arrived::New(arrival) => {
                let origin = header.origin;
                self.events.push_back(Event::Arrived { arrival, origin, neighbour, envelope });
            }
            Arrived::Joined => {}
            Arrived::Known(envelope) => {
                let outcome = Outcome::Answered { hops: 1, envelope };
                self.transmits.push_back(Transmit::Outcome { exchange, outcome });
            }
            Arrived::Refused(reason) => return Err(reason.into()),
        }
        Ok(())
    }

    /// A packet for somebody else.
    fn carry(
        &mut self,
        neighbour: PublicKey,
        exchange: ExchangeId,
        mut packet: Packet,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.config.carry {
            return Err(Reason::NotCarrying.into());
        }
        if !packet.header.is_alive(now.timestamp) {
            return Err(Reason::Expired.into());
        }
        if packet.header.origin == self.own || self.seen.contains(&packet.header) {
            return Err(Reason::Seen.into());
        }
        let left = packet.header.hop_limit.saturating_sub(1);
        if left == 0 || left >= MAX_HOPS {
            return Err(Reason::HopLimit.into());
        }
        let len = packet.envelope.len();
        if len > MAX_ENVELOPE_LEN {
            return Err(Reason::TooLarge.into());
        }
        let of_neighbour = |transit: &&Transit| matches!(&transit.source, Source::Neighbour { key, .. } if *key == neighbour);
        if self.transits.len() - self.own_transits >= MAX_PACKETS
            || self.carried_bytes + len > MAX_CARRIED_BYTES
            || self.transits.values().filter(of_neighbour).count() >= MAX_PACKETS_PER_NEIGHBOUR
        {
            return Err(Reason::Busy.into());
        }
        packet.header.hop_limit = left;
        let header = packet.header;
        let transit =
            Transit::new(Source::Neighbour { key: neighbour, exchange }, packet, now.instant);
        let skip = |key: &PublicKey| transit.rules_out(key);
        if next_hop(&self.neighbours, &self.routes, &header.destination, now.instant, skip)
            .is_none()
        {
            return Err(Reason::NoRoute.into());
        }
        // The first try is paid for here, so that a packet that is refused for the rate may come again.
        self.accounts.carry(neighbour, len, now.instant).map_err(rate_limited)?;
        self.seen.insert(&header, now.instant);
        let number = self.insert(transit);
        self.advance(number, now.instant);
        Ok(())
    }

    /// Hands a packet to the next neighbour, if there is one; otherwise waits for the tries that are
    /// open, and without any ends it.
    fn advance(&mut self, number: u64, now: Instant) {
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
    fn stalled(&mut self, number: u64, now: Instant) {
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
    fn close(&mut self, id: TryId) -> Option<Try> {
        let made = self.tries.remove(&id)?;
        if let Some(neighbour) = self.neighbours.get_mut(&made.neighbour) {
            neighbour.under_way = neighbour.under_way.saturating_sub(1);
        }
        if let Some(transit) = self.transits.get_mut(&made.transit) {
            transit.open.retain(|open| *open != id);
        }
        Some(made)
    }

    fn answered(&mut self, made: &Try, hops: u8, envelope: Bytes, now: Now) {
        if hops == 0 || hops > MAX_HOPS {
            return self.refused(made, Reason::Malformed.into(), now.instant);
        }
        if self.neighbours.contains_key(&made.neighbour) {
            let took = now.instant.since(made.since);
            self.routes.learn(made.destination, made.neighbour, hops, took, now.instant);
        }
        self.finish(made.transit, Some((hops, envelope)));
    }

    fn refused(&mut self, made: &Try, refusal: Refusal, now: Instant) {
        match refusal.reason {
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
    fn finish(&mut self, number: u64, answer: Option<(u8, Bytes)>) {
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
    fn numbers(&self, wanted: impl Fn(&Transit) -> bool) -> Vec<u64> {
        let found = self.transits.iter().filter(|(_, transit)| wanted(transit));
        let mut numbers: Vec<_> = found.map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn refuse(&mut self, exchange: ExchangeId, refusal: Refusal) {
        self.stats.refuse(refusal.reason);
        let outcome = Outcome::Refused(refusal);
        self.transmits.push_back(Transmit::Outcome { exchange, outcome });
    }

    fn insert(&mut self, transit: Transit) -> u64 {
        let number = self.next_transit;
        self.next_transit += 1;
        match transit.source {
            Source::Own => self.own_transits += 1,
            Source::Neighbour { .. } => self.carried_bytes += transit.packet.envelope.len(),
        }
        self.transits.insert(number, transit);
        number
    }

    fn remove(&mut self, number: u64) -> Option<Transit> {
        let transit = self.transits.remove(&number)?;
        self.dues.remove(&(transit.due(), number));
        match transit.source {
            Source::Own => self.own_transits -= 1,
            Source::Neighbour { .. } => self.carried_bytes -= transit.packet.envelope.len(),
        }
        Some(transit)
    }
}

fn rate_limited(limited: RateLimited) -> Refusal {
    Refusal { reason: Reason::RateLimited, retry_after: Some(limited.retry_after) }
}
