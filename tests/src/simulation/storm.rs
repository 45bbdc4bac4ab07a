//! A storm: everything that can go wrong does, for a while; then it clears up, and everything that
//! was promised must have come true.

use std::time::Duration;

use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::link::LinkConfig;
use peer_protocol::message::{Heartbeat, StatusReport};
use peer_protocol::rate_limit::RateProfile;

use super::{Chance, Rules, Weather, World};

/// How long everything may take once the weather is calm: refused handshakes wait for their tokens.
const CLEARING_UP: Duration = Duration::from_secs(1_800);

/// What a storm may do besides delaying, losing, repeating and reordering.
#[derive(Debug, Clone, Copy, Default)]
pub struct Storm {
    /// How many things happen in it.
    pub actions: usize,
    /// Nodes may restart, with empty memory.
    pub restarts: bool,
    /// Requests and answers may be changed on the way. Then a handshake may be refused for good, and
    /// a message may end with a clear failure instead of arriving.
    pub hostile: bool,
    /// How far wall clocks may jump from the true time, in milliseconds.
    pub clock_jumps: i64,
}

/// Terms that differ from node to node: both handshakes, both suites, long and short sessions.
pub fn mixed_terms(_: usize, config: &mut LinkConfig, chance: &mut Chance) {
    config.rate = RateProfile::trusted();
    config.preferred = chance.of([HandshakeKind::SixStep, HandshakeKind::ThreeWay]);
    config.handshake.accept_three_way = chance.flip();
    config.handshake.session_lifetime = Duration::from_secs(chance.of([5, 60, 1_800]));
    let suites = [SuiteRegistry::AES_256_GCM, SuiteRegistry::CHACHA20_POLY1305];
    let suites = if chance.flip() { suites } else { [suites[1], suites[0]] };
    config.handshake.suites = SuiteRegistry::named(suites);
}

impl Storm {
    /// A storm over `count` nodes, then calm weather and all checks.
    pub fn run(&self, chance: Chance, count: usize) -> World {
        let mut world = self.build(chance, count);
        for _ in 0..self.actions {
            if world.chance.is_over() {
                break;
            }
            self.act(&mut world);
            let pause = world.chance.of([0, 10, 300, 3_000]);
            let pause = world.chance.between(Duration::ZERO, Duration::from_millis(pause));
            world.pass(pause);
        }
        self.clear_up(&mut world);
        world
    }

    fn build(&self, mut chance: Chance, count: usize) -> World {
        let patience = chance.of([None, Some(1_000), Some(10_000)]).map(Duration::from_millis);
        let rules =
            Rules { patience, breaks_unresponsive: chance.flip(), answers_tasks: chance.flip() };
        let mut world = World::new(chance, count, rules, mixed_terms);
        world.weather = self.weather(&mut world.chance);
        world
    }

    fn weather(&self, chance: &mut Chance) -> Weather {
        if self.hostile { Weather::hostile(chance) } else { Weather::stormy(chance) }
    }

    fn act(&self, world: &mut World) {
        let a = world.chance.below(world.len());
        let b = (a + 1 + world.chance.below(world.len() - 1)) % world.len();
        match world.chance.below(16) {
            0 => world.weather = self.weather(&mut world.chance),
            1 => world.open(a, b),
            2 => {
                world.open(a, b);
                world.open(b, a);
            }
            3 => world.close(a, b),
            4 => world.disconnect(a, b),
            5 => world.connect(a, b),
            6 => world.cut(a, b),
            7 => world.mend(a, b),
            8 if self.restarts => world.restart(a),
            9 if self.clock_jumps > 0 => {
                let span = usize::try_from(2 * self.clock_jumps).unwrap_or(usize::MAX);
                let error = i64::try_from(world.chance.below(span)).unwrap_or(0);
                world.set_clock_error(a, error - self.clock_jumps);
            }
            10 => {
                let most = world.chance.of([3, 30, 300]);
                for _ in 0..world.chance.below(most) {
                    self.send(world, a, b);
                }
            }
            _ => self.send(world, a, b),
        }
    }

    fn send(&self, world: &mut World, a: usize, b: usize) {
        // A full queue refuses before it accepts: then there is nothing to keep a promise about.
        let _ = match world.chance.below(4) {
            0 => {
                let body = StatusReport { status: "on the way".to_owned(), ..Default::default() };
                world.send(a, b, &body.into(), Duration::from_secs(86_400))
            }
            1 => {
                // One that may run out of time.
                let life = Duration::from_millis(world.chance.of([0, 100, 5_000]));
                world.send(a, b, &Heartbeat {}.into(), life)
            }
            _ => {
                let large = world.chance.happens(10);
                let size = if large { 200_000 } else { world.chance.of([0, 10, 1_000]) };
                world.send_task(a, b, size)
            }
        };
    }

    fn clear_up(&self, world: &mut World) {
        world.weather = Weather::calm();
        for node in 0..world.len() {
            world.set_clock_error(node, 0);
        }
        for a in 0..world.len() {
            for b in a + 1..world.len() {
                world.mend(a, b);
                world.connect(a, b);
            }
        }
        let lives = world.lives();
        let settled = |world: &World| {
            world.ledger.of_living(&lives).all(|(_, record)| record.outcome.is_some())
        };
        let in_time = world.pass_until(CLEARING_UP, settled);
        assert!(in_time, "some messages neither arrived nor failed in {CLEARING_UP:?} of calm");
        self.check_promises(world);
        if self.hostile {
            // What left under the old clocks, and what is repeated from the storm, has arrived then.
            world.pass(Duration::from_secs(70));
        }
        for a in 0..world.len() {
            for b in a + 1..world.len() {
                check_agreement(world, a, b);
            }
        }
    }

    /// What was sent with a long deadline arrived; every sender was told once.
    fn check_promises(&self, world: &World) {
        for (id, record) in world.ledger.of_living(&world.lives()) {
            let outcome = record.outcome.as_ref().expect("all are settled");
            if let Err(why) = outcome
                && !self.hostile
            {
                let may_fail = matches!(
                    why,
                    peer_protocol::link::SendFailure::Expired
                        | peer_protocol::link::SendFailure::Unknown
                );
                assert!(may_fail && record.is_short_lived, "{id} failed: {why}");
            }
        }
    }
}

/// Both ends hold a session with the same keys, and it is the one that they use: two messages each
/// way arrive at once, without any new handshake.
///
/// # Panics
/// If they do not.
pub fn check_agreement(world: &mut World, a: usize, b: usize) {
    // The first round finds out about sessions that only one side believes in. Then a renewal may be
    // due; or it is not even that, because it failed in the storm, and the session has ended.
    for _ in 0..3 {
        for node in [a, b] {
            let peer = a + b - node;
            let sent = world.send_task(node, peer, 10).expect("the queue is empty");
            let done = |world: &World| {
                world.ledger.get(sent).is_some_and(|record| record.outcome == Some(Ok(())))
            };
            assert!(world.pass_until(CLEARING_UP, done), "node {node} cannot reach node {peer}");
        }
        let is_young = |node, peer, world: &World| {
            let left = world.side(node, peer).renewal_due.since(world.now());
            left > Duration::from_millis(500)
        };
        let most = Duration::from_secs(10);
        if world.pass_until(most, |world| is_young(a, b, world) && is_young(b, a, world)) {
            break;
        }
    }
    for node in [a, b] {
        let peer = a + b - node;
        let before = world.side(node, peer).history.len();
        let sent = world.send_task(node, peer, 10).expect("the queue is empty");
        let done = |world: &World| {
            world.ledger.get(sent).is_some_and(|record| record.outcome == Some(Ok(())))
        };
        let most = Duration::from_millis(240);
        assert!(world.pass_until(most, done), "node {node} is not heard by node {peer} at once");
        let after = world.side(node, peer).history.len();
        assert_eq!(before, after, "a new session was needed");
    }
}
