//! "Who can do X?": the walk over a capability's shards (`docs/PROTOCOL.md` §11.6).
//!
//! The answers are hearsay. A provider counts once its own record, which stands under the id that
//! its `PeerId`'s key derives, is verified and lists the capability.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Capability, Key, Shard};
use crate::limits::{MAX_FOUND_PROVIDERS, MAX_PROVIDERS_PER_KEY};

/// What part of those who answer has to name twenty providers of a full shard.
const MIN_FULL_SHARE: usize = 3;

/// One search. `P` names a provider.
#[derive(Debug)]
pub struct CapabilitySearch<P> {
    capability: Capability,
    wanted: usize,
    waiting: VecDeque<Shard>,
    /// Whether the root's children have been asked, or will be.
    below_root: bool,
    asked: BTreeMap<Key, Asked>,
    found: BTreeSet<P>,
    /// Those found that did not stand up to a closer look.
    rejected: BTreeSet<P>,
}

/// A shard that is being asked for.
#[derive(Debug)]
struct Asked {
    shard: Shard,
    /// Nodes that have answered.
    answers: usize,
    /// Those of them that named as many as one node keeps.
    full: usize,
}

impl<P: Clone + Ord> CapabilitySearch<P> {
    /// A search that asks on until it knows `wanted` providers. It collects whatever answers hold
    /// beyond that, up to [`MAX_FOUND_PROVIDERS`].
    #[must_use]
    pub fn new(capability: Capability, wanted: usize) -> Self {
        Self {
            capability,
            wanted: wanted.min(MAX_FOUND_PROVIDERS),
            waiting: VecDeque::from([Shard::root()]),
            below_root: false,
            asked: BTreeMap::new(),
            found: BTreeSet::new(),
            rejected: BTreeSet::new(),
        }
    }

    /// The next key to ask the DHT for, if there is one now. Ask again after
    /// [`CapabilitySearch::answered`]; how many queries run at once is the caller's choice.
    pub fn next_key(&mut self) -> Option<Key> {
        if self.has_enough() {
            return None;
        }
        if self.is_idle() && self.has_to_descend() {
            self.descend(&Shard::root());
        }
        let shard = self.waiting.pop_front()?;
        let key = Key::of_providers(&self.capability, &shard);
        self.asked.insert(key, Asked { shard, answers: 0, full: 0 });
        Some(key)
    }

    /// Takes one node's answer for a key that was asked for; returns the providers that are new.
    /// No node keeps more than twenty for one key, so that the rest of a longer answer is ignored.
    pub fn feed(&mut self, key: &Key, providers: impl IntoIterator<Item = P>) -> Vec<P> {
        let Some(asked) = self.asked.get_mut(key) else {
            return Vec::new();
        };
        let answer: BTreeSet<_> = providers.into_iter().take(MAX_PROVIDERS_PER_KEY).collect();
        asked.answers += 1;
        asked.full += usize::from(answer.len() >= MAX_PROVIDERS_PER_KEY);
        let mut new = Vec::new();
        for provider in answer {
            if self.found.len() + self.rejected.len() < MAX_FOUND_PROVIDERS
                && !self.rejected.contains(&provider)
                && self.found.insert(provider.clone())
            {
                new.push(provider);
            }
        }
        new
    }

    /// The DHT has no more answers for `key`: if its shard is full, its children come next. It is if
    /// a third of those who answered named twenty: where there are so many, every node near the key
    /// shows as many, and a few that invent providers do not send the seeker through the whole tree.
    pub fn answered(&mut self, key: &Key) {
        if let Some(Asked { shard, answers, full }) = self.asked.remove(key)
            && full > 0
            && full * MIN_FULL_SHARE >= answers
        {
            self.descend(&shard);
        }
    }

    /// Whether the search is over: enough found, or nothing left to ask or to wait for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.has_enough() || self.is_idle() && !self.has_to_descend()
    }

    /// The providers found so far, without those rejected.
    #[must_use]
    pub const fn found(&self) -> &BTreeSet<P> {
        &self.found
    }

    /// A provider did not stand up to a closer look: it is not found again, and the search asks on
    /// for another. Returns whether it was among those found.
    pub fn reject(&mut self, provider: P) -> bool {
        let was_found = self.found.remove(&provider);
        if was_found {
            self.rejected.insert(provider);
        }
        was_found
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty()
    }

    /// Every provider is announced below the root too. That nobody is found there may be the doing
    /// of nodes that surround it.
    fn has_to_descend(&self) -> bool {
        self.found.is_empty() && !self.below_root
    }

    fn descend(&mut self, shard: &Shard) {
        self.below_root = true;
        self.waiting.extend(shard.children());
    }

    fn has_enough(&self) -> bool {
        self.found.len() >= self.wanted
            || self.found.len() + self.rejected.len() >= MAX_FOUND_PROVIDERS
    }
}
