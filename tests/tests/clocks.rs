//! Wall clocks that jump by hours and days, while sessions are open and messages wait
//! (`docs/PROTOCOL.md` §2.6, §8.6).

#![allow(clippy::expect_used, reason = "tests")]

use std::time::Duration;

use peer_tests::simulation::durable::Gale;
use peer_tests::simulation::{Chance, Rules, World, for_each_seed, mixed_terms};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Two nodes with a session.
fn pair(seed: u64) -> World {
    let mut world =
        World::new(Chance::seeded(seed), 2, Rules::default(), |node, config, chance| {
            mixed_terms(node, config, chance);
            config.handshake.session_lifetime = Duration::from_secs(86_400);
        });
    world.connect(0, 1);
    world.open(0, 1);
    world.pass(Duration::from_secs(1));
    world
}

fn send(world: &mut World, many: usize) {
    for _ in 0..many {
        for node in [0, 1] {
            world.send_task(node, 1 - node, 100).expect("the queue has room");
        }
    }
}

fn all_acknowledged(world: &World) -> bool {
    let lives = world.lives();
    world.ledger.of_living(&lives).all(|(_, record)| record.outcome == Some(Ok(())))
}

fn sessions(world: &World) -> usize {
    world.side(0, 1).history.len()
}

#[test]
fn clocks_that_jump_together_interrupt_no_session_and_prevent_no_new_one() {
    for_each_seed(6, |seed| {
        let mut world = pair(seed);
        for jump in [HOUR, -HOUR, 2 * HOUR, DAY, -DAY, 400 * DAY, 0] {
            let before = sessions(&world);
            send(&mut world, 10);
            // Some of it is on its way now, under the old time.
            world.pass(Duration::from_millis(2));
            for node in [0, 1] {
                world.set_clock_error(node, jump);
            }
            send(&mut world, 10);
            assert!(world.pass_until(Duration::from_secs(10), all_acknowledged), "{jump}");
            assert_eq!(sessions(&world), before, "{jump}: the session went on");
            world.close(0, 1);
            send(&mut world, 1);
            assert!(world.pass_until(Duration::from_secs(60), all_acknowledged), "{jump}");
            assert!(sessions(&world) > before, "{jump}: a new session");
        }
    });
}

#[test]
fn while_one_clock_is_wrong_nothing_passes_and_once_it_is_right_everything_has_arrived() {
    for_each_seed(2, |seed| {
        for jump in [HOUR, -3 * DAY] {
            let mut world = pair(seed);
            world.set_clock_error(1, jump);
            let requests = world.requests;
            send(&mut world, 20);
            world.pass(Duration::from_secs(600));
            assert!(!all_acknowledged(&world), "{jump}: what is an hour off is not believed");
            let tried = world.requests - requests;
            assert!(tried < 1_000, "{jump}: {tried} requests in ten minutes");
            world.set_clock_error(1, 0);
            assert!(world.pass_until(Duration::from_secs(120), all_acknowledged), "{jump}");
        }
    });
}

/// By less than messages live: none may be lost, be it for the clock.
#[test]
fn durable_messages_outlive_clocks_that_are_hours_and_days_wrong() {
    for hours in [6, 60] {
        for_each_seed(60, |seed| {
            let gale = Gale { clock_jumps: hours * HOUR, leaps: false, ..Gale::default() };
            let _ = gale.run(Chance::seeded(seed), 2);
        });
    }
}
