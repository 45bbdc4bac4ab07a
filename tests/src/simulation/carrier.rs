//! The carrier: it moves requests and answers, as well as the weather lets it, and keeps its half of
//! the contract with links.

use std::fmt;
use std::time::Duration;

use peer_protocol::envelope::Envelope;
use peer_protocol::id::MessageId;
use peer_protocol::link::{ExchangeId, RequestId, Transmit};

use super::{Life, World};

/// One request, as its carrier knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Request {
    pub(super) from: Life,
    pub(super) to: usize,
    pub(super) id: RequestId,
}

/// One delivery of a request, as the carrier at the other end knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// Who waits for the answer; nobody, if the request is an echo.
    request: Option<Request>,
    from: usize,
    at: Life,
    epoch: u64,
}

#[derive(Debug)]
pub(super) enum Happening {
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

impl World {
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

    pub(super) fn arrive(
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

    pub(super) fn on_transmit(&mut self, node: usize, peer: usize, transmit: Transmit) {
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
    pub(super) fn report(&mut self, request: Request) -> bool {
        let waits = self.waiting.remove(&request);
        if waits {
            self.nodes[request.from.node].side_mut(request.to).pending -= 1;
        }
        waits
    }

    pub(super) fn report_failure(&mut self, request: Request) {
        if self.report(request) {
            let now = self.nodes[request.from.node].now(self.now);
            let side = self.nodes[request.from.node].side_mut(request.to);
            side.link.handle_failure(request.id, now);
        }
    }

    pub(super) fn dial(&mut self, a: usize, b: usize) {
        let road = self.roads.between(a, b);
        if !road.dialling {
            road.dialling = true;
            let delay = self.weather.delay(&mut self.chance);
            self.later(delay, Happening::Dials { a, b });
        }
    }
}
