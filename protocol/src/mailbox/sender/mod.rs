//! A sender (`docs/PROTOCOL.md` §18.7): it puts what a receiver cannot be reached with at the receiver's
//! mailbox nodes, each with prekeys of its own, and collects receipts.
//!
//! Driven like a [`Receiver`](super::Receiver): its owner says what waits for whom and where, polls, and
//! hands in answers and failures. What it says comes back as [`Event`]s.

mod collect;
mod parcel;
mod post;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_core::CryptoRng;

use self::collect::Collecting;
use self::post::Post;
use super::change::{Change, Row, Tag};
use super::receiver::Output;
use super::{MailStatus, Prekey};
use crate::crypto::{PublicKey, SuiteRegistry};
use crate::delivery::Order;
use crate::error::ErrorCode;
use crate::id::{MessageId, StreamId};
use crate::identity::Identity;
use crate::message::{MailboxResult, Message};
use crate::time::{Now, Timestamp};

/// Most pairs of a receiver and a mailbox node that are looked after.
const MAX_POSTS: usize = 4_096;

/// A message that waits for a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Its number in the stream to that receiver.
    pub number: u64,
    /// The message; its `order` is computed here.
    pub message: Message,
    /// When its time runs out.
    pub expires: Timestamp,
}

/// All that waits for a receiver, by rising number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The stream that the numbers belong to.
    pub stream: StreamId,
    /// The messages, the oldest first, none left out.
    pub messages: Vec<Unsettled>,
}

/// What has come of putting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Messages lie at this many mailbox nodes of their receiver.
    InMailbox {
        /// The receiver.
        peer: PublicKey,
        /// The messages.
        ids: Vec<MessageId>,
        /// At how many nodes.
        nodes: u8,
    },
    /// A receiver's signed word on messages of this entity.
    Receipt {
        /// The receiver.
        peer: PublicKey,
        /// The messages.
        ids: Vec<MessageId>,
        /// What became of them.
        status: MailStatus,
        /// Why they were refused, if they were.
        code: Option<ErrorCode>,
    },
}

/// How a sender goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderConfig {
    /// How often receipts are asked for while something lies at a node.
    pub collect: Duration,
    /// When a node is tried again that did not answer or had no room; doubles to an hour.
    pub again: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self { collect: Duration::from_secs(60), again: Duration::from_secs(15) }
    }
}

/// What a sender knows of the mailboxes of its receivers.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    identity: Identity,
    suites: SuiteRegistry,
    posts: BTreeMap<(PublicKey, PublicKey), Post>,
    collecting: BTreeMap<PublicKey, Collecting>,
    events: Vec<Event>,
}

impl Sender {
    /// A sender with what it had written before.
    #[must_use]
    pub fn new<'a>(
        config: SenderConfig,
        identity: Identity,
        suites: SuiteRegistry,
        rows: impl IntoIterator<Item = Row<'a>>,
    ) -> Self {
        let mut posts = BTreeMap::new();
        let mut collecting = BTreeMap::new();
        for row in rows {
            let Some((Tag::Post, key)) = Tag::of(row.key) else { continue };
            let Some((peer, node)) = key.split_first_chunk::<32>() else { continue };
            let keys = (PublicKey::from_bytes(peer), node.try_into().map(PublicKey::from_bytes));
            let (Ok(peer), Ok(Ok(node))) = keys else { continue };
            if let Some(post) = Post::restore(row.value) {
                posts.insert((peer, node), post);
                collecting.entry(node).or_insert_with(Collecting::default);
            }
        }
        Self { config, identity, suites, posts, collecting, events: Vec::new() }
    }

    /// Has `waiting` put at the mailbox `nodes` of `peer`. To be said anew whenever something of it
    /// changes; what is there already is not put again without need.
    pub fn put(
        &mut self,
        peer: &PublicKey,
        nodes: &[PublicKey],
        last_resort: Option<Prekey>,
        waiting: &Waiting,
    ) {
        for node in nodes {
            let key = (*peer, *node);
            if !self.posts.contains_key(&key) && self.posts.len() >= MAX_POSTS {
                continue;
            }
            self.posts.entry(key).or_default().wait(waiting, last_resort);
            self.collecting.entry(*node).or_default();
        }
    }

    /// `peer` can be reached: nothing more is put for it, until [`put`](Self::put) is called again.
    pub fn hold(&mut self, peer: &PublicKey) {
        for (_, post) in self.posts_of(peer) {
            post.hold();
        }
    }

    /// Messages to `peer` were settled: `taken` says whether the receiver has them. Those that it has not
    /// are waited for in vain, so that what names them as predecessors is put again.
    pub fn settled(&mut self, peer: &PublicKey, ids: &[MessageId], taken: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for (node, post) in self.posts_of(peer) {
            if post.settled(ids, taken) {
                changes.push(post.row(peer, node));
            }
        }
        changes
    }

    fn posts_of(&mut self, peer: &PublicKey) -> impl Iterator<Item = (&PublicKey, &mut Post)> {
        self.posts
            .iter_mut()
            .filter(move |((of, _), _)| of == peer)
            .map(|((_, node), post)| (node, post))
    }

    /// What is to be done now at any of the nodes that `reachable` says yes to.
    pub fn poll(
        &mut self,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
        reachable: impl Fn(&PublicKey) -> bool,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut busy: BTreeSet<PublicKey> =
            self.posts.iter().filter(|(_, post)| post.is_asked()).map(|((_, n), _)| *n).collect();
        busy.extend(self.collecting.iter().filter(|(_, one)| one.is_asked()).map(|(n, _)| *n));
        for ((peer, node), post) in &mut self.posts {
            if busy.contains(node) || !reachable(node) {
                continue;
            }
            let next = post.next(peer, &self.identity, &self.suites, now, rng);
            if let Some(request) = next {
                if post.is_dirty() {
                    outputs.push(Output::Save(vec![post.row(peer, node)]));
                }
                outputs.push(Output::Ask { node: *node, request: Box::new(request) });
                busy.insert(*node);
            }
        }
        for (node, collecting) in &mut self.collecting {
            let lies = || self.posts.iter().any(|((_, at), post)| at == node && post.lies());
            if busy.contains(node)
                || !reachable(node)
                || !collecting.is_due(now.instant)
                || !(collecting.owes() || lies())
            {
                continue;
            }
            let request = collecting.request();
            outputs.push(Output::Ask { node: *node, request: Box::new(request) });
        }
        outputs
    }

    /// Whether nothing waits and nothing lies anywhere.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.posts.values().all(|post| !post.lies() && !post.waits())
    }

    /// Takes the answer of a mailbox node; what is returned may be written.
    pub fn on_answer(&mut self, node: &PublicKey, answer: &MailboxResult, now: Now) -> Vec<Change> {
        let mut changes = Vec::new();
        if let MailboxResult::Receipts(page) = answer {
            if let Some(collecting) = self.collecting.get_mut(node) {
                let own = self.identity.public_key();
                self.events.extend(collecting.take(page, own, self.config.collect, now.instant));
            }
            return changes;
        }
        let asked = self.posts.iter_mut().find(|((_, at), post)| at == node && post.is_asked());
        if let Some(((peer, _), post)) = asked {
            let peer = *peer;
            let (stored, waiting) = post.on_answer(&peer, answer, self.config.again, now);
            changes.push(post.row(&peer, node));
            if waiting && let Some(collecting) = self.collecting.get_mut(node) {
                collecting.hasten(now.instant);
            }
            self.tell_stored(&peer, &stored);
        } else if let Some(collecting) = self.collecting.get_mut(node) {
            collecting.failed(now.instant + self.config.collect);
        }
        changes
    }

    fn tell_stored(&mut self, peer: &PublicKey, stored: &[(u64, MessageId)]) {
        let mut by_count: BTreeMap<u8, Vec<MessageId>> = BTreeMap::new();
        for (number, id) in stored {
            let posts = self.posts.iter().filter(|((of, _), _)| of == peer);
            let count = posts.filter(|(_, post)| post.has(*number)).count();
            by_count.entry(u8::try_from(count).unwrap_or(u8::MAX)).or_default().push(*id);
        }
        let event = |(nodes, ids)| Event::InMailbox { peer: *peer, ids, nodes };
        self.events.extend(by_count.into_iter().map(event));
    }

    /// The request was not answered.
    pub fn on_failure(&mut self, node: &PublicKey, now: Now) {
        for ((_, at), post) in &mut self.posts {
            if at == node && post.is_asked() {
                post.failed(self.config.again, now.instant);
                return;
            }
        }
        if let Some(collecting) = self.collecting.get_mut(node) {
            collecting.failed(now.instant + self.config.again);
        }
    }

    /// What has come of it since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Deletes what is over; every few minutes will do.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        self.posts.retain(|(peer, node), post| {
            post.expire(now);
            let stays = post.lies() || post.waits();
            if !stays {
                changes.push(Post::no_row(peer, node));
            }
            stays
        });
        let posts = &self.posts;
        self.collecting.retain(|node, _| posts.keys().any(|(_, at)| at == node));
        changes
    }

    /// Asks for receipts at once.
    pub fn hasten(&mut self, now: Now) {
        self.collecting.values_mut().for_each(|one| one.hasten(now.instant));
    }

    /// How many messages lie where: receiver, node and number.
    pub fn places(&self) -> impl Iterator<Item = (&PublicKey, &PublicKey, usize)> {
        self.posts.iter().map(|((peer, node), post)| (peer, node, post.lying()))
    }

    /// How many messages to `peer` lie at `node`.
    #[must_use]
    pub fn lying(&self, peer: &PublicKey, node: &PublicKey) -> usize {
        self.posts.get(&(*peer, *node)).map_or(0, Post::lying)
    }
}

impl Waiting {
    fn get(&self, number: u64) -> Option<&Unsettled> {
        let at = self.messages.binary_search_by_key(&number, |one| one.number).ok()?;
        self.messages.get(at)
    }

    /// The message of this number, with its place among those that are still unsettled.
    fn ordered(&self, number: u64) -> Option<Message> {
        let at = self.messages.binary_search_by_key(&number, |one| one.number).ok()?;
        let after = at.checked_sub(1).and_then(|before| self.messages.get(before));
        let order = Order { after: after.map(|one| one.number), number, stream: self.stream };
        let message = self.messages.get(at)?.message.clone();
        Some(Message { order: Some(order), ..message })
    }
}
