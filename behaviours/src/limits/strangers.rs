//! Connections that came in from peers without a session.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_swarm::ConnectionId;
use tokio::time::Instant;

use super::Admitted;
use crate::prefix::Prefix;

/// How long a newcomer has for opening a session before it may have to give way to another.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Stranger {
    peer: PeerId,
    connection: ConnectionId,
    prefix: Prefix,
    since: Instant,
}

/// The connections, the oldest first; few enough to look at all of them.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    held: Vec<Stranger>,
    admitted: Arc<Admitted>,
}

impl Strangers {
    pub(super) fn admitted(&self) -> Arc<Admitted> {
        Arc::clone(&self.admitted)
    }

    pub(super) fn admit(&mut self, peer: PeerId) {
        self.held.retain(|stranger| stranger.peer != peer);
        self.admitted.insert(peer);
    }

    pub(super) fn dismiss(&mut self, peer: &PeerId) {
        self.admitted.remove(peer);
    }

    /// Whether there is a place for one more, be it that another one gives way.
    pub(super) fn have_places(&self, most: usize, now: Instant) -> bool {
        self.held.len() < most || self.held.iter().any(|one| now - one.since >= GRACE)
    }

    /// Whether a connection of `peer` can come in.
    pub(super) fn have_room(&self, peer: &PeerId, most: usize, now: Instant) -> bool {
        self.admitted.contains(peer) || self.have_places(most, now)
    }

    /// Takes in a connection; returns the one that gives way to it, if one has to.
    pub(super) fn insert(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        prefix: Prefix,
        most: usize,
        now: Instant,
    ) -> Option<(PeerId, ConnectionId)> {
        if self.admitted.contains(&peer) {
            return None;
        }
        let leaving = if self.held.len() < most { None } else { self.leaving(now) };
        let leaving = leaving.map(|place| self.held.remove(place));
        self.held.push(Stranger { peer, connection, prefix, since: now });
        leaving.map(|leaving| (leaving.peer, leaving.connection))
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.held.retain(|stranger| stranger.connection != connection);
    }

    /// The youngest of the most crowded network, of those that have had their time.
    fn leaving(&self, now: Instant) -> Option<usize> {
        let mut crowds: HashMap<Prefix, usize> = HashMap::new();
        for stranger in &self.held {
            *crowds.entry(stranger.prefix).or_default() += 1;
        }
        let old = self.held.iter().enumerate().filter(|(_, one)| now - one.since >= GRACE);
        let crowd = |stranger: &Stranger| crowds.get(&stranger.prefix).copied();
        old.max_by_key(|(place, stranger)| (crowd(stranger), *place)).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWDED: Prefix = Prefix::V4([192, 0, 2]);

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn quiet(third: u8) -> Prefix {
        Prefix::V4([198, 51, third])
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_were_there_first_stay_and_a_newcomer_has_its_time() {
        let mut strangers = Strangers::default();
        let now = Instant::now();
        for number in 0..3 {
            let peer = PeerId::random();
            assert_eq!(strangers.insert(peer, id(number), quiet(number as u8), 3, now), None);
        }
        let newcomer = PeerId::random();
        assert!(strangers.have_room(&newcomer, 4, now));
        assert!(!strangers.have_room(&newcomer, 3, now), "nobody has had its second");
        let later = now + GRACE;
        assert!(strangers.have_room(&newcomer, 3, later));
        let (_, left) = strangers.insert(newcomer, id(3), quiet(3), 3, later).unwrap();
        assert_eq!(left, id(2), "the youngest");
        let (_, left) = strangers.insert(PeerId::random(), id(4), quiet(4), 3, later).unwrap();
        assert_eq!(left, id(1), "the newcomer has had no time yet");
    }

    #[tokio::test(start_paused = true)]
    async fn the_most_crowded_network_gives_way_first() {
        let mut strangers = Strangers::default();
        let now = Instant::now();
        for (number, prefix) in [CROWDED, CROWDED, quiet(1), quiet(2)].into_iter().enumerate() {
            assert_eq!(strangers.insert(PeerId::random(), id(number), prefix, 4, now), None);
        }
        let left = strangers.insert(PeerId::random(), id(4), quiet(3), 4, now + GRACE).unwrap();
        assert_eq!(left.1, id(1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_a_session_takes_no_strangers_place() {
        let mut strangers = Strangers::default();
        let (now, known) = (Instant::now(), PeerId::random());
        strangers.insert(known, id(0), CROWDED, 1, now);
        strangers.admit(known);
        strangers.insert(PeerId::random(), id(1), CROWDED, 1, now);
        assert!(strangers.have_room(&known, 1, now));
        assert_eq!(strangers.insert(known, id(2), CROWDED, 1, now + GRACE), None);
        assert_eq!(strangers.held.len(), 1);
        strangers.dismiss(&known);
        assert!(!strangers.have_room(&known, 1, now));
        strangers.remove(id(1));
        assert!(strangers.held.is_empty());
    }
}
