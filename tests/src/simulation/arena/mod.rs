//! Raw handshake machines of several parties, without links: every message may be delivered late,
//! twice, to anybody, changed, or never.

mod party;

use std::collections::BTreeMap;
use std::time::Duration;

use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Handshake, HandshakeKind, Role};
use peer_protocol::id::SessionId;
use peer_protocol::message::{Heartbeat, Message};
use peer_protocol::session::Session;
use peer_protocol::time::{Instant, Now, Timestamp};

use self::party::Party;
use super::{Chance, flip_a_bit};

/// Where a message belongs.
#[derive(Debug, Clone, Copy)]
struct Address {
    party: usize,
    /// The machine that waits for it; none if it begins a handshake.
    machine: Option<usize>,
}

/// A message on its way.
#[derive(Debug, Clone)]
struct Letter {
    bytes: Vec<u8>,
    from: Address,
    to: Address,
    /// Whether its receiver has taken it.
    taken: bool,
}

/// A session that a handshake yielded.
struct Yielded {
    party: usize,
    session: Session,
}

/// The parties, everything they ever sent, and the sessions that came of it.
pub struct Arena {
    chance: Chance,
    now: Now,
    parties: Vec<Party>,
    letters: Vec<Letter>,
    yielded: Vec<Yielded>,
}

impl Arena {
    /// `count` parties that know each other's keys.
    #[must_use]
    pub fn new(mut chance: Chance, count: usize) -> Self {
        let parties = (0..count).map(|number| Party::new(number, &mut chance)).collect();
        let now = Now {
            instant: Instant::from_start(Duration::from_secs(1)),
            timestamp: Timestamp::from_millis(1_800_000_000_000),
        };
        Self { chance, now, parties, letters: Vec::new(), yielded: Vec::new() }
    }

    /// Lets `actions` things happen, then checks every session; returns how many there are.
    pub fn run(&mut self, actions: usize) -> usize {
        for _ in 0..actions {
            if self.chance.is_over() {
                break;
            }
            self.act();
        }
        self.check_sessions();
        self.yielded.len()
    }

    fn act(&mut self) {
        match self.chance.below(12) {
            0 => self.start(),
            1 => self.misdeliver(),
            2 => self.deliver_changed(),
            3 => {
                let pause = self.chance.of([0, 1, 500, 11_000]);
                let pause = self.chance.between(Duration::ZERO, Duration::from_millis(pause));
                self.now = self.now + pause;
            }
            4 => self.deliver_any(),
            _ => self.deliver_newest(),
        }
    }

    fn start(&mut self) {
        let from = self.chance.below(self.parties.len());
        let to = (from + 1 + self.chance.below(self.parties.len() - 1)) % self.parties.len();
        let kind = self.chance.of([HandshakeKind::SixStep, HandshakeKind::ThreeWay]);
        let (machine, bytes) = self.parties[from].start(kind, to, self.now, &mut self.chance);
        self.letters.push(Letter {
            bytes,
            from: Address { party: from, machine: Some(machine) },
            to: Address { party: to, machine: None },
            taken: false,
        });
    }

    /// The usual course of things: the newest message arrives where it belongs.
    fn deliver_newest(&mut self) {
        match self.letters.iter().rposition(|letter| !letter.taken) {
            Some(letter) => self.deliver(letter),
            None => self.start(),
        }
    }

    /// Any message, old or new, arrives where it belongs, perhaps again.
    fn deliver_any(&mut self) {
        if !self.letters.is_empty() {
            let letter = self.chance.below(self.letters.len());
            self.deliver(letter);
        }
    }

    fn deliver(&mut self, letter: usize) {
        let Letter { bytes, from, to, taken } = self.letters[letter].clone();
        if self.hand_over(&bytes, from, to) {
            assert!(!taken, "a message was taken twice");
            self.letters[letter].taken = true;
        }
    }

    /// Any message arrives at any party, at any of its machines.
    fn misdeliver(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let letter = self.chance.below(self.letters.len());
        let Letter { bytes, from, to, .. } = self.letters[letter].clone();
        let party = self.chance.below(self.parties.len());
        let machines = self.parties[party].machines.len();
        let machine = self.chance.below(machines + 1);
        let wrong = Address { party, machine: (machine < machines).then_some(machine) };
        if (wrong.party, wrong.machine) != (to.party, to.machine) {
            assert!(!self.hand_over(&bytes, from, wrong), "a stray message was taken");
        }
    }

    /// A message arrives where it belongs, but not as it left.
    fn deliver_changed(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let letter = self.chance.below(self.letters.len());
        let Letter { mut bytes, from, to, .. } = self.letters[letter].clone();
        if self.chance.flip() {
            flip_a_bit(&mut bytes, &mut self.chance);
        } else {
            bytes.truncate(self.chance.below(bytes.len()));
        }
        assert!(!self.hand_over(&bytes, from, to), "a changed message was taken");
    }

    /// Returns whether the receiver took the message. What it does not take changes nothing.
    fn hand_over(&mut self, bytes: &[u8], from: Address, to: Address) -> bool {
        let Ok(envelope) = Envelope::decode(bytes.to_vec()) else { return false };
        let party = &mut self.parties[to.party];
        let (machine, progress) = match to.machine {
            Some(machine) => {
                let before = party.machines.get(machine).map(Handshake::phase);
                match party.handle(machine, &envelope, self.now) {
                    Ok(progress) => (machine, progress),
                    Err(_) => {
                        let after = party.machines.get(machine).map(Handshake::phase);
                        assert_eq!(before, after, "a message that was refused changed the state");
                        return false;
                    }
                }
            }
            None => match party.accept(&envelope, from.party, self.now, &mut self.chance) {
                Ok(accepted) => accepted,
                Err(_) => return false,
            },
        };
        if let Some(bytes) = progress.reply {
            let sender = Address { party: to.party, machine: Some(machine) };
            self.letters.push(Letter { bytes, from: sender, to: from, taken: false });
        }
        if let Some(session) = progress.session {
            self.yielded.push(Yielded { party: to.party, session });
        }
        true
    }

    /// Each session has at most two holders, and whoever has a session that needs the other's word
    /// for it shares it with the other; both hold the same keys, and nobody else does.
    fn check_sessions(&mut self) {
        let mut by_id: BTreeMap<SessionId, Vec<Yielded>> = BTreeMap::new();
        for yielded in self.yielded.drain(..) {
            by_id.entry(yielded.session.id()).or_default().push(yielded);
        }
        let mut pairs: Vec<Vec<Yielded>> = by_id.into_values().collect();
        for pair in &mut pairs {
            match pair.as_mut_slice() {
                [one] => {
                    // The last to finish are the six-step initiator and the three-way responder.
                    let lonely = match one.session.handshake() {
                        HandshakeKind::SixStep => Role::Responder,
                        HandshakeKind::ThreeWay => Role::Initiator,
                    };
                    assert_eq!(one.session.role(), lonely, "a session with a missing half");
                }
                [a, b] => {
                    self.check_pair(a, b);
                    self.check_pair(b, a);
                }
                more => panic!("{} parties hold one session", more.len()),
            }
        }
        self.yielded = pairs.into_iter().flatten().collect();
        self.check_strangers();
    }

    fn check_pair(&self, a: &mut Yielded, b: &mut Yielded) {
        assert_ne!(a.party, b.party);
        assert_ne!(a.session.role(), b.session.role());
        assert_eq!(a.session.suite(), b.session.suite());
        assert_eq!(a.session.features(), b.session.features());
        assert_eq!(a.session.handshake(), b.session.handshake());
        let identity = self.parties[a.party].identity();
        assert_eq!(b.session.peer().entity, *identity.entity());
        assert_eq!(b.session.peer().key, *identity.public_key());
        let envelope = self.seal(a);
        let receiver = self.parties[b.party].identity();
        let record = b.session.open(envelope, receiver, self.now).expect("the same keys");
        b.session.accept(record, self.now).expect("the peer's signature");
    }

    /// What one session seals no other session opens.
    fn check_strangers(&mut self) {
        let Some((first, others)) = self.yielded.split_first_mut() else { return };
        let identity = self.parties[first.party].identity();
        let message = heartbeat();
        let rng = &mut party::rng(9);
        let Ok(sealed) = first.session.seal(&[message], identity, rng, self.now) else { return };
        for other in others.iter().filter(|other| other.session.id() != first.session.id()) {
            let envelope = Envelope::decode(sealed.bytes.clone()).expect("a well-formed envelope");
            let receiver = self.parties[other.party].identity();
            let opened = other.session.open(envelope, receiver, self.now);
            assert!(opened.is_err(), "a session opens what another one sealed");
        }
    }

    fn seal(&self, from: &mut Yielded) -> Envelope {
        let identity = self.parties[from.party].identity();
        let sealed = from
            .session
            .seal(&[heartbeat()], identity, &mut party::rng(from.party as u64), self.now)
            .expect("a fresh session seals");
        Envelope::decode(sealed.bytes).expect("a well-formed envelope")
    }
}

fn heartbeat() -> Message {
    Message::new(&mut party::rng(8), &Heartbeat {}.into(), None).expect("a valid body")
}
