//! Keeping on disk what a restart should not lose: the registry's entries, good peers, and what was
//! registered at run time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::registry::{KeyChange, Space, StoredEntry};
use peer_protocol::identity::Fingerprint;
use peer_protocol::registry::Capability;
use peer_protocol::time::{Instant, Timestamp};

use super::good_peers::{self, Candidate};
use crate::directory::peer_of;
use crate::event_loop::EventLoop;
use crate::model::StoreTrouble;
use crate::store::{Change, Entry, Loaded, Remembered, Trouble, Writer};

/// How often the registry's changes are written.
const ENTRIES: Duration = Duration::from_secs(2);
/// How often good peers are written.
const PEERS: Duration = Duration::from_secs(30);

/// What is remembered, and the way to disk.
pub(super) struct Remembering {
    writer: Writer,
    /// Capabilities that were registered at run time.
    added: BTreeSet<Capability>,
    next_entries: Instant,
    next_peers: Instant,
    /// As they were last written.
    peers: Vec<Remembered>,
}

impl Remembering {
    pub(super) fn new(writer: Writer, added: BTreeSet<Capability>) -> Self {
        let start = Instant::default();
        Self { writer, added, next_entries: start, next_peers: start, peers: Vec::new() }
    }

    pub(super) fn save(&self, change: Change) {
        self.writer.write([change]);
    }

    pub(super) fn capabilities(&mut self, add: &[Capability], remove: &[Capability]) {
        self.added.retain(|name| !remove.contains(name));
        self.added.extend(add.iter().cloned());
        let names = self.added.iter().map(ToString::to_string).collect();
        self.save(Change::Capabilities(names));
    }
}

impl EventLoop {
    pub(super) fn tick_remembering(&mut self, now: Instant) {
        if self.registry.remembering.next_entries <= now {
            self.registry.remembering.next_entries = now + ENTRIES;
            self.take_registry_changes();
        }
        if self.registry.remembering.next_peers <= now {
            self.registry.remembering.next_peers = now + PEERS;
            self.take_good_peers();
        }
    }

    /// Why nothing can be saved, if that is so.
    pub(in crate::event_loop) fn store_trouble(&self) -> Option<StoreTrouble> {
        let Trouble { since, error } =
            self.registry.remembering.writer.trouble(self.clock.now().timestamp)?;
        Some(StoreTrouble { since, reason: error.to_string(), next: error.next_step() })
    }

    /// Writes what is left when the node stops, and closes the store; waits at most `time` for the disk.
    pub(in crate::event_loop) async fn remember_all(&mut self, time: Duration) {
        while self.take_some_changes() > 0 {}
        let Some(closed) = self.registry.remembering.writer.close() else { return };
        match tokio::time::timeout(time, closed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "what was to be remembered is not saved");
            }
            Ok(Err(_)) => tracing::error!("the store's thread broke off: not all may be saved"),
            Err(_) => tracing::error!("the disk is too slow: not all may be saved"),
        }
    }

    /// While the disk is slow the registry itself knows best what has changed, in little memory.
    fn take_registry_changes(&mut self) {
        if !self.registry.remembering.writer.is_behind() {
            self.take_some_changes();
        }
    }

    /// Returns how many keys changed; there may be more.
    fn take_some_changes(&mut self) -> usize {
        let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() else { return 0 };
        let changes = registry.take_changes();
        let count = changes.len();
        self.registry.remembering.writer.write(changes.into_iter().map(row));
        count
    }

    /// Writes who was good, and where.
    pub(in crate::event_loop) fn take_good_peers(&mut self) {
        let mut routing: HashMap<PeerId, _> = match self.swarm.behaviour_mut().registry.as_mut() {
            Some(registry) => registry.neighbours().into_iter().collect(),
            None => HashMap::new(),
        };
        let now = self.clock.now();
        let pinned = self.trust.pinned();
        let mut candidates = Vec::new();
        for (id, peer) in self.directory.iter().filter(|(_, peer)| peer.was_connected()) {
            let ago =
                if peer.is_connected() { Duration::ZERO } else { now.instant.since(peer.seen) };
            // What it says itself, or somebody says of it, does not count until it was dialled there.
            candidates.push(Candidate {
                chosen: peer.redial.is_kept() || pinned.contains(&Fingerprint::of(&peer.key)),
                had_session: !peer.sessions.is_empty() || peer.clock_ahead_ms.is_some(),
                dialled: peer.addresses.clone(),
                table: routing.remove(id).map(|addresses| named(addresses, *id)),
                seen: (now.timestamp - ago).as_millis(),
            });
        }
        let mut peers = good_peers::choose(candidates);
        let remembering = &mut self.registry.remembering;
        good_peers::keep_old(&mut peers, &remembering.peers);
        let places = |peers: &[Remembered]| -> BTreeSet<Vec<String>> {
            peers.iter().map(|peer| peer.addresses.clone()).collect()
        };
        // A node that is alone, as one that has just started, does not forget whom it knew.
        if !peers.is_empty() && places(&peers) != places(&remembering.peers) {
            remembering.peers.clone_from(&peers);
            remembering.save(Change::Peers(peers));
        }
    }

    /// Takes back what was remembered when the node last ran.
    pub(crate) fn recall(&mut self, loaded: Loaded) {
        let Loaded { records, providers, peers, contacts, broken, cut, .. } = loaded;
        self.recall_contacts(contacts);
        if broken > 0 {
            tracing::warn!(broken, "rows of the store that make no sense were left out");
        }
        if cut {
            tracing::warn!("the store has more rows than are read at once: the rest is left out");
        }
        let rows = |space, rows: Vec<_>| rows.into_iter().map(move |(key, it)| (space, key, it));
        let rows = rows(Space::Records, records).chain(rows(Space::Providers, providers));
        let mut registry = self.swarm.behaviour_mut().registry.as_mut();
        let (mut restored, mut useless) = (0, Vec::new());
        for (space, key, entries) in rows {
            let entries = entries.into_iter().filter_map(|entry| stored(space, key, entry));
            let taken = registry.as_mut().map_or(0, |registry| registry.restore(entries));
            if taken == 0 {
                useless.push(KeyChange { space, key, entries: Vec::new() });
            }
            restored += taken;
        }
        tracing::debug!(restored, useless = useless.len(), peers = peers.len(), "recalled");
        // What the registry took, in whole or in part, it reports as changed. Of the rest it knows
        // nothing: those rows would stay for ever.
        self.registry.remembering.writer.write(useless.into_iter().map(row));
        if let Some(registry) = registry {
            for peer in peers.iter().filter(|peer| peer.routing) {
                for address in peer.addresses.iter().filter_map(|text| text.parse().ok()) {
                    if let Some(id) = peer_of(&address) {
                        registry.add_address(id, address);
                    }
                }
            }
        }
        let first = |peer: &Remembered| peer.addresses.first()?.parse().ok();
        self.remember(peers.iter().filter_map(first).collect());
        self.registry.remembering.peers = peers;
    }
}

/// Addresses with the peer's id at the end.
fn named(addresses: Vec<Multiaddr>, id: PeerId) -> Vec<Multiaddr> {
    addresses.into_iter().filter_map(|address| address.with_p2p(id).ok()).collect()
}

fn row(change: KeyChange) -> Change {
    let entries = change.entries.into_iter().map(|entry| Entry {
        source: entry.source.map(|source| source.to_bytes().into()),
        value: entry.value.to_vec().into(),
        expires: entry.expires.as_millis(),
    });
    match change.space {
        Space::Records => Change::Records(change.key, entries.collect()),
        Space::Providers => Change::Providers(change.key, entries.collect()),
    }
}

fn stored(space: Space, key: [u8; 32], entry: Entry) -> Option<StoredEntry> {
    let source = match entry.source {
        Some(bytes) => Some(PeerId::from_bytes(&bytes).ok()?),
        None => None,
    };
    let expires = Timestamp::from_millis(entry.expires);
    Some(StoredEntry { space, key, source, value: entry.value.into_vec().into(), expires })
}

#[cfg(test)]
mod tests;
