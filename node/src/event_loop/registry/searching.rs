//! Searching for entities by what they can do.

use std::collections::HashMap;
use std::time::Duration;

use peer_behaviours::registry::SearchId;
use peer_protocol::identity::TrustView as _;
use peer_protocol::limits::MAX_FOUND_PROVIDERS;
use peer_protocol::registry::{Capability, Verified};
use peer_protocol::time::Instant;

use super::off;
use super::publishing::millis;
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::handle::Reply;
use crate::model::{Discovered, Listing};

/// Most searches at once.
const MAX_SEARCHES: usize = 64;

/// Searches under way.
#[derive(Default)]
pub(super) struct Searches(HashMap<SearchId, Search>);

struct Search {
    capabilities: Vec<Capability>,
    most: usize,
    since: Instant,
    deadline: Instant,
    reply: Reply<Discovered>,
    found: Vec<Listing>,
    rejected: usize,
}

impl EventLoop {
    pub(super) fn discover(
        &mut self,
        capabilities: Vec<Capability>,
        most: usize,
        timeout: Duration,
        reply: Reply<Discovered>,
    ) {
        let now = self.clock.now().instant;
        let Some(first) = capabilities.first().cloned() else { return };
        let listed: Vec<_> = self.registry.file.able(&capabilities).cloned().collect();
        let found: Vec<_> = listed.iter().map(|it| self.file_listing(it)).take(most).collect();
        // Of those that can do the first, only some can do the rest.
        let wanted = if capabilities.len() > 1 { MAX_FOUND_PROVIDERS } else { most };
        let (since, deadline) = (now, now + timeout);
        let enough = found.len() >= most;
        let search = Search { capabilities, most, since, deadline, reply, found, rejected: 0 };
        if enough {
            return finish(search, 0, false, now);
        }
        let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() else {
            if self.registry.file.is_empty() {
                drop(search.reply.send(Err(off())));
            } else {
                finish(search, 0, true, now);
            }
            return;
        };
        if self.registry.searches.0.len() >= MAX_SEARCHES {
            let detail = format!("{MAX_SEARCHES} searches are under way; try again later");
            drop(search.reply.send(Err(NodeError::Registry { detail })));
            return;
        }
        match registry.search(first, wanted) {
            Ok(id) => drop(self.registry.searches.0.insert(id, search)),
            Err(busy) => {
                let detail = busy.to_string();
                drop(search.reply.send(Err(NodeError::Registry { detail })));
            }
        }
    }

    pub(super) fn on_found(&mut self, id: SearchId, record: &Verified) {
        let record = record.record();
        let trusted = self.trust.judge(&record.entity, &record.public_key).is_ok();
        let listing = self.listing(record, crate::model::Source::Registry);
        let Some(search) = self.registry.searches.0.get_mut(&id) else { return };
        if !search.capabilities.iter().all(|name| record.capabilities.contains(name)) {
            return;
        }
        if !trusted {
            search.rejected += 1;
            return;
        }
        // What the entity signed says more than the file.
        search.found.retain(|known| known.peer_id != listing.peer_id);
        search.found.push(listing);
        if search.found.len() >= search.most {
            self.end_search(id, false);
        }
    }

    pub(super) fn on_search_done(&mut self, id: SearchId, rejected: usize, asked: usize) {
        if let Some(mut search) = self.registry.searches.0.remove(&id) {
            search.rejected += rejected;
            finish(search, asked, true, self.clock.now().instant);
        }
    }

    pub(super) fn tick_searches(&mut self, now: Instant) {
        let over = |(_, search): &(&SearchId, &Search)| search.deadline <= now;
        let over: Vec<_> =
            self.registry.searches.0.iter().filter(over).map(|(id, _)| *id).collect();
        for id in over {
            self.end_search(id, false);
        }
    }

    fn end_search(&mut self, id: SearchId, complete: bool) {
        if let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() {
            registry.cancel_search(id);
        }
        if let Some(search) = self.registry.searches.0.remove(&id) {
            finish(search, 0, complete, self.clock.now().instant);
        }
    }
}

fn finish(search: Search, asked: usize, complete: bool, now: Instant) {
    let Search { since, reply, mut found, rejected, .. } = search;
    found.sort_by(|a, b| a.entity.cmp(&b.entity));
    let took_ms = millis(now.since(since));
    drop(reply.send(Ok(Discovered { listings: found, rejected, asked, took_ms, complete })));
}
