//! How long what is settled is kept: so many records, for so long. The oldest go, a few more in each
//! transaction than came.

use std::time::Duration;

use peer_protocol::time::Timestamp;
use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::apply::Delivery;
use super::rows::Received;
use super::tables::{Numbered, named, numbered};
use crate::store::bytes::{Broken, Put, Take};
use crate::store::error::Failed;

/// Most records of messages that are settled or taken.
pub(super) const MAX_SETTLED: u64 = if cfg!(test) { 500 } else { 100_000 };
/// How long they are kept, in time in which the node runs: a wall clock that jumps makes no difference.
pub(super) const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Most that are let go in one transaction.
const ROUND: usize = 8_192;

/// A message that is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Sent(Numbered),
    /// By inbox number.
    Received(u64),
}

/// When it was done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// After the node had run for so many seconds.
    Ran(u64),
    /// By the wall clock, as former versions wrote it.
    Clock(Timestamp),
}

impl Settled {
    fn encode(self, ran: u64) -> Vec<u8> {
        let mut put = Put::default();
        put.number(ran);
        match self {
            Self::Sent(key) => put.byte(2).bytes(&key),
            Self::Received(number) => put.byte(3).number(number),
        }
        .done()
    }

    fn decode(bytes: &[u8]) -> Result<(Self, Since), Broken> {
        let mut take = Take(bytes);
        let since = take.number()?;
        let clock = Since::Clock(Timestamp::from_millis(since));
        let (settled, since) = match take.byte()? {
            0 => (Self::Sent(take.array()?), clock),
            1 => (Self::Received(take.number()?), clock),
            2 => (Self::Sent(take.array()?), Since::Ran(since)),
            3 => (Self::Received(take.number()?), Since::Ran(since)),
            _ => return Err(Broken),
        };
        take.end().map(|()| (settled, since))
    }
}

impl Delivery<'_> {
    pub(super) fn settle_sent(&mut self, key: &Numbered) -> Result<(), Failed> {
        self.settle(Settled::Sent(*key))
    }

    pub(super) fn settle_received(&mut self, number: u64) -> Result<(), Failed> {
        self.settle(Settled::Received(number))
    }

    fn settle(&mut self, settled: Settled) -> Result<(), Failed> {
        self.settled.insert(self.counters.settled, settled.encode(self.ran).as_slice())?;
        self.counters.settled += 1;
        Ok(())
    }

    /// Lets go what is too old or too much.
    pub(super) fn forget_old(&mut self) -> Result<(), Failed> {
        for _ in 0..ROUND {
            let (number, (settled, since)) = match self.settled.first()? {
                Some((number, row)) => (number.value(), Settled::decode(row.value())?),
                None => return Ok(()),
            };
            let is_old = match since {
                Since::Ran(since) => since.saturating_add(KEPT.as_secs()) <= self.ran,
                Since::Clock(since) => since + KEPT <= self.latest,
            };
            if self.settled.len()? <= MAX_SETTLED && !is_old {
                return Ok(());
            }
            self.settled.remove(number)?;
            match settled {
                Settled::Sent(key) => {
                    if let Some(row) = self.sent_row(&key)? {
                        self.sent.remove(&key)?;
                        self.sent_ids.remove(row.head.id.as_bytes())?;
                    }
                }
                Settled::Received(number) => self.forget_received(number)?,
            }
        }
        Ok(())
    }

    /// A receipt that is still owed by then is not sent any more.
    fn forget_received(&mut self, number: u64) -> Result<(), Failed> {
        let Received { peer, head, .. } = match self.received.remove(number)? {
            Some(row) => Received::decode(row.value())?,
            None => return Ok(()),
        };
        self.owed.remove(&numbered(&peer, number))?;
        self.received_ids.remove(&named(&head.id, &peer))?;
        Ok(())
    }
}
