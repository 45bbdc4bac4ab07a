//! What is put for those who cannot be reached.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use hashlink::LruCache;
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::mailbox::{self, Event, Waiting};
use peer_protocol::message::MailboxResult;
use peer_protocol::time::Instant;

use super::worker::Worker;
use super::{Asker, Output, Settled};
use crate::model::LyingStatus;

/// How often it is asked where somebody's mailbox is.
const FIND: Duration = Duration::from_secs(60);
/// Most receivers for whom something waits.
const MAX_WAITING: usize = 4_096;

/// What waits for whom.
#[derive(Debug)]
pub(super) struct Sending {
    waiting: HashMap<PublicKey, Waiting>,
    asked: LruCache<PublicKey, Instant>,
    /// Whose mailbox somebody wants to know.
    sought: LruCache<PublicKey, ()>,
}

impl Default for Sending {
    fn default() -> Self {
        let (asked, sought) = (LruCache::new(MAX_WAITING), LruCache::new(MAX_WAITING));
        Self { waiting: HashMap::new(), asked, sought }
    }
}

impl Worker {
    /// These wait for `peer`, which cannot be reached.
    pub(super) fn put(&mut self, peer: PublicKey, waiting: Waiting) {
        if self.sending.waiting.len() >= MAX_WAITING && !self.sending.waiting.contains_key(&peer) {
            return;
        }
        self.sending.waiting.insert(peer, waiting);
        self.put_known(&peer);
    }

    /// Has what waits for `peer` put, if it is known where.
    fn put_known(&mut self, peer: &PublicKey) {
        let now = self.now();
        let Some(waiting) = self.sending.waiting.get(peer) else { return };
        if let Some(place) = self.known.place(peer, now.timestamp) {
            self.sender.put(peer, &place.nodes, place.prekey, waiting);
        }
        self.find(peer);
    }

    /// Says whether it is known where the mailbox of `peer` is, as soon as it is.
    pub(super) fn seek(&mut self, peer: PublicKey) {
        let now = self.now().timestamp;
        if self.known.place(&peer, now).is_some() {
            self.told.push_back(Output::Place(peer));
        } else {
            self.sending.sought.insert(peer, ());
            self.find(&peer);
        }
    }

    /// Asks for a record that may be newer than the one that is known.
    fn find(&mut self, peer: &PublicKey) {
        let now = self.now().instant;
        let asked = self.sending.asked.get(peer).copied();
        if asked.is_none_or(|at| now.since(at) >= FIND) {
            self.sending.asked.insert(*peer, now);
            self.told.push_back(Output::Find(*peer));
        }
    }

    pub(super) fn reached(&mut self, peer: &PublicKey) {
        self.sending.waiting.remove(peer);
        self.sender.hold(peer);
    }

    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { peer, ids, taken } = settled;
        if let Some(waiting) = self.sending.waiting.get_mut(peer) {
            waiting.messages.retain(|one| !ids.contains(&one.message.id));
        }
        self.changes.extend(self.sender.settled(peer, ids, *taken));
    }

    pub(super) fn learn(&mut self, record: &Bytes) {
        let Some((peer, changes)) = self.known.learn(record) else { return };
        self.changes.extend(changes);
        if self.sending.sought.remove(&peer).is_some() {
            self.seek(peer);
        }
        self.put_known(&peer);
    }

    /// Puts and collects what is due.
    pub(super) fn send(&mut self) {
        let now = self.now();
        for output in self.sender.poll(now, &mut self.rng, |_| true) {
            match output {
                mailbox::Output::Save(changes) => self.changes.extend(changes),
                mailbox::Output::Ask { node, request } => {
                    self.told.push_back(Output::Ask { asker: Asker::Sender, node, request });
                }
            }
        }
    }

    pub(super) fn on_sender_answer(&mut self, node: &PublicKey, answer: Option<&MailboxResult>) {
        let now = self.now();
        match answer {
            Some(answer) => {
                let changes = self.sender.on_answer(node, answer, now);
                self.changes.extend(changes);
            }
            None => self.sender.on_failure(node, now),
        }
        for event in self.sender.events() {
            self.told.push_back(match event {
                Event::InMailbox { ids, nodes, .. } => Output::InMailbox { ids, nodes },
                Event::Receipt { peer, ids, status, code } => {
                    Output::Receipt { peer, ids, status, code }
                }
            });
        }
    }

    /// What lies where.
    pub(super) fn lying(&self) -> Vec<LyingStatus> {
        let name = |key: &PublicKey| secure::peer_id_of(key).map(|id| id.to_string());
        let lying = self.sender.places().filter(|(_, _, messages)| *messages > 0);
        let status = |(peer, node, messages): (&PublicKey, &PublicKey, usize)| {
            Some(LyingStatus { peer_id: name(peer)?, node: name(node)?, messages })
        };
        lying.filter_map(status).collect()
    }
}
