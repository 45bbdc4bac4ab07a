//! The addresses that may be this node's, and those that are: where they come from, and until when that
//! is believed.
//!
//! A candidate becomes an address of the node when another node has dialled it, or when the operator or
//! the router says so. What was confirmed by a test is tested again, and forgotten if nothing confirms it
//! for a while: a firewall that was open is not open for ever. What the router forwards it forwards until
//! it says otherwise, or tests fail.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p_core::Multiaddr;
use peer_protocol::time::Instant;

use super::scope::Scope;

/// A confirmed address is tested again after this long.
pub const TEST_AGAIN: Duration = Duration::from_secs(5 * 60);
/// What nothing confirms for this long is not believed any more.
pub const BELIEVED: Duration = Duration::from_secs(15 * 60);
/// Pauses between tests of a candidate: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Tests that must fail in a row before an address counts as unreachable: one server may err, or lie.
const REFUSALS: u32 = 2;
/// Most addresses in the book that the operator did not put there.
const MAX_ADDRESSES: usize = 32;

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The operator.
    Configured,
    /// The router, which forwards a port.
    Router,
    /// A listener of this node has it.
    Listener,
    /// Peers see the node there.
    Observed,
}

/// What is known of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where it comes from.
    pub source: Source,
    /// Since when it is confirmed.
    pub confirmed: Option<Instant>,
    /// When it was last confirmed.
    pub refreshed: Instant,
    /// How many tests in a row have failed.
    pub refusals: u32,
    test_at: Instant,
    /// Whether the source still has it.
    current: bool,
}

/// Whether others can connect to the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Nobody has tried.
    #[default]
    Unknown,
    /// They can.
    Public,
    /// They have tried and cannot.
    Private,
}

/// The book.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<Multiaddr, Entry>,
}

impl Book {
    /// All addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&Multiaddr, &Entry)> {
        self.entries.iter()
    }

    /// The confirmed ones: the operator's first, then those confirmed for longest.
    #[must_use]
    pub fn confirmed(&self) -> Vec<Multiaddr> {
        let mut found: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(address, it)| Some((it.source, it.confirmed?, address)))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, _, address)| address.clone()).collect()
    }

    /// Whether an address is confirmed that can be reached from everywhere.
    #[must_use]
    pub fn is_public(&self) -> bool {
        let public = |address| matches!(Scope::of(address), Scope::Global | Scope::Name);
        self.entries.iter().any(|(address, it)| it.confirmed.is_some() && public(address))
    }

    /// Whether others can connect.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.is_public() {
            Status::Public
        } else if !self.entries.is_empty()
            && self.entries.values().all(|it| it.refusals >= REFUSALS)
        {
            Status::Private
        } else {
            Status::Unknown
        }
    }

    /// The operator, or the router, vouches for an address. Returns whether it was not confirmed before.
    pub fn vouch(&mut self, address: Multiaddr, source: Source, now: Instant) -> bool {
        if self.entries.len() >= MAX_ADDRESSES
            && source != Source::Configured
            && !self.entries.contains_key(&address)
        {
            return false;
        }
        let entry = self.entries.entry(address).or_insert(Entry::new(source, now));
        entry.source = entry.source.min(source);
        entry.current = true;
        entry.confirm(now)
    }

    /// The router does not forward to the node any more. Returns whether the address was confirmed.
    pub fn withdraw(&mut self, address: &Multiaddr) -> bool {
        match self.entries.get(address) {
            Some(entry) if entry.source == Source::Router => {
                self.entries.remove(address).is_some_and(|entry| entry.confirmed.is_some())
            }
            _ => false,
        }
    }

    /// These are all addresses that `source` has now. Only global ones are taken: what others can dial
    /// from everywhere is all that a test can tell. Those that it had before and has no more are
    /// forgotten, unless they are confirmed: then they live on until that is not believed any more.
    pub fn update<'a>(
        &mut self,
        source: Source,
        addresses: impl IntoIterator<Item = &'a Multiaddr>,
        now: Instant,
    ) {
        for entry in self.entries.values_mut().filter(|entry| entry.source == source) {
            entry.current = false;
        }
        for address in addresses {
            if Scope::of(address) != Scope::Global {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(address) {
                entry.current |= entry.source >= source;
                entry.source = entry.source.min(source);
            } else if self.entries.len() < MAX_ADDRESSES {
                self.entries.insert(address.clone(), Entry::new(source, now));
            }
        }
        self.entries.retain(|_, entry| entry.current || entry.confirmed.is_some());
    }

    /// The address whose test is due, if there is one; it is then not due again for a while.
    pub fn next_test(&mut self, now: Instant) -> Option<Multiaddr> {
        let due = self.entries.iter_mut().filter(|(address, entry)| {
            entry.test_at <= now
                && entry.source != Source::Configured
                && Scope::of(address) == Scope::Global
        });
        let (address, entry) = due.min_by_key(|(_, entry)| (entry.confirmed, entry.test_at))?;
        entry.test_at = now + FIRST_PAUSE;
        Some(address.clone())
    }

    /// A test has reached the address, or a peer from afar has. Only what is in the book counts.
    /// Returns whether it was not confirmed before.
    pub fn reached(&mut self, address: &Multiaddr, now: Instant) -> bool {
        let global = Scope::of(address) == Scope::Global;
        self.entries.get_mut(address).is_some_and(|entry| global && entry.confirm(now))
    }

    /// A peer from afar says that it reached the address. That keeps it believed, but does not make it
    /// so.
    pub fn refresh(&mut self, address: &Multiaddr, now: Instant) {
        if let Some(entry) = self.entries.get_mut(address)
            && entry.confirmed.is_some()
        {
            entry.refreshed = now;
        }
    }

    /// Something speaks for the address that proves nothing: its next test comes soon, but no sooner than
    /// any test does after another.
    pub fn test_soon(&mut self, address: &Multiaddr, now: Instant) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.test_at = entry.test_at.min(now + FIRST_PAUSE);
        }
    }

    /// A test has not reached it. Returns whether it was confirmed and is not any more.
    pub fn not_reached(&mut self, address: &Multiaddr, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(address) else { return false };
        let pause = FIRST_PAUSE.saturating_mul(1 << entry.refusals.min(10)).min(LONGEST_PAUSE);
        entry.refusals = entry.refusals.saturating_add(1);
        entry.test_at = now + pause;
        let lost = entry.refusals >= REFUSALS
            && entry.source != Source::Configured
            && entry.confirmed.take().is_some();
        if lost && !entry.current {
            self.entries.remove(address);
        }
        lost
    }

    /// Tests everything again soon, and believes only for a little longer what was confirmed: the node
    /// is somewhere else.
    pub fn doubt(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            entry.test_at = now;
            entry.refusals = entry.refusals.min(REFUSALS - 1);
        }
    }

    /// What is not believed any more.
    pub fn expire(&mut self, now: Instant) -> Vec<Multiaddr> {
        let mut gone = Vec::new();
        for (address, entry) in &mut self.entries {
            let old = entry.confirmed.is_some() && now.since(entry.refreshed) >= BELIEVED;
            if old && !matches!(entry.source, Source::Configured | Source::Router) {
                entry.confirmed = None;
                gone.push(address.clone());
            }
        }
        self.entries.retain(|_, entry| entry.current || entry.confirmed.is_some());
        gone
    }
}

impl Entry {
    const fn new(source: Source, now: Instant) -> Self {
        Self { source, confirmed: None, refreshed: now, refusals: 0, test_at: now, current: true }
    }

    fn confirm(&mut self, now: Instant) -> bool {
        self.refusals = 0;
        self.refreshed = now;
        self.test_at = now + TEST_AGAIN;
        let new = self.confirmed.is_none();
        self.confirmed.get_or_insert(now);
        new
    }
}

#[cfg(test)]
mod tests;
