//! Peers that were good before: dialled when too few are connected, and to be kept for the next run.

use std::collections::VecDeque;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use peer_protocol::time::Instant;

use super::EventLoop;
use crate::directory::peer_of;

/// With fewer peers connected than this, more are looked for.
const ENOUGH: usize = 3;
/// Most addresses remembered, and handed out.
const MAX_REMEMBERED: usize = 64;
/// How many are dialled in one round.
const ROUND: usize = 3;
/// Kept peers and those of the configuration come first.
const FIRST_ROUND: Duration = Duration::from_secs(5);
/// Pauses between rounds: they double, up to the longest, and start anew once enough are connected.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Addresses of good peers, the next to dial first.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    list: VecDeque<(PeerId, Multiaddr)>,
    next_round: Option<Instant>,
    rounds: u32,
}

impl Remembered {
    /// Takes in addresses; those that do not say who is there, and those that do not fit, are left out.
    fn add(&mut self, addresses: Vec<Multiaddr>) {
        for address in addresses {
            let Some(id) = peer_of(&address) else { continue };
            let known = self.list.iter().any(|(_, known)| *known == address);
            if !known && self.list.len() < MAX_REMEMBERED {
                self.list.push_back((id, address));
            }
        }
    }

    /// Whom to dial now, if so many are connected. Each gets its turn.
    fn round(
        &mut self,
        connected: usize,
        is_connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> Vec<(PeerId, Multiaddr)> {
        if connected >= ENOUGH || self.list.is_empty() {
            (self.next_round, self.rounds) = (None, 0);
            return Vec::new();
        }
        let due = *self.next_round.get_or_insert(now + FIRST_ROUND);
        if now < due {
            return Vec::new();
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.rounds.min(10)).min(LONGEST_PAUSE);
        self.next_round = Some(now + pause);
        self.rounds = self.rounds.saturating_add(1);
        let mut chosen = Vec::new();
        for _ in 0..self.list.len() {
            if chosen.len() == ROUND {
                break;
            }
            let Some(next) = self.list.pop_front() else { break };
            self.list.push_back(next.clone());
            if !is_connected(&next.0) {
                chosen.push(next);
            }
        }
        chosen
    }
}

impl EventLoop {
    /// Takes in addresses of good peers of an earlier run.
    pub(super) fn remember(&mut self, addresses: Vec<Multiaddr>) {
        self.remembered.add(addresses);
    }

    /// Dials some of them if too few peers are connected.
    pub(super) fn dial_remembered(&mut self, now: Instant) {
        let connected = self.swarm.connected_peers().take(ENOUGH).count();
        let swarm = &self.swarm;
        for (id, address) in self.remembered.round(connected, |id| swarm.is_connected(id), now) {
            tracing::debug!(%address, "too few peers: dialling one of before");
            if let Some(peer) = self.directory.entry(id) {
                peer.add_address(address);
                self.need_connection(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn some(count: u16) -> Vec<Multiaddr> {
        let address = |port| format!("/ip4/11.0.0.1/tcp/{port}/p2p/{}", PeerId::random());
        (1..=count).map(|port| address(port).parse().unwrap()).collect()
    }

    #[test]
    fn each_gets_its_turn_ever_more_rarely_while_too_few_are_connected() {
        let mut remembered = Remembered::default();
        remembered.add(some(7));
        let (mut rounds, mut dialled) = (Vec::new(), Vec::new());
        for second in 0..100 {
            let chosen = remembered.round(2, |_| false, at(second));
            if !chosen.is_empty() {
                rounds.push(second);
                dialled.extend(chosen.into_iter().map(|(_, address)| address));
            }
        }
        assert_eq!(rounds, [5, 15, 35, 75]);
        assert_eq!(dialled.len(), 4 * ROUND);
        dialled.sort();
        dialled.dedup();
        assert_eq!(dialled.len(), 7);
        assert!(remembered.round(ENOUGH, |_| false, at(1_000)).is_empty());
        assert!(remembered.round(2, |_| false, at(1_001)).is_empty(), "kept peers come first");
        assert_eq!(remembered.round(2, |_| false, at(1_006)).len(), ROUND);
        assert!(remembered.round(2, |_| true, at(2_000)).is_empty(), "they are connected already");
    }

    #[test]
    fn not_more_than_so_many_are_remembered_and_none_without_a_name() {
        let mut remembered = Remembered::default();
        remembered.add(vec!["/ip4/11.0.0.1/tcp/1".parse().unwrap()]);
        assert!(remembered.list.is_empty());
        let many = some(100);
        remembered.add(many.clone());
        remembered.add(many);
        assert_eq!(remembered.list.len(), MAX_REMEMBERED);
    }
}
