//! Version 1.0: a handshake with somebody in the middle, and messages of a session, against what ought to
//! happen.

use std::collections::HashSet;
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::Identity;
use peer_protocol::legacy::{
    Initiator, Message, NonceMemory, Object, PeerCheck, Responder, Session, Unsigned, Value,
};
use peer_protocol::limits::MAX_CLOCK_SKEW;
use peer_protocol::time::Now;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::pair::START;
use crate::people::{Trust, identity};
use crate::simulation::{Chance, flip_a_bit};

const MOST_STEPS: usize = 40;
/// The attacker has a key of its own: that of this entity, which nobody trusts.
const ATTACKER: usize = 4;

/// One side of a conversation.
struct Side {
    me: Identity,
    trust: Trust,
    nonces: NonceMemory,
    rng: StdRng,
    peer: PublicKey,
    session: Option<Session>,
    /// The numbers that its messages got.
    sealed: u64,
    /// What the obvious receiver remembers: the last number, and all messages.
    last: Option<u64>,
    taken: HashSet<Vec<u8>>,
}

/// A message as it left.
struct Letter {
    message: Message,
    from: usize,
    sent: Now,
}

/// A schedule: forged messages never lead anywhere, honest ones always do, and each counts once.
pub fn legacy_session(data: &[u8]) {
    let mut chance = Chance::scripted(data);
    let mut sides = [0, 1].map(|number: usize| Side {
        me: identity(number),
        trust: Trust::pinning(1 - number),
        nonces: NonceMemory::default(),
        rng: StdRng::seed_from_u64(number as u64),
        peer: *identity(1 - number).public_key(),
        session: None,
        sealed: 0,
        last: None,
        taken: HashSet::new(),
    });
    shake_hands(&mut sides, &mut chance);
    let (mut letters, mut now): (Vec<Letter>, Now) = (Vec::new(), START);
    for _ in 0..MOST_STEPS {
        if chance.is_over() {
            break;
        }
        let step = chance.below(6);
        let Some(letter) = letters.get(chance.below(letters.len())).filter(|_| step > 1) else {
            if step == 0 {
                let longest = chance.of([1, 1_000, 70_000, 2_000_000]);
                now = now + chance.between(Duration::ZERO, Duration::from_millis(longest));
            } else {
                letters.extend(sides[chance.below(2)].seal(now, &mut chance));
            }
            continue;
        };
        let receiver = &mut sides[1 - letter.from];
        match step {
            2 => receiver.take_changed(letter, now, &mut chance),
            _ => receiver.deliver(letter, now),
        }
    }
}

/// Before each honest message the attacker delivers some of its own.
fn shake_hands([a, b]: &mut [Side; 2], chance: &mut Chance) {
    let attacks = |chance: &mut Chance| if chance.is_over() { 0 } else { chance.below(4) };
    let started = Initiator::start(&a.me, b.me.entity(), START, &mut a.rng);
    let (mut initiator, first) = started.expect("somebody else");
    for _ in 0..attacks(chance) {
        let Some(forged) = forge(&first, chance) else { continue };
        let check = PeerCheck { trust: &b.trust, expected_key: Some(&b.peer) };
        let accepted = Responder::accept(&b.me, &forged, check, &mut b.nonces, START, &mut b.rng);
        assert!(accepted.is_err(), "a forged message was taken");
    }
    let check = PeerCheck { trust: &b.trust, expected_key: Some(&b.peer) };
    let accepted = Responder::accept(&b.me, &first, check, &mut b.nonces, START, &mut b.rng);
    let (mut responder, ack) = accepted.expect("an honest message");
    for _ in 0..attacks(chance) {
        let Some(forged) = forge(&ack, chance) else { continue };
        let check = PeerCheck { trust: &a.trust, expected_key: Some(&a.peer) };
        assert!(initiator.handle_ack(&forged, check, START, &mut a.rng).is_err());
    }
    let check = PeerCheck { trust: &a.trust, expected_key: Some(&a.peer) };
    let handled = initiator.handle_ack(&ack, check, START, &mut a.rng);
    let (session, confirm) = handled.expect("an honest message");
    a.session = Some(session);
    for _ in 0..attacks(chance) {
        let Some(forged) = forge(&confirm, chance) else { continue };
        assert!(responder.handle_confirm(&forged, &b.trust, START).is_err());
    }
    b.session =
        Some(responder.handle_confirm(&confirm, &b.trust, START).expect("an honest message"));
}

/// A message that differs from `honest` in what matters, if it is one; the attacker changes bytes, or fields
/// under its own signature.
fn forge(honest: &Message, chance: &mut Chance) -> Option<Message> {
    if chance.flip() {
        let mut bytes = honest.to_bytes();
        for _ in 0..=chance.below(3) {
            flip_a_bit(&mut bytes, chance);
        }
        return Message::parse(&bytes).ok().filter(|forged| matters(forged, honest));
    }
    let mut content = honest.content().clone();
    match chance.below(4) {
        0 => content.sender_id = identity(ATTACKER).entity().clone(),
        1 => content.recipient_id = None,
        2 => {
            content.payload.insert("challenge".to_owned(), Value::from("AAAA".to_owned()));
        }
        _ => content.session_id = None,
    }
    Some(content.sign(&identity(ATTACKER)))
}

/// Whether a message differs from the honest one in anything that a receiver looks at: numbers of a handshake,
/// tokens and ciphertext are ignored there. The key beside the signature may be left out, and its digits have
/// either case.
fn matters(forged: &Message, honest: &Message) -> bool {
    let key = |message: &Message| {
        message.content().sender_public_key.as_ref().map(|key| key.to_ascii_lowercase())
    };
    let rest = |message: &Message| Unsigned {
        sequence_num: None,
        encrypted_payload: None,
        jwt_token: None,
        sender_public_key: None,
        ..message.content().clone()
    };
    rest(forged) != rest(honest) || key(forged).is_some_and(|it| Some(it) != key(honest))
}

impl Side {
    fn session(&mut self) -> (&mut Session, &mut NonceMemory) {
        (self.session.as_mut().expect("both finished"), &mut self.nonces)
    }

    fn seal(&mut self, now: Now, chance: &mut Chance) -> Option<Letter> {
        let from = usize::from(self.me.entity() == identity(1).entity());
        let mut payload = Object::new();
        payload.insert("text".to_owned(), Value::from("x".repeat(chance.below(100))));
        let session = self.session.as_mut().expect("both finished");
        let sealed = session.seal("task", payload, now, &mut self.rng);
        assert_eq!(sealed.is_ok(), now.instant < session.expires_at());
        let message = sealed.ok()?;
        assert_eq!(message.content().sequence_num, Some(self.sealed));
        self.sealed += 1;
        Some(Letter { message, from, sent: now })
    }

    fn deliver(&mut self, letter: &Letter, now: Now) {
        let number = letter.message.content().sequence_num;
        let bytes = letter.message.to_bytes();
        let (last, known) = (self.last, self.taken.contains(&bytes));
        let (session, nonces) = self.session();
        let fine = now.instant < session.expires_at()
            && letter.sent.timestamp.distance(now.timestamp) <= MAX_CLOCK_SKEW
            && number > last
            && !known;
        let taken = session.accept(&letter.message, nonces, now);
        assert_eq!(taken.is_ok(), fine, "{:?}", taken.err());
        if fine {
            self.last = number;
            self.taken.insert(bytes);
        }
    }

    /// Somebody on the way may raise a number, which is not under the signature (§13), and nothing else.
    fn take_changed(&mut self, letter: &Letter, now: Now, chance: &mut Chance) {
        let mut bytes = letter.message.to_bytes();
        flip_a_bit(&mut bytes, chance);
        let Ok(changed) = Message::parse(&bytes) else { return };
        let number = changed.content().sequence_num;
        let (session, nonces) = self.session();
        if session.accept(&changed, nonces, now).is_ok() {
            let ignored = |message: &Message| Unsigned {
                sequence_num: None,
                jwt_token: None,
                sender_public_key: None,
                ..message.content().clone()
            };
            assert_eq!(ignored(&changed), ignored(&letter.message), "a changed message was taken");
            assert!(number > self.last);
            self.last = number;
            self.taken.insert(letter.message.to_bytes());
        }
    }
}
