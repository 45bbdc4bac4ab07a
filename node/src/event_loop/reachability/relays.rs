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
/// A node that turned out to be reachable keeps its relays at least this long: peers may still come
/// over them.
const PARTING: Duration = Duration::from_secs(60);
/// Pauses before a relay that refused, or was lost, is asked again: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// A reservation that is not answered for this long does not count; libp2p ends it later.
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

/// What it means that a relay agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed {
    /// The node is reachable over it now.
    New,
    /// It still is.
    Again,
    /// No relay is needed any more; its listener is to be removed.
    Unneeded(ListenerId),
}

/// What is known of relays.
#[derive(Debug, Default)]
pub(super) struct Relays {
    offers: HashMap<PeerId, Offer>,
    reserved: HashMap<PeerId, Reservation>,
    /// Since when relays have been wanted, or not.
    since: Option<(bool, Instant)>,
    wanted: bool,
}

impl Relays {
    /// A peer says whether it is a relay.
    pub(super) fn offers(&mut self, peer: PeerId, is_relay: bool) {
        if !is_relay {
            // What is reserved there ends by itself.
            self.offers.remove(&peer);
        } else if self.offers.contains_key(&peer) || self.make_room() {
            self.offers.entry(peer).or_default();
        }
    }

    /// Forgets whoever failed most often if there are too many. Those that offer much and keep nothing
    /// must not crowd out the others.
    fn make_room(&mut self) -> bool {
        if self.offers.len() >= MAX_OFFERS {
            let useless = self
                .offers
                .iter()
                .filter(|(peer, offer)| offer.failures > 0 && !self.reserved.contains_key(peer))
                .max_by_key(|(_, offer)| offer.failures)
                .map(|(peer, _)| *peer);
            let Some(useless) = useless else { return false };
            self.offers.remove(&useless);
        }
        true
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
        self.wanted = match status {
            Status::Private => true,
            Status::Unknown => needed && waited >= PATIENCE,
            Status::Public => !self.reserved.is_empty() && waited < PARTING,
        };
        self.wanted
    }

    /// The relay to ask next, of those that are `connected`.
    pub(super) fn choose(
        &self,
        connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> Option<PeerId> {
        let counts = |it: &&Reservation| it.accepted || now.since(it.since) < UNANSWERED;
        if self.reserved.values().filter(counts).count() >= WANTED {
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

    /// It agreed, for the first time or again.
    ///
    /// Relays that are not needed any more are parted from here and nowhere else: libp2p's client panics
    /// if a relay's answer comes after its reservation was given up, and now none is under way.
    pub(super) fn accepted(&mut self, relay: &PeerId) -> Agreed {
        if let Some(offer) = self.offers.get_mut(relay) {
            offer.failures = 0;
        }
        let Some(it) = self.reserved.get_mut(relay) else { return Agreed::Again };
        if !self.wanted {
            Agreed::Unneeded(it.listener)
        } else if std::mem::replace(&mut it.accepted, true) {
            Agreed::Again
        } else {
            Agreed::New
        }
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
        assert_eq!(relays.accepted(&relay), Agreed::New);
        assert!(relays.are_wanted(Status::Public, false, at(1_000)));
        assert!(relays.are_wanted(Status::Public, false, at(60_999)));
        assert_eq!(relays.accepted(&relay), Agreed::Again);
        assert!(!relays.are_wanted(Status::Public, false, at(61_000)));
        assert_eq!(relays.addresses().len(), 1, "until it renews the reservation");
        assert_eq!(relays.accepted(&relay), Agreed::Unneeded(listener));
    }

    #[test]
    fn two_are_reserved_and_one_that_is_lost_is_replaced() {
        let mut relays = Relays::default();
        relays.are_wanted(Status::Private, false, at(0));
        let peers = [PeerId::random(), PeerId::random(), PeerId::random()];
        for peer in peers {
            relays.offers(peer, true);
        }
        let mut used = Vec::new();
        while let Some(relay) = relays.choose(|_| true, at(0)) {
            relays.asked(relay, ListenerId::next(), address(), at(0));
            assert_eq!(relays.accepted(&relay), Agreed::New);
            assert_eq!(relays.accepted(&relay), Agreed::Again);
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
    fn those_that_do_not_answer_do_not_keep_others_from_being_asked() {
        let mut relays = Relays::default();
        for _ in 0..3 {
            relays.offers(PeerId::random(), true);
        }
        for _ in 0..WANTED {
            let relay = relays.choose(|_| true, at(0)).unwrap();
            relays.asked(relay, ListenerId::next(), address(), at(0));
        }
        assert_eq!(relays.choose(|_| true, at(19_999)), None);
        assert!(relays.choose(|_| true, at(20_000)).is_some());
    }

    #[test]
    fn those_that_only_refuse_do_not_crowd_out_the_others() {
        let mut relays = Relays::default();
        for _ in 0..MAX_OFFERS {
            relays.offers(PeerId::random(), true);
        }
        let good = PeerId::random();
        relays.offers(good, true);
        assert_eq!(relays.choose(|peer| *peer == good, at(0)), None, "nobody has failed yet");
        let bad = relays.choose(|_| true, at(0)).unwrap();
        relays.asked(bad, ListenerId::next(), address(), at(0));
        relays.failed(bad, at(0));
        relays.offers(good, true);
        assert_eq!(relays.choose(|peer| *peer == good, at(0)), Some(good));
        assert_eq!(relays.offers.len(), MAX_OFFERS);
    }

    #[test]
    fn one_that_refuses_is_asked_ever_more_rarely() {
        let mut relays = Relays::default();
        let relay = PeerId::random();
        relays.offers(relay, true);
        let (mut now, mut asked) = (0, Vec::new());
        while now < 1_000_000 {
            if relays.choose(|_| true, at(now)).is_some() {
                asked.push(now);
                let listener = ListenerId::next();
                relays.asked(relay, listener, address(), at(now));
                relays.closed(listener, at(now));
                relays.left(&relay);
                relays.offers(relay, true);
            }
            now += 1_000;
        }
        let pauses: Vec<_> = asked.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }
}
