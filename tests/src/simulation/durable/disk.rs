//! What a node's disk keeps, and a model of it.

use std::collections::{BTreeMap, VecDeque};

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Head, Outgoing, Position, Resume, Saved, Status, Write};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::limits::MAX_TAKEN_IDS;
use peer_protocol::message::Message;

use crate::simulation::Chance;

/// Nothing of a transaction was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// A message that waits for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its inbox number.
    pub number: u64,
    /// Its sender.
    pub peer: PublicKey,
    /// The message.
    pub message: Message,
}

/// What survives a crash.
pub trait Disk {
    /// Writes all that can be, in order and for good; says of each whether it was. Only an arrival whose
    /// predecessor is missing cannot be.
    ///
    /// # Errors
    /// [`Failed`] if nothing was.
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<bool>, Failed>;

    /// The power fails while `torn` is being written: all of it is on disk afterwards, or nothing.
    /// Returns whether it is.
    fn crash(&mut self, torn: &[Write], chance: &mut Chance) -> bool;

    /// A copy of it.
    fn copy(&self) -> Box<dyn Disk>;

    /// The unsettled messages to every peer.
    fn saved(&self) -> Vec<Saved>;

    /// The unsettled messages to `peer` with numbers `from` to `to`.
    fn window(&self, peer: &PublicKey, from: u64, to: u64) -> Vec<Outgoing>;

    /// Of `ids`, those that were sent to `peer`.
    fn recall(&self, peer: &PublicKey, ids: &[MessageId]) -> Vec<(u64, MessageId, Status)>;

    /// What is known of the messages of `peer`.
    fn resume(&self, peer: &PublicKey) -> Resume;

    /// What waits for the application, in order.
    fn inbox(&self) -> Vec<Pending>;
}

#[derive(Debug, Clone, Default)]
struct Sent {
    stream: Option<StreamId>,
    next: u64,
    waiting: BTreeMap<u64, Outgoing>,
}

#[derive(Debug, Clone, Default)]
struct From {
    position: Position,
    taken: VecDeque<(MessageId, bool)>,
    owed: Vec<MessageId>,
}

/// The simplest disk that keeps its promises.
#[derive(Debug, Clone, Default)]
pub struct Model {
    sent: BTreeMap<PublicKey, Sent>,
    records: BTreeMap<MessageId, (PublicKey, u64, Status)>,
    senders: BTreeMap<PublicKey, From>,
    inbox: BTreeMap<u64, Pending>,
    next_inbox: u64,
    /// Whether `Arrival::before` is left unread.
    pub skips_comparison: bool,
}

impl Model {
    fn apply(&mut self, write: &Write) -> bool {
        match write {
            Write::Stream { peer, stream } => {
                self.sent.entry(*peer).or_default().stream = Some(*stream);
            }
            Write::Accept(outgoing) => {
                let sent = self.sent.entry(outgoing.peer).or_default();
                assert!(sent.stream.is_some(), "a message is accepted without a stream");
                assert!(outgoing.number >= sent.next, "number {} comes again", outgoing.number);
                sent.next = outgoing.number + 1;
                let status = if outgoing.may_be_sent { Status::Sent } else { Status::Queued };
                let record = (outgoing.peer, outgoing.number, status);
                let before = self.records.insert(outgoing.message.id, record);
                assert!(before.is_none(), "{} is accepted again", outgoing.message.id);
                sent.waiting.insert(outgoing.number, outgoing.clone());
            }
            Write::MaySend { peer, numbers } => {
                let sent = self.sent.entry(*peer).or_default();
                for number in numbers {
                    if let Some(outgoing) = sent.waiting.get_mut(number) {
                        outgoing.may_be_sent = true;
                        if let Some(record) = self.records.get_mut(&outgoing.message.id) {
                            record.2 = Status::Sent;
                        }
                    }
                }
            }
            Write::Became { peer, number, id, status, .. } => {
                let Some(record) = self.records.get_mut(id) else {
                    panic!("{id} became {status:?}, but was never accepted")
                };
                assert_eq!((record.0, record.1), (*peer, *number), "{id} is another message");
                assert!(
                    record.2 == *status || record.2.may_become(status),
                    "{id} was {:?} and became {status:?}",
                    record.2
                );
                record.2 = status.clone();
                if status.is_settled() {
                    self.sent.entry(*peer).or_default().waiting.remove(number);
                }
            }
            Write::Arrive(arrival) => {
                let from = self.senders.entry(arrival.peer).or_default();
                if from.position != arrival.before && !self.skips_comparison {
                    return false;
                }
                from.position = arrival.after.clone();
                from.taken.push_back((arrival.message.id, false));
                if from.taken.len() > MAX_TAKEN_IDS {
                    from.taken.pop_front();
                }
                self.next_inbox += 1;
                let (number, peer) = (self.next_inbox, arrival.peer);
                let message = arrival.message.clone();
                self.inbox.insert(number, Pending { number, peer, message });
            }
            Write::Take { messages, .. } => {
                for (peer, id) in messages {
                    let before = self.inbox.len();
                    self.inbox.retain(|_, pending| pending.message.id != *id);
                    if self.inbox.len() == before {
                        // It was taken before.
                        continue;
                    }
                    let from = self.senders.entry(*peer).or_default();
                    for (taken, processed) in &mut from.taken {
                        *processed |= taken == id;
                    }
                    from.owed.push(*id);
                }
            }
            Write::Told { peer, messages } => {
                let from = self.senders.entry(*peer).or_default();
                from.owed.retain(|id| !messages.contains(id));
            }
            Write::Step { .. } => {}
        }
        true
    }
}

impl Disk for Model {
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<bool>, Failed> {
        Ok(writes.iter().map(|write| self.apply(write)).collect())
    }

    fn crash(&mut self, torn: &[Write], chance: &mut Chance) -> bool {
        chance.flip() && self.commit(torn).is_ok_and(|written| written.iter().all(|it| *it))
    }

    fn copy(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }

    fn saved(&self) -> Vec<Saved> {
        let head = |outgoing: &Outgoing| Head {
            number: outgoing.number,
            id: outgoing.message.id,
            len: outgoing.message.body.len(),
            expires: outgoing.expires,
            may_be_sent: outgoing.may_be_sent,
        };
        self.sent
            .iter()
            .filter_map(|(peer, sent)| {
                let heads = sent.waiting.values().map(head).collect();
                Some(Saved { peer: *peer, stream: sent.stream?, next: sent.next, heads })
            })
            .collect()
    }

    fn window(&self, peer: &PublicKey, from: u64, to: u64) -> Vec<Outgoing> {
        let Some(sent) = self.sent.get(peer) else { return Vec::new() };
        sent.waiting.range(from..=to).map(|(_, outgoing)| outgoing.clone()).collect()
    }

    fn recall(&self, peer: &PublicKey, ids: &[MessageId]) -> Vec<(u64, MessageId, Status)> {
        ids.iter()
            .filter_map(|id| {
                let (of, number, status) = self.records.get(id)?;
                (of == peer).then(|| (*number, *id, status.clone()))
            })
            .collect()
    }

    fn resume(&self, peer: &PublicKey) -> Resume {
        let Some(from) = self.senders.get(peer) else { return Resume::default() };
        Resume {
            position: from.position.clone(),
            taken: from.taken.iter().copied().collect(),
            owed: from.owed.clone(),
        }
    }

    fn inbox(&self) -> Vec<Pending> {
        self.inbox.values().cloned().collect()
    }
}
