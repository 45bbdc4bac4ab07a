//! Storms over two nodes and over more, many seeds each.

use peer_tests::simulation::{Chance, Storm, for_each_seed};

#[test]
fn after_any_storm_everything_arrived_once_and_both_sides_hold_the_same_keys() {
    let storm = Storm { actions: 30, ..Storm::default() };
    for_each_seed(300, |seed| {
        storm.run(Chance::seeded(seed), 2);
    });
}
