//! What the store should hold, as simply as it can be said.

use std::collections::BTreeMap;

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Arrival, Head, Outgoing, Position, Resume, Saved, Status, Write};
use peer_protocol::id::{MessageId, StreamId};

use super::*;
use crate::store::{Arrived, Filter, Found, Sender, Waiting, Written};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) outgoing: Outgoing,
    pub(super) status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) arrived: Arrived,
    pub(super) taken: bool,
    pub(super) told: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) streams: BTreeMap<PublicKey, (Option<StreamId>, u64)>,
    pub(super) own: BTreeMap<(PublicKey, u64), Own>,
    pub(super) positions: BTreeMap<PublicKey, Position>,
    pub(super) foreign: Vec<Foreign>,
    /// The order in which messages of each sender came.
    pub(super) came: BTreeMap<PublicKey, Vec<MessageId>>,
}

impl Model {
    pub(super) fn apply(&mut self, writes: &[Write]) -> Vec<Written> {
        let mut stale = Vec::new();
        writes.iter().map(|write| self.write(write, &mut stale)).collect()
    }

    fn write(&mut self, write: &Write, stale: &mut Vec<PublicKey>) -> Written {
        match write {
            Write::Stream { peer, stream } => {
                self.streams.entry(*peer).or_default().0 = Some(*stream);
            }
            Write::Accept(outgoing) => {
                let key = (outgoing.peer, outgoing.number);
                let id = outgoing.message.id;
                let known = self.own.values().any(|own| own.outgoing.message.id == id);
                if known || self.own.contains_key(&key) {
                    return Written::Stale;
                }
                let next = &mut self.streams.entry(outgoing.peer).or_default().1;
                *next = (*next).max(outgoing.number + 1);
                let status = if outgoing.may_be_sent { Status::Sent } else { Status::Queued };
                self.own.insert(key, Own { outgoing: outgoing.clone(), status });
            }
            Write::MaySend { peer, numbers } => {
                for number in numbers {
                    if let Some(own) = self.own.get_mut(&(*peer, *number))
                        && own.status == Status::Queued
                    {
                        own.status = Status::Sent;
                    }
                }
            }
            Write::Became { peer, id, status, .. } => {
                let of =
                    |own: &&mut Own| own.outgoing.message.id == *id && own.outgoing.peer == *peer;
                if let Some(own) = self.own.values_mut().find(of)
                    && own.status.may_become(status)
                {
                    own.status = status.clone();
                }
            }
            Write::Arrive(arrival) => return self.arrive(arrival, stale),
            Write::Take { messages, .. } => {
                for foreign in &mut self.foreign {
                    let name = (foreign.arrived.peer, foreign.arrived.message.id);
                    foreign.taken |= messages.contains(&name);
                }
            }
            Write::Told { peer, messages } => {
                for foreign in self.foreign.iter_mut().filter(|foreign| foreign.taken) {
                    let Arrived { peer: from, message, .. } = &foreign.arrived;
                    foreign.told |= from == peer && messages.contains(&message.id);
                }
            }
            Write::Step { .. } => {}
        }
        Written::Done
    }

    fn arrive(&mut self, arrival: &Arrival, stale: &mut Vec<PublicKey>) -> Written {
        let Arrival { peer, message, before, after, at } = arrival;
        let position = self.positions.get(peer).cloned().unwrap_or_default();
        if position != *before || stale.contains(peer) {
            stale.push(*peer);
            return Written::Stale;
        }
        self.positions.insert(*peer, after.clone());
        self.came.entry(*peer).or_default().push(message.id);
        let known = |foreign: &Foreign| {
            foreign.arrived.peer == *peer && foreign.arrived.message.id == message.id
        };
        let mut written = Written::Done;
        if !self.foreign.iter().any(known) {
            let number = self.foreign.len() as u64;
            written = Written::Stored(number);
            let (peer, message) = (*peer, message.clone());
            let arrived = Arrived { number, peer, message, at: *at };
            self.foreign.push(Foreign { arrived, taken: false, told: false });
        }
        written
    }

    /// Callers were told that these failed: what they wanted to send must not be sent.
    pub(super) fn withdraw(&mut self, writes: &[Write]) {
        for write in writes {
            let Write::Accept(outgoing) = write else { continue };
            let key = (outgoing.peer, outgoing.number);
            if self.own.get(&key).is_some_and(|own| !own.status.is_settled()) {
                self.own.remove(&key);
            }
        }
    }

    /// Whether the store holds just that.
    pub(super) fn check(&self, store: &Store) -> Result<(), String> {
        same("saved", &store.saved().unwrap(), &self.saved())?;
        for (peer, _) in self.streams.iter() {
            let window: Vec<_> = self
                .own
                .range((*peer, 0)..=(*peer, u64::MAX))
                .filter(|(_, own)| !own.status.is_settled())
                .map(|(_, own)| {
                    let may_be_sent = own.status == Status::Sent;
                    Outgoing { may_be_sent, ..own.outgoing.clone() }
                })
                .collect();
            same("window", &store.window(peer, 0, u64::MAX).unwrap(), &window)?;
        }
        for (peer, position) in &self.positions {
            let resume = store.resume(peer).unwrap();
            same("resume", &resume, &self.resume(peer, position))?;
        }
        let inbox = self.foreign.iter().filter(|foreign| !foreign.taken);
        let inbox: Vec<_> = inbox.map(|foreign| foreign.arrived.clone()).collect();
        same("inbox", &store.inbox(0, usize::MAX, usize::MAX).unwrap(), &inbox)?;
        same("senders", &store.senders().unwrap(), &self.senders())?;
        self.check_records(store)
    }

    fn check_records(&self, store: &Store) -> Result<(), String> {
        for ((peer, number), own) in &self.own {
            let id = own.outgoing.message.id;
            let found = store.find(id.as_bytes(), id.as_bytes(), 9).unwrap();
            let [Found::Outgoing(record)] = found.as_slice() else {
                return Err(format!("{id}: {found:?}"));
            };
            same("status", &record.status, &own.status)?;
            same("place", &(record.peer, record.number), &(*peer, *number))?;
            let recalled = store.recall(peer, &[id]).unwrap();
            same("recalled", &recalled, &vec![(*number, id, own.status.clone())])?;
        }
        let all = Filter { settled: true, most: usize::MAX, ..Filter::default() };
        same("records", &store.outgoing(&all).unwrap().items.len(), &self.own.len())?;
        let all = Filter { settled: true, most: usize::MAX, ..Filter::default() };
        let incoming = store.incoming(&all).unwrap();
        let records = incoming.items.iter();
        let told: Vec<_> = records.map(|it| (it.id, it.taken.is_some(), it.told)).collect();
        let of = |it: &Foreign| (it.arrived.message.id, it.taken, it.told);
        same("incoming", &told, &self.foreign.iter().map(of).collect())
    }

    fn saved(&self) -> Vec<Saved> {
        let mut saved = Vec::new();
        for (peer, (stream, next)) in &self.streams {
            let Some(stream) = *stream else { continue };
            let heads = self.own.range((*peer, 0)..=(*peer, u64::MAX));
            let heads = heads.filter(|(_, own)| !own.status.is_settled());
            let heads = heads.map(|((_, number), own)| Head {
                number: *number,
                id: own.outgoing.message.id,
                len: own.outgoing.message.body.len(),
                expires: own.outgoing.expires,
                may_be_sent: own.status == Status::Sent,
            });
            saved.push(Saved { peer: *peer, stream, next: *next, heads: heads.collect() });
        }
        saved
    }

    fn resume(&self, peer: &PublicKey, position: &Position) -> Resume {
        let is_taken = |id: &MessageId| {
            let mut all = self.foreign.iter();
            let of = |it: &&Foreign| it.arrived.peer == *peer && it.arrived.message.id == *id;
            all.find(of).is_some_and(|it| it.taken)
        };
        let came = self.came.get(peer).into_iter().flatten();
        let owed =
            self.foreign.iter().filter(|it| it.arrived.peer == *peer && it.taken && !it.told);
        Resume {
            position: position.clone(),
            taken: came.map(|id| (*id, is_taken(id))).collect(),
            owed: owed.map(|it| it.arrived.message.id).collect(),
        }
    }

    fn senders(&self) -> Vec<Sender> {
        let sender = |(peer, position): (&PublicKey, &Position)| {
            let waiting = self.foreign.iter().filter(|it| it.arrived.peer == *peer && !it.taken);
            let lens: Vec<_> = waiting.map(|it| it.arrived.message.body.len() as u64).collect();
            let waiting = Waiting { messages: lens.len() as u64, bytes: lens.iter().sum() };
            Sender { peer: *peer, position: position.clone(), waiting }
        };
        self.positions.iter().map(sender).collect()
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, right: &T) -> Result<(), String> {
    if found == right { Ok(()) } else { Err(format!("{what}: {found:?} instead of {right:?}")) }
}
