//! Load: renewal without a pause, rate limits without loss, bounded queues.

use std::time::Duration;

use peer_protocol::limits::{MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES};
use peer_protocol::link::QueueFull;
use peer_protocol::message::Heartbeat;
use peer_protocol::rate_limit::RateProfile;
use peer_tests::simulation::{Chance, Rules, Weather, World, for_each_seed, mixed_terms};

fn all_acknowledged(world: &World) -> bool {
    let lives = world.lives();
    world.ledger.of_living(&lives).all(|(_, record)| record.outcome == Some(Ok(())))
}

#[test]
fn sessions_are_renewed_under_load_and_loss_and_nothing_is_lost() {
    for_each_seed(6, |seed| {
        let rules = Rules { patience: Some(Duration::from_secs(1)), ..Rules::default() };
        let mut world = World::new(Chance::seeded(seed), 2, rules, |node, config, chance| {
            mixed_terms(node, config, chance);
            config.handshake.session_lifetime = Duration::from_secs(10);
        });
        world.connect(0, 1);
        world.weather = Weather {
            lost_requests: 100,
            lost_answers: 100,
            duplicated: 50,
            ..Weather::jittery(Duration::from_millis(40))
        };
        for _ in 0..1_200 {
            for (node, peer) in [(0, 1), (1, 0)] {
                world.send_task(node, peer, 100).expect("the queue has room");
            }
            world.pass(Duration::from_millis(50));
        }
        world.weather = Weather::calm();
        assert!(world.pass_until(Duration::from_secs(60), all_acknowledged));
        let history = world.side(0, 1).history.len();
        assert!(history >= 4, "{history} sessions of 10 s in 60 s");
    });
}

#[test]
fn renewal_in_calm_weather_causes_no_pause() {
    for_each_seed(10, |seed| {
        let mut world =
            World::new(Chance::seeded(seed), 2, Rules::default(), |node, config, chance| {
                mixed_terms(node, config, chance);
                config.handshake.session_lifetime = Duration::from_secs(20);
            });
        world.connect(0, 1);
        world.open(0, 1);
        world.pass(Duration::from_secs(1));
        for _ in 0..1_000 {
            let node = world.chance.below(2);
            let sent = world.send_task(node, 1 - node, 100).expect("the queue has room");
            let arrived = |world: &World| {
                world.ledger.get(sent).is_some_and(peer_tests::simulation::Record::has_arrived)
            };
            let in_time = world.pass_until(Duration::from_millis(6), arrived);
            assert!(in_time, "a message waited for a renewal");
            world.pass(Duration::from_millis(94));
        }
        let history = world.side(0, 1).history.len();
        assert!((6..=8).contains(&history), "{history} sessions of 20 s in 100 s");
    });
}

#[test]
fn over_the_rate_means_later_not_never() {
    for_each_seed(8, |seed| {
        let mut world =
            World::new(Chance::seeded(seed), 2, Rules::default(), |node, config, chance| {
                mixed_terms(node, config, chance);
                config.handshake.session_lifetime = Duration::from_secs(1_800);
                config.rate = RateProfile::default();
            });
        world.connect(0, 1);
        world.weather = Weather {
            lost_requests: 50,
            lost_answers: 50,
            ..Weather::jittery(Duration::from_millis(20))
        };
        for _ in 0..100 {
            world.send_task(0, 1, 10).expect("the queue has room");
            world.send_task(1, 0, 10).expect("the queue has room");
        }
        for _ in 0..200 {
            let life = Duration::from_secs(86_400);
            world.send(0, 1, &Heartbeat {}.into(), life).expect("the queue has room");
        }
        // 40 tasks beyond the burst of 60 need 80 s; lost ones cost tokens too.
        assert!(world.pass_until(Duration::from_secs(400), all_acknowledged));
        assert!(world.requests < 2_000, "{} requests: pacing keeps them few", world.requests);
    });
}

#[test]
fn a_full_queue_refuses_before_it_accepts_and_drains_once_there_is_a_road() {
    let mut world = World::new(Chance::seeded(1), 2, Rules::default(), mixed_terms);
    world.cut(0, 1);
    for _ in 0..MAX_QUEUED_MESSAGES {
        world.send_task(0, 1, 10).expect("the queue has room");
    }
    assert_eq!(world.send_task(0, 1, 10), Err(QueueFull::Messages));
    world.pass(Duration::from_secs(600));
    world.mend(0, 1);
    // Nobody but the link knows that there is something to send: it must ask for a connection.
    assert!(world.pass_until(Duration::from_secs(60), all_acknowledged));

    world.cut(0, 1);
    let mut bytes = 0;
    while world.send_task(0, 1, 1 << 20).is_ok() {
        bytes += 1 << 20;
    }
    assert!(bytes <= MAX_QUEUED_BYTES);
    assert_eq!(world.send_task(0, 1, 1 << 20), Err(QueueFull::Bytes));
}
