//! Opening sessions: both sides at once, with every delay, order and loss.

use std::time::Duration;

use peer_protocol::handshake::{HandshakeKind, Role};
use peer_protocol::link::LinkConfig;
use peer_tests::people::identity;
use peer_tests::simulation::{
    Chance, Rules, Weather, World, check_agreement, for_each_seed, mixed_terms,
};

/// How long a whole handshake may take, and then some.
const HANDSHAKE: Duration = Duration::from_secs(30);

fn pair(seed: u64, rules: Rules, kinds: impl Fn(&mut LinkConfig, &mut Chance)) -> World {
    let mut world = World::new(Chance::seeded(seed), 2, rules, |node, config, chance| {
        mixed_terms(node, config, chance);
        config.handshake.session_lifetime = Duration::from_secs(1_800);
        kinds(config, chance);
    });
    world.connect(0, 1);
    world
}

fn both_open(world: &mut World) {
    world.open(0, 1);
    let pause = world.chance.of([0, 0, 1, 10, 100]);
    let pause = world.chance.between(Duration::ZERO, Duration::from_millis(pause));
    world.pass(pause);
    world.open(1, 0);
}

#[test]
fn simultaneous_open_always_ends_with_exactly_one_session() {
    for_each_seed(1_000, |seed| {
        let mut world = pair(seed, Rules::default(), |_, _| {});
        let slowest = world.chance.of([1, 5, 50, 500, 1_200]);
        world.weather = Weather::jittery(Duration::from_millis(slowest));
        both_open(&mut world);
        world.pass(HANDSHAKE);
        let [a, b] = [(0, 1), (1, 0)].map(|(node, peer)| &world.side(node, peer).history);
        assert_eq!((a.len(), b.len()), (1, 1), "sessions on both sides");
        assert_eq!(a[0].id, b[0].id, "it is the same session");
        assert_eq!((a[0].suite, a[0].handshake), (b[0].suite, b[0].handshake));
        assert_ne!(a[0].role, b[0].role, "one began, the other answered");
    });
}

#[test]
fn the_smaller_key_stays_initiator_when_both_open_in_the_same_instant() {
    let smaller = usize::from(identity(1).public_key() < identity(0).public_key());
    for kind in [HandshakeKind::SixStep, HandshakeKind::ThreeWay] {
        for_each_seed(200, |seed| {
            let mut world = pair(seed, Rules::default(), |config, _| {
                config.preferred = kind;
                config.handshake.accept_three_way = true;
            });
            let latency = Duration::from_millis(world.chance.of([1, 10, 100]));
            world.weather = Weather { fastest: latency, slowest: latency, ..Weather::calm() };
            world.open(0, 1);
            world.open(1, 0);
            world.pass(HANDSHAKE);
            let sessions = &world.side(smaller, 1 - smaller).history;
            assert_eq!((sessions.len(), sessions[0].role), (1, Role::Initiator));
            assert_eq!(sessions[0].handshake, kind);
        });
    }
}

#[test]
fn simultaneous_open_under_loss_converges_to_one_working_session() {
    for_each_seed(400, |seed| {
        let patience = [None, Some(Duration::from_secs(1)), Some(Duration::from_secs(10))];
        let patience = patience[usize::try_from(seed % 3).unwrap()];
        let rules = Rules { patience, ..Rules::default() };
        let mut world = pair(seed, rules, |_, _| {});
        world.weather = Weather::stormy(&mut world.chance);
        both_open(&mut world);
        let stormy = world.chance.between(Duration::ZERO, HANDSHAKE);
        world.pass(stormy);
        world.weather = Weather::calm();
        world.connect(0, 1);
        check_agreement(&mut world, 0, 1);
        let newest = |node: usize| world.side(node, 1 - node).history.last().map(|info| info.id);
        assert!(newest(0).is_some());
        let shared = world.side(0, 1).sessions.intersection(&world.side(1, 0).sessions).count();
        assert!(shared >= 1, "both sides hold a common session");
    });
}

#[test]
fn a_peer_that_answers_only_six_steps_is_met_with_six_steps() {
    for_each_seed(100, |seed| {
        let mut world = pair(seed, Rules::default(), |config, _| {
            config.preferred = HandshakeKind::ThreeWay;
            config.handshake.accept_three_way = false;
        });
        world.weather = Weather::jittery(Duration::from_millis(100));
        both_open(&mut world);
        world.pass(HANDSHAKE);
        for (node, peer) in [(0, 1), (1, 0)] {
            let history = &world.side(node, peer).history;
            assert_eq!(history.len(), 1);
            assert_eq!(history[0].handshake, HandshakeKind::SixStep);
        }
    });
}
