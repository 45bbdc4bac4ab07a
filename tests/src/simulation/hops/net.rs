//! Nodes, the connections between them, and what is under way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use peer_protocol::crypto::PublicKey;
use peer_protocol::limits::{
    MAX_CARRIED_TRIES, MAX_HOPS, MAX_OWN_TRIES, MAX_PACKET_LIFE, MAX_SEEN_PACKETS,
};
use peer_protocol::routing::{
    Config, Event, ExchangeId, Outcome, Packet, PacketId, Reason, Refusal, Router, Stats, Transmit,
    TryId,
};
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Conduct;
use crate::people::identity;
use crate::simulation::Chance;

/// When a carrier of the simulation reports that nothing came back.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// A try of a node that keeps no router's books.
const FOUL_TRY: u64 = u64::MAX / 2;

/// What happens between two connected nodes. Probabilities are in thousandths.
#[derive(Debug, Clone, Copy)]
pub struct Roads {
    /// Shortest and longest time that anything takes.
    pub delay: (Duration, Duration),
    /// Packets, and outcomes, that never arrive.
    pub lost: usize,
}

impl Roads {
    /// Everything arrives after 5 to 20 ms.
    #[must_use]
    pub const fn calm() -> Self {
        Self { delay: (Duration::from_millis(5), Duration::from_millis(20)), lost: 0 }
    }
}

/// Something on its way, or a report that is due.
#[derive(Debug)]
enum Moving {
    Packet { from: usize, to: usize, id: TryId, packet: Box<Packet> },
    Outcome { to: usize, id: TryId, outcome: Outcome },
    Failure { at: usize, id: TryId },
}

/// A node. One that is not honest has a router all the same, for what is its own.
struct Place {
    router: Router,
    conduct: Conduct,
    /// Who waits for the outcome of an exchange.
    exchanges: HashMap<ExchangeId, (usize, TryId)>,
    /// Envelopes that were delivered here.
    arrived: HashSet<Bytes>,
    /// How often it handed each packet on.
    handed_on: HashMap<PacketId, usize>,
    /// Own packets, when they were sent, and how they ended.
    sent: BTreeMap<PacketId, (Instant, Option<Result<u8, Reason>>)>,
    /// For a flooder: who waits for which packet, and which packet went out as what.
    asked: HashMap<PacketId, (usize, TryId)>,
    floods: HashMap<TryId, PacketId>,
}

/// The network.
pub struct Net {
    now: Now,
    chance: Chance,
    rng: StdRng,
    roads: Roads,
    keys: HashMap<PublicKey, usize>,
    places: Vec<Place>,
    connected: BTreeSet<(usize, usize)>,
    /// Tries of honest nodes that are not reported yet.
    open: HashSet<(usize, TryId)>,
    moving: BTreeMap<(Instant, u64), Moving>,
    next: u64,
    /// Packets that went over any road.
    pub packets: u64,
}

impl Net {
    /// `count` honest nodes without connections.
    #[must_use]
    pub fn new(count: usize, roads: Roads, seed: u64) -> Self {
        let place = |number| Place {
            router: Router::new(*identity(number).public_key(), Config::default()),
            conduct: Conduct::Honest,
            exchanges: HashMap::new(),
            arrived: HashSet::new(),
            handed_on: HashMap::new(),
            sent: BTreeMap::new(),
            asked: HashMap::new(),
            floods: HashMap::new(),
        };
        Self {
            now: Now {
                instant: Instant::from_start(Duration::from_secs(1)),
                timestamp: Timestamp::from_millis(1_800_000_000_000),
            },
            chance: Chance::seeded(seed),
            rng: StdRng::seed_from_u64(seed ^ 0x5eed),
            roads,
            keys: (0..count).map(|number| (*identity(number).public_key(), number)).collect(),
            places: (0..count).map(place).collect(),
            connected: BTreeSet::new(),
            open: HashSet::new(),
            moving: BTreeMap::new(),
            next: 0,
            packets: 0,
        }
    }

    /// The clock.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now.instant
    }

    /// Decisions of the scenario, from the same seed.
    pub const fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// Connects two nodes.
    pub fn connect(&mut self, a: usize, b: usize) {
        if a != b && self.connected.insert((a.min(b), a.max(b))) {
            for (at, other) in [(a, b), (b, a)] {
                let now = self.now;
                self.places[at].router.neighbour_up(*identity(other).public_key(), now);
                self.settle(at);
            }
        }
    }

    /// Cuts a connection; both ends notice.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        if self.connected.remove(&(a.min(b), a.max(b))) {
            for (at, other) in [(a, b), (b, a)] {
                let now = self.now;
                self.places[at].router.neighbour_down(identity(other).public_key(), now);
                self.settle(at);
            }
        }
    }

    /// Says how a node behaves from now on.
    pub fn set_conduct(&mut self, node: usize, conduct: Conduct) {
        self.places[node].conduct = conduct;
    }

    /// Whether there is a way of honest nodes from `a` to `b` that a packet can make.
    #[must_use]
    pub fn is_reachable(&self, a: usize, b: usize) -> bool {
        let mut reached = HashSet::from([a]);
        for _ in 0..MAX_HOPS {
            if reached.contains(&b) {
                break;
            }
            let last: Vec<_> = reached.iter().copied().collect();
            for node in last {
                let carries = node == a || self.places[node].conduct == Conduct::Honest;
                for &(one, other) in self.connected.iter().filter(|_| carries) {
                    if one == node || other == node {
                        reached.insert(one + other - node);
                    }
                }
            }
        }
        reached.contains(&b)
    }

    /// Sends from one node to another.
    pub fn send(&mut self, from: usize, to: usize) -> PacketId {
        let destination = *identity(to).public_key();
        let number = self.next();
        let envelope = Bytes::from(format!("{number} from {from} to {to}"));
        let place = &mut self.places[from];
        let id = place
            .router
            .send(destination, envelope, &mut self.rng, self.now)
            .expect("few packets are under way");
        place.sent.insert(id, (self.now.instant, None));
        self.settle(from);
        id
    }

    /// Puts a packet on the road as if `from` had carried it.
    pub fn inject(&mut self, from: usize, to: usize, packet: Packet) {
        let id = self.foul_try();
        self.travel(from, to, id, packet);
    }

    /// How a packet of `from` ended: after so many hops, or for what reason not.
    #[must_use]
    pub fn ended(&self, from: usize, id: PacketId) -> Option<Result<u8, Reason>> {
        self.places[from].sent.get(&id).and_then(|(_, ended)| *ended)
    }

    /// How often `node` handed `id` on.
    #[must_use]
    pub fn handed_on(&self, node: usize, id: PacketId) -> usize {
        self.places[node].handed_on.get(&id).copied().unwrap_or(0)
    }

    /// Counters of a node.
    #[must_use]
    pub fn stats(&self, node: usize) -> Stats {
        self.places[node].router.stats()
    }

    /// Sends and waits; sends anew when that fails, at most so many times. Returns the hops of the
    /// answer.
    pub fn insist(&mut self, from: usize, to: usize, attempts: usize) -> Option<u8> {
        for _ in 0..attempts {
            let id = self.send(from, to);
            let end = self.now.instant + MAX_PACKET_LIFE + Duration::from_secs(1);
            while self.ended(from, id).is_none() && self.now.instant < end {
                self.step(end);
            }
            if let Some(Ok(hops)) = self.ended(from, id) {
                return Some(hops);
            }
        }
        None
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while self.now.instant < end {
            self.step(end);
        }
    }

    /// Lets everything end, and checks that nothing is left.
    pub fn finish(&mut self) {
        self.run(MAX_PACKET_LIFE + REQUEST_TIMEOUT + Duration::from_secs(5));
        for (number, place) in self.places.iter().enumerate() {
            let stats = place.router.stats();
            assert_eq!(stats.under_way, 0, "node {number} still holds packets: {stats:?}");
            for (id, (_, ended)) in &place.sent {
                assert!(ended.is_some(), "{id:?} of node {number} never ended");
            }
        }
    }

    /// Does the next thing that happens before `end`, or lets the time pass until then.
    fn step(&mut self, end: Instant) {
        let moving = self.moving.first_key_value().map(|((at, _), _)| *at);
        let timers = self.places.iter().enumerate();
        let timer = timers.filter_map(|(at, it)| Some((it.router.poll_timeout()?, at))).min();
        let next = [moving, timer.map(|(due, _)| due)].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else { return self.advance(end) };
        self.advance(next);
        if moving.is_some_and(|at| at <= next) {
            if let Some((_, what)) = self.moving.pop_first() {
                self.happen(what);
            }
        } else if let Some((_, at)) = timer {
            self.places[at].router.handle_timeout(self.now);
            let due = self.places[at].router.poll_timeout();
            assert!(due.is_none_or(|due| due > self.now.instant), "a timer does not let time pass");
            self.settle(at);
        }
    }

    fn advance(&mut self, to: Instant) {
        self.now = self.now + to.since(self.now.instant);
    }

    fn happen(&mut self, what: Moving) {
        match what {
            Moving::Packet { from, to, id, packet } => self.on_packet(from, to, id, *packet),
            Moving::Outcome { to, id, outcome } => self.on_outcome(to, id, outcome),
            Moving::Failure { at, id } => {
                if self.open.remove(&(at, id)) {
                    self.places[at].router.handle_failure(id, self.now);
                    self.settle(at);
                }
            }
        }
    }

    fn on_packet(&mut self, from: usize, to: usize, id: TryId, packet: Packet) {
        let own = packet.header.destination == *identity(to).public_key();
        let conduct = if own { Conduct::Honest } else { self.places[to].conduct };
        match conduct {
            Conduct::Honest => {
                let exchange = ExchangeId(self.next());
                let place = &mut self.places[to];
                place.exchanges.insert(exchange, (from, id));
                let key = *identity(from).public_key();
                place.router.handle_packet(key, exchange, packet, self.now);
                self.settle(to);
            }
            Conduct::Silent => {}
            // The codec finds out, so that it counts as no outcome.
            Conduct::Garbage => self.moving_later(Moving::Failure { at: from, id }),
            Conduct::Refusing => {
                let reason = self.chance.of([
                    Reason::NoRoute,
                    Reason::Seen,
                    Reason::Busy,
                    Reason::NotCarrying,
                    Reason::Unanswered,
                    Reason::Expired,
                ]);
                self.tell(from, id, Outcome::Refused(reason.into()));
            }
            Conduct::Flooding => self.flood(from, to, id, packet),
        }
    }

    fn flood(&mut self, from: usize, to: usize, id: TryId, mut packet: Packet) {
        if self.places[to].asked.insert(packet.header.id, (from, id)).is_some() {
            return self.tell(from, id, Outcome::Refused(Reason::Seen.into()));
        }
        packet.header.hop_limit = MAX_HOPS;
        let ends: Vec<_> = self.connected.iter().copied().collect();
        for (one, other) in ends {
            if one == to || other == to {
                let id = self.foul_try();
                self.places[to].floods.insert(id, packet.header.id);
                self.travel(to, one + other - to, id, packet.clone());
            }
        }
    }

    fn on_outcome(&mut self, to: usize, id: TryId, outcome: Outcome) {
        if self.open.remove(&(to, id)) {
            self.places[to].router.handle_outcome(id, outcome, self.now);
            return self.settle(to);
        }
        // A flooder tells the first answer of each packet.
        let place = &mut self.places[to];
        let flooded = place.floods.remove(&id);
        if let Outcome::Answered { hops, envelope } = outcome
            && hops < MAX_HOPS
            && let Some((waiting, id)) = flooded.and_then(|packet| place.asked.remove(&packet))
        {
            self.tell(waiting, id, Outcome::Answered { hops: hops + 1, envelope });
        }
    }

    /// Hands on what a router has to say, and checks it.
    fn settle(&mut self, at: usize) {
        while let Some(event) = self.places[at].router.poll_event() {
            self.on_event(at, event);
        }
        while let Some(transmit) = self.places[at].router.poll_transmit() {
            match transmit {
                Transmit::Packet { id, neighbour, packet } => {
                    let to = self.keys[&neighbour];
                    self.check_handed_on(at, to, &packet);
                    self.open.insert((at, id));
                    let failure = Moving::Failure { at, id };
                    let number = self.next();
                    self.moving.insert((self.now.instant + REQUEST_TIMEOUT, number), failure);
                    self.travel(at, to, id, *packet);
                }
                Transmit::Outcome { exchange, outcome } => {
                    let waiting = self.places[at].exchanges.remove(&exchange);
                    let (to, id) = waiting.expect("one outcome for each exchange");
                    self.tell(to, id, outcome);
                }
            }
        }
        let stats = self.places[at].router.stats();
        assert!(stats.remembered <= MAX_SEEN_PACKETS);
    }

    fn on_event(&mut self, at: usize, event: Event) {
        match event {
            Event::Arrived { arrival, origin, envelope, .. } => {
                let from = self.keys[&origin];
                let text = String::from_utf8_lossy(&envelope).into_owned();
                assert!(text.ends_with(&format!(" from {from} to {at}")), "{text} went astray");
                assert!(self.places[at].arrived.insert(envelope), "{text} was delivered twice");
                let answer = Bytes::from(format!("answer of {at} to {from}"));
                self.places[at].router.answer(arrival, &answer, self.now);
            }
            Event::Answered { packet, destination, hops, envelope } => {
                let to = self.keys[&destination];
                assert_eq!(envelope, format!("answer of {to} to {at}"), "the answer went astray");
                self.end(at, packet, Ok(hops));
            }
            Event::Failed { packet, refusal: Refusal { reason, .. }, .. } => {
                self.end(at, packet, Err(reason));
            }
        }
    }

    fn end(&mut self, at: usize, packet: PacketId, how: Result<u8, Reason>) {
        let now = self.now.instant;
        let entry = self.places[at].sent.entry(packet).or_insert((now, None));
        assert!(now.since(entry.0) <= MAX_PACKET_LIFE, "{packet:?} took too long");
        assert_eq!(entry.1, None, "{packet:?} ended twice");
        entry.1 = Some(how);
    }

    /// No loops, and no more copies than allowed.
    fn check_handed_on(&mut self, at: usize, to: usize, packet: &Packet) {
        let header = packet.header;
        let own = header.origin == *identity(at).public_key();
        let place = &mut self.places[at];
        let count = place.handed_on.entry(header.id).or_default();
        *count += 1;
        let most = if own { MAX_OWN_TRIES } else { MAX_CARRIED_TRIES };
        assert!(*count <= most, "node {at} handed {:?} on {count} times", header.id);
        assert!((1..=MAX_HOPS).contains(&header.hop_limit));
        assert_ne!(header.origin, *identity(to).public_key(), "back to its origin");
        assert!(self.connected.contains(&(at.min(to), at.max(to))), "to nobody");
    }

    fn travel(&mut self, from: usize, to: usize, id: TryId, packet: Packet) {
        self.packets += 1;
        if !self.chance.happens(self.roads.lost) {
            self.moving_later(Moving::Packet { from, to, id, packet: Box::new(packet) });
        }
    }

    fn tell(&mut self, to: usize, id: TryId, outcome: Outcome) {
        if !self.chance.happens(self.roads.lost) {
            self.moving_later(Moving::Outcome { to, id, outcome });
        }
    }

    fn moving_later(&mut self, what: Moving) {
        let (fastest, slowest) = self.roads.delay;
        let at = self.now.instant + self.chance.between(fastest, slowest);
        let number = self.next();
        self.moving.insert((at, number), what);
    }

    fn foul_try(&mut self) -> TryId {
        TryId(FOUL_TRY + self.next())
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
