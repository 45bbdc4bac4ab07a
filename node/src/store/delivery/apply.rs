//! One transaction over the tables of ordered messages.

use std::collections::{HashMap, HashSet};

use peer_protocol::delivery::{Position, Write};
use peer_protocol::time::Timestamp;
use redb::{ReadableTable as _, Table, WriteTransaction};

use super::rows::{Counters, Place, Stream};
use super::tables::{
    AGES, ASKED, COUNTERS, IN_BODIES, Named, Numbered, OUT_BODIES, OWED, PLACES, RAN, RECEIVED,
    RECEIVED_IDS, SENT, SENT_IDS, SETTLED, STREAMS, TAKEN, TRAIL,
};
use crate::store::bytes::Take;
use crate::store::error::Failed;

/// What became of one write of a transaction that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is on disk, or there was nothing to change any more.
    Done,
    /// A message came in, and is in the inbox under this number.
    Stored(u64),
    /// It does not fit what is on disk, and nothing of it was written: an arrival whose position is
    /// another one, or a message whose number or id is there already.
    Stale,
}

type Rows<'txn, K> = Table<'txn, K, &'static [u8]>;

/// Open tables, and what changes often, which is written once at the end.
pub(in crate::store) struct Delivery<'txn> {
    pub(super) counters_table: Rows<'txn, u8>,
    pub(super) streams_table: Rows<'txn, &'static [u8; 32]>,
    pub(super) places_table: Rows<'txn, &'static [u8; 32]>,
    pub(super) ages: Table<'txn, &'static [u8; 32], u64>,
    pub(super) out_bodies: Rows<'txn, &'static Numbered>,
    pub(super) sent: Rows<'txn, &'static Numbered>,
    pub(super) sent_ids: Table<'txn, &'static [u8; 16], &'static Numbered>,
    pub(super) asked: Table<'txn, &'static [u8; 16], &'static [u8; 32]>,
    pub(super) taken: Rows<'txn, &'static Numbered>,
    pub(super) in_bodies: Rows<'txn, u64>,
    pub(super) received: Rows<'txn, u64>,
    pub(super) received_ids: Table<'txn, &'static Named, u64>,
    pub(super) owed: Table<'txn, &'static Numbered, &'static [u8; 16]>,
    pub(super) settled: Rows<'txn, u64>,
    pub(super) trail: Rows<'txn, u64>,
    pub(super) counters: Counters,
    pub(super) streams: HashMap<[u8; 32], Stream>,
    pub(super) places: HashMap<[u8; 32], Place>,
    /// Senders of whom an arrival was not written.
    pub(super) stale: HashSet<[u8; 32]>,
    /// What was accepted.
    pub(super) accepted: Vec<Numbered>,
    /// The latest time that was named.
    pub(super) latest: Timestamp,
    /// For how many seconds nodes with this store have run.
    pub(super) ran: u64,
}

/// What a transaction did, in case it fails and nobody knows how far it came.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Mark {
    /// Transactions on disk if it succeeded.
    pub(in crate::store) commits: u64,
    accepted: Vec<Numbered>,
}

impl<'txn> Delivery<'txn> {
    pub(in crate::store) fn open(transaction: &'txn WriteTransaction) -> Result<Self, Failed> {
        let counters_table = transaction.open_table(COUNTERS)?;
        let counters = match counters_table.get(0)? {
            Some(row) => Counters::decode(row.value())?,
            None => Counters::default(),
        };
        let ran = match counters_table.get(RAN)? {
            Some(row) => Take(row.value()).number()?,
            None => 0,
        };
        Ok(Self {
            counters_table,
            ages: transaction.open_table(AGES)?,
            streams_table: transaction.open_table(STREAMS)?,
            places_table: transaction.open_table(PLACES)?,
            out_bodies: transaction.open_table(OUT_BODIES)?,
            sent: transaction.open_table(SENT)?,
            sent_ids: transaction.open_table(SENT_IDS)?,
            asked: transaction.open_table(ASKED)?,
            taken: transaction.open_table(TAKEN)?,
            in_bodies: transaction.open_table(IN_BODIES)?,
            received: transaction.open_table(RECEIVED)?,
            received_ids: transaction.open_table(RECEIVED_IDS)?,
            owed: transaction.open_table(OWED)?,
            settled: transaction.open_table(SETTLED)?,
            trail: transaction.open_table(TRAIL)?,
            counters,
            streams: HashMap::new(),
            places: HashMap::new(),
            stale: HashSet::new(),
            accepted: Vec::new(),
            latest: Timestamp::default(),
            ran,
        })
    }

    /// Does one write, after those before it.
    pub(in crate::store) fn apply(&mut self, write: &Write) -> Result<Written, Failed> {
        match write {
            Write::Stream { peer, stream } => self.begin_stream(peer, *stream)?,
            Write::Accept(outgoing) => return self.accept(outgoing),
            Write::MaySend { peer, numbers } => self.may_send(peer, numbers)?,
            Write::Became { peer, number, id, status, at } => {
                self.became(peer, *number, *id, status, *at)?;
            }
            Write::Arrive(arrival) => return self.arrive(arrival),
            Write::Take { messages, at } => self.take(messages, *at)?,
            Write::Told { peer, messages } => self.told(peer, messages)?,
            Write::Step { id, step, at } => self.step(*id, step, *at)?,
        }
        Ok(Written::Done)
    }

    /// Writes what changes often, and lets go what is old.
    pub(in crate::store) fn finish(mut self) -> Result<Mark, Failed> {
        self.forget_old()?;
        self.touch()?;
        for (peer, row) in &self.streams {
            self.streams_table.insert(peer, row.encode().as_slice())?;
        }
        for (peer, row) in &self.places {
            self.places_table.insert(peer, row.encode().as_slice())?;
        }
        self.counters.commits += 1;
        self.counters_table.insert(0, self.counters.encode().as_slice())?;
        Ok(Mark { commits: self.counters.commits, accepted: self.accepted })
    }

    /// Takes back what was accepted by a transaction that its callers were told had failed, if it did not
    /// fail after all.
    pub(in crate::store) fn withdraw(&mut self, mark: &Mark) -> Result<(), Failed> {
        if self.counters.commits != mark.commits {
            return Ok(());
        }
        for key in &mark.accepted {
            self.forget_accepted(key)?;
        }
        Ok(())
    }

    pub(super) fn stream(&mut self, peer: &[u8; 32]) -> Result<&mut Stream, Failed> {
        use std::collections::hash_map::Entry;
        Ok(match self.streams.entry(*peer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(match self.streams_table.get(peer)? {
                Some(row) => Stream::decode(row.value())?,
                None => Stream::default(),
            }),
        })
    }

    pub(super) fn place(&mut self, peer: &[u8; 32]) -> Result<&mut Place, Failed> {
        use std::collections::hash_map::Entry;
        Ok(match self.places.entry(*peer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(match self.places_table.get(peer)? {
                Some(row) => Place::decode(row.value())?,
                None => Place::default(),
            }),
        })
    }

    /// How far the messages of a sender were taken.
    pub(super) fn position(&self, peer: &[u8; 32]) -> Result<Position, Failed> {
        Ok(match self.places.get(peer) {
            Some(place) => place.position.clone(),
            None => match self.places_table.get(peer)? {
                Some(row) => Place::decode(row.value())?.position,
                None => Position::default(),
            },
        })
    }

    pub(super) fn names(&mut self, at: Timestamp) {
        self.latest = self.latest.max(at);
    }
}
