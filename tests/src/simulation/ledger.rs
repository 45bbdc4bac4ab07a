//! What was sent, what arrived, and what the senders were told.

use std::collections::BTreeMap;
use std::time::Duration;

use peer_protocol::id::MessageId;
use peer_protocol::link::SendFailure;

/// One life of a node; a restart begins the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// Which node.
    pub node: usize,
    /// Which of its lives, from 0.
    pub number: u32,
}

/// What became of one message.
#[derive(Debug, Clone)]
pub struct Record {
    /// Who sent it.
    pub from: Life,
    /// The node it was for.
    pub to: usize,
    /// Whether it may well run out of time.
    pub is_short_lived: bool,
    /// How often each life of the receiver was handed it.
    pub handed_over: BTreeMap<Life, u32>,
    /// What the sender was told, if it was told.
    pub outcome: Option<Result<(), SendFailure>>,
}

impl Record {
    /// Whether the receiver, in whichever life, was handed the message.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        !self.handed_over.is_empty()
    }
}

/// The books of a simulation.
#[derive(Debug, Default)]
pub struct Ledger {
    records: BTreeMap<MessageId, Record>,
}

impl Ledger {
    pub(super) fn sent(&mut self, id: MessageId, from: Life, to: usize, life: Duration) {
        let is_short_lived = life < Duration::from_secs(3_600);
        let record =
            Record { from, to, is_short_lived, handed_over: BTreeMap::new(), outcome: None };
        assert!(self.records.insert(id, record).is_none(), "{id} was sent before");
    }

    pub(super) fn handed_over(&mut self, id: MessageId, from: usize, to: Life) {
        let Some(record) = self.records.get_mut(&id) else {
            panic!("node {} was handed {id}, which nobody sent", to.node)
        };
        assert_eq!((record.from.node, record.to), (from, to.node), "{id} went astray");
        let times = record.handed_over.entry(to).or_default();
        *times += 1;
        assert_eq!(*times, 1, "{id} was handed over twice in one life of node {}", to.node);
    }

    pub(super) fn settled(&mut self, id: MessageId, by: Life, outcome: Result<(), SendFailure>) {
        let Some(record) = self.records.get_mut(&id) else {
            panic!("node {} was told about {id}, which nobody sent", by.node)
        };
        assert_eq!(record.from, by, "{id} belongs to another sender");
        assert_eq!(record.outcome, None, "{id} ended before, and now with {outcome:?}");
        assert!(
            outcome.is_err() || record.has_arrived(),
            "{id} was acknowledged but never handed over"
        );
        record.outcome = Some(outcome);
    }

    /// All records, of the senders that still live.
    pub fn of_living<'a>(
        &'a self,
        lives: &'a [Life],
    ) -> impl Iterator<Item = (MessageId, &'a Record)> {
        self.records
            .iter()
            .map(|(id, record)| (*id, record))
            .filter(|(_, record)| lives.contains(&record.from))
    }

    /// The record of one message.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Record> {
        self.records.get(&id)
    }
}
