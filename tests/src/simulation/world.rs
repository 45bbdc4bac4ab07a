//! The simulation's loop: a queue of what happens next, and the links' timers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use peer_protocol::envelope::Envelope;
use peer_protocol::id::MessageId;
use peer_protocol::link::{Event, ExchangeId, LinkConfig, QueueFull, RequestId, Transmit};
use peer_protocol::message::{Body, Message, MessageKind, Task, TaskResult};
use peer_protocol::time::Instant;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

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

/// One request, as its carrier knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    from: Life,
    to: usize,
    id: RequestId,
}

/// One delivery of a request, as the carrier at the other end knows it.
#[derive(Debug, Clone, Copy)]
struct Exchange {
    /// Who waits for the answer; nobody, if the request is an echo.
    request: Option<Request>,
    from: usize,
    at: Life,
    epoch: u64,
}

#[derive(Debug)]
enum Happening {
    Arrives { from: usize, to: usize, epoch: u64, request: Option<Request>, bytes: Vec<u8> },
    Answered { request: Request, epoch: u64, bytes: Vec<u8> },
    Fails { request: Request },
    Dials { a: usize, b: usize },
    Replies { by: Life, to: usize, task: MessageId },
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives { from, to, request, bytes, .. } => {
                let id = request.map(|request| request.id.0);
                write!(f, "{from} → {to}: request {id:?}, {}", name(bytes))
            }
            Self::Answered { request, bytes, .. } => {
                let Request { from, to, id } = request;
                write!(f, "{to} → {}: answer to {}, {}", from.node, id.0, name(bytes))
            }
            Self::Fails { request } => {
                write!(f, "{} knows that its request {} failed", request.from.node, request.id.0)
            }
            Self::Dials { a, b } => write!(f, "{a} dials {b}"),
            Self::Replies { by, to, .. } => write!(f, "{} replies to {to}", by.node),
        }
    }
}

/// What kind of envelope this is.
fn name(bytes: &[u8]) -> String {
    Envelope::decode(bytes.to_vec())
        .map_or_else(|error| error.to_string(), |envelope| envelope.header().kind.to_string())
}

/// Nodes, roads, weather and a clock.
pub struct World {
    /// Where decisions come from.
    pub chance: Chance,
    /// Conditions on the roads; may change at any time.
    pub weather: Weather,
    /// What was sent and what became of it.
    pub ledger: Ledger,
    /// Requests that carriers were given, so far.
    pub requests: usize,
    rules: Rules,
    now: Instant,
    nodes: Vec<Node>,
    roads: Roads,
    queue: BTreeMap<(Instant, u64), Happening>,
    next: u64,
    waiting: BTreeSet<Request>,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    /// Exchanges whose connection broke before they were answered.
    forgotten: BTreeSet<ExchangeId>,
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

    /// Connects two nodes, unless the road is cut or there is a connection.
    pub fn connect(&mut self, a: usize, b: usize) {
        let road = self.roads.between(a, b);
        if road.cut || road.connected {
            return;
        }
        road.connected = true;
        for (node, peer) in [(a, b), (b, a)] {
            let now = self.nodes[node].now(self.now);
            self.nodes[node].side_mut(peer).link.connected(now);
        }
        self.settle();
    }

    /// Breaks the connection between two nodes. What is under way is lost, and its senders know.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        let road = self.roads.between(a, b);
        if !road.connected {
            return;
        }
        road.connected = false;
        road.epoch += 1;
        let first = self.chance.flip();
        let ends = if first { [(a, b), (b, a)] } else { [(b, a), (a, b)] };
        for (node, peer) in ends {
            let tells_first = self.chance.flip();
            if tells_first {
                self.tell_disconnected(node, peer);
            }
            let life = self.nodes[node].life;
            let lost: Vec<_> =
                self.waiting.iter().filter(|r| r.from == life && r.to == peer).copied().collect();
            for request in lost {
                self.report_failure(request);
            }
            if !tells_first {
                self.tell_disconnected(node, peer);
            }
        }
        self.settle();
    }

    /// Cuts the road between two nodes: no connection, and no new one until it is mended.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.disconnect(a, b);
        self.roads.between(a, b).cut = true;
    }

    /// Mends the road. A new connection comes when somebody dials.
    pub fn mend(&mut self, a: usize, b: usize) {
        self.roads.between(a, b).cut = false;
    }

    /// Node `number` stops and starts again with empty memory.
    pub fn restart(&mut self, number: usize) {
        for peer in (0..self.len()).filter(|peer| *peer != number) {
            self.disconnect(number, peer);
        }
        let dead = self.nodes[number].life;
        self.nodes[number].restart(&mut self.chance);
        self.waiting.retain(|request| request.from != dead);
        self.settle();
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

    fn run_timers(&mut self) {
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

    fn arrive(
        &mut self,
        from: usize,
        to: usize,
        epoch: u64,
        request: Option<Request>,
        bytes: Vec<u8>,
    ) {
        let id = ExchangeId(self.next_number());
        let at = self.nodes[to].life;
        self.exchanges.insert(id, Exchange { request, from, at, epoch });
        let now = self.nodes[to].now(self.now);
        let side = self.nodes[to].side_mut(from);
        side.unanswered += 1;
        side.link.handle_request(id, bytes, now);
    }

    /// Drains every link.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for node in 0..self.len() {
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
            Event::Receipt { id, .. } => self.ledger.settled(id, life, Ok(())),
            Event::Failed { id, why } => self.ledger.settled(id, life, Err(why)),
            _ => {}
        }
    }

    fn on_transmit(&mut self, node: usize, peer: usize, transmit: Transmit) {
        match transmit {
            Transmit::Request { id, envelope } => {
                let request = Request { from: self.nodes[node].life, to: peer, id };
                self.carry_request(request, envelope);
            }
            Transmit::Answer { exchange, envelope } => {
                if let Some(exchange) = self.end(exchange, node, peer) {
                    self.carry_answer(exchange, envelope);
                }
            }
            Transmit::Drop { exchange } => {
                if let Some(request) = self.end(exchange, node, peer).and_then(|e| e.request) {
                    let delay = self.weather.delay(&mut self.chance);
                    self.later(delay, Happening::Fails { request });
                }
            }
        }
    }

    fn carry_request(&mut self, request: Request, bytes: Vec<u8>) {
        self.requests += 1;
        let (from, to) = (request.from.node, request.to);
        assert!(self.waiting.insert(request), "request ids are never used twice");
        self.nodes[from].side_mut(to).pending += 1;
        let road = *self.roads.between(from, to);
        let delay = self.weather.delay(&mut self.chance);
        if let Some(patience) = self.rules.patience.filter(|_| road.connected) {
            self.later(patience, Happening::Fails { request });
        }
        let lost = self.chance.happens(self.weather.lost_requests);
        if !road.connected || lost {
            if !road.connected || self.rules.patience.is_none() {
                self.later(delay, Happening::Fails { request });
            }
            return;
        }
        let epoch = road.epoch;
        if self.chance.happens(self.weather.replayed) {
            let pause = self.chance.between(Duration::ZERO, Duration::from_secs(60));
            let bytes = bytes.clone();
            self.later(pause, Happening::Arrives { from, to, epoch, request: None, bytes });
        }
        if self.chance.happens(self.weather.duplicated) {
            let delay = self.weather.delay(&mut self.chance);
            let bytes = self.weather.wear(bytes.clone(), &mut self.chance);
            let request = Some(request);
            self.later(delay, Happening::Arrives { from, to, epoch, request, bytes });
        }
        let bytes = self.weather.wear(bytes, &mut self.chance);
        self.later(delay, Happening::Arrives { from, to, epoch, request: Some(request), bytes });
        if self.chance.happens(self.weather.breaking) {
            self.disconnect(from, to);
        }
    }

    fn carry_answer(&mut self, exchange: Exchange, bytes: Vec<u8>) {
        let Exchange { request: Some(request), epoch, .. } = exchange else { return };
        let delay = self.weather.delay(&mut self.chance);
        if self.chance.happens(self.weather.lost_answers) {
            if self.rules.patience.is_none() {
                self.later(delay, Happening::Fails { request });
            }
            return;
        }
        let bytes = self.weather.wear(bytes, &mut self.chance);
        self.later(delay, Happening::Answered { request, epoch, bytes });
    }

    /// The link answered or dropped an exchange; `None` if its connection is gone.
    fn end(&mut self, id: ExchangeId, node: usize, peer: usize) -> Option<Exchange> {
        if self.forgotten.remove(&id) {
            return None;
        }
        let Some(exchange) = self.exchanges.remove(&id) else {
            panic!("node {node} answered {id:?} twice, or made it up")
        };
        assert_eq!((exchange.at.node, exchange.from), (node, peer), "an answer went astray");
        self.nodes[node].side_mut(peer).unanswered -= 1;
        Some(exchange)
    }

    fn tell_disconnected(&mut self, node: usize, peer: usize) {
        let lost: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.at.node == node && exchange.from == peer)
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.exchanges.remove(&id);
            self.forgotten.insert(id);
        }
        let now = self.nodes[node].now(self.now);
        let side = self.nodes[node].side_mut(peer);
        side.unanswered = 0;
        side.link.disconnected(now);
    }

    /// Takes a request off the list of those to be reported; returns whether it was there.
    fn report(&mut self, request: Request) -> bool {
        let waits = self.waiting.remove(&request);
        if waits {
            self.nodes[request.from.node].side_mut(request.to).pending -= 1;
        }
        waits
    }

    fn report_failure(&mut self, request: Request) {
        if self.report(request) {
            let now = self.nodes[request.from.node].now(self.now);
            let side = self.nodes[request.from.node].side_mut(request.to);
            side.link.handle_failure(request.id, now);
        }
    }

    fn dial(&mut self, a: usize, b: usize) {
        let road = self.roads.between(a, b);
        if !road.dialling {
            road.dialling = true;
            let delay = self.weather.delay(&mut self.chance);
            self.later(delay, Happening::Dials { a, b });
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

    fn later(&mut self, pause: Duration, happening: Happening) {
        let number = self.next_number();
        self.queue.insert((self.now + pause, number), happening);
    }

    const fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
