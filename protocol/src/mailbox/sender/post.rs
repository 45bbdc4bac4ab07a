//! One receiver at one of its mailbox nodes: what lies there, what is put next, and with which prekeys.

use std::time::Duration;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Waiting;
use super::parcel::Parcel;
use crate::cbor;
use crate::crypto::{PublicKey, Suite, SuiteRegistry};
use crate::id::{ItemId, MessageId, StreamId};
use crate::identity::Identity;
use crate::limits::{MAX_PUT_BYTES, MAX_PUT_ITEMS, MAX_RETRY_AFTER, MAX_TAKEN_PREKEYS};
use crate::mailbox::change::{Change, Tag};
use crate::mailbox::{Draft, Item, Prekey};
use crate::message::{Mailbox, MailboxResult, Put, PutOutcome, Take};
use crate::time::{Instant, Now, Timestamp};

/// A receiver at a node.
#[derive(Debug, Default)]
pub(super) struct Post {
    stream: Option<StreamId>,
    /// By rising numbers.
    parcels: Vec<Parcel>,
    /// What is to be put, as long as the receiver cannot be reached.
    waiting: Option<Waiting>,
    prekeys: Vec<Prekey>,
    last_resort: Option<Prekey>,
    /// Whether the node had no more prekeys when it was asked last.
    none_left: bool,
    asked: Option<Asked>,
    not_before: Instant,
    pause: Duration,
    dirty: bool,
}

#[derive(Debug)]
enum Asked {
    Prekeys,
    /// Places of the parcels in the request, and their messages.
    Put(Vec<(ItemId, Vec<(u64, MessageId)>)>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<StreamId>,
    parcels: Vec<Parcel>,
}

impl Post {
    pub(super) fn restore(row: &[u8]) -> Option<Self> {
        let PostRow { stream, parcels } = cbor::decode(row).ok()?;
        Some(Self { stream, parcels, ..Self::default() })
    }

    pub(super) fn row(&mut self, peer: &PublicKey, node: &PublicKey) -> Change {
        self.dirty = false;
        let row = PostRow { stream: self.stream, parcels: self.parcels.clone() };
        Change::write(Tag::Post, &[peer.as_bytes(), node.as_bytes()], cbor::encode(&row))
    }

    pub(super) fn no_row(peer: &PublicKey, node: &PublicKey) -> Change {
        Change::delete(Tag::Post, &[peer.as_bytes(), node.as_bytes()])
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether anything lies at the node.
    pub(super) fn lies(&self) -> bool {
        !self.parcels.is_empty()
    }

    pub(super) fn waits(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.messages.is_empty())
    }

    pub(super) fn lying(&self) -> usize {
        let lie = self.parcels.iter().filter(|parcel| !parcel.stale);
        lie.map(|parcel| parcel.messages.len()).sum()
    }

    /// Whether this message lies at the node.
    pub(super) fn has(&self, number: u64) -> bool {
        self.parcels
            .iter()
            .any(|parcel| !parcel.stale && parcel.messages.iter().any(|one| one.0 == number))
    }

    pub(super) fn wait(&mut self, waiting: &Waiting, last_resort: Option<Prekey>) {
        if self.stream != Some(waiting.stream) {
            self.parcels.clear();
            self.stream = Some(waiting.stream);
            self.dirty = true;
        }
        if self.waiting.is_none() {
            self.reconcile(waiting);
        }
        self.last_resort = last_resort.or(self.last_resort);
        self.waiting = Some(waiting.clone());
    }

    pub(super) fn hold(&mut self) {
        self.waiting = None;
    }

    /// After a time in which nothing was put: what was settled meanwhile is not known by its number, so
    /// that parcels with a gap before or in them are put again.
    fn reconcile(&mut self, waiting: &Waiting) {
        let waits =
            |number: u64| waiting.messages.binary_search_by_key(&number, |one| one.number).is_ok();
        for parcel in &mut self.parcels {
            let before = parcel.messages.len();
            parcel.messages.retain(|(number, _)| waits(*number));
            let gap = parcel.after.is_some_and(|after| !waits(after));
            parcel.stale |= gap || parcel.messages.len() != before;
        }
        self.parcels.retain(|parcel| !parcel.messages.is_empty());
        self.dirty = true;
    }

    /// Messages were settled. Whether anything changed.
    pub(super) fn settled(&mut self, ids: &[MessageId], taken: bool) -> bool {
        let mut changed = false;
        let all = self.parcels.iter().flat_map(|parcel| &parcel.messages);
        let numbers: Vec<u64> =
            all.filter(|(_, id)| ids.contains(id)).map(|(number, _)| *number).collect();
        for parcel in &mut self.parcels {
            let before = parcel.messages.len();
            parcel.messages.retain(|(_, id)| !ids.contains(id));
            let gone = parcel.messages.len() != before;
            let missing = parcel.after.take_if(|after| numbers.contains(after)).is_some();
            parcel.stale |= !taken && (gone || missing);
            changed |= gone || missing;
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.messages.retain(|one| !ids.contains(&one.message.id));
        }
        self.parcels.retain(|parcel| !parcel.messages.is_empty());
        changed
    }

    /// Drops what no longer lies at the node, and puts again what of it still waits.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let waiting = self.waiting.as_ref();
        self.parcels.retain_mut(|parcel| match waiting {
            Some(waiting) => parcel.refresh(waiting, now),
            None => parcel.expires > now,
        });
    }

    /// What is to be asked of the node next.
    pub(super) fn next(
        &mut self,
        peer: &PublicKey,
        identity: &Identity,
        suites: &SuiteRegistry,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Mailbox> {
        if self.asked.is_some() || self.not_before > now.instant || self.waiting.is_none() {
            return None;
        }
        self.plan(now.timestamp, rng);
        let stale = self.parcels.iter().filter(|parcel| parcel.stale).count().min(MAX_PUT_ITEMS);
        if stale == 0 {
            return None;
        }
        // Whose they are was seen when they came.
        self.prekeys.retain(|prekey| prekey.check_life(now.timestamp).is_ok());
        if self.prekeys.len() < stale && !self.none_left {
            let count = (stale - self.prekeys.len()).min(MAX_TAKEN_PREKEYS) as u64;
            self.asked = Some(Asked::Prekeys);
            return Some(Mailbox::Take(Take { count, owner: *peer.as_bytes() }));
        }
        self.none_left = false;
        // Every receiver has this one; nobody can be asked.
        let suite = suites
            .get(SuiteRegistry::AES_256_GCM)
            .or_else(|| suites.get(suites.names().next()?))?;
        self.seal(peer, identity, suite, now, rng)
    }

    /// Makes parcels of what is in none.
    fn plan(&mut self, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) {
        self.expire(now);
        let Some(waiting) = &self.waiting else { return };
        loop {
            let last = self.parcels.last().and_then(|parcel| parcel.messages.last());
            let last = last.map(|(number, _)| *number);
            let full = self.parcels.iter().filter(|parcel| parcel.stale).count() >= MAX_PUT_ITEMS;
            let next = Parcel::next(waiting, last, ItemId::random(rng), now);
            let Some(next) = next.filter(|_| !full) else { break };
            self.parcels.push(next);
        }
    }

    fn seal(
        &mut self,
        peer: &PublicKey,
        identity: &Identity,
        suite: &dyn Suite,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Mailbox> {
        let waiting = self.waiting.as_ref()?;
        let (mut items, mut told, mut bytes) = (Vec::new(), Vec::new(), 0);
        for parcel in self.parcels.iter_mut().filter(|parcel| parcel.stale) {
            let messages = parcel.in_order(waiting);
            let own = self.prekeys.pop();
            let Some(prekey) = own.or(self.last_resort).filter(|_| !messages.is_empty()) else {
                break;
            };
            let sealed = Draft {
                id: parcel.id,
                recipient: peer,
                prekey: &prekey,
                expires: parcel.expires,
                messages: &messages,
                spent: &parcel.spent,
            }
            .seal(identity, suite, now.timestamp, rng);
            let Ok(item) = sealed else { break };
            bytes += item.as_bytes().len();
            if items.len() == MAX_PUT_ITEMS || bytes > MAX_PUT_BYTES {
                self.prekeys.extend(own);
                break;
            }
            parcel.sealed_to(prekey.id);
            parcel.after = messages.first().and_then(|one| one.order).and_then(|one| one.after);
            let ids = messages.iter().filter_map(|one| Some((one.order?.number, one.id)));
            told.push((parcel.id, ids.collect()));
            items.push(ByteBuf::from(Item::as_bytes(&item).to_vec()));
        }
        if items.is_empty() {
            // Without a prekey nothing can be put: until there are some.
            self.pause(now.instant, MAX_RETRY_AFTER / 12);
            return None;
        }
        self.dirty = true;
        self.asked = Some(Asked::Put(told));
        Some(Mailbox::Put(Put { items, owner: *peer.as_bytes() }))
    }

    /// Takes the node's answer: which messages lie there now, and whether receipts wait.
    pub(super) fn on_answer(
        &mut self,
        peer: &PublicKey,
        answer: &MailboxResult,
        again: Duration,
        now: Now,
    ) -> (Vec<(u64, MessageId)>, bool) {
        let nothing = (Vec::new(), false);
        match (self.asked.take(), answer) {
            (Some(Asked::Prekeys), MailboxResult::Prekeys(prekeys)) => {
                let before = self.prekeys.len();
                let good = prekeys.keys.iter().take(MAX_TAKEN_PREKEYS);
                let good = good.filter(|prekey| prekey.verify(peer, now.timestamp).is_ok());
                self.prekeys.extend(good);
                self.none_left = self.prekeys.len() == before;
                self.last_resort = prekeys.last_resort.or(self.last_resort);
                nothing
            }
            (Some(Asked::Put(put)), MailboxResult::Stored(stored)) => {
                let mut lie = Vec::new();
                let mut refused = false;
                for ((id, numbers), outcome) in put.into_iter().zip(&stored.items) {
                    let parcel = self.parcels.iter_mut().find(|parcel| parcel.id == id);
                    match outcome {
                        PutOutcome::Stored => {
                            if let Some(parcel) = parcel {
                                parcel.stale = false;
                                lie.extend(numbers);
                            }
                        }
                        PutOutcome::Full | PutOutcome::Refused => refused = true,
                    }
                }
                self.pause = if refused { self.pause } else { Duration::ZERO };
                if refused {
                    self.pause(now.instant, again);
                }
                (lie, stored.waiting > 0)
            }
            (Some(_), MailboxResult::Refused(report)) => {
                self.pause(now.instant, report.retry_after().unwrap_or(again));
                nothing
            }
            _ => {
                self.pause(now.instant, again);
                nothing
            }
        }
    }

    /// The request was not answered. What was put may lie there or not: it is put again.
    pub(super) fn failed(&mut self, again: Duration, now: Instant) {
        self.asked = None;
        self.pause(now, again);
    }

    fn pause(&mut self, now: Instant, least: Duration) {
        self.pause = (self.pause * 2).clamp(least, MAX_RETRY_AFTER.max(least));
        self.not_before = now + self.pause;
    }
}
