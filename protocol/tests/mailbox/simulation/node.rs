use std::collections::BTreeMap;

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::Identity;
use peer_protocol::mailbox::{Keeper, KeeperConfig};
use peer_protocol::message::{Mailbox, MailboxResult, Page, PageItem};
use peer_protocol::time::Now;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_bytes::ByteBuf;

use crate::people::{Disk, identity, key_of};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Conduct {
    #[default]
    Honest,
    /// Gives back all items that it ever had, in any order, under new numbers.
    Replays,
    /// Gives nothing.
    Withholds,
}

pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) alive: bool,
    conduct: Conduct,
    config: KeeperConfig,
    keeper: Keeper,
    pub(crate) disk: Disk,
    /// All items that ever came by: an adversary records everything.
    pub(crate) recorded: Vec<ByteBuf>,
    /// Under which numbers it gives them out.
    replays: BTreeMap<u64, ByteBuf>,
    next: u64,
}

impl Node {
    pub(crate) fn new(seed: u8, conduct: Conduct, now: Now) -> Self {
        let config = KeeperConfig::default();
        Self {
            identity: identity(&format!("node{seed}"), seed),
            alive: true,
            conduct,
            config,
            keeper: Keeper::new(config, now.timestamp),
            disk: Disk::default(),
            recorded: Vec::new(),
            replays: BTreeMap::new(),
            next: 1,
        }
    }

    pub(crate) fn key(&self) -> PublicKey {
        key_of(&self.identity)
    }

    pub(crate) fn restart(&mut self, now: Now) {
        self.keeper = Keeper::restore(self.config, now.timestamp, self.disk.rows());
    }

    pub(crate) fn ask(
        &mut self,
        from: &PublicKey,
        request: &Mailbox,
        now: Now,
        rng: &mut StdRng,
    ) -> MailboxResult {
        if let Mailbox::Put(put) = request {
            self.recorded.extend(put.items.iter().cloned());
        }
        let decided = self.keeper.handle(from, request, true, now, &self.disk);
        self.disk.apply(decided.changes);
        match (self.conduct, request, decided.answer) {
            (Conduct::Withholds, _, MailboxResult::Page(_)) => {
                MailboxResult::Page(Page { more: false, items: Vec::new() })
            }
            (Conduct::Replays, Mailbox::Fetch(fetch), MailboxResult::Page(_)) => {
                if fetch.after.is_none() {
                    let mut all = self.recorded.clone();
                    all.shuffle(rng);
                    self.replays.clear();
                    for item in all {
                        self.replays.insert(self.next, item);
                        self.next += 1;
                    }
                }
                let from = fetch.after.map_or(0, |after| after + 1);
                let rest = self.replays.range(from..);
                let items: Vec<_> = rest
                    .take(8)
                    .map(|(number, item)| PageItem { item: item.clone(), number: *number })
                    .collect();
                MailboxResult::Page(Page { more: items.len() == 8, items })
            }
            (_, _, answer) => answer,
        }
    }
}
