//! A network that falls apart and comes together again.

use std::time::Duration;

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::network::Network;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "partition",
    shows: "a report told during a partition arrives once it heals, exactly once, in the same session",
    short: true,
    needs: &[],
    play: |stage| play(stage, |network| network.cut("alice", "bob"), |network| network.heal()),
};

pub(super) const ONE_WAY: Scenario = Scenario {
    name: "partition-one-way",
    shows: "the same when only one direction is dead: what arrives is not answered, what is answered does \
            not arrive",
    short: true,
    needs: &[],
    play: |stage| {
        play(stage, |network| network.cut_one_way("bob", "alice"), |network| network.heal())
    },
};

pub(super) const UNPLUGGED: Scenario = Scenario {
    name: "unplugged",
    shows: "the same when bob's cable is pulled and put back",
    short: false,
    needs: &[],
    play: |stage| play(stage, |network| network.unplug("bob"), |network| network.plug("bob")),
};

type Change = fn(&Network) -> Result<(), Finding>;

/// How long the partition lasts after the report was told.
const PARTED: Duration = Duration::from_secs(4);

fn play(stage: &Stage, part: Change, heal: Change) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &[])?;
    bob.attach("cat")?;
    alice.connect(&bob.address())?;
    alice.says("bob", "before", Duration::from_secs(5))?;
    let session = alice.session("bob");

    part(stage.network())?;
    let unheard = alice.says("bob", "during", Duration::from_secs(2));
    expect(unheard.is_err(), "nobody answers across a partition", || "an answer".to_owned())?;
    alice.run(&["report", "bob", "told during the partition", "--timeout", "1s"])?;
    // A partition is made of time: this is how long the network is broken.
    std::thread::sleep(PARTED);
    heal(stage.network())?;
    stage.timed("healed, reached after", || alice.reaches("bob", Duration::from_secs(20)))?;
    let count = || {
        let told = |heard: &serde_json::Value| heard["status"] == "told during the partition";
        bob.heard().iter().filter(|heard| told(heard)).count()
    };
    peer_tests::processes::eventually(Duration::from_secs(10), || count() > 0);
    expect(count() == 1, "the report arrives once", || format!("{} times", count()))?;
    let now = alice.session("bob");
    expect(session.is_some() && now == session, "the session is the same", || {
        format!("{session:?} became {now:?}")
    })
}
