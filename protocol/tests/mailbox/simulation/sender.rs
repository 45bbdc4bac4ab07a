use std::collections::BTreeMap;
use std::time::Duration;

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::identity::Identity;
use peer_protocol::mailbox::{
    Change, Event, MailStatus, Output, Prekey, Sender, SenderConfig, Unsettled, Waiting,
};
use peer_protocol::message::MailboxResult;
use peer_protocol::time::{Now, Timestamp};
use rand::rngs::StdRng;

use crate::people::{Disk, identity, key_of, task};

/// How many of the oldest unsettled messages are offered at once, as the outbox does.
const WINDOW: usize = 1_024;

/// A sender, with an outbox that keeps what is unsettled.
pub(crate) struct SenderNode {
    pub(crate) identity: Identity,
    sender: Sender,
    pub(crate) disk: Disk,
    stream: StreamId,
    next: u64,
    /// What is unsettled, by number.
    pub(crate) outbox: BTreeMap<u64, Unsettled>,
    pub(crate) accepted: Vec<MessageId>,
    pub(crate) status: BTreeMap<MessageId, MailStatus>,
    pub(crate) lain: BTreeMap<MessageId, u8>,
    receiver: PublicKey,
    nodes: Vec<PublicKey>,
    last_resort: Option<Prekey>,
    /// Whether there is news of what waits.
    changed: bool,
}

impl SenderNode {
    pub(crate) fn new(receiver: PublicKey, nodes: Vec<PublicKey>, rng: &mut StdRng) -> Self {
        let identity = identity("sender", 1);
        let suites = SuiteRegistry::default();
        let sender = Sender::new(SenderConfig::default(), identity.clone(), suites, []);
        Self {
            identity,
            sender,
            disk: Disk::default(),
            stream: StreamId::random(rng),
            next: 0,
            outbox: BTreeMap::new(),
            accepted: Vec::new(),
            status: BTreeMap::new(),
            lain: BTreeMap::new(),
            receiver,
            nodes,
            last_resort: None,
            changed: true,
        }
    }

    pub(crate) fn key(&self) -> PublicKey {
        key_of(&self.identity)
    }

    pub(crate) fn know(&mut self, last_resort: Prekey) {
        self.last_resort = Some(last_resort);
    }

    /// Messages that end at different times do not share an item.
    pub(crate) fn accept(&mut self, rng: &mut StdRng, now: Now, apart: bool) -> MessageId {
        let message = task(rng, &format!("{} {}", self.next, "x".repeat(200)));
        let id = message.id;
        let days = if apart { 7 + self.next % 2 * 3 } else { 7 };
        let expires = now.timestamp + Duration::from_secs(days * 86_400);
        self.outbox.insert(self.next, Unsettled { number: self.next, message, expires });
        self.next += 1;
        self.changed = true;
        self.accepted.push(id);
        id
    }

    /// The operator cancels a message: it is not sent any more, wherever it is.
    pub(crate) fn cancel(&mut self, number: u64) -> Option<MessageId> {
        let gone = self.outbox.remove(&number)?;
        self.changed = true;
        let changes = self.sender.settled(&self.receiver, &[gone.message.id], false);
        self.disk.apply(changes);
        Some(gone.message.id)
    }

    pub(crate) fn restart(&mut self) {
        let suites = SuiteRegistry::default();
        let config = SenderConfig::default();
        self.sender = Sender::new(config, self.identity.clone(), suites, self.disk.rows());
        self.changed = true;
    }

    pub(crate) fn poll(&mut self, now: Now, rng: &mut StdRng) -> Vec<Output> {
        if std::mem::take(&mut self.changed) {
            let messages = self.outbox.values().take(WINDOW).cloned().collect();
            let waiting = Waiting { stream: self.stream, messages };
            self.sender.put(&self.receiver, &self.nodes, self.last_resort, &waiting);
        }
        self.sender.poll(now, rng, |_| true)
    }

    pub(crate) fn save(&mut self, changes: Vec<Change>) {
        self.disk.apply(changes);
    }

    pub(crate) fn on_answer(&mut self, node: &PublicKey, answer: Option<MailboxResult>, now: Now) {
        match answer {
            Some(answer) => {
                let changes = self.sender.on_answer(node, &answer, now);
                self.disk.apply(changes);
            }
            None => self.sender.on_failure(node, now),
        }
        for event in self.sender.events() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::InMailbox { ids, nodes, .. } => {
                self.lain.extend(ids.into_iter().map(|id| (id, nodes)));
            }
            Event::Receipt { peer, ids, status, code } => {
                assert_eq!((peer, code), (self.receiver, None));
                let known: BTreeMap<_, _> =
                    self.outbox.iter().map(|(number, one)| (one.message.id, *number)).collect();
                for id in ids {
                    let better = self.status.get(&id).is_none_or(|before| *before < status);
                    if better {
                        self.status.insert(id, status);
                    }
                    if let Some(number) = known.get(&id) {
                        self.outbox.remove(number);
                        self.changed = true;
                        let changes = self.sender.settled(&self.receiver, &[id], true);
                        self.disk.apply(changes);
                    }
                }
            }
        }
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        let changes = self.sender.tick(now);
        self.disk.apply(changes);
    }
}
