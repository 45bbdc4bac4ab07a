//! The receiver against one that remembers every block by itself.

use proptest::prelude::*;

use super::*;
use crate::limits::TRANSFER_WINDOW;

const BLOCKS: u64 = 400;

/// One entry per 64 KiB.
struct Naive {
    there: Vec<bool>,
    durable: u64,
}

impl Naive {
    fn contiguous(&self) -> u64 {
        self.there.iter().take_while(|there| **there).count() as u64
    }

    fn take(&mut self, from: u64, count: u64) -> Result<Taken, &'static str> {
        let until = from + count;
        if until > BLOCKS || count > 16 {
            return Err("range");
        }
        if until > self.durable + TRANSFER_WINDOW / K64 {
            return Err("window");
        }
        let blocks = &mut self.there[from as usize..until as usize];
        match blocks.iter().filter(|there| **there).count() as u64 {
            0 => {
                blocks.fill(true);
                Ok(Taken::New)
            }
            all if all == count => Ok(Taken::Repeated),
            _ => Err("overlap"),
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Take(u64, u64),
    Sync,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..BLOCKS + 3, 1..18_u64).prop_map(|(from, count)| Act::Take(from, count)),
        24 => (0..160_u64, 1..4_u64).prop_map(|(from, count)| Act::Take(from, count)),
        4 => Just(Act::Sync),
        1 => Just(Act::Crash),
    ]
}

proptest! {
    #[test]
    fn every_piece_meets_the_same_fate(acts in proptest::collection::vec(act(), 1..300)) {
        let total = BLOCKS * K64;
        let mut receiver = Receiver::new(offer(), total, 0, at(0)).unwrap();
        let mut naive = Naive { there: vec![false; BLOCKS as usize], durable: 0 };
        for act in acts {
            match act {
                Act::Take(from, count) => {
                    let taken = receiver.take(from * K64, count * K64, total, at(1));
                    let taken = taken.map_err(|error| match error {
                        TransferError::OutOfRange { .. } => "range",
                        TransferError::BeyondWindow { .. } => "window",
                        TransferError::Overlap { .. } => "overlap",
                        other => panic!("{other}"),
                    });
                    prop_assert_eq!(taken, naive.take(from, count));
                }
                Act::Sync => {
                    receiver.synced(receiver.contiguous(), at(1));
                    naive.durable = naive.contiguous();
                }
                Act::Crash => {
                    receiver = Receiver::new(offer(), total, receiver.durable(), at(1)).unwrap();
                    let durable = naive.durable;
                    naive.there.iter_mut().skip(durable as usize).for_each(|there| *there = false);
                }
            }
            prop_assert_eq!(receiver.contiguous(), naive.contiguous() * K64);
            prop_assert_eq!(receiver.durable(), naive.durable * K64);
            prop_assert_eq!(receiver.is_whole(), naive.contiguous() == BLOCKS);
            prop_assert!(receiver.ranges() <= 129);
        }
    }
}
