//! A sender that does what none should.

use super::*;
use crate::limits::{MAX_TRANSFER_LEN, PROGRESS_LEN, TRANSFER_IDLE, TRANSFER_WINDOW};
use crate::message::Chunk;

const TOTAL: u64 = 20 << 20;

fn receiver() -> Receiver {
    Receiver::new(offer(), TOTAL, 0, at(0)).unwrap()
}

/// A refused piece changes nothing.
fn refused(receiver: &mut Receiver, offset: u64, len: u64) -> TransferError {
    let before = format!("{receiver:?}");
    let error = receiver.take(offset, len, TOTAL, at(1)).unwrap_err();
    assert_eq!(format!("{receiver:?}"), before);
    error
}

#[test]
fn out_of_range() {
    let mut receiver = receiver();
    let error = |offset, len| TransferError::OutOfRange { offset, len, total: TOTAL };
    for (offset, len) in
        [(TOTAL, 1), (TOTAL - 1, 2), (u64::MAX, 1), (u64::MAX, u64::MAX), (1, u64::MAX)]
    {
        assert_eq!(refused(&mut receiver, offset, len), error(offset, len));
    }
    assert_eq!(refused(&mut receiver, 0, (1 << 20) + 1), error(0, (1 << 20) + 1), "over a piece");
}

#[test]
fn window_abuse() {
    let mut receiver = receiver();
    let (start, limit) = (TRANSFER_WINDOW, TRANSFER_WINDOW);
    let error = refused(&mut receiver, start, K64);
    assert_eq!(error, TransferError::BeyondWindow { end: start + K64, limit });
    receiver.take(start - K64, K64, TOTAL, at(1)).unwrap();
    // What is in memory only does not move the window.
    for piece in 0..8 {
        receiver
            .take(piece << 20, (1 << 20) - if piece == 7 { K64 } else { 0 }, TOTAL, at(1))
            .unwrap();
    }
    assert_eq!(receiver.contiguous(), TRANSFER_WINDOW);
    assert_eq!(refused(&mut receiver, start, K64), error);
    receiver.synced(TRANSFER_WINDOW, at(2));
    receiver.take(start, K64, TOTAL, at(3)).unwrap();
}

#[test]
fn many_small_pieces_and_many_gaps() {
    let mut receiver = receiver();
    for len in [1, K64 - 1] {
        assert_eq!(refused(&mut receiver, 0, len), TransferError::TooShort { len });
    }
    let mut taken = 0;
    for kib in (0..TOTAL >> 10).rev() {
        taken += u32::from(receiver.take(kib << 10, K64, TOTAL, at(1)).is_ok());
    }
    assert!(taken <= 129 && receiver.ranges() <= 129, "{taken} {}", receiver.ranges());
    let mut receiver = self::receiver();
    assert_eq!((receiver.ranges(), receiver.total()), (0, TOTAL));
    for (piece, ranges) in [(0, 1), (2, 2), (4, 3), (1, 2), (3, 1)] {
        receiver.take(piece * K64, K64, TOTAL, at(1)).unwrap();
        assert_eq!(receiver.ranges(), ranges, "piece {piece}");
    }
}

#[test]
fn overlap_that_is_no_repetition() {
    let mut receiver = receiver();
    receiver.take(K64, 2 * K64, TOTAL, at(1)).unwrap();
    for (offset, len) in [(0, 2 * K64), (2 * K64, 2 * K64), (K64 / 2, K64), (0, 8 * K64)] {
        assert_eq!(refused(&mut receiver, offset, len), TransferError::Overlap { offset, len });
    }
    assert_eq!(receiver.take(2 * K64, K64, TOTAL, at(1)), Ok(Taken::Repeated));
}

#[test]
fn wrong_total_and_changed_offer() {
    let mut receiver = receiver();
    let wrong = TransferError::WrongTotal { offered: TOTAL, given: TOTAL + 1 };
    assert_eq!(receiver.take(0, K64, TOTAL + 1, at(1)), Err(wrong.clone()));
    assert_eq!(receiver.check_offer(&offer(), TOTAL + 1), Err(wrong));
    assert_eq!(receiver.check_offer(&offer(), TOTAL), Ok(()));
    for other in [
        Offer { name: Some("b.bin".to_owned()), ..offer() },
        Offer { digest: [8; 32], ..offer() },
        Offer { purpose: Purpose::Content, ..offer() },
        Offer { content_type: "text/html".to_owned(), ..offer() },
    ] {
        assert_eq!(receiver.check_offer(&other, TOTAL), Err(TransferError::WrongOffer));
    }
}

#[test]
fn offers_that_nobody_may_make() {
    let new = |offer, total| Receiver::new(offer, total, 0, at(0)).map(drop);
    let most = MAX_TRANSFER_LEN;
    assert_eq!(new(offer(), most), Ok(()));
    assert_eq!(new(offer(), most + 1), Err(TransferError::TooLarge { total: most + 1, most }));
    assert_eq!(new(Offer { name: None, ..offer() }, 1), Err(BadName::Missing.into()));
    let path = Offer { name: Some("../../x".to_owned()), ..offer() };
    assert_eq!(new(path, 1), Err(BadName::Character { character: '/' }.into()));
    assert_eq!(new(Offer { name: None, purpose: Purpose::Content, ..offer() }, 1), Ok(()));
}

#[test]
fn a_trickle_or_repetitions_do_not_keep_a_transfer_open() {
    let mut receiver = receiver();
    receiver.take(0, K64, TOTAL, at(0)).unwrap();
    receiver.synced(K64, at(500));
    let late = at(500) + TRANSFER_IDLE;
    assert_eq!(receiver.take(0, K64, TOTAL, late), Ok(Taken::Repeated));
    assert_eq!(receiver.take(2 * K64, K64, TOTAL, late), Ok(Taken::New), "but there is a gap");
    receiver.synced(K64, late);
    assert!(receiver.idle(late) >= TRANSFER_IDLE, "and what is there already is no progress");
    assert_eq!(receiver.poll_timeout(), late);
}

#[test]
fn no_acknowledgement_says_that_all_is_there_before_the_digest_was_right() {
    let mut receiver = Receiver::new(offer(), K64, 0, at(0)).unwrap();
    receiver.take(0, K64, K64, at(0)).unwrap();
    assert_eq!(receiver.ack(transfer()), Some(ack(0, TRANSFER_WINDOW)));
    receiver.complete();
    assert_eq!(receiver.ack(transfer()), Some(ack(0, TRANSFER_WINDOW)), "nothing is on disk");
    receiver.synced(u64::MAX, at(1));
    assert_eq!(receiver.durable(), K64);
    assert_eq!(receiver.ack(transfer()), None);
    assert_eq!(receiver.halt(transfer()), Some(ack(K64 - 1, 0)));
    receiver.complete();
    assert_eq!(receiver.ack(transfer()), Some(ack(K64, 0)));
    let empty = Receiver::new(offer(), 0, 0, at(0)).unwrap();
    assert_eq!((empty.ack(transfer()), empty.halt(transfer())), (None, None));
}

#[test]
fn progress_is_due_after_some_bytes_or_a_pause_or_at_the_end() {
    let mut receiver = receiver();
    for piece in 0..3 {
        receiver.take(piece << 20, 1 << 20, TOTAL, at(piece)).unwrap();
        assert!(!receiver.is_due(at(piece)));
    }
    assert_eq!(receiver.poll_timeout(), at(252));
    assert!(receiver.is_due(at(252)) && !receiver.is_due(at(251)));
    receiver.take(3 << 20, 1 << 20, TOTAL, at(3)).unwrap();
    assert_eq!(receiver.contiguous(), PROGRESS_LEN);
    assert!(receiver.is_due(at(3)));
    let mut receiver = Receiver::new(offer(), K64, 0, at(0)).unwrap();
    receiver.take(0, K64, K64, at(0)).unwrap();
    assert!(receiver.is_due(at(0)));
}

#[test]
fn chunks_that_are_two_things_or_nothing() {
    let chunk = || Chunk {
        data: Vec::new().into(),
        offer: None,
        total: 1,
        cancel: None,
        offset: 0,
        transfer: transfer(),
    };
    let data = vec![1].into();
    for bad in [
        chunk(),
        Chunk { offer: Some(offer()), cancel: Some(String::new()), ..chunk() },
        Chunk { offer: Some(offer()), data, ..chunk() },
        Chunk { offer: Some(offer()), offset: 1, ..chunk() },
        Chunk { cancel: Some(String::new()), data: vec![1].into(), ..chunk() },
    ] {
        assert!(matches!(Part::of(&bad), Err(TransferError::Misuse { .. })), "{bad:?}");
    }
    let offered = Chunk { offer: Some(offer()), ..chunk() };
    assert_eq!(Part::of(&offered), Ok(Part::Offer(&offer())));
    let cancel = Chunk { cancel: Some("so".to_owned()), ..chunk() };
    assert_eq!(Part::of(&cancel), Ok(Part::Cancel("so")));
    let piece = Chunk { data: vec![1].into(), ..chunk() };
    assert_eq!(Part::of(&piece), Ok(Part::Piece(&[1])));
}
