//! What a node tells others of where it is.

use std::collections::BTreeSet;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use peer_behaviours::reachability::scope::Scope;
use peer_protocol::limits::MAX_RECORD_ADDRESSES;
use peer_protocol::time::Instant;

/// A change is told once nothing more has changed for this long: addresses come and go in groups.
const SETTLED: Duration = Duration::from_secs(2);

/// Where a node can be reached, by kind.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Confirmed addresses, the operator's first.
    pub(super) confirmed: Vec<Multiaddr>,
    pub(super) listeners: Vec<Multiaddr>,
    pub(super) relayed: Vec<Multiaddr>,
    /// Whether nothing outside private networks is known.
    pub(super) local_world: bool,
}

impl Places {
    /// What to announce, the best first: confirmed addresses; then, where the whole world is local,
    /// those of the local network, or of this machine if there is no network; then relays.
    ///
    /// In a public network private addresses are announced only if there is nothing else: to almost
    /// everybody they are wrong, they tell about the inside of a network, and peers on the same network
    /// find each other by multicast DNS.
    pub(super) fn announced(&self) -> Vec<Multiaddr> {
        let of_scope = |wanted: Scope| {
            self.listeners.iter().filter(move |address| Scope::of(address) == wanted).cloned()
        };
        let confirmed = self.confirmed.iter().cloned();
        let mut all: Vec<Multiaddr> = if self.local_world {
            confirmed.chain(of_scope(Scope::Private)).chain(self.relayed.iter().cloned()).collect()
        } else {
            confirmed.chain(self.relayed.iter().cloned()).collect()
        };
        if all.is_empty() {
            all = of_scope(Scope::Global).chain(of_scope(Scope::Private)).collect();
        }
        if all.is_empty() && self.local_world {
            all = of_scope(Scope::Loopback).collect();
        }
        let mut seen = BTreeSet::new();
        all.retain(|address| seen.insert(address.clone()));
        all.truncate(MAX_RECORD_ADDRESSES);
        all
    }
}

/// An address without the node's own peer id at its end, which whoever reads a record knows.
pub(super) fn bare(address: &Multiaddr) -> Multiaddr {
    let mut bare = address.clone();
    if matches!(bare.iter().last(), Some(Protocol::P2p(_))) {
        bare.pop();
    }
    bare
}

/// Tells when what is announced has changed.
#[derive(Debug, Default)]
pub(super) struct Announcement {
    told: Vec<Multiaddr>,
    next: Vec<Multiaddr>,
    since: Instant,
}

impl Announcement {
    /// What is announced now. Returns whether to tell it.
    pub(super) fn look(&mut self, now_announced: &[Multiaddr], now: Instant) -> bool {
        if self.next != now_announced {
            self.next = now_announced.to_vec();
            self.since = now;
        }
        let changed = self.next != self.told && now.since(self.since) >= SETTLED;
        if changed {
            self.told.clone_from(&self.next);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAYED: &str =
        "/ip4/11.0.0.1/tcp/1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo/p2p-circuit";

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn announced(
        confirmed: &[&str],
        listeners: &[&str],
        relayed: &[&str],
        local_world: bool,
    ) -> Vec<Multiaddr> {
        let [confirmed, listeners, relayed] = [confirmed, listeners, relayed].map(addresses);
        Places { confirmed, listeners, relayed, local_world }.announced()
    }

    #[test]
    fn the_best_comes_first_and_what_nobody_can_dial_is_left_out() {
        let listeners = ["/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.2/tcp/1", "/ip6/fe80::1/tcp/1"];
        let public = "/ip4/11.0.0.7/tcp/1";
        assert_eq!(
            announced(&[public], &listeners, &[RELAYED], false),
            addresses(&[public, RELAYED])
        );
        assert_eq!(announced(&[], &listeners, &[RELAYED], false), addresses(&[RELAYED]));
        let lan = "/ip4/192.168.1.2/tcp/1";
        assert_eq!(announced(&[], &listeners, &[], false), addresses(&[lan]));
        assert_eq!(announced(&[], &listeners, &[RELAYED], true), addresses(&[lan, RELAYED]));
        let loopback = "/ip4/127.0.0.1/tcp/1";
        assert_eq!(announced(&[], &[loopback], &[], true), addresses(&[loopback]));
        assert!(announced(&[], &[loopback], &[], false).is_empty());
        let untried = "/ip4/11.0.0.8/tcp/1";
        assert_eq!(announced(&[], &[untried, lan], &[], false), addresses(&[untried, lan]));
    }

    #[test]
    fn a_record_holds_no_more_than_it_may() {
        let many: Vec<String> = (1..100).map(|port| format!("/ip4/11.0.0.7/tcp/{port}")).collect();
        let many: Vec<&str> =
            many.iter().map(String::as_str).chain(["/ip4/11.0.0.7/tcp/1"]).collect();
        assert_eq!(announced(&many, &[], &[], false).len(), MAX_RECORD_ADDRESSES);
        assert_eq!(announced(&[many[0], many[0]], &[], &[], false).len(), 1);
    }

    #[test]
    fn changes_are_told_once_they_have_settled() {
        let at = |millis| Instant::from_start(Duration::from_millis(millis));
        let [one, two] = ["/ip4/11.0.0.7/tcp/1", "/ip4/11.0.0.7/tcp/2"].map(|it| addresses(&[it]));
        let mut announcement = Announcement::default();
        assert!(!announcement.look(&[], at(10_000)), "nothing is nothing new");
        assert!(!announcement.look(&one, at(10_000)));
        assert!(!announcement.look(&two, at(11_000)));
        assert!(!announcement.look(&two, at(12_999)));
        assert!(announcement.look(&two, at(13_000)));
        assert!(!announcement.look(&two, at(20_000)));
        assert!(!announcement.look(&one, at(21_000)));
        assert!(!announcement.look(&two, at(22_000)), "back to what was told");
        assert!(!announcement.look(&two, at(30_000)));
    }
}
