//! The router: what its owner calls, and the state behind it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use rand_core::CryptoRng;
use thiserror::Error;

use super::accounts::{Accounts, Quotas};
use super::arrivals::Arrivals;
use super::choice::Neighbour;
use super::event::{ArrivalId, Event, ExchangeId, Transmit, TryId};
use super::routes::Routes;
use super::seen::Seen;
use super::transit::{Source, Transit};
use super::{Header, HopError, Outcome, Packet, PacketId, Reason, Refusal, Stats};
use crate::crypto::PublicKey;
use crate::limits::{MAX_HOPS, MAX_PACKET_LIFE, MAX_PACKETS};
use crate::time::{Instant, Now};

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
pub(super) struct Try {
    pub(super) transit: u64,
    pub(super) neighbour: PublicKey,
    pub(super) destination: PublicKey,
    pub(super) since: Instant,
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
    pub(super) own: PublicKey,
    pub(super) config: Config,
    pub(super) neighbours: HashMap<PublicKey, Neighbour>,
    pub(super) routes: Routes,
    pub(super) seen: Seen,
    pub(super) arrivals: Arrivals,
    pub(super) accounts: Accounts,
    pub(super) transits: HashMap<u64, Transit>,
    /// When to look at which transit.
    pub(super) dues: BTreeSet<(Instant, u64)>,
    /// Own transits among them.
    pub(super) own_transits: usize,
    pub(super) carried_bytes: usize,
    pub(super) tries: HashMap<TryId, Try>,
    pub(super) next_transit: u64,
    pub(super) next_try: u64,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
    pub(super) stats: Stats,
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
}
