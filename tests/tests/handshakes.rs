//! Raw handshake machines: any interleaving, duplication, loss, mutation and cross-delivery between
//! concurrent handshakes of three parties.

use peer_tests::simulation::arena::Arena;
use peer_tests::simulation::{Chance, for_each_seed};
use proptest::prelude::*;

#[test]
fn handshakes_end_with_equal_keys_or_a_clean_error_whatever_is_delivered_where() {
    let sessions = std::cell::Cell::new(0);
    let runs = for_each_seed(200, |seed| {
        let count = Arena::new(Chance::seeded(seed), 3).run(100);
        sessions.set(sessions.get() + count);
    });
    let sessions = sessions.get();
    assert!(runs < 100 || sessions as u64 > 4 * runs, "only {sessions} sessions in {runs} runs");
}

#[test]
fn handshakes_of_two_parties_that_both_begin_again_and_again() {
    for_each_seed(100, |seed| {
        Arena::new(Chance::seeded(seed), 2).run(80);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// The same from arbitrary schedules, which shrink.
    #[test]
    fn any_schedule_is_harmless(script in proptest::collection::vec(any::<u8>(), 0..400)) {
        Arena::new(Chance::scripted(&script), 3).run(150);
    }
}
