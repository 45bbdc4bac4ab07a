//! Which of several sessions is used, and for how long the others stay (§5.3).

use super::*;
use crate::handshake::{Context, Expected, Handshake};
use crate::id::SessionId;
use crate::limits::MAX_SESSIONS_PER_PEER;
use crate::link::sessions::Sessions;
use crate::replay::ReplayGuard;
use crate::session::Session;

const START: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};
const NOW: Instant = START.instant;
const MILLI: Duration = Duration::from_millis(1);

struct End {
    config: Config,
    trust: Trust,
    replay: ReplayGuard,
    rng: StdRng,
}

impl End {
    fn new(name: &str, seed: u8, rng: u64, lifetime: Duration) -> Self {
        let mut config = Config::new(identity(name, seed));
        config.accept_three_way = true;
        config.session_lifetime = lifetime;
        let rng = StdRng::seed_from_u64(rng);
        Self { config, trust: Trust::default(), replay: ReplayGuard::default(), rng }
    }

    fn context(&mut self) -> Context<'_> {
        Context {
            config: &self.config,
            trust: &self.trust,
            replay: &mut self.replay,
            rng: &mut self.rng,
            now: START,
        }
    }
}

/// A session as both ends have it, the one that began first.
fn session(number: u64, lifetime: Duration) -> [Session; 2] {
    let mut a = End::new("entity_a", 1, 2 * number, lifetime);
    let mut b = End::new("entity_b", 2, 2 * number + 1, lifetime);
    let envelope = |bytes: Option<Vec<u8>>| Envelope::decode(bytes.unwrap()).unwrap();
    let expected = Expected::key(*b.config.identity.public_key());
    let (mut first, sent) =
        Handshake::start(HandshakeKind::ThreeWay, expected, &mut a.context()).unwrap();
    let (mut second, sent) =
        Handshake::accept(&envelope(sent.reply), &Expected::default(), &mut b.context()).unwrap();
    let done = first.handle(&envelope(sent.reply), &mut a.context()).unwrap();
    let ours = done.session.unwrap();
    let done = second.handle(&envelope(done.reply), &mut b.context()).unwrap();
    [ours, done.session.unwrap()]
}

const HOUR: Duration = Duration::from_secs(3_600);

fn sends_in(sessions: &mut Sessions, now: Instant) -> Option<SessionId> {
    let id = sessions.sendable(now).map(|session| session.id());
    assert_eq!(id.is_some(), sessions.has_sendable(now));
    id
}

#[test]
fn who_begins_sends_at_once_and_who_answers_when_the_other_has_it_too() {
    let [ours, theirs] = session(1, HOUR);
    let id = ours.id();
    let mut sessions = Sessions::default();
    assert!(sessions.is_empty() && sessions.next_tick().is_none());
    assert_eq!(sessions.install(ours, NOW), None);
    assert_eq!(sends_in(&mut sessions, NOW), Some(id));
    assert_eq!(sessions.sendable_at(NOW), None, "nothing waits");

    let mut sessions = Sessions::default();
    sessions.install(theirs, NOW);
    let from = NOW + 50 * MILLI;
    assert_eq!(sends_in(&mut sessions, NOW), None);
    assert_eq!(sessions.sendable_at(NOW), Some(from));
    assert_eq!(sends_in(&mut sessions, from - MILLI), None);
    assert_eq!(sends_in(&mut sessions, from), Some(id));
    assert_eq!(sessions.sendable_at(from), None);
    assert!(!sessions.is_empty());
    assert_eq!(sessions.clear(), [id]);
    assert!(sessions.is_empty() && !sessions.remove(id));
}

#[test]
fn while_an_older_one_serves_the_new_one_waits_to_be_used_by_the_peer() {
    let minute = Duration::from_secs(60);
    for (left, wait) in [(45_000, 1_000), (600, 600), (20, 50)] {
        let ([older, _], [_, newer]) = (session(1, minute), session(2, HOUR));
        let (first, second) = (older.id(), newer.id());
        let end = older.expires();
        let now = end - left * MILLI;
        let mut sessions = Sessions::default();
        sessions.install(older, NOW);
        sessions.install(newer, now);
        assert_eq!(sends_in(&mut sessions, now), Some(first));
        assert_eq!(sessions.sendable_at(now), Some(now + wait * MILLI), "{left} ms are left");
        sessions.confirmed(second, now + MILLI);
        assert_eq!(sends_in(&mut sessions, now + MILLI), Some(second));
        // From then on the older one only receives, for half a minute or until it ends.
        let drained = (now + MILLI + Duration::from_secs(30)).min(end);
        assert_eq!(sessions.next_tick(), Some(drained));
        assert!(sessions.tick(drained - MILLI).is_empty());
        assert!(sessions.get(first).is_some());
        assert_eq!(sessions.tick(drained), [first]);
        assert!(sessions.get(first).is_none() && sessions.get(second).is_some());
    }
}

#[test]
fn of_too_many_sessions_one_goes_that_the_peer_never_used() {
    let mut sessions = Sessions::default();
    let mut ids = Vec::new();
    for number in 0..=MAX_SESSIONS_PER_PEER as u64 {
        let [_, theirs] = session(number, HOUR);
        ids.push(theirs.id());
        let gone = sessions.install(theirs, NOW);
        if number == 0 {
            sessions.confirmed(ids[0], NOW);
        }
        let full = ids.len() > MAX_SESSIONS_PER_PEER;
        assert_eq!(gone, full.then(|| ids[1]), "the oldest of those");
    }
    assert!(sessions.get(ids[0]).is_some(), "the one in use stays");
    assert!(sessions.remove(ids[0]) && !sessions.remove(ids[0]));
    // All but the new one were used: the oldest goes.
    let mut sessions = Sessions::default();
    for number in 0..=MAX_SESSIONS_PER_PEER as u64 {
        let [_, theirs] = session(20 + number, HOUR);
        let id = theirs.id();
        let gone = sessions.install(theirs, NOW);
        assert_eq!(gone.is_some(), number == MAX_SESSIONS_PER_PEER as u64);
        assert_ne!(gone, Some(id), "the new one stays");
        sessions.confirmed(id, NOW);
    }
    // All in use: the oldest goes.
    let mut sessions = Sessions::default();
    let mut ids = Vec::new();
    for number in 0..=MAX_SESSIONS_PER_PEER as u64 {
        let [ours, _] = session(10 + number, HOUR);
        ids.push(ours.id());
        let gone = sessions.install(ours, NOW);
        assert_eq!(gone, (ids.len() > MAX_SESSIONS_PER_PEER).then(|| ids[0]));
    }
    assert_eq!(sessions.newest().map(Session::id), ids.last().copied());
}
