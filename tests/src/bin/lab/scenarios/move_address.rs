//! A machine gets another address while it talks.

use std::time::Duration;

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::stage::Stage;

/// A node that moved is reached again within this.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) const SCENARIO: Scenario = Scenario {
    name: "move",
    shows: "a node whose host changes its address is reached again within 10 s, in the same session",
    short: true,
    needs: &[],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &[])?;
    alice.attach("cat")?;
    bob.attach("cat")?;
    bob.connect(&alice.address())?;
    alice.says("bob", "before", Duration::from_secs(5))?;
    let session = alice.session("bob");

    bob.host().renumber(stage.network().free_address())?;
    let took = bob.reaches("alice", AGAIN)?;
    stage.note(format!("the mover reaches the other after {:.1} s", took.as_secs_f64()));
    let took = alice.reaches("bob", AGAIN)?;
    stage.note(format!("the other reaches the mover after {:.1} s more", took.as_secs_f64()));
    let now = alice.session("bob");
    expect(session.is_some() && now == session, "the session is the same", || {
        format!("{session:?} became {now:?}")
    })
}
