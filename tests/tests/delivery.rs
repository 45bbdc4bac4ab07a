//! Ordered delivery under everything that can go wrong, many seeds each. What must hold is in the
//! simulation: nothing lost, nothing twice, nothing out of order, no false receipt, no status that goes
//! back. And each check of a node that is taken out makes the simulation fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use peer_tests::simulation::durable::{Faults, Gale, Outcome};
use peer_tests::simulation::{Chance, for_each_seed};

#[test]
fn everything_accepted_arrives_once_and_in_order_and_nobody_is_told_what_is_not_so() {
    for_each_seed(600, |seed| {
        let _ = Gale::default().run(Chance::seeded(seed), 2);
    });
}

#[test]
fn the_same_between_three_nodes() {
    for_each_seed(150, |seed| {
        let _ = Gale { actions: 40, ..Gale::default() }.run(Chance::seeded(seed), 3);
    });
}

#[test]
fn on_good_disks_with_long_lives_and_right_clocks_everything_is_processed() {
    let gale = Gale { bad_disks: false, clock_jumps: 0, endings: false, ..Gale::default() };
    for_each_seed(200, |seed| {
        let outcome = gale.run(Chance::seeded(seed), 2);
        let told = |status| outcome.told.get(status).copied().unwrap_or(0);
        // A sender that crashes before it has written that goes on saying that it was delivered; one that
        // crashes before a message is on disk was told nothing about it.
        let known = told("processed") + told("delivered") + told("nothing");
        assert_eq!(known, outcome.sent, "{:?}", outcome.told);
    });
}

#[cfg(feature = "nodes")]
#[test]
fn the_same_on_the_nodes_own_store_whose_disk_loses_what_was_not_synced() {
    use peer_tests::simulation::durable::Real;
    let gale = Gale { leaps: false, ..Gale::default() };
    for_each_seed(40, |seed| {
        let _ = gale.run_on(Chance::seeded(seed), 2, |_, _| Box::new(Real::default()));
    });
}

/// How many seeds it takes until a node that leaves something out is caught.
fn caught(faults: Faults) -> u64 {
    const MOST: u64 = 400;
    let gale = Gale { actions: 40, faults, ..Gale::default() };
    let fails = |seed: &u64| {
        let run = || {
            let _: Outcome = gale.run(Chance::seeded(*seed), 2);
        };
        catch_unwind(AssertUnwindSafe(run)).is_err()
    };
    let seed = (1..=MOST).find(fails);
    seed.unwrap_or_else(|| panic!("{MOST} seeds do not notice {faults:?}"))
}

#[test]
fn a_receiver_that_forgets_ids_is_caught() {
    caught(Faults { forgets_ids: true, ..Faults::default() });
}

#[test]
fn a_sender_that_hands_over_out_of_order_is_caught() {
    caught(Faults { hands_out_of_order: true, ..Faults::default() });
}

#[test]
fn a_sender_that_does_not_write_what_may_have_been_sent_is_caught() {
    caught(Faults { skips_mark: true, ..Faults::default() });
}

#[test]
fn a_receiver_that_acknowledges_before_the_disk_has_written_is_caught() {
    caught(Faults { acknowledges_early: true, ..Faults::default() });
}

#[test]
fn a_disk_that_writes_a_message_without_the_one_before_it_is_caught() {
    caught(Faults { skips_comparison: true, ..Faults::default() });
}

#[test]
fn a_sender_that_accepts_before_the_disk_has_written_is_caught() {
    caught(Faults { accepts_early: true, ..Faults::default() });
}

#[test]
fn a_receiver_that_says_processed_before_the_disk_has_written_is_caught() {
    caught(Faults { processes_early: true, ..Faults::default() });
}

#[test]
fn a_sender_that_sends_what_comes_after_a_message_that_is_not_settled_on_disk_is_caught() {
    caught(Faults { settles_early: true, ..Faults::default() });
}
