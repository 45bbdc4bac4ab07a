//! Items that were opened and are not done with: some of their messages are being written, or wait for a
//! predecessor. Bounded, so that one sender's items cannot keep out another's.
//!
//! Nothing is lost with an item that is forgotten here: it stays at its node, its prekey stays too, and it
//! is fetched and judged again. So of one sender's items those with the lowest numbers are kept, since the
//! others wait for them: whatever is the next of its sender always finds a place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::crypto::PublicKey;
use crate::id::{MessageId, PrekeyId};
use crate::mailbox::Letter;
use crate::time::Instant;

/// For how long nothing may be heard of an item that was handed over, before it is handed over again.
const PATIENCE: Duration = Duration::from_secs(60);
/// An item that waits is forgotten if its node has not shown it for so long: the node may be gone.
const UNSEEN: Duration = Duration::from_secs(900);

/// An item whose messages are all done with.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) node: PublicKey,
    pub(super) number: u64,
    /// What it was sealed to, and what earlier forms of it were.
    pub(super) prekeys: Vec<PrekeyId>,
}

/// An item that was opened just now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh<'a> {
    pub(super) node: PublicKey,
    pub(super) number: u64,
    pub(super) prekey: PrekeyId,
    pub(super) letter: &'a Letter,
    /// Its bytes.
    pub(super) len: usize,
}

/// What became of an item that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It is to be handed over.
    Yes,
    /// So it is, and one of this node's has given way to it.
    InPlaceOf(PublicKey),
    /// There is no room for it now.
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was handed over then, and its messages are being judged or written.
    Taking(Instant),
    /// Messages of it wait for a predecessor, or for what is being written.
    Held,
    /// All its messages are done with; that is being written.
    Finishing,
}

#[derive(Debug)]
struct OpenItem {
    prekeys: Vec<PrekeyId>,
    sender: PublicKey,
    left: HashSet<MessageId>,
    /// The number of its first message in the stream of its sender.
    first: u64,
    len: usize,
    state: State,
    /// When its node showed it last.
    seen: Instant,
}

type Key = (PublicKey, u64);

/// How much is open at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Items of one sender.
    pub(super) per_sender: usize,
    /// Items.
    pub(super) items: usize,
    /// Bytes of items that are handed over and not judged yet.
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct OpenItems {
    bounds: Bounds,
    items: BTreeMap<Key, OpenItem>,
    senders: HashMap<PublicKey, Vec<Key>>,
}

impl OpenItems {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, items: BTreeMap::new(), senders: HashMap::new() }
    }

    /// All pages of `node` were read, the first of them after `began`: what it does not have any more,
    /// because it was put again or its time is over, is not waited for.
    pub(super) fn end_round(&mut self, node: &PublicKey, began: Instant, now: Instant) {
        self.drop_if(|(of, _), item| of == node && item.seen < began && !item.is_taken(now));
    }

    fn drop_if(&mut self, over: impl Fn(&Key, &OpenItem) -> bool) {
        let gone = self.items.iter().filter(|(key, item)| over(key, item));
        let gone: Vec<_> = gone.map(|(key, _)| *key).collect();
        gone.into_iter().for_each(|key| self.remove(key));
    }

    /// The node shows this item. Whether nothing is to be done about it now, since it is being taken.
    pub(super) fn is_being_taken(&mut self, node: &PublicKey, number: u64, now: Instant) -> bool {
        let Some(item) = self.items.get_mut(&(*node, number)) else { return false };
        item.seen = now;
        item.is_taken(now)
    }

    /// Notes an item that is to be handed over, if there is room for it: of its sender's those with the
    /// highest numbers give way, and when all places are taken, one of the sender's that has most.
    pub(super) fn add(&mut self, fresh: Fresh<'_>, now: Instant) -> Added {
        let Fresh { node, number, prekey, letter, len } = fresh;
        let key = (node, number);
        self.drop_if(|_, item| now.since(item.seen) >= UNSEEN && !item.is_taken(now));
        let under_way = self.items.values().filter(|item| item.state != State::Held);
        let bytes: usize = under_way.map(|item| item.len).sum();
        if bytes > 0 && bytes.saturating_add(len) > self.bounds.bytes {
            return Added::No;
        }
        // One that was held is judged again: whoever held its messages may have had no room for them.
        if let Some(item) = self.items.get_mut(&key) {
            item.state = State::Taking(now);
            return Added::Yes;
        }
        let first = letter.messages.first().and_then(|message| message.order);
        let first = first.map_or(0, |order| order.number);
        let theirs = self.senders.get(&letter.sender).map_or(0, Vec::len);
        let gives_way = if theirs >= self.bounds.per_sender {
            self.highest(&letter.sender, Some(first))
        } else if self.items.len() >= self.bounds.items {
            let most = self.senders.iter().max_by_key(|(_, keys)| keys.len());
            match most.filter(|(_, keys)| keys.len() > theirs) {
                Some((other, _)) if *other != letter.sender => self.highest(other, None),
                _ => self.highest(&letter.sender, Some(first)),
            }
        } else {
            self.insert(fresh, first, prekey, now);
            return Added::Yes;
        };
        let Some(gone) = gives_way else { return Added::No };
        self.remove(gone);
        self.insert(fresh, first, prekey, now);
        Added::InPlaceOf(gone.0)
    }

    fn insert(&mut self, fresh: Fresh<'_>, first: u64, prekey: PrekeyId, now: Instant) {
        let Fresh { node, number, letter, len, .. } = fresh;
        let sender = letter.sender;
        self.senders.entry(sender).or_default().push((node, number));
        let left = letter.messages.iter().map(|message| message.id).collect();
        let prekeys = letter.spent.iter().copied().chain([prekey]).collect();
        let state = State::Taking(now);
        let item = OpenItem { prekeys, sender, left, first, len, state, seen: now };
        self.items.insert((node, number), item);
    }

    /// The item of `sender` that can be spared most: the one with the highest number, if that is above
    /// `first`, or no lower and it waits. What is being written is not spared.
    fn highest(&self, sender: &PublicKey, first: Option<u64>) -> Option<Key> {
        let items = self.senders.get(sender)?.iter().filter_map(|key| {
            let item = self.items.get(key)?;
            let above = first.is_none_or(|first| match item.state {
                State::Taking(_) => item.first > first,
                State::Held => item.first >= first,
                State::Finishing => false,
            });
            (above && item.state != State::Finishing).then_some((item.first, *key))
        });
        items.max_by_key(|(first, _)| *first).map(|(_, key)| key)
    }

    /// A message of `sender` waits: so do the items that it is in.
    pub(super) fn held(&mut self, sender: &PublicKey, id: MessageId) {
        for key in self.senders.get(sender).into_iter().flatten() {
            if let Some(item) = self.items.get_mut(key)
                && item.left.contains(&id)
            {
                item.state = State::Held;
            }
        }
    }

    /// These messages of `sender` are done with; returns the items of which that was the last. They stay
    /// until that is on disk, so that none is opened once more meanwhile.
    pub(super) fn settle(&mut self, sender: &PublicKey, ids: &[MessageId]) -> Vec<Finished> {
        let mut finished = Vec::new();
        for key in self.senders.get(sender).into_iter().flatten() {
            let Some(item) = self.items.get_mut(key) else { continue };
            if item.state == State::Finishing {
                continue;
            }
            for id in ids {
                item.left.remove(id);
            }
            if item.left.is_empty() {
                item.state = State::Finishing;
                let (node, number) = *key;
                finished.push(Finished { node, number, prekeys: item.prekeys.clone() });
            }
        }
        finished
    }

    /// An item is done with, and that is on disk.
    pub(super) fn finish(&mut self, node: &PublicKey, number: u64) {
        self.remove((*node, number));
    }

    pub(super) fn drop_sender(&mut self, sender: &PublicKey) {
        for key in self.senders.remove(sender).unwrap_or_default() {
            self.items.remove(&key);
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(item) = self.items.remove(&key) else { return };
        if let Some(keys) = self.senders.get_mut(&item.sender) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.senders.remove(&item.sender);
            }
        }
    }

    /// How many items are open.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

impl OpenItem {
    /// Whether something is still to be heard of it, unless whoever took it has lost it, such as a link
    /// that had to make room.
    fn is_taken(&self, now: Instant) -> bool {
        match self.state {
            State::Taking(since) => now.since(since) < PATIENCE,
            State::Held => false,
            State::Finishing => true,
        }
    }
}
