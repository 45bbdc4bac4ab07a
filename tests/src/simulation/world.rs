//! The simulation's loop: a queue of what happens next, and the links' timers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use peer_protocol::id::MessageId;
use peer_protocol::link::{Event, ExchangeId, LinkConfig, QueueFull};
use peer_protocol::message::{Body, Message, MessageKind, Task, TaskResult};
use peer_protocol::time::{Instant, Now};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::carrier::{Exchange, Happening, Request};
use super::durable::{Book, Call, Station};
use super::node::Side;
use super::roads::Roads;
use super::trace::Trace;
use super::{Chance, Ledger, Life, Node, Weather};
use crate::people::identity;

/// How carriers and applications behave throughout a simulation.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// How long a carrier waits for an answer; `None` if it knows at once that none will come.
    pub patience: Option<Duration>,
    /// Whether a carrier breaks a connection that its link calls unresponsive.
    pub breaks_unresponsive: bool,
    /// Whether tasks are answered, after up to half a second.
    pub answers_tasks: bool,
}

/// Nodes, roads, weather and a clock.
pub struct World {
    /// Where decisions come from.
    pub chance: Chance,
    /// Conditions on the roads; may change at any time.
    pub weather: Weather,
    /// What was sent and what became of it.
    pub ledger: Ledger,
    /// The same of ordered messages.
    pub book: Book,
    /// Requests that carriers were given, so far.
    pub requests: usize,
    pub(super) rules: Rules,
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    pub(super) roads: Roads,
    queue: BTreeMap<(Instant, u64), Happening>,
    next: u64,
    pub(super) waiting: BTreeSet<Request>,
    pub(super) exchanges: BTreeMap<ExchangeId, Exchange>,
    /// Exchanges whose connection broke before they were answered.
    pub(super) forgotten: BTreeSet<ExchangeId>,
    ids: StdRng,
    trace: Trace,
}

impl World {
    /// `count` nodes without connections, in calm weather.
    #[must_use]
    pub fn new(
        mut chance: Chance,
        count: usize,
        rules: Rules,
        mut adjust: impl FnMut(usize, &mut LinkConfig, &mut Chance),
    ) -> Self {
        let nodes = (0..count)
            .map(|number| {
                let handshake = peer_protocol::handshake::Config::new(identity(number));
                let mut config = LinkConfig::new(handshake);
                adjust(number, &mut config, &mut chance);
                Node::new(number, count, config, &mut chance)
            })
            .collect();
        Self {
            weather: Weather::calm(),
            ledger: Ledger::default(),
            book: Book::default(),
            requests: 0,
            rules,
            now: Instant::from_start(Duration::from_secs(1)),
            nodes,
            roads: Roads::default(),
            queue: BTreeMap::new(),
            next: 0,
            waiting: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            ids: StdRng::seed_from_u64(chance.below(1 << 30) as u64),
            trace: Trace::new(),
            chance,
        }
    }

    /// The clock.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Number of nodes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Node `number`.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// The link of `node` to `peer`, and what is known of it.
    ///
    /// # Panics
    /// If there are no such nodes.
    #[must_use]
    pub fn side(&self, node: usize, peer: usize) -> &Side {
        self.nodes[node].sides.get(&peer).expect("there is a link to each other node")
    }

    /// The present lives of all nodes.
    #[must_use]
    pub fn lives(&self) -> Vec<Life> {
        self.nodes.iter().map(|node| node.life).collect()
    }

    /// Node `number` stops and starts again with empty memory.
    pub fn restart(&mut self, number: usize) {
        for peer in (0..self.len()).filter(|peer| *peer != number) {
            self.disconnect(number, peer);
        }
        let dead = self.nodes[number].life;
        let now = self.nodes[number].now(self.now);
        if let Some(station) = &mut self.nodes[number].station {
            station.crash(now, &mut self.book);
        }
        self.nodes[number].restart(&mut self.chance);
        self.waiting.retain(|request| request.from != dead);
        self.settle();
    }

    /// Gives every node a station.
    pub fn with_stations(mut self, make: impl Fn(usize, &mut Chance) -> Station) -> Self {
        for number in 0..self.len() {
            self.nodes[number].station = Some(make(number, &mut self.chance));
        }
        self
    }

    /// Does something with the station of a node, with the node's clocks.
    ///
    /// # Panics
    /// If it has none.
    pub fn at_station<T>(
        &mut self,
        number: usize,
        what: impl FnOnce(&mut Station, Now, &mut Book) -> T,
    ) -> T {
        let now = self.nodes[number].now(self.now);
        let station = self.nodes[number].station.as_mut().expect("the node has a station");
        let done = what(station, now, &mut self.book);
        self.settle();
        done
    }

    /// A fresh message for a station.
    ///
    /// # Panics
    /// If the body is over a limit.
    pub fn message(&mut self, body: &Body<'_>) -> Message {
        Message::new(&mut self.ids, body, None).expect("a valid body")
    }

    /// The wall clock of a node jumps; from now on it is off by `millis`.
    pub fn set_clock_error(&mut self, number: usize, millis: i64) {
        self.nodes[number].clock_error = millis;
    }

    /// `node` asks for a session with `peer`.
    pub fn open(&mut self, node: usize, peer: usize) {
        let now = self.nodes[node].now(self.now);
        self.nodes[node].side_mut(peer).link.open(now);
        self.settle();
    }

    /// `node` ends its session with `peer`.
    pub fn close(&mut self, node: usize, peer: usize) {
        let now = self.nodes[node].now(self.now);
        self.nodes[node].side_mut(peer).link.close("enough", now);
        self.settle();
    }

    /// `node` sends a message that lives for `life`.
    ///
    /// # Errors
    /// [`QueueFull`] if the link does not take it.
    pub fn send(
        &mut self,
        node: usize,
        peer: usize,
        body: &Body<'_>,
        life: Duration,
    ) -> Result<MessageId, QueueFull> {
        self.send_reply(node, peer, body, None, life)
    }

    /// `node` sends a task of `size` bytes that lives for a day.
    ///
    /// # Errors
    /// [`QueueFull`] if the link does not take it.
    pub fn send_task(
        &mut self,
        node: usize,
        peer: usize,
        size: usize,
    ) -> Result<MessageId, QueueFull> {
        let content = vec![b'x'; size].into();
        let body = Task { content, content_type: "text/plain".to_owned(), ..Task::default() };
        self.send(node, peer, &body.into(), Duration::from_secs(86_400))
    }

    /// Lets `time` pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Lets time pass until `done` holds; returns whether it did within `most`.
    pub fn pass_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + most;
        while !done(self) {
            if !self.step(end) {
                return done(self);
            }
        }
        true
    }

    /// The next thing that happens, or the clock moves to `end`; returns whether something happened.
    fn step(&mut self, end: Instant) -> bool {
        self.settle();
        let timers = self.nodes.iter().flat_map(|node| node.sides.values());
        let timer = timers.filter_map(|side| side.link.poll_timeout(self.now)).min();
        let timer = [timer, self.stations_due()].into_iter().flatten().min();
        let happening = self.queue.keys().next().map(|(at, _)| *at);
        let Some(next) = [timer, happening].into_iter().flatten().min().filter(|at| *at <= end)
        else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        if timer.is_some_and(|at| at <= self.now) {
            self.run_timers();
        } else if let Some((_, happening)) = self.queue.pop_first() {
            self.happen(happening);
        }
        self.settle();
        true
    }

    fn stations_due(&self) -> Option<Instant> {
        let due = |node: &Node| node.station.as_ref()?.poll_timeout(node.now(self.now));
        self.nodes.iter().filter_map(due).min()
    }

    fn run_stations(&mut self) {
        for number in 0..self.len() {
            let now = self.nodes[number].now(self.now);
            let is_due = |node: &Node| {
                let due = node.station.as_ref().and_then(|station| station.poll_timeout(now));
                due.is_some_and(|at| at <= now.instant)
            };
            if !is_due(&self.nodes[number]) {
                continue;
            }
            if let Some(station) = &mut self.nodes[number].station {
                station.handle_timeout(now, &mut self.book);
            }
            self.settle();
            // What follows at once is bounded by what can happen; the disk takes its time.
            assert!(
                !is_due(&self.nodes[number]) || self.stations_rest(number),
                "node {number} spins"
            );
        }
    }

    /// Whether the station of a node has nothing left to do now, after a few more turns.
    fn stations_rest(&mut self, number: usize) -> bool {
        let now = self.nodes[number].now(self.now);
        (0..1_000).any(|_| {
            let Some(station) = &mut self.nodes[number].station else { return true };
            if station.poll_timeout(now).is_none_or(|at| at > now.instant) {
                return true;
            }
            station.handle_timeout(now, &mut self.book);
            self.settle();
            false
        })
    }

    fn call(&mut self, node: usize, peer: usize, call: Call) {
        let now = self.nodes[node].now(self.now);
        self.trace.note(self.now, || format!("{node} to its link with {peer}: {call:?}"));
        let link = &mut self.nodes[node].side_mut(peer).link;
        match call {
            Call::Hand(messages) => link.hand(messages, now),
            Call::Withdraw(ids) => link.withdraw(&ids, now),
            Call::Stored(ids) => link.stored(&ids, now),
            Call::NotStored(ids) => link.not_stored(&ids, now),
            Call::Processed(ids) => link.processed(&ids, now),
            Call::Resume(resume) => link.resume(&resume, now),
        }
    }

    fn run_timers(&mut self) {
        self.run_stations();
        for node in 0..self.len() {
            for peer in 0..self.len() {
                if node == peer || !self.is_due(node, peer) {
                    continue;
                }
                let now = self.nodes[node].now(self.now);
                self.nodes[node].side_mut(peer).link.handle_timeout(now);
                self.settle();
                assert!(
                    !self.is_due(node, peer),
                    "node {node} has done what was due, and wants to be called again at once"
                );
            }
        }
    }

    fn is_due(&self, node: usize, peer: usize) -> bool {
        self.side(node, peer).link.poll_timeout(self.now).is_some_and(|at| at <= self.now)
    }

    fn happen(&mut self, happening: Happening) {
        self.trace.note(self.now, || happening.to_string());
        match happening {
            Happening::Arrives { from, to, epoch, request, bytes } => {
                if self.roads.between(from, to).epoch == epoch {
                    self.arrive(from, to, epoch, request, bytes);
                }
            }
            Happening::Answered { request, epoch, bytes } => {
                let Request { from, to, id } = request;
                if self.roads.between(from.node, to).epoch == epoch && self.report(request) {
                    let now = self.nodes[from.node].now(self.now);
                    let side = self.nodes[from.node].side_mut(to);
                    side.link.handle_answer(id, bytes, now);
                }
            }
            Happening::Fails { request } => self.report_failure(request),
            Happening::Dials { a, b } => {
                self.roads.between(a, b).dialling = false;
                self.connect(a, b);
            }
            Happening::Replies { by, to, task } => {
                if self.nodes[by.node].life == by {
                    let content = b"done".as_slice().into();
                    let body = TaskResult { content, ..TaskResult::default() }.into();
                    let life = Duration::from_secs(86_400);
                    // A full queue refuses before it accepts; the task then has no result.
                    let _ = self.send_reply(by.node, to, &body, Some(task), life);
                }
            }
        }
    }

    /// Drains every link.
    pub(super) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for node in 0..self.len() {
                let now = self.nodes[node].now(self.now);
                if let Some(station) = &mut self.nodes[node].station {
                    station.settle(now, &mut self.book);
                    while let Some((peer, call)) =
                        self.nodes[node].station.as_mut().and_then(|it| it.calls.pop_front())
                    {
                        moved = true;
                        self.call(node, peer, call);
                    }
                }
                for peer in 0..self.len() {
                    if node == peer {
                        continue;
                    }
                    while let Some(event) = self.nodes[node].side_mut(peer).link.poll_event() {
                        moved = true;
                        self.on_event(node, peer, event);
                    }
                    while let Some(transmit) = self.nodes[node].side_mut(peer).link.poll_transmit()
                    {
                        moved = true;
                        self.on_transmit(node, peer, transmit);
                    }
                    self.side(node, peer).check_bounds();
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn on_event(&mut self, node: usize, peer: usize, event: Event) {
        let life = self.nodes[node].life;
        self.trace.note(self.now, || format!("{node} about {peer}: {event:?}"));
        self.nodes[node].side_mut(peer).note(&event, self.now);
        let now = self.nodes[node].now(self.now);
        if let Some(station) = &mut self.nodes[node].station
            && station.on_event(peer, &event, now, &mut self.book)
        {
            return;
        }
        match event {
            Event::NeedConnection => self.dial(node, peer),
            Event::Unresponsive if self.rules.breaks_unresponsive => self.disconnect(node, peer),
            Event::Message(message) => {
                self.ledger.handed_over(message.id, peer, life);
                if message.kind == MessageKind::Task && self.rules.answers_tasks {
                    let pause = self.chance.between(Duration::ZERO, Duration::from_millis(500));
                    let task = message.id;
                    self.later(pause, Happening::Replies { by: life, to: peer, task });
                }
            }
            Event::Receipts { ids, .. } => {
                for id in ids {
                    self.ledger.settled(id, life, Ok(()));
                }
            }
            Event::Failed { id, why } => self.ledger.settled(id, life, Err(why)),
            _ => {}
        }
    }

    fn send_reply(
        &mut self,
        node: usize,
        peer: usize,
        body: &Body<'_>,
        in_reply_to: Option<MessageId>,
        life: Duration,
    ) -> Result<MessageId, QueueFull> {
        let message = Message::new(&mut self.ids, body, in_reply_to).expect("a valid body");
        let id = message.id;
        let deadline = self.now + life;
        let now = self.nodes[node].now(self.now);
        self.nodes[node].side_mut(peer).link.send(message, deadline, now)?;
        self.ledger.sent(id, self.nodes[node].life, peer, life);
        self.settle();
        Ok(id)
    }

    pub(super) fn later(&mut self, pause: Duration, happening: Happening) {
        let number = self.next_number();
        self.queue.insert((self.now + pause, number), happening);
    }

    pub(super) const fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
