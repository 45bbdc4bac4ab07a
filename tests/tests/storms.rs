//! Storms over two nodes and over more, many seeds each. What must hold is in the simulation: nothing
//! hangs or spins, queues stay bounded, each message is handed over at most once and ends exactly
//! once; and after the storm everything arrives, under the same keys on both sides.

use peer_tests::simulation::{Chance, Storm, for_each_seed};

#[test]
fn after_delay_loss_duplication_and_reordering_everything_arrives_once() {
    let storm = Storm { actions: 30, ..Storm::default() };
    for_each_seed(80, |seed| {
        storm.run(Chance::seeded(seed), 2);
    });
}

#[test]
fn after_restarts_everything_that_is_still_owed_arrives() {
    let storm = Storm { actions: 30, restarts: true, ..Storm::default() };
    for_each_seed(80, |seed| {
        storm.run(Chance::seeded(seed), 2);
    });
}

#[test]
fn wall_clocks_that_jump_within_the_allowed_skew_do_no_harm() {
    let storm = Storm { actions: 30, clock_jumps: 25_000, ..Storm::default() };
    for_each_seed(80, |seed| {
        storm.run(Chance::seeded(seed), 2);
    });
}

#[test]
fn a_hostile_network_can_delay_and_refuse_but_neither_mislead_nor_break() {
    let storm = Storm { actions: 30, restarts: true, hostile: true, clock_jumps: 600_000 };
    for_each_seed(80, |seed| {
        storm.run(Chance::seeded(seed), 2);
    });
}

#[test]
fn storms_over_four_nodes() {
    let storm = Storm { actions: 60, restarts: true, ..Storm::default() };
    for_each_seed(20, |seed| {
        storm.run(Chance::seeded(seed), 4);
    });
}
