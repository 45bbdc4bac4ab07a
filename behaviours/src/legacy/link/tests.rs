//! Two links on virtual time, without a network.

mod calls;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{Admission, Identity, TrustError, TrustStore};
use peer_protocol::legacy::{Message, Object};
use peer_protocol::limits::SESSION_LIFETIME;
use peer_protocol::link::ExchangeId;
use peer_protocol::time::Timestamp;
use rand::SeedableRng as _;

use super::outbound::REFUSALS;
use super::*;

/// When the links' nodes were started.
const START: Timestamp = Timestamp::from_millis(1_000);

struct Trust(Mutex<TrustStore>);

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).admit(entity, key, now)
    }

    fn level(&self, _: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
        None
    }
}

/// One side: its link, and everything it has told.
struct Side {
    link: Link,
    events: Vec<EventKind>,
}

impl Side {
    fn new(name: &str, own: u8, peer: u8) -> Self {
        Self::on_terms(Config::new(identity(Some(name), own)), own, peer, Terms::default())
    }

    fn on_terms(config: Config, own: u8, peer: u8, terms: Terms) -> Self {
        let trust = Arc::new(Trust(Mutex::default()));
        let key = *identity_key(peer);
        let rng = StdRng::seed_from_u64(u64::from(own));
        let link = Link::new(Arc::new(config), trust, key, terms, START, rng);
        Self { link, events: Vec::new() }
    }

    fn send(&mut self, id: u64, now: Now) {
        self.send_until(id, now, now.instant + Duration::from_secs(600));
    }

    fn send_until(&mut self, id: u64, now: Now, deadline: Instant) {
        self.link.send(message(id), deadline, now);
    }

    fn sessions(&self) -> Vec<SessionId> {
        self.events
            .iter()
            .filter_map(|event| match event {
                EventKind::SessionReady(info) => Some(info.id),
                _ => None,
            })
            .collect()
    }

    fn received(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, EventKind::Message { .. })).count()
    }

    fn delivered(&self, id: u64) -> bool {
        self.events.contains(&EventKind::Delivered { id: message(id).id })
    }

    fn failures(&self) -> Vec<&SendFailure> {
        self.events
            .iter()
            .filter_map(|event| match event {
                EventKind::Failed { why, .. } => Some(why),
                _ => None,
            })
            .collect()
    }
}

fn identity(name: Option<&str>, seed: u8) -> Identity {
    let authenticator = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
    Identity::new(name.map(|name| name.parse().unwrap()), authenticator).unwrap()
}

fn identity_key(seed: u8) -> Box<PublicKey> {
    Box::new(*identity(None, seed).public_key())
}

fn message(id: u64) -> Outgoing {
    let id = MessageId::random(&mut StdRng::seed_from_u64(id));
    Outgoing { id, msg_type: "task_delegate".to_owned(), payload: Object::new() }
}

/// Both sides, what is between them, and the time.
struct Pair {
    a: Side,
    b: Side,
    now: Now,
}

impl Pair {
    /// Key 1 is larger or smaller than key 2, whichever it is; `swapped` tries the other way.
    fn new(swapped: bool) -> Self {
        let (one, two) = if swapped { (2, 1) } else { (1, 2) };
        let start = Duration::from_secs(1_000_000);
        let now = Now::default() + start;
        Self { a: Side::new("a", one, two), b: Side::new("b", two, one), now }
    }

    fn connected(swapped: bool) -> Self {
        let mut pair = Self::new(swapped);
        pair.a.link.connected(pair.now);
        pair.b.link.connected(pair.now);
        pair
    }

    /// Carries what there is, in turns, until both sides are silent.
    fn settle(&mut self) {
        let mut turns = 0;
        loop {
            let moved = carry(&mut self.a, &mut self.b, self.now)
                + carry(&mut self.b, &mut self.a, self.now);
            turns += 1;
            assert!(turns < 1000, "the two never fall silent");
            if moved == 0 {
                return;
            }
        }
    }

    /// Lets time pass, waking links when they asked for it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakes = 0;
        while let Some(due) = [self.a.link.poll_timeout(), self.b.link.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            .filter(|due| *due <= end.instant)
        {
            self.now = self.now + due.since(self.now.instant);
            self.a.link.handle_timeout(self.now);
            self.b.link.handle_timeout(self.now);
            self.settle();
            wakes += 1;
            assert!(wakes < 1000, "a link asks to be woken over and over");
        }
        self.now = end;
    }
}

/// Carries everything that `from` has to say at the moment, and the answers to its requests.
fn carry(from: &mut Side, to: &mut Side, now: Now) -> usize {
    let mut moved = 0;
    while let Some(transmit) = from.link.poll_transmit() {
        moved += 1;
        let Transmit::Request { id, envelope } = transmit else { panic!("{transmit:?}") };
        let exchange = ExchangeId(id.0 + 1_000_000);
        let message = Message::parse(&envelope).map(Box::new);
        to.link.handle_request(exchange, Way::Connection, message, now);
        answer(from, to, id, exchange, now);
    }
    while let Some(event) = from.link.poll_event() {
        from.events.push(event);
    }
    moved
}

/// Takes the answer to one exchange out of what `to` has to say.
fn answer(from: &mut Side, to: &mut Side, id: RequestId, exchange: ExchangeId, now: Now) {
    let mut rest = VecDeque::new();
    while let Some(transmit) = to.link.poll_transmit() {
        match transmit {
            Transmit::Answer { exchange: to, envelope } if to == exchange => {
                from.link.handle_answer(id, &envelope, now);
            }
            Transmit::Drop { exchange: to } if to == exchange => {
                from.link.handle_failure(id, true, now);
            }
            other => rest.push_back(other),
        }
    }
    to.link.transmits = rest;
}

#[test]
fn a_message_opens_a_session_although_the_peers_name_is_unknown() {
    let mut pair = Pair::connected(false);
    pair.a.send(1, pair.now);
    pair.settle();
    assert_eq!(pair.a.sessions().len(), 1);
    assert_eq!(pair.a.sessions(), pair.b.sessions());
    assert_eq!((pair.b.received(), pair.a.delivered(1)), (1, true));
    assert!(matches!(&pair.a.events[0], EventKind::SessionReady(info)
        if info.peer.as_str() == "b" && info.initiator));
    assert!(matches!(&pair.b.events[0], EventKind::SessionReady(info)
        if info.peer.as_str() == "a" && !info.initiator));
    pair.b.send(2, pair.now);
    pair.settle();
    assert_eq!((pair.a.received(), pair.b.delivered(2)), (1, true));
    assert_eq!(pair.b.sessions().len(), 1);
}

#[test]
fn messages_arrive_in_order_one_at_a_time() {
    let mut pair = Pair::connected(false);
    for id in 0..50 {
        pair.a.send(id, pair.now);
    }
    pair.settle();
    let expected: Vec<_> = (0..50).map(|id| EventKind::Delivered { id: message(id).id }).collect();
    let delivered: Vec<_> = pair
        .a
        .events
        .iter()
        .filter(|event| matches!(event, EventKind::Delivered { .. }))
        .cloned()
        .collect();
    assert_eq!(delivered, expected);
    assert_eq!(pair.b.received(), 50);
}

#[test]
fn when_both_begin_exactly_one_session_comes_out() {
    for swapped in [false, true] {
        let mut pair = Pair::connected(swapped);
        pair.a.link.name = "b".parse().unwrap();
        pair.b.link.name = "a".parse().unwrap();
        pair.a.send(1, pair.now);
        pair.b.send(2, pair.now);
        pair.settle();
        pair.pass(Duration::from_secs(30));
        assert_eq!(pair.a.sessions(), pair.b.sessions(), "swapped: {swapped}");
        assert_eq!(pair.a.sessions().len(), 1, "swapped: {swapped}");
        assert!(pair.a.delivered(1) && pair.b.delivered(2), "swapped: {swapped}");
        let initiates = |side: &Side| {
            side.events.iter().any(|e| matches!(e, EventKind::SessionReady(i) if i.initiator))
        };
        let smaller_is_a =
            *identity_key(if swapped { 2 } else { 1 }) < *identity_key(if swapped { 1 } else { 2 });
        assert_eq!((initiates(&pair.a), initiates(&pair.b)), (smaller_is_a, !smaller_is_a));
    }
}

#[test]
fn over_the_rate_a_sender_waits_and_nothing_is_lost() {
    let mut pair = Pair::connected(false);
    for id in 0..70 {
        pair.a.send(id, pair.now);
    }
    pair.settle();
    assert_eq!(pair.b.received(), 60);
    pair.pass(Duration::from_secs(25));
    assert_eq!(pair.b.received(), 70);
    assert!(pair.a.failures().is_empty());
}

#[test]
fn a_peer_that_forgot_the_session_gets_the_message_in_a_new_one() {
    let mut pair = Pair::connected(false);
    pair.a.send(1, pair.now);
    pair.settle();
    pair.b.link.close();
    pair.a.send(2, pair.now);
    pair.settle();
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.b.received(), pair.a.delivered(2)), (2, true));
    assert_eq!(pair.a.sessions().len(), 2);
    assert_eq!(pair.a.sessions(), pair.b.sessions());
}

#[test]
fn a_session_that_is_over_is_followed_by_another() {
    let mut pair = Pair::connected(false);
    pair.a.send(1, pair.now);
    pair.settle();
    pair.pass(SESSION_LIFETIME);
    let first = pair.a.sessions()[0];
    let ended = EventKind::SessionEnded { id: first, why: Ended::Expired };
    assert!(pair.a.events.contains(&ended) && pair.b.events.contains(&ended));
    pair.b.send(2, pair.now);
    pair.settle();
    assert!(pair.b.delivered(2));
    assert_ne!(pair.b.sessions()[1], first);
}

#[test]
fn without_a_connection_it_asks_for_one_and_gives_up_in_time() {
    let mut pair = Pair::new(false);
    pair.a.send_until(1, pair.now, pair.now.instant + Duration::from_secs(5));
    pair.a.send_until(2, pair.now, pair.now.instant + Duration::from_secs(60));
    pair.settle();
    assert_eq!(pair.a.events, [EventKind::NeedConnection]);
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.a.failures(), [&SendFailure::Expired]);
    let asked = pair.a.events.iter().filter(|event| **event == EventKind::NeedConnection);
    assert!((2..=6).contains(&asked.count()), "it asks again, but not all the time");
    pair.a.link.connected(pair.now);
    pair.b.link.connected(pair.now);
    pair.settle();
    assert!(pair.a.delivered(2) && !pair.a.delivered(1));
}

#[test]
fn a_handshake_without_an_answer_is_given_up_and_begun_again() {
    let mut pair = Pair::connected(false);
    pair.a.send(1, pair.now);
    assert!(pair.a.link.poll_transmit().is_some(), "and nobody carries it");
    pair.pass(Duration::from_secs(9));
    assert!(pair.a.events.is_empty());
    pair.pass(Duration::from_secs(2));
    assert!(matches!(pair.a.events[0], EventKind::HandshakeFailed { fatal: false, .. }));
    assert!(pair.a.delivered(1));
}

#[test]
fn a_message_whose_request_failed_may_have_arrived_and_is_not_sent_twice() {
    let mut pair = Pair::connected(false);
    pair.a.send(1, pair.now);
    pair.settle();
    pair.a.send(2, pair.now);
    let Some(Transmit::Request { id, .. }) = pair.a.link.poll_transmit() else { panic!() };
    pair.a.link.handle_failure(id, true, pair.now);
    pair.settle();
    assert_eq!(pair.a.failures(), [&SendFailure::Unknown]);
    pair.a.send(3, pair.now);
    let Some(Transmit::Request { id, .. }) = pair.a.link.poll_transmit() else { panic!() };
    pair.a.link.handle_failure(id, false, pair.now);
    pair.pass(Duration::from_secs(1));
    assert!(pair.a.delivered(3), "what was never sent goes out later");
}

#[test]
fn a_barred_peer_loses_its_session_and_what_waits_is_refused() {
    let mut pair = Pair::connected(false);
    pair.a.send(1, pair.now);
    pair.settle();
    pair.a.link.disconnected(pair.now);
    pair.a.send(2, pair.now);
    pair.a.link.bar(ErrorCode::EncryptionRequired, "no");
    pair.settle();
    let why = SendFailure::Refused { code: ErrorCode::EncryptionRequired, detail: "no".to_owned() };
    assert_eq!(pair.a.failures(), [&why]);
    assert!(pair.a.events.iter().any(|e| matches!(e, EventKind::SessionEnded { .. })));
}

#[test]
fn a_peer_of_a_revoked_name_is_refused_for_good() {
    let mut pair = Pair::connected(false);
    let other = identity(Some("b"), 9);
    let now = pair.now.timestamp;
    pair.a.link.trust.admit(other.entity(), other.public_key(), now).unwrap();
    pair.a.send(1, pair.now);
    pair.settle();
    let [SendFailure::Refused { code, detail }] = pair.a.failures()[..] else {
        panic!("{:?}", pair.a.events)
    };
    assert_eq!(*code, ErrorCode::InvalidSignature);
    assert!(detail.contains(&other.fingerprint().to_string()), "{detail}");
    assert!(pair.a.sessions().is_empty());
}

#[test]
fn refusals_are_bounded() {
    let mut pair = Pair::connected(false);
    let mut answered = 0;
    for exchange in 0..1000 {
        let garbage = Message::parse(b"{}").map(Box::new);
        pair.b.link.handle_request(ExchangeId(exchange), Way::Connection, garbage, pair.now);
        match pair.b.link.poll_transmit() {
            Some(Transmit::Answer { .. }) => answered += 1,
            Some(Transmit::Drop { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, REFUSALS.burst);
}
