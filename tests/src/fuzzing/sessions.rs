//! Sessions: records that arrive late, twice, cut, changed, or never, against what ought to happen.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::identity::Identity;
use peer_protocol::limits::{MAX_CLOCK_SKEW, REPLAY_WINDOW};
use peer_protocol::message::{Message, Task};
use peer_protocol::session::Session;
use peer_protocol::time::Now;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::pair::{START, agree};
use crate::people::identity;
use crate::simulation::{Chance, flip_a_bit};

/// Most things that happen in one run.
const MOST_STEPS: usize = 60;

/// A record as it left.
struct Letter {
    bytes: Vec<u8>,
    from: usize,
    sequence: u64,
    sent: Now,
    messages: Vec<Message>,
}

/// One side, and what the obvious receiver knows of the other's records.
struct Side {
    session: Session,
    identity: Identity,
    sealed: u64,
    taken: HashSet<u64>,
}

/// A schedule of two sessions that share keys: a record is taken once, whole, in time, by its receiver;
/// what is refused changes nothing, so that the same record is taken afterwards.
pub fn session(data: &[u8]) {
    let mut chance = Chance::scripted(data);
    let kind = chance.of([HandshakeKind::SixStep, HandshakeKind::ThreeWay]);
    let (parties, _) = agree(kind, 3);
    let mut sides = parties.map(|party| Side {
        identity: party.identity().clone(),
        session: party.session.expect("both finished"),
        sealed: 0,
        taken: HashSet::new(),
    });
    if kind == HandshakeKind::SixStep {
        // Record 0 of the responder was in its last message (§3.6).
        sides[1].sealed = 1;
        sides[0].taken.insert(0);
    }
    let mut rng = StdRng::seed_from_u64(4);
    let mut letters: Vec<Letter> = Vec::new();
    let mut now = START;
    for _ in 0..MOST_STEPS {
        if chance.is_over() {
            break;
        }
        let step = chance.below(8);
        let Some(letter) = letters.get(chance.below(letters.len())).filter(|_| step > 1) else {
            match (step, chance.below(2)) {
                (0, _) => now = pass(now, &mut chance),
                (_, from) => {
                    letters.extend(seal(&mut sides[from], from, now, &mut chance, &mut rng));
                }
            }
            continue;
        };
        let receiver = &mut sides[1 - letter.from];
        match step {
            2 => {
                let mut changed = letter.bytes.clone();
                flip_a_bit(&mut changed, &mut chance);
                assert!(!take(receiver, changed, now), "a changed record was taken");
            }
            3 => {
                let cut = letter.bytes[..chance.below(letter.bytes.len())].to_vec();
                assert!(!take(receiver, cut, now), "a record that was cut was taken");
            }
            4 => {
                let own = &mut sides[letter.from];
                assert!(!take(own, letter.bytes.clone(), now), "a record came back to its sender");
            }
            _ => deliver(receiver, letter, now),
        }
    }
}

fn pass(now: Now, chance: &mut Chance) -> Now {
    let longest = chance.of([1, 1_000, 70_000, 2_000_000]);
    now + chance.between(Duration::ZERO, Duration::from_millis(longest))
}

fn seal(
    side: &mut Side,
    from: usize,
    now: Now,
    chance: &mut Chance,
    rng: &mut StdRng,
) -> Option<Letter> {
    let len = chance.of([0, 1, 100, 5_000]);
    let messages: Vec<Message> = (0..=chance.below(3))
        .map(|number| {
            let content = Cow::Owned(vec![number as u8; len]);
            let task = Task { content, ..Task::default() };
            Message::new(rng, &task.into(), None).expect("within its limits")
        })
        .collect();
    let sealed = side.session.seal(&messages, &side.identity, rng, now);
    assert_eq!(sealed.is_ok(), now.instant < side.session.expires());
    let bytes = sealed.ok()?.bytes;
    let sequence = side.sealed;
    side.sealed += 1;
    Some(Letter { bytes, from, sequence, sent: now, messages })
}

/// Whether a side takes these bytes.
fn take(side: &mut Side, bytes: Vec<u8>, now: Now) -> bool {
    let Ok(envelope) = Envelope::decode(bytes) else { return false };
    let Ok(record) = side.session.open(envelope, &side.identity, now) else { return false };
    side.session.accept(record, now).is_ok()
}

fn deliver(side: &mut Side, letter: &Letter, now: Now) {
    let newest = side.taken.iter().max().copied();
    let fits = newest.is_none_or(|newest| newest < letter.sequence + REPLAY_WINDOW);
    let fine = now.instant < side.session.expires()
        && letter.sent.timestamp.distance(now.timestamp) <= MAX_CLOCK_SKEW
        && fits
        && !side.taken.contains(&letter.sequence);
    let envelope = Envelope::decode(letter.bytes.clone()).expect("it was sealed");
    assert_eq!(envelope.header().sequence, letter.sequence, "numbers have no gaps");
    let opened = side.session.open(envelope, &side.identity, now);
    assert_eq!(opened.is_ok(), fine, "{:?}", opened.err());
    let Ok(record) = opened else { return };
    let opened = side.session.accept(record, now).expect("it is signed");
    let messages: Vec<Message> =
        opened.messages.into_iter().map(|m| m.expect("a known kind")).collect();
    assert_eq!(messages, letter.messages);
    assert_eq!(opened.header.sender, *identity(letter.from).entity());
    side.taken.insert(letter.sequence);
}
