//! A link whose peer calls, and cannot be called itself; and messages without a session.

use peer_protocol::legacy::{Sessionless, Value};

use super::*;

/// A peer that makes requests one at a time, and reads what each is answered.
struct Caller {
    side: Side,
    next: u64,
}

/// What became of a call.
#[derive(Debug)]
enum Answer {
    Waits,
    Nothing,
    Message(Box<Message>),
}

impl Caller {
    fn new(side: Side) -> Self {
        Self { side, next: 0 }
    }

    fn call(&mut self, message: Message, now: Now) -> Answer {
        let exchange = ExchangeId(self.next);
        self.next += 1;
        self.side.link.handle_request(exchange, Way::Call, Ok(Box::new(message)), now);
        self.side.collect();
        self.answer(exchange)
    }

    fn last(&mut self) -> Answer {
        self.side.collect();
        self.answer(ExchangeId(self.next - 1))
    }

    fn answer(&mut self, exchange: ExchangeId) -> Answer {
        while let Some(transmit) = self.side.link.poll_transmit() {
            match transmit {
                Transmit::Answer { exchange: to, envelope } if to == exchange => {
                    if envelope.is_empty() {
                        return Answer::Nothing;
                    }
                    return Answer::Message(Box::new(Message::parse(&envelope).unwrap()));
                }
                Transmit::Answer { envelope, .. } if envelope.is_empty() => {}
                other => panic!("{other:?}"),
            }
        }
        Answer::Waits
    }
}

impl Side {
    fn collect(&mut self) {
        while let Some(event) = self.link.poll_event() {
            self.events.push(event);
        }
    }
}

const fn now() -> Now {
    Now {
        instant: Instant::from_start(Duration::from_secs(1_000_000)),
        timestamp: Timestamp::from_millis(1_000_000_000),
    }
}

fn terms(sessionless: bool) -> Terms {
    Terms { entity: Some("old".parse().unwrap()), by_courier: false, sessionless }
}

/// The node `new` and its link with `old`, whose key is `old`'s.
fn node(terms: Terms) -> Caller {
    let mut config = Config::new(identity(Some("new"), 1));
    config.others.insert("third".parse().unwrap());
    Caller::new(Side::on_terms(config, 1, 2, terms))
}

fn sealed(rng: &mut StdRng, msg_type: &str) -> Message {
    let old = Sessionless::new(
        &identity(Some("old"), 2),
        "new".parse().unwrap(),
        *identity_key(1),
        START,
    );
    old.seal(msg_type, Object::new(), now(), rng).unwrap()
}

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Message(message) if message.content().msg_type == "error" => {
            message.content().payload.get("code").and_then(Value::as_str).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_waits_for_what_there_is_to_say_and_a_report_does_not() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    assert!(matches!(node.call(sealed(&mut rng, "status_report"), now()), Answer::Nothing));
    assert!(matches!(node.call(sealed(&mut rng, "task_delegate"), now()), Answer::Waits));
    assert_eq!(node.side.received(), 2);
    node.side.send(7, now());
    let Answer::Message(answer) = node.last() else { panic!("no answer") };
    assert_eq!(answer.verify(&identity_key(1)), Ok(()));
    assert_eq!(answer.content().msg_type, "task_delegate");
    assert_eq!(node.side.failures(), [&SendFailure::Unknown], "whether it arrived is not known");
}

#[test]
fn what_waits_goes_with_the_next_answer_and_patience_ends() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    node.side.send(7, now());
    assert!(matches!(node.call(sealed(&mut rng, "status_report"), now()), Answer::Message(_)));
    assert!(matches!(node.call(sealed(&mut rng, "task_delegate"), now()), Answer::Waits));
    let due = node.side.link.poll_timeout().unwrap();
    assert_eq!(due, now().instant + Duration::from_secs(25));
    node.side.link.handle_timeout(now() + Duration::from_secs(25));
    assert!(matches!(node.last(), Answer::Nothing));
}

#[test]
fn nothing_is_said_to_whoever_has_hung_up() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    assert!(matches!(node.call(sealed(&mut rng, "task_delegate"), now()), Answer::Waits));
    node.side.link.hung_up(ExchangeId(0));
    node.side.send(7, now());
    assert!(matches!(node.last(), Answer::Waits));
    assert!(node.side.failures().is_empty(), "it waits for the next call");
    assert!(matches!(node.call(sealed(&mut rng, "status_report"), now()), Answer::Message(_)));
}

#[test]
fn calls_that_wait_are_bounded() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    let mut answered = 0;
    for _ in 0..20 {
        let message = sealed(&mut rng, "task_delegate");
        node.side.link.handle_request(ExchangeId(0), Way::Call, Ok(Box::new(message)), now());
        answered += std::iter::from_fn(|| node.side.link.poll_transmit()).count();
    }
    assert_eq!(answered, 12);
}

#[test]
fn without_terms_a_session_comes_first() {
    let (mut node, mut rng) = (node(terms(false)), StdRng::seed_from_u64(1));
    let answer = node.call(sealed(&mut rng, "task_delegate"), now());
    assert_eq!(code(&answer), "INVALID_STATE");
    assert_eq!(node.side.received(), 0);
}

#[test]
fn over_a_connection_a_session_comes_first_on_any_terms() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    let message = Ok(Box::new(sealed(&mut rng, "task_delegate")));
    node.side.link.handle_request(ExchangeId(0), Way::Connection, message, now());
    assert_eq!(code(&node.answer(ExchangeId(0))), "INVALID_STATE");
}

#[test]
fn a_replay_a_forgery_and_a_revoked_key_are_refused() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    let message = sealed(&mut rng, "status_report");
    assert!(matches!(node.call(message.clone(), now()), Answer::Nothing));
    assert_eq!(code(&node.call(message, now())), "REPLAY_DETECTED");
    let forged = sealed(&mut rng, "status_report").content().clone();
    let forged = forged.sign(&identity(Some("old"), 3));
    assert_eq!(code(&node.call(forged, now())), "INVALID_SIGNATURE");
    // The name is another key's by now.
    let other = identity(Some("old"), 9);
    node.side.link.trust.admit(other.entity(), other.public_key(), START).unwrap();
    let answer = node.call(sealed(&mut rng, "status_report"), now());
    assert_eq!(code(&answer), "INVALID_SIGNATURE");
    assert_eq!(node.side.received(), 1);
}

#[test]
fn while_a_session_lives_only_its_messages_count() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    let mut old = Side::new("old", 2, 1);
    old.link.name = "new".parse().unwrap();
    old.link.connected(now());
    old.send(1, now());
    // The handshake, its end, and the message, each a call.
    for _ in 0..3 {
        let Some(Transmit::Request { id, envelope }) = old.link.poll_transmit() else { panic!() };
        let message = Message::parse(&envelope).unwrap();
        let bytes = match node.call(message, now()) {
            Answer::Message(answer) => answer.to_bytes(),
            Answer::Nothing | Answer::Waits => Vec::new(),
        };
        old.link.handle_answer(id, &bytes, now());
    }
    assert_eq!((node.side.received(), node.side.sessions().len()), (1, 1));
    assert_eq!(node.side.link.poll_offered().map(|id| id.to_string()), {
        let live = node.side.link.session.as_ref().unwrap();
        Some(live.id.to_string())
    });
    let answer = node.call(sealed(&mut rng, "status_report"), now());
    assert_eq!(code(&answer), "SESSION_NOT_FOUND");
}

#[test]
fn a_message_for_somebody_else_is_handed_over_as_it_was_signed() {
    let (mut node, mut rng) = (node(terms(true)), StdRng::seed_from_u64(1));
    let third = Sessionless::new(
        &identity(Some("old"), 2),
        "third".parse().unwrap(),
        *identity_key(3),
        START,
    );
    let message = third.seal("task_delegate", Object::new(), now(), &mut rng).unwrap();
    assert!(matches!(node.call(message.clone(), now()), Answer::Waits));
    assert!(node.side.events.contains(&EventKind::ForOther { message: Box::new(message) }));
    let fourth = Sessionless::new(
        &identity(Some("old"), 2),
        "fourth".parse().unwrap(),
        *identity_key(3),
        START,
    );
    let message = fourth.seal("task_delegate", Object::new(), now(), &mut rng).unwrap();
    assert_eq!(code(&node.call(message, now())), "INVALID_SIGNATURE");
}

#[test]
fn a_refusal_without_a_signature_fails_the_message_and_nothing_else() {
    let mut node = node(terms(true));
    node.side.link.connected(now());
    node.side.send(1, now());
    let Some(Transmit::Request { id, envelope }) = node.side.link.poll_transmit() else { panic!() };
    assert_eq!(Message::parse(&envelope).unwrap().content().session_id, None);
    let report = ErrorReport::new(ErrorCode::InvalidState, "HTTP 404");
    node.side.link.handle_refusal(id, report, now());
    node.side.send(2, now());
    node.side.collect();
    assert!(matches!(node.side.failures()[..], [SendFailure::Refused { .. }]));
    assert!(matches!(node.side.link.poll_transmit(), Some(Transmit::Request { .. })));
}
