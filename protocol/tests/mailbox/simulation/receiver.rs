use std::collections::VecDeque;

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::delivery::{Arrival, Incoming, Position, Resume, Verdict};
use peer_protocol::id::MessageId;
use peer_protocol::identity::Identity;
use peer_protocol::mailbox::{
    Change, MailStatus, Opened, Output, Prekey, Receiver, ReceiverConfig, Settlement,
};
use peer_protocol::message::{MailboxResult, Message, ReceiptStatus};
use peer_protocol::time::{Now, Timestamp};
use rand::rngs::StdRng;

use super::Rules;
use crate::people::{Disk, identity, key_of};

/// What the receiver has on disk beside the mailbox's rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox {
    pub(crate) taken: Vec<(MessageId, u64)>,
    position: Position,
    processed: usize,
}

/// One transaction that waits for the disk.
struct Transaction {
    arrivals: Vec<Arrival>,
    settlements: Vec<Settlement>,
}

/// A receiver, with an inbox, and the table of the one sender there is.
pub(crate) struct ReceiverNode {
    pub(crate) identity: Identity,
    config: ReceiverConfig,
    pub(crate) receiver: Receiver,
    pub(crate) disk: Disk,
    pub(crate) inbox: Inbox,
    incoming: Incoming,
    sender: PublicKey,
    transactions: VecDeque<Transaction>,
}

impl ReceiverNode {
    pub(crate) fn new(sender: PublicKey, nodes: Vec<PublicKey>, rules: Rules) -> Self {
        let identity = identity("receiver", 2);
        let config = ReceiverConfig { nodes, prekeys: rules.prekeys, ..ReceiverConfig::default() };
        let open_per_sender = rules.open.unwrap_or(config.open_per_sender);
        let config = ReceiverConfig { open_per_sender, ..config };
        let suites = SuiteRegistry::default();
        let receiver = Receiver::new(config.clone(), identity.clone(), suites, []);
        let mut node = Self {
            identity,
            config,
            receiver,
            disk: Disk::default(),
            inbox: Inbox::default(),
            incoming: Incoming::default(),
            sender,
            transactions: VecDeque::new(),
        };
        node.resume();
        node
    }

    pub(crate) fn key(&self) -> PublicKey {
        key_of(&self.identity)
    }

    /// The last-resort prekey, as it stands in the registry.
    pub(crate) fn published(&mut self, now: Now, rng: &mut StdRng) -> Prekey {
        let (prekey, changes) = self.receiver.last_resort(now.timestamp, rng);
        self.disk.apply(changes);
        prekey
    }

    fn resume(&mut self) {
        let processed = self.inbox.processed;
        let taken = self.inbox.taken.iter().enumerate();
        let resume = Resume {
            position: self.inbox.position.clone(),
            taken: taken.map(|(at, (id, _))| (*id, at < processed)).collect(),
            owed: Vec::new(),
        };
        assert!(self.incoming.resume(&resume).is_empty());
    }

    /// Whatever was not on disk is gone.
    pub(crate) fn crash(&mut self) {
        let suites = SuiteRegistry::default();
        let (config, identity) = (self.config.clone(), self.identity.clone());
        self.receiver = Receiver::new(config, identity, suites, self.disk.rows());
        self.incoming = Incoming::default();
        self.transactions.clear();
        self.resume();
    }

    pub(crate) fn poll(&mut self, now: Now, rng: &mut StdRng) -> Vec<Output> {
        self.receiver.poll(now, rng, |_| true)
    }

    pub(crate) fn save(&mut self, changes: Vec<Change>) {
        self.disk.apply(changes);
    }

    pub(crate) fn on_answer(&mut self, node: &PublicKey, answer: Option<MailboxResult>, now: Now) {
        let Some(answer) = answer else { return self.receiver.on_failure(node, now) };
        let (opened, changes) = self.receiver.on_answer(node, &answer, now);
        self.disk.apply(changes);
        for one in opened {
            assert_eq!(one.letter.sender, self.sender);
            self.judge(&one, now.timestamp);
        }
    }

    /// Gives the messages of an item to the order of their sender.
    fn judge(&mut self, opened: &Opened, now: Timestamp) {
        let mut transaction = Transaction { arrivals: Vec::new(), settlements: Vec::new() };
        for message in &opened.letter.messages {
            let order = message.order.unwrap();
            let mut known =
                |status| self.receiver.settle(&self.sender, &[message.id], status, None, now);
            match self.incoming.judge(message.id, &order) {
                Verdict::Known(ReceiptStatus::Processed) => {
                    transaction.settlements.push(known(MailStatus::Processed));
                }
                Verdict::Known(_) => transaction.settlements.push(known(MailStatus::Delivered)),
                Verdict::Writing => self.receiver.held(&self.sender, message.id),
                Verdict::OutOfSequence => {
                    let gone = self.receiver.release(&self.sender, &[message.id], now);
                    transaction.settlements.push(gone);
                }
                Verdict::Next => {
                    for earlier in self.incoming.before(&order) {
                        self.take(earlier, &mut transaction, now);
                    }
                    self.take(message.clone(), &mut transaction, now);
                    while let Some(held) = self.incoming.next_held() {
                        self.take(held, &mut transaction, now);
                    }
                }
                Verdict::Early => {
                    self.incoming.hold(message.clone());
                    self.receiver.held(&self.sender, message.id);
                }
            }
        }
        self.transactions.push_back(transaction);
    }

    fn take(&mut self, message: Message, transaction: &mut Transaction, now: Timestamp) {
        let id = message.id;
        let Some(arrival) = self.incoming.take(self.sender, message, 0, now) else { return };
        transaction.arrivals.push(arrival);
        let status = MailStatus::Delivered;
        transaction.settlements.push(self.receiver.settle(&self.sender, &[id], status, None, now));
    }

    /// The disk does what waits for it; the agent takes what it finds.
    pub(crate) fn write(&mut self) {
        while let Some(Transaction { arrivals, settlements }) = self.transactions.pop_front() {
            for arrival in arrivals {
                assert_eq!(arrival.before, self.inbox.position, "nothing is stored behind a gap");
                self.inbox.position = arrival.after;
                let number = arrival.message.order.unwrap().number;
                self.inbox.taken.push((arrival.message.id, number));
                self.incoming.stored(arrival.message.id);
            }
            for settlement in settlements {
                self.disk.apply(settlement.changes.clone());
                let changes = self.receiver.committed(settlement);
                self.disk.apply(changes);
            }
        }
    }

    /// The agent takes all that waits, and the senders are to be told.
    pub(crate) fn process(&mut self, now: Timestamp) {
        let new: Vec<_> =
            self.inbox.taken[self.inbox.processed..].iter().map(|(id, _)| *id).collect();
        if new.is_empty() {
            return;
        }
        self.inbox.processed += new.len();
        new.iter().for_each(|id| self.incoming.processed(*id));
        let told = self.receiver.settle(&self.sender, &new, MailStatus::Processed, None, now);
        self.disk.apply(told.changes.clone());
        let changes = self.receiver.committed(told);
        self.disk.apply(changes);
    }
}
