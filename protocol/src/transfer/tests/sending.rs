//! The sender, step by step.

use super::*;
use crate::error::ErrorCode;

const TOTAL: u64 = 10 * K64 + 5;

fn limits() -> Limits {
    Limits { window: 6 * K64, under_way: 3 * K64, ..Limits::new(64 << 10) }
}

fn sender() -> Sender {
    Sender::new(TOTAL, 0, limits(), at(0))
}

fn drain(sender: &mut Sender, now: Instant) -> Vec<Step> {
    std::iter::from_fn(|| sender.poll(now)).collect()
}

fn pieces(sender: &mut Sender, now: Instant) -> Vec<u64> {
    let offset = |step| match step {
        Step::Piece { offset, .. } => offset,
        other => panic!("{other:?}"),
    };
    drain(sender, now).into_iter().map(offset).collect()
}

/// A sender whose offer was answered.
fn begun() -> Sender {
    let mut sender = sender();
    assert_eq!(drain(&mut sender, at(0)), [Step::Offer { attempt: 1 }]);
    sender.offer_arrived(at(1));
    sender.handle_ack(Some(1), &ack(0, 8 << 20), at(2));
    sender
}

#[test]
fn nothing_is_sent_before_the_offer_is_answered() {
    let mut sender = sender();
    assert_eq!(drain(&mut sender, at(0)), [Step::Offer { attempt: 1 }]);
    sender.offer_arrived(at(1));
    assert_eq!(drain(&mut sender, at(1)), []);
    assert!(!sender.is_sending());
    sender.interrupted();
    assert_eq!(
        drain(&mut sender, at(2)),
        [Step::Offer { attempt: 2 }],
        "it arrived, the answer not"
    );
}

/// Of an offer that was answered, or made anew since, it says nothing that it is lost.
#[test]
fn only_the_last_offer_can_be_lost() {
    let mut sender = sender();
    drain(&mut sender, at(0));
    sender.handle_ack(Some(1), &ack(0, 8 << 20), at(1));
    sender.interrupted();
    assert_eq!(drain(&mut sender, at(2)), [Step::Offer { attempt: 2 }]);
    let patience = limits().patience;
    sender.offer_lost(1, at(3));
    assert_eq!(sender.poll_timeout(), Some(at(0) + patience), "the second is with the link");
    sender.handle_ack(Some(2), &ack(K64, 8 << 20), at(4));
    sender.offer_lost(2, at(5));
    assert!(sender.is_sending());
    assert_eq!(pieces(&mut sender, at(5)).len(), 3);
    // While pieces are with the link it is not the receiver's turn.
    assert_eq!(sender.poll_timeout(), Some(at(4) + patience));
}

#[test]
fn how_it_ended_stays_and_a_cancellation_is_told_however_late() {
    let mut sender = begun();
    sender.refused(ErrorCode::ChunkError, "first");
    let ended = sender.ended().cloned();
    sender.refused(ErrorCode::ChunkError, "second");
    sender.cancel();
    sender.interrupted();
    sender.handle_timeout(at(0) + 2 * limits().patience);
    sender.handle_ack(None, &ack(TOTAL, 0), at(9));
    assert_eq!((sender.ended().cloned(), sender.poll(at(9))), (ended, None));

    let mut sender = begun();
    sender.cancel();
    sender.handle_timeout(at(0) + 2 * limits().patience);
    assert_eq!(drain(&mut sender, at(3)), [Step::Cancel]);
}

#[test]
fn pieces_go_in_order_within_what_may_be_with_the_link_and_within_the_window() {
    let mut sender = begun();
    assert_eq!(pieces(&mut sender, at(2)), [0, K64, 2 * K64]);
    sender.arrived(0, at(3));
    sender.arrived(K64, at(3));
    assert_eq!(pieces(&mut sender, at(3)), [3 * K64, 4 * K64]);
    for offset in 2..5 {
        sender.arrived(offset * K64, at(4));
    }
    assert_eq!(pieces(&mut sender, at(4)), [5 * K64], "the sender's own window is six pieces");
    sender.arrived(5 * K64, at(5));
    assert_eq!(pieces(&mut sender, at(5)), [0; 0]);
    sender.handle_ack(None, &ack(6 * K64, 2 * K64), at(6));
    assert_eq!(pieces(&mut sender, at(6)), [6 * K64, 7 * K64], "the receiver's is two");
    sender.arrived(6 * K64, at(7));
    sender.arrived(7 * K64, at(7));
    sender.handle_ack(None, &ack(8 * K64, 8 << 20), at(7));
    let last = drain(&mut sender, at(8));
    assert_eq!(last.last(), Some(&Step::Piece { offset: 10 * K64, len: 5 }));
    sender.handle_ack(None, &ack(TOTAL, 0), at(9));
    assert_eq!(sender.ended(), Some(&Ended::Complete));
    assert_eq!(sender.poll_timeout(), None);
}

#[test]
fn after_an_interruption_only_what_is_not_on_disk_and_not_with_the_link_is_sent_again() {
    let mut sender = begun();
    assert_eq!(pieces(&mut sender, at(2)), [0, K64, 2 * K64]);
    sender.arrived(0, at(3));
    sender.arrived(K64, at(3));
    assert_eq!(pieces(&mut sender, at(3)), [3 * K64, 4 * K64]);
    sender.interrupted();
    assert_eq!(drain(&mut sender, at(4)), [Step::Offer { attempt: 2 }]);
    sender.offer_arrived(at(5));
    // The first piece reached the disk, the second was lost with the receiver's memory.
    sender.handle_ack(Some(2), &ack(K64, 8 << 20), at(5));
    assert_eq!(
        pieces(&mut sender, at(5)),
        [0; 0],
        "three are with the link, which sends them again"
    );
    sender.arrived(2 * K64, at(6));
    assert_eq!(pieces(&mut sender, at(6)), [K64]);
    sender.arrived(3 * K64, at(6));
    assert_eq!(pieces(&mut sender, at(6)), [5 * K64]);
}

#[test]
fn where_pieces_queue_on_the_way_fewer_are_sent_at_once() {
    let total = 1 << 30;
    let mut sender =
        Sender::new(total, 0, Limits { window: total, ..Limits::new(64 << 10) }, at(0));
    drain(&mut sender, at(0));
    sender.offer_arrived(at(0));
    sender.handle_ack(Some(1), &ack(0, total), at(0));
    // A line that carries a piece in `each` ms, one after another, and is `rtt` ms long.
    let mut run = |from: u64, pieces: u64, each: u64, rtt: u64| {
        let (mut now, mut line) = (from, std::collections::VecDeque::new());
        let mut most = 0;
        for _ in 0..pieces {
            for step in drain(&mut sender, at(now)) {
                let Step::Piece { offset, .. } = step else { panic!("{step:?}") };
                let free = line.back().map_or(now, |(done, _)| now.max(*done));
                line.push_back((free + each, offset));
            }
            most = sender.under_way();
            let (done, offset) = line.pop_front().unwrap();
            now = now.max(done);
            sender.arrived(offset, at(now + rtt));
        }
        (now, most, line)
    };
    let (now, quick, mut line) = run(0, 400, 1, 30);
    assert_eq!(quick, 4 << 20, "a fast line of whatever length is filled");
    while let Some((_, offset)) = line.pop_front() {
        sender.arrived(offset, at(now + 60_000));
    }
    assert!(drain(&mut sender, at(now + 60_000)).len() <= 2, "a line that stood still is not");
}

#[test]
fn what_the_link_gave_up_is_sent_again() {
    let mut sender = begun();
    assert_eq!(pieces(&mut sender, at(2)).len(), 3);
    sender.lost(K64, at(3));
    assert_eq!(pieces(&mut sender, at(3)), [K64]);
    sender.lost(K64, at(3));
    sender.lost(K64, at(3));
    assert_eq!(pieces(&mut sender, at(4)), [K64], "reported twice, and counted once");
}

#[test]
fn an_offer_that_is_with_the_link_is_not_offered_again() {
    let mut sender = sender();
    drain(&mut sender, at(0));
    sender.interrupted();
    sender.handle_timeout(at(3_600_000));
    assert_eq!(drain(&mut sender, at(3_600_000)), []);
    sender.offer_lost(1, at(3_600_000));
    let again = sender.poll_timeout().unwrap();
    sender.handle_timeout(again);
    assert_eq!(drain(&mut sender, again), [Step::Offer { attempt: 2 }]);
}

#[test]
fn a_receiver_that_says_nothing_is_asked_again_with_growing_pauses_and_then_given_up() {
    let mut sender = begun();
    let (mut offers, mut now, mut pauses) = (0, at(2), Vec::new());
    let mut last = at(2);
    while sender.ended().is_none() {
        for step in drain(&mut sender, now) {
            match step {
                Step::Piece { offset, .. } => sender.arrived(offset, now),
                Step::Offer { .. } => {
                    offers += 1;
                    pauses.push(now.since(last));
                    last = now;
                    sender.offer_arrived(now);
                }
                Step::Cancel => panic!("nobody cancels"),
            }
        }
        now = sender.poll_timeout().unwrap().max(now);
        sender.handle_timeout(now);
    }
    assert_eq!(sender.ended(), Some(&Ended::TimedOut));
    assert!((1_500..3_000).contains(&offers), "{offers} in a week");
    assert_eq!(pauses.iter().take(3).map(Duration::as_secs).collect::<Vec<_>>(), [10, 20, 40]);
    assert_eq!(pauses.last().map(Duration::as_secs), Some(300));
}

#[test]
fn a_refused_offer_is_the_end_and_a_refused_piece_is_offered_again() {
    let mut sender = begun();
    assert_eq!(pieces(&mut sender, at(2)).len(), 3);
    for offset in [0, K64, 2 * K64] {
        sender.piece_refused(offset, ErrorCode::ChunkError, "no such transfer");
    }
    assert_eq!(drain(&mut sender, at(3)), [Step::Offer { attempt: 2 }], "once for all three");
    sender.refused(ErrorCode::ChunkError, "wrong digest");
    assert!(
        matches!(sender.ended(), Some(Ended::Refused { detail, .. }) if detail == "wrong digest")
    );
    assert_eq!(drain(&mut sender, at(4)), []);
}

#[test]
fn a_receiver_that_refuses_pieces_again_and_again_without_progress_is_given_up() {
    let mut sender = begun();
    let (mut attempt, mut received) = (1, 0);
    for refusal in 1..=7 {
        assert!(sender.ended().is_none(), "refusal {refusal}");
        let first = pieces(&mut sender, at(2)).first().copied();
        assert_eq!(first, Some(received));
        sender.piece_refused(received, ErrorCode::ChunkError, "not this one");
        if refusal == 7 {
            break;
        }
        attempt += 1;
        assert_eq!(drain(&mut sender, at(2)), [Step::Offer { attempt }]);
        sender.offer_arrived(at(2));
        // With progress it begins to count anew.
        received = if refusal < 3 { 0 } else { K64 };
        for offset in [0, K64, 2 * K64, 3 * K64] {
            sender.arrived(offset, at(2));
        }
        sender.handle_ack(Some(attempt), &ack(received, 8 << 20), at(2));
    }
    assert!(matches!(sender.ended(), Some(Ended::Refused { .. })));
}

#[test]
fn window_zero_makes_it_ask_why() {
    let mut sender = begun();
    sender.handle_ack(None, &ack(K64, 0), at(3));
    assert_eq!(drain(&mut sender, at(3)), [Step::Offer { attempt: 2 }]);
    sender.offer_arrived(at(4));
    sender.handle_ack(Some(2), &ack(K64, 0), at(4));
    assert_eq!(drain(&mut sender, at(4)), [], "it takes nothing, and does not say why");
    let again = sender.poll_timeout().unwrap();
    assert_eq!(again.since(at(4)), Duration::from_secs(10));
    sender.handle_timeout(again);
    assert_eq!(drain(&mut sender, again), [Step::Offer { attempt: 3 }]);
}

#[test]
fn a_receiver_that_only_says_window_zero_is_not_asked_all_the_time() {
    let mut sender = sender();
    let mut offers = 0;
    for millis in 0..60_000 {
        sender.handle_timeout(at(millis));
        for _ in drain(&mut sender, at(millis)) {
            offers += 1;
            sender.offer_arrived(at(millis));
        }
        sender.handle_ack(None, &ack(0, 0), at(millis));
    }
    assert!((3..6).contains(&offers), "{offers} in a minute");
}

#[test]
fn an_acknowledgement_that_was_overtaken_changes_nothing() {
    let mut sender = begun();
    sender.handle_ack(None, &ack(5 * K64, 8 << 20), at(3));
    sender.handle_ack(None, &ack(2 * K64, 0), at(4));
    sender.handle_ack(Some(0), &ack(2 * K64, 0), at(4));
    assert_eq!(sender.received(), 5 * K64);
    assert!(sender.is_sending());
}

#[test]
fn a_receiver_cannot_have_more_than_there_is() {
    let mut sender = begun();
    sender.handle_ack(None, &ack(TOTAL + 1, 0), at(3));
    assert_eq!(sender.ended(), Some(&Ended::Misled { received: TOTAL + 1, total: TOTAL }));
}

#[test]
fn a_receiver_that_loses_everything_again_and_again_is_given_up() {
    let mut sender = begun();
    let mut sent = 0;
    for attempt in 2..20 {
        while let Some(step) = sender.poll(at(3)) {
            if let Step::Piece { offset, len } = step {
                sent += u64::from(len);
                sender.arrived(offset, at(3));
            }
        }
        sender.handle_ack(None, &ack(K64, 8 << 20), at(3));
        sender.interrupted();
        drain(&mut sender, at(3));
        sender.offer_arrived(at(3));
        // Progress in between, which is lost again: only for so long.
        sender.handle_ack(Some(attempt), &ack(0, 8 << 20), at(3));
        assert_eq!(sender.ended().is_some(), attempt > 4, "the fourth time is too often");
    }
    assert_eq!(sender.ended(), Some(&Ended::Lost));
    assert!(sent <= 5 * 6 * K64, "{sent}");
}

#[test]
fn cancelling_is_told_once() {
    let mut sender = begun();
    sender.cancel();
    sender.handle_ack(None, &ack(K64, 8 << 20), at(3));
    assert_eq!(drain(&mut sender, at(3)), [Step::Cancel]);
    assert_eq!(sender.ended(), Some(&Ended::Cancelled));
}

#[test]
fn nothing_at_all_is_a_payload_too() {
    let mut sender = Sender::new(0, 0, limits(), at(0));
    assert_eq!(drain(&mut sender, at(0)), [Step::Offer { attempt: 1 }]);
    sender.handle_ack(Some(1), &ack(0, 0), at(1));
    assert_eq!(sender.ended(), Some(&Ended::Complete));
}
