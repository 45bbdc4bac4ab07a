//! The dials of this node: not too many at once, and a second turn for addresses that should be tried
//! only if the first do not lead anywhere soon.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use peer_protocol::time::Instant;

use super::EventLoop;

/// Most dials at once that nobody waits for. libp2p has 128 places for dials, which others need too:
/// callers, relays, hole punching, tests.
const MAX_AT_ONCE: usize = 16;
/// How long the first addresses of a peer are tried alone.
const HEAD_START: Duration = Duration::from_millis(500);
/// Most peers that wait for a second turn.
const MAX_SECOND: usize = 128;

/// Dials under way, and second turns to come.
#[derive(Debug, Default)]
pub(super) struct Dials {
    under_way: HashSet<ConnectionId>,
    second: Vec<(Instant, PeerId)>,
}

impl Dials {
    /// Whether there is room for another one that nobody waits for.
    pub(super) fn have_room(&self) -> bool {
        self.under_way.len() < MAX_AT_ONCE
    }

    /// A dial came to an end. Returns whether it was one of these.
    pub(super) fn ended(&mut self, dial: ConnectionId) -> bool {
        self.under_way.remove(&dial)
    }

    fn plan_second(&mut self, peer: PeerId, now: Instant) {
        let planned = self.second.iter().any(|(_, other)| *other == peer);
        if !planned && self.second.len() < MAX_SECOND {
            self.second.push((now + HEAD_START, peer));
        }
    }

    /// Those whose second turn has come.
    fn take_due(&mut self, now: Instant) -> Vec<PeerId> {
        let due = self.second.extract_if(.., |(when, _)| *when <= now);
        due.map(|(_, peer)| peer).collect()
    }
}

impl EventLoop {
    /// Begins a dial. Its end is reported by the swarm.
    pub(super) fn dial(&mut self, opts: DialOpts) -> Result<ConnectionId, DialError> {
        let dial = opts.connection_id();
        let begun = self.swarm.dial(opts);
        begun.inspect_err(|error| self.metrics().dialled(error.into()))?;
        self.dials.under_way.insert(dial);
        Ok(dial)
    }

    /// Dials a peer where it is known to be.
    pub(super) fn dial_known(&mut self, id: PeerId) {
        let now = self.clock.now().instant;
        let Some(peer) = self.directory.get_mut(&id) else { return };
        peer.redial.dialing();
        let (first, second) = peer.dialable();
        if !second.is_empty() {
            self.dials.plan_second(id, now);
        }
        let opts = DialOpts::peer_id(id).addresses(first).condition(PeerCondition::Always).build();
        if let Err(error) = self.dial(opts) {
            self.dial_failed(id, &super::connecting::explain(&error));
        }
    }

    /// Gives those that are still not connected their second turn.
    pub(super) fn dial_again(&mut self, now: Instant) {
        for id in self.dials.take_due(now) {
            let Some(peer) = self.directory.get(&id).filter(|peer| !peer.is_connected()) else {
                continue;
            };
            let (_, second) = peer.dialable();
            let opts =
                DialOpts::peer_id(id).addresses(second).condition(PeerCondition::Always).build();
            if let Err(error) = self.dial(opts) {
                tracing::debug!(peer = %self.directory.name(&id), %error, "no second turn");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut dials = Dials::default();
        for number in 0..MAX_AT_ONCE {
            assert!(dials.have_room());
            dials.under_way.insert(ConnectionId::new_unchecked(number));
        }
        assert!(!dials.have_room());
        assert!(!dials.ended(ConnectionId::new_unchecked(MAX_AT_ONCE)), "somebody else's");
        assert!(dials.ended(ConnectionId::new_unchecked(3)));
        assert!(dials.have_room());
    }

    #[test]
    fn second_turns_come_once_and_are_bounded() {
        let mut dials = Dials::default();
        let peer = PeerId::random();
        dials.plan_second(peer, at(0));
        dials.plan_second(peer, at(100));
        assert!(dials.take_due(at(499)).is_empty());
        assert_eq!(dials.take_due(at(500)), [peer]);
        assert!(dials.take_due(at(10_000)).is_empty());
        for _ in 0..1_000 {
            dials.plan_second(PeerId::random(), at(0));
        }
        assert_eq!(dials.second.len(), MAX_SECOND);
    }
}
