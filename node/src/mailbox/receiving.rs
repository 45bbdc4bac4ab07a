//! The node's own mail.

use std::collections::VecDeque;

use hashlink::LruCache;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Arrival;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, PrekeyId};
use peer_protocol::link::MailVerdict;
use peer_protocol::mailbox::{self, MailStatus, Opened, Settlement};
use peer_protocol::message::{MailboxResult, ReceiptStatus};

use super::worker::Worker;
use super::{Asker, Output, Taking};

/// Most senders of which it is remembered that their messages came by mail.
const MAX_SENDERS: usize = 4_096;

/// What is remembered about mail.
#[derive(Debug)]
pub(super) struct Receiving {
    /// Settlements that are written here, with what is in `changes`.
    settlements: VecDeque<Settlement>,
    /// Whose messages have come by mail: they are told at their mailbox when the agent takes them.
    senders: LruCache<PublicKey, ()>,
    published: Option<PrekeyId>,
}

impl Default for Receiving {
    fn default() -> Self {
        Self { settlements: VecDeque::new(), senders: LruCache::new(MAX_SENDERS), published: None }
    }
}

impl Worker {
    pub(super) fn on_answer(
        &mut self,
        asker: Asker,
        node: &PublicKey,
        answer: Option<&MailboxResult>,
    ) {
        let now = self.now();
        match (asker, &mut self.receiver, answer) {
            (Asker::Sender, _, answer) => self.on_sender_answer(node, answer),
            (Asker::Receiver, Some(receiver), Some(answer)) => {
                if let MailboxResult::Refused(report) = answer {
                    tracing::warn!(code = %report.code, detail = report.detail, "a mailbox node refuses");
                }
                let (opened, changes) = receiver.on_answer(node, answer, now);
                self.changes.extend(changes);
                opened.into_iter().for_each(|one| self.hand_over(one));
            }
            (Asker::Receiver, Some(receiver), None) => receiver.on_failure(node, now),
            (Asker::Receiver, None, _) => {}
        }
    }

    fn hand_over(&mut self, opened: Opened) {
        self.receiving.senders.insert(opened.letter.sender, ());
        self.told.push_back(Output::Mail(Box::new(opened)));
    }

    /// Asks the mailbox nodes what is due.
    pub(super) fn receive(&mut self) {
        let now = self.now();
        let Some(receiver) = &mut self.receiver else { return };
        for output in receiver.poll(now, &mut self.rng, |_| true) {
            match output {
                mailbox::Output::Save(changes) => self.changes.extend(changes),
                mailbox::Output::Ask { node, request } => {
                    self.told.push_back(Output::Ask { asker: Asker::Receiver, node, request });
                }
            }
        }
    }

    /// The prekey of the registry record, when there is a new one.
    pub(super) fn publish(&mut self) {
        let now = self.now().timestamp;
        let Some(receiver) = &mut self.receiver else { return };
        let (prekey, changes) = receiver.last_resort(now, &mut self.rng);
        self.changes.extend(changes);
        if self.receiving.published.replace(prekey.id) != Some(prekey.id) {
            self.told.push_back(Output::Publish(prekey));
        }
    }

    pub(super) fn on_verdict(&mut self, sender: &PublicKey, id: MessageId, verdict: MailVerdict) {
        let now = self.now().timestamp;
        let Some(receiver) = &mut self.receiver else { return };
        let settlement = match verdict {
            MailVerdict::Later => {
                receiver.held(sender, id);
                return;
            }
            MailVerdict::Known(ReceiptStatus::Processed) => {
                receiver.settle(sender, &[id], MailStatus::Processed, None, now)
            }
            MailVerdict::Known(ReceiptStatus::Delivered | ReceiptStatus::Received) => {
                receiver.settle(sender, &[id], MailStatus::Delivered, None, now)
            }
            MailVerdict::Late => receiver.release(sender, &[id], now),
            MailVerdict::Refused(code) => {
                receiver.settle(sender, &[id], MailStatus::Refused, Some(code), now)
            }
        };
        self.write(settlement);
    }

    pub(super) fn refused(&mut self, sender: &PublicKey, ids: &[MessageId], code: ErrorCode) {
        let now = self.now().timestamp;
        let Some(receiver) = &mut self.receiver else { return };
        let status = MailStatus::Refused;
        let settlement = receiver.settle(sender, ids, status, Some(code), now);
        self.write(settlement);
    }

    /// A message is about to be written: what goes with it.
    pub(super) fn arriving(&mut self, arrival: Box<Arrival>) {
        let now = self.now().timestamp;
        let Some(receiver) = &mut self.receiver else { return };
        let (sender, id) = (arrival.peer, arrival.message.id);
        let settlement = receiver.settle(&sender, &[id], MailStatus::Delivered, None, now);
        self.told.push_back(Output::Take(Box::new(Taking { arrival, settlement })));
    }

    pub(super) fn committed(&mut self, settlement: Settlement) {
        self.wiping = true;
        if let Some(receiver) = &mut self.receiver {
            self.changes.extend(receiver.committed(settlement));
        }
    }

    pub(super) fn not_committed(&mut self, settlement: &Settlement) {
        if let Some(receiver) = &mut self.receiver {
            receiver.not_committed(settlement);
        }
    }

    /// The agent took messages: those who sent some by mail are told there.
    pub(super) fn processed(&mut self, sender: &PublicKey, ids: &[MessageId]) {
        let now = self.now().timestamp;
        let mailed = self.receiving.senders.get(sender).is_some();
        if let Some(receiver) = self.receiver.as_mut().filter(|_| mailed) {
            let settlement = receiver.settle(sender, ids, MailStatus::Processed, None, now);
            self.write(settlement);
        }
    }

    /// Writes a settlement that goes with no message.
    fn write(&mut self, settlement: Settlement) {
        self.changes.extend(settlement.changes.iter().cloned());
        self.receiving.settlements.push_back(settlement);
    }

    /// All changes are on disk.
    pub(super) fn written(&mut self) {
        let Some(receiver) = &mut self.receiver else { return };
        for settlement in self.receiving.settlements.drain(..) {
            self.wiping = true;
            self.changes.extend(receiver.committed(settlement));
        }
    }

    pub(super) fn visit(&mut self) {
        let now = self.now();
        if let Some(receiver) = &mut self.receiver {
            let nodes: Vec<_> = receiver.nodes().map(|(node, _, _)| *node).collect();
            nodes.iter().for_each(|node| receiver.hasten(node, now));
        }
        self.sender.hasten(now);
    }
}
