//! Where this node has dialled lately. A firewall lets answers in, and some let in whatever else comes
//! from there: a connection from such an address does not show that others can connect.

use std::net::IpAddr;
use std::time::Duration;

use hashlink::LinkedHashMap;
use peer_protocol::time::Instant;

/// Firewalls forget sooner.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Most addresses remembered; the oldest goes first.
const MAX_ADDRESSES: usize = 4096;

/// IP addresses that this node has dialled, in vain or not, the one dialled longest ago first.
#[derive(Debug, Default)]
pub(super) struct Dialled(LinkedHashMap<IpAddr, Instant>);

impl Dialled {
    pub(super) fn insert(&mut self, ip: IpAddr, now: Instant) {
        self.0.remove(&ip);
        self.0.insert(ip, now);
        while self.0.len() > MAX_ADDRESSES
            || self.0.front().is_some_and(|(_, at)| now.since(*at) >= MEMORY)
        {
            self.0.pop_front();
        }
    }

    pub(super) fn contains(&self, ip: &IpAddr, now: Instant) -> bool {
        self.0.get(ip).is_some_and(|at| now.since(*at) < MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn what_was_dialled_is_remembered_for_an_hour_and_within_bounds() {
        let at = |seconds| Instant::from_start(Duration::from_secs(seconds));
        let ip = |number: u32| IpAddr::from(Ipv4Addr::from_bits(number));
        let mut dialled = Dialled::default();
        dialled.insert(ip(1), at(0));
        dialled.insert(ip(2), at(0));
        dialled.insert(ip(1), at(10));
        assert!(dialled.contains(&ip(1), at(3_609)) && !dialled.contains(&ip(1), at(3_610)));
        assert!(!dialled.contains(&ip(3), at(10)));
        dialled.insert(ip(3), at(3_600));
        assert_eq!(dialled.0.len(), 2);
        (10..10_000).for_each(|number| dialled.insert(ip(number), at(3_600)));
        assert_eq!(dialled.0.len(), MAX_ADDRESSES);
        assert!(!dialled.contains(&ip(1), at(3_600)) && dialled.contains(&ip(9_999), at(3_600)));
    }
}
