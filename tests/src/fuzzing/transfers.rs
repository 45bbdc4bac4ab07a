//! Chunks from a stranger, and what a receiver makes of them; acknowledgements, and what a sender does.

use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::id::TransferId;
use peer_protocol::limits::TRANSFER_WINDOW;
use peer_protocol::message::{Body, Chunk, ChunkAck, MessageKind, Offer, Purpose};
use peer_protocol::time::Instant;
use peer_protocol::transfer::{Limits, Part, Receiver, Sender, Step, Taken};

const BLOCK: u64 = 64 << 10;

/// The first byte says whether the rest is the body of a `chunk`, or what happens to a receiver, or to a
/// sender: three bytes a step.
pub fn transfer(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match first % 3 {
        0 => chunk(rest),
        1 => receive(rest),
        _ => send(rest),
    }
}

/// A body: what is accepted is one thing, and an offer of it can be taken.
fn chunk(data: &[u8]) {
    let Ok(Body::Chunk(chunk)) = Body::decode(MessageKind::Chunk, data) else { return };
    let Ok(part) = Part::of(&chunk) else { return };
    match part {
        Part::Offer(offer) => {
            assert!(chunk.data.is_empty() && chunk.offset == 0);
            let Ok(receiver) = Receiver::new(offer.clone(), chunk.total, 0, at(0)) else { return };
            assert_eq!(receiver.check_offer(offer, chunk.total), Ok(()));
            let name = offer.name.as_deref().unwrap_or_default();
            assert!(offer.purpose == Purpose::Content || !name.contains(['/', '\\', '\0']));
        }
        Part::Piece(piece) => assert!(!piece.is_empty()),
        Part::Cancel(_) => assert!(chunk.data.is_empty()),
    }
}

/// Pieces of all kinds, syncs and crashes, against a map of blocks.
fn receive(data: &[u8]) {
    let total = 300 * BLOCK + 17;
    let blocks = 301;
    let mut receiver = Receiver::new(offer(), total, 0, at(0)).expect("it may be offered");
    let mut there = vec![false; blocks];
    for (step, bytes) in (1..).zip(data.chunks_exact(3)) {
        let [kind, from, count] = [bytes[0], bytes[1], bytes[2]].map(u64::from);
        match kind % 8 {
            0 => receiver.synced(receiver.contiguous(), at(step)),
            1 => {
                receiver = Receiver::new(offer(), total, receiver.durable(), at(step))
                    .expect("it was offered before");
                let durable = receiver.durable().div_ceil(BLOCK) as usize;
                there.iter_mut().skip(durable).for_each(|there| *there = false);
            }
            2 => drop(receiver.take(from * 7919, count * 31, total, at(step))),
            _ => {
                let offset = (from + kind / 8) * BLOCK;
                let len = (count % 18 * BLOCK).min(total.saturating_sub(offset));
                let taken = receiver.take(offset, len, total, at(step));
                let first = (offset / BLOCK) as usize;
                let range = first..(first + len.div_ceil(BLOCK) as usize);
                if let Ok(taken) = taken {
                    assert!(offset + len <= receiver.durable() + TRANSFER_WINDOW);
                    let had = there[range.clone()].iter().filter(|there| **there).count();
                    match taken {
                        Taken::New => assert_eq!(had, 0),
                        Taken::Repeated => assert_eq!(had, range.len()),
                    }
                    there[range].fill(true);
                }
            }
        }
        let contiguous = there.iter().take_while(|there| **there).count() as u64 * BLOCK;
        assert!(receiver.contiguous() <= contiguous.min(total));
        assert!(receiver.durable() <= receiver.contiguous() && receiver.ranges() <= 130);
        let id = transfer_id();
        if let Some(ack) = receiver.ack(id) {
            assert!(ack.received < total, "nobody has checked the digest");
        }
    }
}

/// Acknowledgements and losses of all kinds: what is with the link and what may be sent stays bounded.
fn send(data: &[u8]) {
    let total = 200 * BLOCK + 5;
    let limits = Limits { window: 24 * BLOCK, under_way: 6 * BLOCK, ..Limits::new(64 << 10) };
    let mut sender = Sender::new(total, 0, limits, at(0));
    let mut out: Vec<Step> = Vec::new();
    let mut attempt = 0;
    for (step, bytes) in (1_u64..).zip(data.chunks_exact(3)) {
        let [kind, one, two] = [bytes[0], bytes[1], bytes[2]].map(u64::from);
        let now = at(step * 700);
        let settled = (!out.is_empty()).then(|| out.remove(one as usize % out.len()));
        match (kind % 8, settled) {
            (0, _) => sender.interrupted(),
            (1 | 2, _) => {
                let answers = (two % 2 == 0).then_some(attempt);
                let ack = ChunkAck {
                    window: one * BLOCK,
                    received: two * BLOCK,
                    transfer: transfer_id(),
                };
                sender.handle_ack(answers, &ack, now);
            }
            (3, Some(Step::Piece { offset, .. })) => sender.lost(offset, now),
            (4, Some(Step::Piece { offset, .. })) => {
                sender.piece_refused(offset, ErrorCode::ChunkError, "no");
            }
            (_, Some(Step::Piece { offset, .. })) => sender.arrived(offset, now),
            (3, Some(Step::Offer { attempt })) => sender.offer_lost(attempt, now),
            (_, Some(Step::Offer { .. })) => sender.offer_arrived(now),
            (_, Some(Step::Cancel) | None) => {}
        }
        sender.handle_timeout(now);
        let mut polled = 0;
        while let Some(next) = sender.poll(now) {
            match next {
                Step::Offer { attempt: this } => attempt = this,
                Step::Piece { offset, len } => {
                    assert!(len > 0 && offset + u64::from(len) <= total);
                    assert!(!out.contains(&next), "the same piece twice at once");
                }
                Step::Cancel => panic!("nobody cancels"),
            }
            out.push(next);
            polled += 1;
            assert!(polled < 64, "it does not stop");
        }
        assert!(sender.under_way() <= limits.under_way);
        assert!(sender.received() <= total);
        assert_eq!(sender.ended().is_some(), sender.poll_timeout().is_none());
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

fn transfer_id() -> TransferId {
    TransferId::random(&mut super::seeds::rng())
}

fn offer() -> Offer {
    Offer {
        name: Some("a.bin".to_owned()),
        digest: [7; 32],
        purpose: Purpose::File,
        content_type: "application/octet-stream".to_owned(),
    }
}

/// An offer, a piece, a cancellation; a file that arrives, and one that is sent.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let chunk = |data: Vec<u8>, offer: Option<Offer>, cancel: Option<String>| {
        let chunk = Chunk {
            data: data.into(),
            offer,
            total: 5,
            cancel,
            offset: 0,
            transfer: transfer_id(),
        };
        let mut bytes = vec![0];
        bytes.extend(Body::from(chunk).encode().expect("it is within its limits"));
        bytes
    };
    let steps = |first: u8, steps: &[[u8; 3]]| {
        let mut bytes = vec![first];
        bytes.extend(steps.iter().flatten());
        bytes
    };
    let arriving: Vec<_> =
        (0..40).flat_map(|n: u8| [[3, n * 4, 4], [u8::from(n.is_multiple_of(5)), 0, 0]]).collect();
    let going: Vec<_> =
        (0..120).map(|n: u8| [if n % 6 == 1 { 1 } else { 5 }, 200, n / 2]).collect();
    vec![
        chunk(Vec::new(), Some(offer()), None),
        chunk(vec![1, 2, 3, 4, 5], None, None),
        chunk(Vec::new(), None, Some("never mind".to_owned())),
        steps(1, &arriving),
        steps(2, &going),
    ]
}
