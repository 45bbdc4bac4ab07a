//! Senders and receivers that are never online together, mailbox nodes that die or lie, requests that
//! get lost, and crashes of everybody, on a virtual clock. Every run prints its seed; `MAILBOX_SEED` runs
//! one again, or all `FROM..TO`.

mod node;
mod receiver;
mod sender;
mod world;

use self::node::Conduct;
pub(crate) use self::world::{Rules, Who, World};

fn seeds() -> Vec<u64> {
    match std::env::var("MAILBOX_SEED") {
        Ok(seeds) => match seeds.split_once("..") {
            Some((from, to)) => (from.parse().unwrap()..to.parse().unwrap()).collect(),
            None => vec![seeds.parse().unwrap()],
        },
        Err(_) => (1..=6).collect(),
    }
}

/// One of three mailbox nodes dies for good at a random time: 1,000 of 1,000 arrive, in order, once, and
/// their sender learns it.
#[test]
fn a_thousand_messages_reach_a_peer_that_is_never_there_with_their_sender() {
    for seed in seeds() {
        let mut world =
            World::new(seed, Rules { messages: 1_000, killed: true, ..Rules::default() });
        world.run();
        world.check();
    }
}

/// The same with requests and answers that get lost, and with crashes of sender, receiver and nodes.
#[test]
fn losses_and_crashes_change_nothing() {
    for seed in seeds() {
        let rules =
            Rules { messages: 300, killed: true, loss: 0.15, crashes: 0.004, ..Rules::default() };
        let mut world = World::new(seed, rules);
        world.run();
        world.check();
    }
}

/// One mailbox node brings back all that it ever had, shuffled, under new numbers, and says that it
/// deleted what it keeps: nothing arrives twice or out of order.
#[test]
fn a_node_that_replays_and_reorders_is_harmless() {
    for seed in seeds() {
        let conduct = [Conduct::Honest, Conduct::Replays, Conduct::Honest];
        let rules = Rules { messages: 200, conduct, loss: 0.05, ..Rules::default() };
        let mut world = World::new(seed, rules);
        world.run();
        world.check();
    }
}

/// Two mailbox nodes take everything and give nothing: the third is enough.
#[test]
fn nodes_that_withhold_cannot_keep_messages_from_arriving() {
    for seed in seeds() {
        let conduct = [Conduct::Withholds, Conduct::Honest, Conduct::Withholds];
        let rules = Rules { messages: 200, conduct, ..Rules::default() };
        let mut world = World::new(seed, rules);
        world.run();
        world.check();
    }
}

/// Messages that are cancelled or expire in between leave no gap: what comes after them is put again
/// without naming them.
#[test]
fn what_is_cancelled_holds_nothing_up() {
    for seed in seeds() {
        let rules = Rules { messages: 200, cancelled: 0.2, ..Rules::default() };
        let mut world = World::new(seed, rules);
        world.run();
        world.check();
    }
}

/// Each message has an item of its own, many are cancelled, so that what follows them is put again behind
/// all others, and the receiver has room for few: what is next always finds a place.
#[test]
fn a_receiver_with_little_room_stops_at_nothing() {
    for seed in seeds() {
        let rules = Rules {
            messages: 60,
            cancelled: 0.3,
            apart: true,
            open: Some(4),
            loss: 0.05,
            crashes: 0.002,
            ..Rules::default()
        };
        let mut world = World::new(seed, rules);
        world.run();
        world.check();
    }
}
