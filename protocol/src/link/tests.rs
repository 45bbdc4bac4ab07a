//! Two links on a perfect carrier and a virtual clock. Lossy carriers, attacks and simulations are in
//! `protocol/tests`.

mod failing;
mod flood;
mod gathering;
mod holding;
mod lane;
mod mail;
mod ordered;
mod outbox;
mod sessions;
mod silence;
mod waiting;

use std::borrow::Cow;
use std::sync::Mutex;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::Ed25519Authenticator;
use crate::envelope::{Envelope, EnvelopeKind};
use crate::error::ErrorCode;
use crate::handshake::{Config, HandshakeKind, Role};
use crate::id::MessageId;
use crate::identity::{Admission as Admitted, Identity, TrustError, TrustLevel, TrustStore};
use crate::message::{ErrorReport, MessageKind, Receipt, ReceiptStatus, Task, TaskResult};
use crate::rate_limit::Quota;
use crate::time::Timestamp;

#[derive(Default)]
struct Trust(Mutex<TrustStore>);

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.lock().unwrap().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admitted, TrustError> {
        self.0.lock().unwrap().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.0.lock().unwrap().level(entity, key)
    }
}

fn identity(name: &str, seed: u8) -> Identity {
    let key = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
    Identity::new(Some(name.parse().unwrap()), key).unwrap()
}

/// What is owed for a volatile message.
fn received(id: MessageId) -> owed::Receipts {
    owed::Receipts { received: vec![id], ..Default::default() }
}

struct Pair {
    links: [Link; 2],
    events: [Vec<Event>; 2],
    now: Now,
    ahead: Duration,
    exchanges: u64,
    answers: HashMap<ExchangeId, (usize, RequestId)>,
    requests: usize,
    ids: StdRng,
}

impl Pair {
    fn new(adjust: impl Fn(&mut LinkConfig)) -> Self {
        Self::seeded(0, adjust)
    }

    fn seeded(seed: u64, adjust: impl Fn(&mut LinkConfig)) -> Self {
        let identities = [identity("entity_a", 1), identity("entity_b", 2)];
        let link = |own: usize| {
            let mut config = LinkConfig::new(Config::new(identities[own].clone()));
            adjust(&mut config);
            let peer = *identities[1 - own].public_key();
            let rng = Box::new(StdRng::seed_from_u64(seed + own as u64));
            Link::new(Arc::new(config), Arc::new(Trust::default()), peer, rng)
        };
        let start = Now {
            instant: Instant::from_start(Duration::from_secs(1)),
            timestamp: Timestamp::from_millis(1_800_000_000_000),
        };
        let mut pair = Self {
            links: [link(0), link(1)],
            events: [Vec::new(), Vec::new()],
            now: start,
            ahead: Duration::ZERO,
            exchanges: 0,
            answers: HashMap::new(),
            requests: 0,
            ids: StdRng::seed_from_u64(7),
        };
        for link in &mut pair.links {
            link.connected(start);
        }
        pair
    }

    /// What the clocks of a side show; the second one's wall clock may be ahead.
    fn clock(&self, side: usize) -> Now {
        let ahead = if side == 1 { self.ahead } else { Duration::ZERO };
        Now { timestamp: self.now.timestamp + ahead, ..self.now }
    }

    /// Moves everything there is to move.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for side in 0..2 {
                while let Some(event) = self.links[side].poll_event() {
                    self.events[side].push(event);
                    moved = true;
                }
                while let Some(transmit) = self.links[side].poll_transmit() {
                    moved = true;
                    self.carry(side, transmit);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn carry(&mut self, from: usize, transmit: Transmit) {
        match transmit {
            Transmit::Request { id, envelope } => {
                self.requests += 1;
                let exchange = ExchangeId(self.exchanges);
                self.exchanges += 1;
                self.answers.insert(exchange, (from, id));
                self.links[1 - from].handle_request(exchange, envelope, self.clock(1 - from));
            }
            Transmit::Answer { exchange, envelope } => {
                let (to, id) = self.answers.remove(&exchange).expect("answered once");
                self.links[to].handle_answer(id, envelope, self.clock(to));
            }
            Transmit::Drop { exchange } => {
                let (to, id) = self.answers.remove(&exchange).expect("answered once");
                self.links[to].handle_failure(id, self.now);
            }
        }
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            self.settle();
            let next =
                self.links.iter().filter_map(|link| link.poll_timeout(self.now.instant)).min();
            let Some(next) = next.filter(|next| *next <= end.instant) else {
                self.now = end;
                return;
            };
            self.now = self.now + next.since(self.now.instant);
            for side in 0..2 {
                let now = self.clock(side);
                self.links[side].handle_timeout(now);
            }
        }
        panic!("timers never come to rest");
    }

    fn send(
        &mut self,
        side: usize,
        body: impl Into<Body<'static>>,
        reply: Option<MessageId>,
    ) -> MessageId {
        let message = Message::new(&mut self.ids, &body.into(), reply).unwrap();
        let id = message.id;
        let deadline = self.now.instant + Duration::from_secs(60);
        let now = self.clock(side);
        self.links[side].send(message, deadline, now).unwrap();
        id
    }

    /// The operator of `side` pins `name` to the key of `seed`.
    fn pin(&mut self, side: usize, name: &str, seed: u8) {
        let mut store = TrustStore::default();
        let key = *identity(name, seed).public_key();
        store.pin(name.parse().unwrap(), Fingerprint::of(&key), self.now.timestamp);
        self.links[side].trust = Arc::new(Trust(Mutex::new(store)));
    }

    fn sessions(&self, side: usize) -> Vec<SessionInfo> {
        let ready = |event: &Event| match event {
            Event::SessionReady(info) => Some(info.clone()),
            _ => None,
        };
        self.events[side].iter().filter_map(ready).collect()
    }

    fn messages(&self, side: usize) -> Vec<Message> {
        let message = |event: &Event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        };
        self.events[side].iter().filter_map(message).collect()
    }
}

fn task(text: &'static str) -> Task<'static> {
    let content = Cow::Borrowed(text.as_bytes());
    Task { content, content_type: "text/plain".to_owned(), ..Task::default() }
}

fn result(text: &'static str) -> TaskResult<'static> {
    let content = Cow::Borrowed(text.as_bytes());
    TaskResult { content, content_type: "text/plain".to_owned(), ..TaskResult::default() }
}

#[test]
fn six_steps_lead_both_sides_through_all_states_to_one_session() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    for side in 0..2 {
        let states: Vec<_> = pair.events[side]
            .iter()
            .filter_map(|event| match event {
                Event::Step { phase, .. } => Some(phase.as_str()),
                _ => None,
            })
            .collect();
        let expected = [
            "HANDSHAKE_INIT_SENT",
            "HANDSHAKE_ACK_RECEIVED",
            "CHALLENGE_SENT",
            "SESSION_ESTABLISHED",
            "SESSION_CONFIRMED",
            "READY",
        ];
        assert_eq!(states, expected, "side {side}");
    }
    let (a, b) = (pair.sessions(0), pair.sessions(1));
    assert_eq!((a.len(), b.len(), a[0].id), (1, 1, b[0].id));
    assert_eq!((a[0].role, b[0].role), (Role::Initiator, Role::Responder));
    assert_eq!((a[0].peer.as_str(), b[0].peer.as_str()), ("entity_b", "entity_a"));
    assert_eq!(pair.requests, 3);
}

#[test]
fn a_quick_result_rides_in_the_answer_to_its_task() {
    let mut pair = Pair::new(|_| {});
    let id = pair.send(0, task("how are you?"), None);
    pair.settle();
    let asked = pair.messages(1);
    assert_eq!((asked.len(), asked[0].id), (1, id));
    pair.send(1, result("well"), Some(id));
    pair.settle();
    let answered = pair.messages(0);
    assert_eq!((answered.len(), answered[0].in_reply_to), (1, Some(id)));
    assert_eq!(pair.requests, 4, "three for the handshake, one for the task and its result");
    assert!(
        pair.events[0]
            .iter()
            .any(|e| matches!(e, Event::Receipts { ids, .. } if ids.contains(&id)))
    );
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.requests, 5, "one more acknowledges the result");
    assert_eq!(pair.links[0].queued() + pair.links[1].queued(), 0);
}

#[test]
fn a_slow_result_travels_alone_and_the_task_is_acknowledged_before() {
    let mut pair = Pair::new(|_| {});
    let id = pair.send(0, task("take your time"), None);
    pair.pass(Duration::from_secs(3));
    assert!(
        pair.events[0]
            .iter()
            .any(|e| matches!(e, Event::Receipts { ids, .. } if ids.contains(&id)))
    );
    pair.send(1, result("done"), Some(id));
    pair.settle();
    assert_eq!(pair.messages(0)[0].kind, MessageKind::TaskResult);
}

#[test]
fn both_open_at_once_and_exactly_one_session_comes_out() {
    let mut pair = Pair::new(|_| {});
    let now = pair.now;
    pair.links[0].open(now);
    pair.links[1].open(now);
    pair.pass(Duration::from_secs(20));
    let (a, b) = (pair.sessions(0), pair.sessions(1));
    assert_eq!((a.len(), b.len(), a[0].id), (1, 1, b[0].id));
    let smaller_is_a = identity("entity_a", 1).public_key() < identity("entity_b", 2).public_key();
    assert_eq!(a[0].role == Role::Initiator, smaller_is_a);
}

#[test]
fn three_way_needs_one_exchange_less() {
    let mut pair = Pair::new(|config| {
        config.preferred = HandshakeKind::ThreeWay;
        config.handshake.accept_three_way = true;
    });
    pair.send(0, task("hello"), None);
    pair.settle();
    assert_eq!(pair.sessions(0)[0].handshake, HandshakeKind::ThreeWay);
    assert_eq!(pair.sessions(0)[0].id, pair.sessions(1)[0].id);
    assert_eq!((pair.messages(1).len(), pair.requests), (1, 3));
}

#[test]
fn a_peer_without_the_three_way_handshake_gets_the_six_step_one() {
    let mut pair = Pair::new(|config| config.preferred = HandshakeKind::ThreeWay);
    pair.send(0, task("hello"), None);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.sessions(0)[0].handshake, HandshakeKind::SixStep);
    assert_eq!(pair.messages(1).len(), 1);
}

#[test]
fn sessions_are_renewed_before_they_expire_and_nothing_is_lost() {
    let mut pair = Pair::new(|config| {
        config.handshake.session_lifetime = Duration::from_secs(30);
        config.rate = crate::rate_limit::RateProfile::trusted();
    });
    for _ in 0..1000 {
        pair.send(0, task("are you there?"), None);
        pair.pass(Duration::from_millis(100));
    }
    assert_eq!(pair.messages(1).len(), 1000);
    let sessions = pair.sessions(0);
    assert!((4..=5).contains(&sessions.len()), "{} sessions in 100 s", sessions.len());
    assert!(sessions.iter().all(|session| session.role == Role::Initiator));
    assert!(!pair.events[0].iter().any(|event| matches!(event, Event::Failed { .. })));
}

#[test]
fn over_the_rate_means_later_not_never() {
    let mut pair = Pair::new(|_| {});
    for _ in 0..80 {
        pair.send(0, task("quick"), None);
    }
    pair.settle();
    assert_eq!(pair.messages(1).len(), 60, "the burst");
    pair.pass(Duration::from_secs(50));
    assert_eq!(pair.messages(1).len(), 80);
    assert!(!pair.events[0].iter().any(|event| matches!(event, Event::Failed { .. })));
    assert!(pair.requests < 250, "pacing keeps refused attempts few: {}", pair.requests);
}

#[test]
fn a_restarted_peer_is_met_with_a_new_session_and_nothing_is_lost() {
    let mut pair = Pair::new(|_| {});
    pair.send(0, task("one"), None);
    pair.pass(Duration::from_secs(1));
    let fresh = Pair::seeded(100, |_| {});
    let [_, restarted] = fresh.links;
    pair.links[1] = restarted;
    pair.send(0, task("two"), None);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.messages(1).len(), 2);
    assert_eq!(pair.sessions(0).len(), 2);
}

#[test]
fn a_lost_connection_keeps_the_session() {
    let mut pair = Pair::new(|_| {});
    pair.send(0, task("one"), None);
    pair.settle();
    for link in &mut pair.links {
        link.disconnected(pair.now);
    }
    pair.answers.clear();
    pair.send(0, task("two"), None);
    pair.settle();
    assert!(pair.events[0].contains(&Event::NeedConnection));
    for link in &mut pair.links {
        link.connected(pair.now);
    }
    pair.settle();
    assert_eq!((pair.messages(1).len(), pair.sessions(0).len()), (2, 1));
}

#[test]
fn closing_ends_the_session_on_both_sides() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let now = pair.now;
    pair.links[0].close("good night", now);
    pair.settle();
    let closed = Ended::ClosedByPeer { reason: "good night".to_owned() };
    assert!(
        pair.events[1]
            .iter()
            .any(|e| matches!(e, Event::SessionEnded { why, .. } if *why == closed))
    );
}

#[test]
fn a_full_queue_refuses_before_it_accepts() {
    let mut pair = Pair::new(|_| {});
    for link in &mut pair.links {
        link.disconnected(pair.now);
    }
    for _ in 0..crate::limits::MAX_QUEUED_MESSAGES {
        pair.send(0, task("x"), None);
    }
    let message = Message::new(&mut StdRng::seed_from_u64(0), &task("x").into(), None).unwrap();
    let refused = pair.links[0].send(message, pair.now.instant, pair.now);
    assert_eq!(refused, Err(QueueFull::Messages));
}

#[test]
fn silence_on_an_open_connection_is_noticed() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let now = pair.now;
    let message =
        Message::new(&mut StdRng::seed_from_u64(9), &task("hello?").into(), None).unwrap();
    pair.links[0].send(message, now.instant + Duration::from_secs(60), now).unwrap();
    while pair.links[0].poll_transmit().is_some() {}
    pair.pass(Duration::from_secs(3));
    assert!(pair.events[0].contains(&Event::Unresponsive));
}

/// As many messages as a batch may hold beside a receipt.
fn full_batch(pair: &mut Pair, body: &Body<'_>) -> Vec<Message> {
    let answered = Some(MessageId::random(&mut pair.ids));
    let message = std::iter::repeat_with(|| Message::new(&mut pair.ids, body, answered));
    message.take(crate::limits::MAX_BATCH - 1).collect::<Result<_, _>>().unwrap()
}

#[test]
fn refusals_and_waiting_messages_do_not_overfill_an_answer() {
    let mut pair = Pair::new(|config| config.rate.task.burst = 1);
    pair.links[0].open(pair.now);
    pair.settle();
    let deadline = pair.now.instant + Duration::from_secs(60);
    for message in full_batch(&mut pair, &result("done").into()) {
        pair.links[1].outbox.push(message, deadline).unwrap();
    }
    let tasks = full_batch(&mut pair, &task("quick").into());
    pair.links[0].send_now(tasks, pair.now);
    pair.settle();
    assert_eq!((pair.messages(0).len(), pair.messages(1).len()), (255, 1));
}

#[test]
fn an_answer_may_refuse_every_message_of_the_largest_batch() {
    let mut pair = Pair::new(|config| config.rate.task.burst = 0);
    pair.links[0].open(pair.now);
    pair.settle();
    let now = pair.now;
    let mut batch = full_batch(&mut pair, &task("x").into());
    batch.push(Message::new(&mut pair.ids, &task("x").into(), None).unwrap());
    // A receipt is due as well; it arrives only if the answer opens.
    let due = pair.send(0, task("first"), None);
    while pair.links[0].poll_transmit().is_some() {}
    pair.links[1].owe(&received(due), now.instant);
    pair.links[0].send_now(batch, now);
    pair.settle();
    let receipt =
        |event: &Event| matches!(event, Event::Receipts { ids, .. } if ids.contains(&due));
    assert!(pair.events[0].iter().any(receipt));
}

#[test]
fn messages_that_expire_without_a_connection_leave_nothing_behind() {
    let mut pair = Pair::new(|_| {});
    for link in &mut pair.links {
        link.disconnected(pair.now);
    }
    for _ in 0..100 {
        let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
        let deadline = pair.now.instant + Duration::from_secs(1);
        pair.links[0].send(message, deadline, pair.now).unwrap();
        pair.pass(Duration::from_secs(2));
    }
    assert_eq!(pair.links[0].queued(), 0);
    assert!(!pair.links[0].outbox.has_waiting());
    assert_eq!(pair.links[0].poll_timeout(pair.now.instant), None);
}

#[test]
fn the_same_message_twice_is_queued_once() {
    let mut pair = Pair::new(|_| {});
    let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
    let deadline = pair.now.instant + Duration::from_secs(60);
    for link in &mut pair.links {
        link.disconnected(pair.now);
    }
    for _ in 0..3 {
        pair.links[0].send(message.clone(), deadline, pair.now).unwrap();
    }
    assert_eq!(pair.links[0].queued(), 1);
    for link in &mut pair.links {
        link.connected(pair.now);
    }
    pair.settle();
    assert_eq!(pair.messages(1).len(), 1);
}

#[test]
fn each_side_learns_how_far_the_other_clock_is_off() {
    let mut pair = Pair::new(|_| {});
    pair.ahead = Duration::from_secs(7);
    pair.send(0, task("hello"), None);
    pair.pass(Duration::from_millis(100));
    assert_eq!(pair.sessions(0)[0].clock_ahead_ms, 7_000);
    assert_eq!(pair.sessions(1)[0].clock_ahead_ms, -7_000);
}
