use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limits::MAX_ENVELOPE_LEN;
use crate::link::RequestId;
use crate::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);

fn at(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

fn head(len: u32, kind: u8, id: u32) -> [u8; HEAD_LEN] {
    let mut bytes = [0; HEAD_LEN];
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    bytes[4] = kind;
    bytes[5..].copy_from_slice(&id.to_be_bytes());
    bytes
}

#[test]
fn a_head_is_length_kind_and_number() {
    let request = Head { len: 0x0102, kind: Kind::Request, id: FrameId(0x0304_0506) };
    assert_eq!(request.encode(), [0, 0, 1, 2, 1, 3, 4, 5, 6]);
    assert_eq!(Head::decode(request.encode()), Ok(request));
    let kinds = [Kind::Credit, Kind::Request, Kind::Answer, Kind::Drop];
    for (kind, byte) in kinds.into_iter().zip(0..) {
        let len = if kind == Kind::Credit { CREDIT_LEN as u32 } else { 0 };
        let frame = Head { len, kind, id: FrameId(9) };
        assert_eq!(frame.encode(), head(len, byte, 9));
        assert_eq!(Head::decode(frame.encode()), Ok(frame));
        assert_eq!(kind.asks(), kind == Kind::Request);
    }
    let credit = Credit { frames: 32, bytes: 0x0080_0000 };
    assert_eq!(credit.encode(), [0, 0, 0, 32, 0, 0x80, 0, 0]);
    assert_eq!(Credit::decode(credit.encode()), credit);
}

#[test]
fn lengths_that_a_kind_does_not_have_are_refused_before_anything_is_read() {
    let longest = MAX_ENVELOPE_LEN as u32;
    for (kind, good, bad) in
        [(1, longest, longest + 1), (2, longest, u32::MAX), (0, 8, 9), (3, 0, 1)]
    {
        assert!(Head::decode(head(good, kind, 7)).is_ok());
        assert!(matches!(
            Head::decode(head(bad, kind, 7)),
            Err(Violation::Length { len, .. }) if len == bad
        ));
    }
    assert_eq!(Head::decode(head(0, 4, 0)), Err(Violation::UnknownKind { kind: 4 }));
}

#[test]
fn nothing_is_asked_before_it_is_granted_and_no_more_than_that() {
    let mut asking = Asking::new();
    assert_eq!(asking.ask(RequestId(1), 10, at(0)), None);
    assert!(!asking.is_granted() && !asking.fits(1));
    asking.grant(Credit { frames: 0, bytes: 100 }).unwrap();
    assert!(!asking.is_granted(), "bytes of no request");
    asking.grant(Credit { frames: 2, bytes: 100 }).unwrap();
    assert!(asking.is_granted() && asking.fits(100) && !asking.fits(101));
    assert_eq!(asking.ask(RequestId(1), 101, at(0)), None);
    let first = asking.ask(RequestId(1), 60, at(0)).unwrap();
    assert_eq!((first.id, first.len), (FrameId(0), 60));
    assert_eq!(asking.ask(RequestId(2), 60, at(0)), None, "bytes");
    assert_eq!(asking.ask(RequestId(2), 40, at(0)).unwrap().id, FrameId(1));
    assert_eq!(asking.ask(RequestId(3), 0, at(0)), None, "frames");
    assert_eq!(asking.answered(first.id, at(1)), Ok(Answered::Request(RequestId(1))));
    assert_eq!(asking.ask(RequestId(3), 60, at(1)).unwrap().id, FrameId(2));
    assert_eq!(asking.grant(Credit { frames: 1, bytes: 100 }), Err(Violation::Withdrawn));
}

#[test]
fn an_answer_to_nothing_is_a_violation_and_a_late_one_is_not() {
    let mut asking = Asking::new();
    asking.grant(Credit::GRANT).unwrap();
    let id = asking.ask(RequestId(1), 10, at(0)).unwrap().id;
    assert_eq!(asking.answered(FrameId(1), at(0)), Err(Violation::NotAsked { id: FrameId(1) }));
    assert_eq!(asking.next_timeout(PATIENCE), Some(at(10_000)));
    assert_eq!(asking.give_up(PATIENCE, at(9_999)), []);
    assert_eq!(asking.give_up(PATIENCE, at(10_000)), [RequestId(1)]);
    assert_eq!(asking.next_timeout(PATIENCE), None);
    assert_eq!(asking.answered(id, at(10_001)), Ok(Answered::Late));
    assert_eq!(asking.answered(id, at(10_001)), Err(Violation::NotAsked { id }));
}

#[test]
fn a_stream_on_which_nothing_comes_is_dead_and_one_that_skips_a_request_is_not() {
    let mut asking = Asking::new();
    asking.grant(Credit::GRANT).unwrap();
    asking.ask(RequestId(1), 10, at(0));
    let second = asking.ask(RequestId(2), 10, at(0)).unwrap().id;
    assert!(asking.is_dead(PATIENCE, at(10_000)));
    asking.answered(second, at(0)).unwrap();
    assert!(!asking.is_dead(PATIENCE, at(10_000)), "it came in the instant of the other");
    assert!(!asking.is_exhausted());
    assert_eq!(asking.close(), [RequestId(1)]);
    assert_eq!(asking.ask(RequestId(3), 10, at(3)), None, "it is closed");
    assert!(asking.is_exhausted());
}

/// What was given up says nothing about the requests after it.
#[test]
fn a_stream_that_stalls_after_a_request_was_skipped_is_dead_all_the_same() {
    let mut asking = Asking::new();
    asking.grant(Credit::GRANT).unwrap();
    asking.ask(RequestId(1), 10, at(0));
    let second = asking.ask(RequestId(2), 10, at(0)).unwrap().id;
    asking.answered(second, at(5_000)).unwrap();
    asking.ask(RequestId(3), 10, at(6_000));
    assert!(!asking.is_dead(PATIENCE, at(10_000)));
    assert_eq!(asking.give_up(PATIENCE, at(10_000)), [RequestId(1)]);
    assert!(!asking.is_dead(PATIENCE, at(15_999)));
    assert!(asking.is_dead(PATIENCE, at(16_000)));
}

#[test]
fn whoever_goes_over_the_grant_is_found_out() {
    let mut answering = Answering::new(Credit { frames: 2, bytes: 100 });
    answering.asked(FrameId(0), 60).unwrap();
    assert_eq!(answering.asked(FrameId(1), 41), Err(Violation::TooManyBytes { bytes: 100 }));
    answering.asked(FrameId(1), 40).unwrap();
    assert_eq!(answering.asked(FrameId(2), 0), Err(Violation::TooManyFrames { frames: 2 }));
    assert_eq!(answering.answer(FrameId(0), None).unwrap().kind, Kind::Drop);
    assert_eq!(answering.answer(FrameId(0), None), None, "answered once");
    let wrong = Violation::OutOfOrder { found: FrameId(3), expected: FrameId(2) };
    assert_eq!(answering.asked(FrameId(3), 0), Err(wrong));
    answering.asked(FrameId(2), 60).unwrap();
}

proptest! {
    /// Whatever is asked and answered, in whatever order: one that keeps its own account never goes
    /// over the other's, and everything that is asked ends once.
    #[test]
    fn the_two_accounts_agree(
        frames in 1..8u32,
        bytes in 1..1000u32,
        steps in prop::collection::vec((any::<bool>(), 0..400usize, any::<prop::sample::Index>()), 0..200),
    ) {
        let mut answering = Answering::new(Credit { frames, bytes });
        let mut asking = Asking::new();
        asking.grant(answering.grant().1).unwrap();
        let (mut open, mut next, mut ended) = (Vec::new(), 0, 0);
        for (ask, len, which) in steps {
            if ask {
                if let Some(head) = asking.ask(RequestId(next), len, at(0)) {
                    prop_assert_eq!(answering.asked(head.id, len), Ok(()));
                    open.push((head.id, RequestId(next)));
                    next += 1;
                }
            } else if !open.is_empty() {
                let (id, request) = open.swap_remove(which.index(open.len()));
                let head = answering.answer(id, (len % 2 == 0).then_some(len)).unwrap();
                prop_assert_eq!(asking.answered(head.id, at(0)), Ok(Answered::Request(request)));
                ended += 1;
            }
            prop_assert_eq!(asking.unanswered(), open.len());
            prop_assert_eq!(answering.unanswered(), open.len());
        }
        prop_assert_eq!(ended + asking.close().len() as u64, next);
    }

    #[test]
    fn a_head_that_is_accepted_has_one_encoding(bytes in any::<[u8; HEAD_LEN]>()) {
        if let Ok(head) = Head::decode(bytes) {
            prop_assert_eq!(head.encode(), bytes);
            prop_assert!(head.len as usize <= MAX_ENVELOPE_LEN);
        }
    }
}
