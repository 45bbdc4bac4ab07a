//! Relays that this node uses: which to ask for a reservation, and when.
//!
//! libp2p renews reservations itself; here they are made, counted, and replaced when they are lost.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::{Multiaddr, PeerId};
use peer_behaviours::reachability::book::Status;
use peer_protocol::time::Instant;

/// Relays to be reachable over at once: one may go.
pub(super) const WANTED: usize = 2;
/// Most peers remembered as relays.
const MAX_OFFERS: usize = 64;
/// A node of which nobody has found out whether it can be reached waits this long before it asks relays.
const PATIENCE: Duration = Duration::from_secs(5);
/// A node that turned out to be reachable keeps its relays this long: peers may still come over them.
const PARTING: Duration = Duration::from_secs(60);
/// Pauses before a relay that refused, or was lost, is asked again: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// A reservation that is not answered for this long is given up.
const UNANSWERED: Duration = Duration::from_secs(20);

/// A reservation, or the attempt at one.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) listener: ListenerId,
    /// Where the node is reached over it.
    pub(super) address: Multiaddr,
    /// Whether the relay has agreed.
    pub(super) accepted: bool,
    since: Instant,
}

#[derive(Debug, Default, Clone, Copy)]
struct Offer {
    not_before: Instant,
    failures: u32,
}

/// What is known of relays.
#[derive(Debug, Default)]
pub(super) struct Relays {
    offers: HashMap<PeerId, Offer>,
    reserved: HashMap<PeerId, Reservation>,
    /// Since when relays have been wanted, or not.
    since: Option<(bool, Instant)>,
}

impl Relays {
    /// A peer says whether it is a relay.
    pub(super) fn offers(&mut self, peer: PeerId, is_relay: bool) {
        if !is_relay {
            // What is reserved there ends by itself.
            self.offers.remove(&peer);
        } else if self.offers.len() < MAX_OFFERS {
            self.offers.entry(peer).or_default();
        }
    }

    /// Forgets a relay that is gone and at which nothing is reserved, and nothing failed: the pause after
    /// a failure must not be skipped by coming back.
    pub(super) fn left(&mut self, peer: &PeerId) {
        let fine = self.offers.get(peer).is_some_and(|offer| offer.failures == 0);
        if fine && !self.reserved.contains_key(peer) {
            self.offers.remove(peer);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Reservation)> {
        self.reserved.iter()
    }

    /// Where the node is reached over relays that have agreed.
    pub(super) fn addresses(&self) -> Vec<Multiaddr> {
        let mut found: Vec<_> = self
            .reserved
            .values()
            .filter(|reservation| reservation.accepted)
            .map(|reservation| (reservation.since, reservation.address.clone()))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, address)| address).collect()
    }

    /// Whether the node should be reachable over relays; to be asked regularly.
    pub(super) fn are_wanted(&mut self, status: Status, open: bool, now: Instant) -> bool {
        let needed = match status {
            Status::Public => false,
            Status::Private => true,
            // Somebody is connected who could help, and nothing shows that help is not needed.
            Status::Unknown => !open && !self.offers.is_empty(),
        };
        let (before, since) = *self.since.get_or_insert((needed, now));
        let since = if before == needed { since } else { now };
        self.since = Some((needed, since));
        let waited = now.since(since);
        match status {
            Status::Private => true,
            Status::Unknown => needed && waited >= PATIENCE,
            Status::Public => !self.reserved.is_empty() && waited < PARTING,
        }
    }

    /// The relay to ask next, of those that are `connected`.
    pub(super) fn choose(
        &self,
        connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> Option<PeerId> {
        if self.reserved.len() >= WANTED {
            return None;
        }
        self.offers
            .iter()
            .filter(|(peer, offer)| {
                offer.not_before <= now && !self.reserved.contains_key(peer) && connected(peer)
            })
            .min_by_key(|(peer, offer)| (offer.failures, **peer))
            .map(|(peer, _)| *peer)
    }

    pub(super) fn asked(
        &mut self,
        relay: PeerId,
        listener: ListenerId,
        address: Multiaddr,
        now: Instant,
    ) {
        let reservation = Reservation { listener, address, accepted: false, since: now };
        self.reserved.insert(relay, reservation);
    }

    /// It agreed. Returns whether that is new.
    pub(super) fn accepted(&mut self, relay: &PeerId) -> bool {
        if let Some(offer) = self.offers.get_mut(relay) {
            offer.failures = 0;
        }
        let reservation = self.reserved.get_mut(relay);
        reservation.is_some_and(|it| !std::mem::replace(&mut it.accepted, true))
    }

    /// It refused, or nothing could be asked.
    pub(super) fn failed(&mut self, relay: PeerId, now: Instant) {
        self.reserved.remove(&relay);
        if let Some(offer) = self.offers.get_mut(&relay) {
            let pause = FIRST_PAUSE.saturating_mul(1 << offer.failures.min(10)).min(LONGEST_PAUSE);
            offer.failures = offer.failures.saturating_add(1);
            offer.not_before = now + pause;
        }
    }

    /// A listener is closed. Returns the relay if it was for one.
    pub(super) fn closed(&mut self, listener: ListenerId, now: Instant) -> Option<PeerId> {
        let relay = *self.reserved.iter().find(|(_, it)| it.listener == listener)?.0;
        self.failed(relay, now);
        Some(relay)
    }

    /// Attempts that nobody answered, and, if relays are not `wanted`, all reservations; their listeners
    /// are to be removed.
    pub(super) fn to_give_up(&self, wanted: bool, now: Instant) -> Vec<ListenerId> {
        self.reserved
            .values()
            .filter(|it| !wanted || (!it.accepted && now.since(it.since) >= UNANSWERED))
            .map(|it| it.listener)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    fn address() -> Multiaddr {
        "/ip4/11.0.0.1/tcp/1".parse().unwrap()
    }

    #[test]
    fn relays_are_wanted_by_who_cannot_be_reached() {
        let mut relays = Relays::default();
        assert!(!relays.are_wanted(Status::Unknown, false, at(0)), "nobody could help");
        relays.offers(PeerId::random(), true);
        assert!(!relays.are_wanted(Status::Unknown, true, at(0)), "it has a public address");
        assert!(!relays.are_wanted(Status::Unknown, false, at(1_000)));
        assert!(!relays.are_wanted(Status::Unknown, false, at(5_999)), "perhaps it can be reached");
        assert!(relays.are_wanted(Status::Unknown, false, at(6_000)));
        assert!(relays.are_wanted(Status::Private, false, at(6_100)));
        assert!(!relays.are_wanted(Status::Public, false, at(6_200)), "none was reserved");
        assert!(relays.are_wanted(Status::Private, false, at(6_300)), "at once");
    }

    #[test]
    fn who_turns_out_to_be_reachable_parts_from_its_relays_slowly() {
        let mut relays = Relays::default();
        let relay = PeerId::random();
        relays.offers(relay, true);
        assert!(relays.are_wanted(Status::Private, false, at(0)));
        let listener = ListenerId::next();
        relays.asked(relay, listener, address(), at(0));
        relays.accepted(&relay);
        assert!(relays.are_wanted(Status::Public, false, at(1_000)));
        assert!(relays.are_wanted(Status::Public, false, at(60_999)));
        assert!(!relays.are_wanted(Status::Public, false, at(61_000)));
        assert!(relays.to_give_up(true, at(61_000)).is_empty());
        assert_eq!(relays.to_give_up(false, at(61_000)), [listener]);
    }

    #[test]
    fn two_are_reserved_and_one_that_is_lost_is_replaced() {
        let mut relays = Relays::default();
        let peers = [PeerId::random(), PeerId::random(), PeerId::random()];
        for peer in peers {
            relays.offers(peer, true);
        }
        let mut used = Vec::new();
        while let Some(relay) = relays.choose(|_| true, at(0)) {
            relays.asked(relay, ListenerId::next(), address(), at(0));
            assert!(relays.accepted(&relay) && !relays.accepted(&relay));
            used.push(relay);
        }
        assert_eq!(used.len(), WANTED);
        let lost = relays.iter().find(|(peer, _)| **peer == used[0]).unwrap().1.listener;
        assert_eq!(relays.closed(lost, at(1_000)), Some(used[0]));
        assert_eq!(relays.closed(lost, at(1_000)), None);
        let third = *peers.iter().find(|peer| !used.contains(peer)).unwrap();
        assert_eq!(relays.choose(|_| true, at(1_000)), Some(third));
        assert_eq!(relays.choose(|peer| *peer != third, at(2_999)), None);
        assert_eq!(relays.choose(|peer| *peer != third, at(3_000)), Some(used[0]));
    }

    #[test]
    fn one_that_does_not_answer_is_given_up_and_asked_ever_more_rarely() {
        let mut relays = Relays::default();
        let relay = PeerId::random();
        relays.offers(relay, true);
        let (mut now, mut asked) = (0, Vec::new());
        while now < 1_000_000 {
            if relays.choose(|_| true, at(now)).is_some() {
                asked.push(now);
                relays.asked(relay, ListenerId::next(), address(), at(now));
            }
            for listener in relays.to_give_up(true, at(now)) {
                relays.closed(listener, at(now));
                relays.left(&relay);
                relays.offers(relay, true);
            }
            now += 1_000;
        }
        let pauses: Vec<_> = asked.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
        assert_eq!(pauses, [22, 24, 28, 36, 52, 84, 148, 276, 320]);
    }
}
