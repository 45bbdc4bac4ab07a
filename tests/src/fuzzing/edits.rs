//! A handshake with somebody in the middle who edits: whatever the attacker delivers, the honest messages
//! then still lead to a session, and to the same one at both ends.

use std::sync::OnceLock;

use peer_protocol::crypto::PublicKey;
use peer_protocol::envelope::{Envelope, Header, plain};
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::id::{Nonce, SessionId};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::pair::{Party, START, agree};
use crate::people::identity;
use crate::simulation::Chance;

/// Deliveries by the attacker before each honest one, at most.
const MOST_ATTACKS: usize = 4;
/// The attacker has a key of its own: that of this entity, which nobody trusts.
const ATTACKER: usize = 4;

/// Two machines, and edits of all messages there ever were between the two.
pub fn handshake_edits(data: &[u8]) {
    let mut chance = Chance::scripted(data);
    let kind = chance.of([HandshakeKind::SixStep, HandshakeKind::ThreeWay]);
    let mut known = recorded();
    let mut parties = Party::both(7);
    let mut rng = StdRng::seed_from_u64(8);
    let mut next = Some(parties[0].start(kind, 1, START));
    let mut to = 1;
    while let Some(bytes) = next.take() {
        known.push(bytes.clone());
        for _ in 0..chance.below(MOST_ATTACKS + 1) {
            if chance.is_over() {
                break;
            }
            let victim = chance.below(2);
            let forged = forge(&known, &mut chance, &mut rng);
            // What arrives as it left is no forgery; whoever waits for it may take it.
            if known.contains(&forged) {
                continue;
            }
            let taken = parties[victim].take(&forged, 1 - victim, START);
            assert!(taken.is_err(), "a forged message was taken");
        }
        next = Some(parties[to].take(&bytes, 1 - to, START))
            .and_then(|taken| taken.expect("nothing that was refused is in its way"));
        to = 1 - to;
    }
    let sessions = parties.each_ref().map(|party| party.session.as_ref().expect("both finished"));
    assert_eq!(sessions[0].id(), sessions[1].id());
    for (session, peer) in sessions.iter().zip([1, 0]) {
        assert_eq!(session.peer().key, *identity(peer).public_key());
    }
}

/// The messages of two other handshakes of the same parties.
fn recorded() -> Vec<Vec<u8>> {
    static RECORDED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let record = || {
        let kinds = [(5, HandshakeKind::SixStep), (6, HandshakeKind::ThreeWay)];
        kinds.into_iter().flat_map(|(seed, kind)| agree(kind, seed).1).collect()
    };
    RECORDED.get_or_init(record).clone()
}

/// A known message with some edits.
fn forge(known: &[Vec<u8>], chance: &mut Chance, rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = known[chance.below(known.len())].clone();
    for _ in 0..=chance.below(3) {
        let other = &known[chance.below(known.len())];
        edit(&mut bytes, other, chance, rng);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance, rng: &mut StdRng) {
    let at = chance.below(bytes.len());
    match chance.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, chance.below(256) as u8),
        // A piece of another message in the same place, or all of it from there on.
        2 => {
            let end = (at + 1 + chance.below(64)).min(bytes.len()).min(other.len());
            if at < end {
                bytes[at..end].copy_from_slice(&other[at..end]);
            }
        }
        3 => {
            bytes.truncate(at);
            bytes.extend_from_slice(other.get(at..).unwrap_or_default());
        }
        // Another's body, or own words, under a signature of the attacker's.
        4 | 5 => sign_again(bytes, other, chance, rng),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
    }
}

/// Makes the message the attacker's, which has a key but neither of the parties'.
fn sign_again(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance, rng: &mut StdRng) {
    let (Ok(one), Ok(other)) = (Envelope::decode(bytes.clone()), Envelope::decode(other.to_vec()))
    else {
        return;
    };
    let attacker = identity(ATTACKER);
    let mut header: Header = one.header().clone();
    match chance.below(6) {
        0 => header.sender = attacker.entity().clone(),
        1 => header.kind = other.header().kind,
        2 => header.sequence = other.header().sequence,
        3 => header.session = chance.flip().then(|| SessionId::random(rng)),
        4 => header.nonce = Nonce::random(rng),
        _ => {}
    }
    let source = if chance.flip() { one.payload() } else { other.payload() };
    let mut payload = source.to_vec();
    if chance.flip() {
        put_key(&mut payload, attacker.public_key());
    }
    *bytes = plain(&header, &payload, &attacker);
}

/// The attacker's identity key in place of the sender's, wherever that stands.
fn put_key(payload: &mut [u8], key: &PublicKey) {
    for number in 0..2 {
        let theirs = *identity(number).public_key();
        let len = theirs.as_bytes().len();
        let place = payload.windows(len).position(|window| window == theirs.as_bytes());
        if let Some(at) = place {
            payload[at..at + len].copy_from_slice(key.as_bytes());
        }
    }
}
