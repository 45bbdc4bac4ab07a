//! Peers that are long gone: what is known of them is let go.
//!
//! What a receiver knows of a sender, its position and the last ids, keeps a message from being taken twice. So
//! it stays for longer than a copy of one that was taken can still be on its way: a message lives for 30 days,
//! for another 30 if its sender's clock was set back, and half as long is on top. These 90 days are days in
//! which this node runs, by the clock that nobody sets: however the wall clock jumps, nothing is forgotten
//! early. Nothing is let go of a peer of which a message is kept.
//!
//! Where a receiver is forgotten, numbers to it would begin anew below those that it has seen. So streams to
//! peers that are not known begin beyond the numbers of all that were forgotten.

use std::time::Duration;

use redb::ReadableTable as _;

use super::apply::Delivery;
use super::load::ends;
use super::rows::{Place, Stream};
use super::tables::{FLOOR, Numbered, RAN};
use crate::store::bytes::{Put, Take};
use crate::store::error::Failed;
use crate::store::{Store, StoreError};

/// How long a node runs before it forgets a peer of which nothing is written meanwhile.
pub(super) const GONE: Duration = Duration::from_secs(90 * 86_400);
const HOUR: u64 = 3_600;
/// Most senders that are let go in one transaction, and most of their ids, unless one has more.
const SENDERS: usize = 256;
const IDS: usize = 16_384;
/// Most receivers that are let go at a start.
const RECEIVERS: usize = 65_536;

impl Delivery<'_> {
    /// The node has run for so long. Senders that are long gone are let go.
    pub(in crate::store) fn run_on(&mut self, time: Duration) -> Result<(), Failed> {
        self.ran = self.ran.saturating_add(time.as_secs());
        self.set_number(RAN, self.ran)?;
        let (mut senders, mut ids) = (0, 0);
        for peer in self.long_gone()? {
            if senders < SENDERS
                && ids < IDS
                && let Some(forgotten) = self.forget_sender(&peer)?
            {
                (senders, ids) = (senders + 1, ids + forgotten);
            }
        }
        Ok(())
    }

    /// Lets go of receivers that are long gone. For the start, when nobody has a stream in memory. Peers of
    /// which an older version has written count from now on.
    fn forget_receivers(&mut self) -> Result<(), Failed> {
        let hour = self.ran / HOUR;
        for table in [&self.places_table, &self.streams_table] {
            for row in table.iter()? {
                let (peer, _) = row?;
                if self.ages.get(peer.value())?.is_none() {
                    self.ages.insert(peer.value(), hour)?;
                }
            }
        }
        for peer in self.long_gone()?.into_iter().take(RECEIVERS) {
            self.forget_receiver(&peer)?;
        }
        Ok(())
    }

    /// Peers of which nothing was written for long, nor in this transaction.
    fn long_gone(&self) -> Result<Vec<[u8; 32]>, Failed> {
        let Some(before) = (self.ran / HOUR).checked_sub(GONE.as_secs() / HOUR) else {
            return Ok(Vec::new());
        };
        let mut gone = Vec::new();
        for row in self.ages.iter()? {
            let (peer, hour) = row?;
            let peer = *peer.value();
            let is_touched = self.places.contains_key(&peer) || self.streams.contains_key(&peer);
            if hour.value() <= before && !is_touched {
                gone.push(peer);
            }
        }
        Ok(gone)
    }

    /// Forgets how far a sender came, and its ids, unless something of it is kept. Returns how many ids.
    fn forget_sender(&mut self, peer: &[u8; 32]) -> Result<Option<usize>, Failed> {
        let Some(place) = self.place_on_disk(peer)? else { return Ok(None) };
        let (first, last) = ends(peer, 0);
        let owed = self.owed.range::<&Numbered>(&first..=&last)?.next().is_some();
        if place.waiting.messages > 0 || owed {
            return Ok(None);
        }
        let mut ids = 0;
        self.taken.retain_in::<&Numbered, _>(&first..=&last, |_, _| {
            ids += 1;
            false
        })?;
        self.places_table.remove(peer)?;
        if self.stream_on_disk(peer)?.is_none() {
            self.ages.remove(peer)?;
        }
        Ok(Some(ids))
    }

    /// Forgets the stream to a receiver, unless a message to it is kept, or the record of one.
    fn forget_receiver(&mut self, peer: &[u8; 32]) -> Result<(), Failed> {
        let Some(stream) = self.stream_on_disk(peer)? else { return Ok(()) };
        let (first, last) = ends(peer, 0);
        let known = self.sent.range::<&Numbered>(&first..=&last)?.next().is_some();
        if stream.waiting.messages > 0 || known {
            return Ok(());
        }
        self.set_number(FLOOR, self.number(FLOOR)?.max(stream.next))?;
        self.streams_table.remove(peer)?;
        if self.place_on_disk(peer)?.is_none() {
            self.ages.remove(peer)?;
        }
        Ok(())
    }

    /// Notes that something is written of these peers now.
    pub(super) fn touch(&mut self) -> Result<(), Failed> {
        let hour = self.ran / HOUR;
        for peer in self.places.keys().chain(self.streams.keys()) {
            let known = self.ages.get(peer)?.map(|hour| hour.value());
            if known != Some(hour) {
                self.ages.insert(peer, hour)?;
            }
        }
        Ok(())
    }

    fn place_on_disk(&self, peer: &[u8; 32]) -> Result<Option<Place>, Failed> {
        Ok(match self.places_table.get(peer)? {
            Some(row) => Some(Place::decode(row.value())?),
            None => None,
        })
    }

    fn stream_on_disk(&self, peer: &[u8; 32]) -> Result<Option<Stream>, Failed> {
        Ok(match self.streams_table.get(peer)? {
            Some(row) => Some(Stream::decode(row.value())?),
            None => None,
        })
    }

    /// A single number; 0 before it was set.
    fn number(&self, which: u8) -> Result<u64, Failed> {
        Ok(match self.counters_table.get(which)? {
            Some(row) => Take(row.value()).number()?,
            None => 0,
        })
    }

    fn set_number(&mut self, which: u8, number: u64) -> Result<(), Failed> {
        let row = Put::default().number(number).done();
        self.counters_table.insert(which, row.as_slice())?;
        Ok(())
    }
}

impl Store {
    /// Lets go of receivers that are long gone, before anybody reads what is [`saved`](Self::saved). Returns the
    /// number with which streams to peers begin that are not in there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_receivers(&self) -> Result<u64, StoreError> {
        self.transact(|tables| {
            let delivery = tables.delivery()?;
            delivery.forget_receivers()?;
            delivery.number(FLOOR)
        })
    }
}
