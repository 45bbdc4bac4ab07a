//! Ordered delivery under everything that can go wrong, many seeds each. What must hold is in the
//! simulation: nothing lost, nothing twice, nothing out of order, no false receipt, no status that goes
//! back. And each check of a node that is taken out makes the simulation fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use peer_protocol::message::StatusReport;
use peer_tests::simulation::durable::{Fate, Faults, Gale, Model, Outcome, Station};
use peer_tests::simulation::{Chance, Rules, World, for_each_seed, for_each_seed_of, mixed_terms};

/// Seeds of the main storm, in all parts together.
const SEEDS: u64 = 4_000;
/// Tests among which they are shared out, so that they run beside each other.
const PARTS: u64 = 8;

macro_rules! everything_accepted_arrives_once_and_in_order_and_nobody_is_told_what_is_not_so {
    ($($name:ident: $part:literal),+ $(,)?) => {
        mod everything_accepted_arrives_once_and_in_order_and_nobody_is_told_what_is_not_so {
            use super::*;

            $(#[test]
            fn $name() {
                for_each_seed_of($part, PARTS, SEEDS, |seed| {
                    let _ = Gale::default().run(Chance::seeded(seed), 2);
                });
            })+
        }
    };
}

everything_accepted_arrives_once_and_in_order_and_nobody_is_told_what_is_not_so! {
    part_1: 0, part_2: 1, part_3: 2, part_4: 3, part_5: 4, part_6: 5, part_7: 6, part_8: 7,
}

#[test]
fn the_same_between_three_nodes() {
    for_each_seed(80, |seed| {
        let _ = Gale { actions: 40, ..Gale::default() }.run(Chance::seeded(seed), 3);
    });
}

#[test]
fn on_good_disks_with_long_lives_and_right_clocks_everything_is_processed() {
    let gale = Gale { bad_disks: false, clock_jumps: 0, endings: false, ..Gale::default() };
    for_each_seed(100, |seed| {
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
    for_each_seed(40, |seed| {
        let _ = Gale::default().run_on(Chance::seeded(seed), 2, |_, _| Box::new(Real::default()));
    });
}

/// More than a thousand messages in the worst weather: of each its sender was told what is so. The rest of
/// the table of §8.1 is checked whenever somebody is told anything.
#[test]
fn more_than_a_thousand_sends_end_in_every_status_there_is() {
    let mut total = Outcome::default();
    for seed in 1..=240 {
        total.add(&Gale { actions: 40, ..Gale::default() }.run(Chance::seeded(seed), 2));
    }
    println!("{} sent, {} arrived, told: {:?}", total.sent, total.arrived, total.told);
    assert!(total.sent > 1_000);
    let all = ["delivered", "processed", "expired", "unknown", "failed", "cancelled"];
    for status in all.into_iter().chain(["not accepted", "nothing"]) {
        assert!(total.told.contains_key(status), "none is {status}: {:?}", total.told);
    }
    assert!(!total.told.contains_key("queued") && !total.told.contains_key("sent"));
}

/// Takes a check out of both nodes: the simulation notices, and says one of `why`.
fn caught(faults: Faults, why: &[&str]) {
    const MOST: u64 = 600;
    let long_contents = faults.takes_without_content;
    let gale = Gale { actions: 40, long_contents, faults, ..Gale::default() };
    let fails = |seed| {
        let run = || {
            let _: Outcome = gale.run(Chance::seeded(seed), 2);
        };
        catch_unwind(AssertUnwindSafe(run)).err()
    };
    let failure = (1..=MOST).find_map(fails);
    let failure = failure.unwrap_or_else(|| panic!("{MOST} seeds do not notice {faults:?}"));
    let Some(text) = failure.downcast_ref::<String>() else { panic!("a failure without words") };
    assert!(why.iter().any(|why| text.contains(why)), "{text}");
}

#[test]
fn a_receiver_that_forgets_ids_is_caught() {
    caught(Faults { forgets_ids: true, ..Faults::default() }, &["arrived twice"]);
}

#[test]
fn a_sender_that_hands_over_out_of_order_is_caught() {
    let why = ["arrived after one that was sent later"];
    caught(Faults { hands_out_of_order: true, ..Faults::default() }, &why);
}

#[test]
fn a_sender_that_does_not_write_what_may_have_been_sent_is_caught() {
    let why = ["is said to be Expired", "is said to be Cancelled", "was Sent, and is Queued"];
    caught(Faults { skips_mark: true, ..Faults::default() }, &why);
}

#[test]
fn a_receiver_that_acknowledges_before_the_disk_has_written_is_caught() {
    let why = ["is not on disk, but acknowledged"];
    caught(Faults { acknowledges_early: true, ..Faults::default() }, &why);
}

#[test]
fn a_receiver_that_takes_a_message_without_its_content_is_caught() {
    let why = ["arrived without its content"];
    caught(Faults { takes_without_content: true, ..Faults::default() }, &why);
    let both = Faults { takes_without_content: true, forgets_holds: true, ..Faults::default() };
    caught(both, &why);
}

#[test]
fn a_disk_that_writes_a_message_without_the_one_before_it_is_caught() {
    let why = ["arrived after one that was sent later", "is lost"];
    caught(Faults { skips_comparison: true, ..Faults::default() }, &why);
}

#[test]
fn a_sender_that_accepts_before_the_disk_has_written_is_caught() {
    let why = ["is gone from its disk", "is on disk, and its sender is told that it is not"];
    caught(Faults { accepts_early: true, ..Faults::default() }, &why);
}

#[test]
fn a_receiver_that_says_processed_before_the_disk_has_written_is_caught() {
    let why = ["is not taken, but its sender is told so"];
    caught(Faults { processes_early: true, ..Faults::default() }, &why);
}

#[test]
fn a_sender_that_sends_what_comes_after_a_message_that_is_not_settled_on_disk_is_caught() {
    let why = ["arrived after one that was sent later", "is lost"];
    caught(Faults { settles_early: true, ..Faults::default() }, &why);
}

/// A sender whose disk was put back to an old copy uses numbers again that its receiver has seen. It
/// learns that, goes on in a new stream, and nothing that it still has is lost or comes twice.
#[test]
fn a_sender_that_was_restored_from_an_old_copy_goes_on_in_a_new_stream() {
    for_each_seed(40, |seed| restored(Chance::seeded(seed)));
}

fn restored(chance: Chance) {
    let mut world = World::new(chance, 2, Rules::default(), mixed_terms);
    world = world.with_stations(|number, chance| {
        let seed = chance.below(1 << 30) as u64;
        let disk = Box::new(Model::default());
        Station::new(number, disk, Faults::default(), Chance::seeded(seed))
    });
    for (a, b) in [(0, 1), (1, 0)] {
        world.at_station(a, |station, _, _| station.attach(b));
    }
    world.connect(0, 1);
    let send = |world: &mut World, many: usize| {
        for number in 0..many {
            let body = StatusReport { status: format!("{number}"), ..StatusReport::default() };
            let message = world.message(&body.into());
            world.at_station(0, |station, now, book| {
                let week = Duration::from_secs(7 * 86_400);
                let accepted = station.accept(1, message, week, Fate::Arrives, now, book);
                assert_eq!(accepted, Ok(()));
            });
        }
    };
    let early = 1 + world.chance.below(5);
    send(&mut world, early);
    let moment = world.chance.between(Duration::ZERO, Duration::from_millis(200));
    world.pass(moment);
    let copy = world.at_station(0, |station, _, _| station.copy_disk());
    let later = 1 + world.chance.below(20);
    send(&mut world, later);
    world.pass(Duration::from_secs(5));
    world.restart(0);
    world.at_station(0, |station, now, book| {
        station.replace_disk(copy, now, book);
        station.attach(1);
    });
    send(&mut world, 10);
    world.connect(0, 1);
    let done = |world: &World| world.book.is_settled();
    assert!(world.pass_until(Duration::from_secs(300), done), "{:?}", world.book);
    world.book.check_end();
}
