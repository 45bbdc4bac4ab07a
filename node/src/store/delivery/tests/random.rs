//! Random writes, as a node would make them and as it never should.

use peer_protocol::delivery::{Status, Step, Write};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, StreamId};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::model::Model;
use super::*;

/// Some writes of one transaction; `model` is what there is before them.
pub(super) fn writes(rng: &mut StdRng, model: &Model) -> Vec<Write> {
    let mut model = model.clone();
    let count = rng.random_range(1..12);
    let mut writes = Vec::new();
    for _ in 0..count {
        let write = one(rng, &model);
        model.apply(std::slice::from_ref(&write));
        writes.push(write);
    }
    writes
}

fn one(rng: &mut StdRng, model: &Model) -> Write {
    let peer = peer(rng.random_range(1..4));
    let at = at(rng.random_range(1_000..2_000));
    match rng.random_range(0..16) {
        0 => Write::Stream { peer, stream: StreamId::random(rng) },
        1..5 => {
            let next = model.streams.get(&peer).map_or(0, |(_, next)| *next);
            let number = (next + rng.random_range(0..3)).saturating_sub(rng.random_range(0..2));
            let len = len(rng);
            let mut outgoing = outgoing(rng, peer, number, len);
            outgoing.may_be_sent = rng.random();
            Write::Accept(outgoing)
        }
        5 => {
            let numbers = (0..4).map(|_| rng.random_range(0..12)).collect();
            Write::MaySend { peer, numbers }
        }
        6..9 => {
            let own: Vec<_> = model.own.iter().collect();
            let Some(((peer, number), own)) = own.choose(rng) else {
                return Write::Told { peer, messages: vec![MessageId::random(rng)] };
            };
            // A late receipt names no number that is known.
            let number = if rng.random_bool(0.2) { u64::MAX } else { *number };
            let id = own.outgoing.message.id;
            Write::Became { peer: *peer, number, id, status: status(rng), at }
        }
        9..13 => {
            let mut before = model.positions.get(&peer).cloned().unwrap_or_default();
            if rng.random_bool(0.1) {
                before.next += 1;
            }
            let len = len(rng);
            let mut arrival = arrival(rng, peer, &before, len);
            let came = model.came.get(&peer);
            if let Some(id) = came.and_then(|came| came.choose(rng))
                && rng.random_bool(0.05)
            {
                arrival.message.id = *id;
            }
            if rng.random_bool(0.1) {
                arrival.after.dead.extend(arrival.after.stream.replace(StreamId::random(rng)));
            }
            Write::Arrive(arrival)
        }
        13 => {
            let foreign = model.foreign.choose(rng);
            let known = foreign.map(|it| (it.arrived.peer, it.arrived.message.id));
            let messages = known.into_iter().chain([(peer, MessageId::random(rng))]).collect();
            Write::Take { messages, at }
        }
        14 => {
            let taken: Vec<_> = model.foreign.iter().filter(|it| it.taken).collect();
            let Some(it) = taken.choose(rng) else {
                return Write::MaySend { peer, numbers: Vec::new() };
            };
            let messages = vec![it.arrived.message.id, MessageId::random(rng)];
            Write::Told { peer: it.arrived.peer, messages }
        }
        _ => Write::Step { id: MessageId::random(rng), step: Step::GivenToLink, at },
    }
}

fn len(rng: &mut StdRng) -> usize {
    match rng.random_range(0..20) {
        0 => 0,
        1 => rng.random_range(5_000..30_000),
        _ => rng.random_range(1..600),
    }
}

fn status(rng: &mut StdRng) -> Status {
    let detail = "no".to_owned();
    let all = [
        Status::Queued,
        Status::Sent,
        Status::Delivered,
        Status::Processed,
        Status::Expired,
        Status::Unknown,
        Status::Failed { code: ErrorCode::InvalidState, detail },
        Status::Cancelled,
    ];
    all.choose(rng).unwrap().clone()
}
