//! Two nodes that can dial each other.

use std::time::Duration;

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "direct-public",
    shows: "two public nodes talk over TCP and over QUIC, in one session",
    short: true,
    needs: &[],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &[])?;
    let carol = stage.public("carol", &[])?;
    bob.attach("cat")?;
    stage.timed("TCP: session in", || alice.connect(&bob.address()))?;
    alice.says("bob", "over TCP", Duration::from_secs(5))?;
    stage.timed("QUIC: session in", || carol.connect(&bob.quic_address()))?;
    carol.says("bob", "over QUIC", Duration::from_secs(5))?;
    let ends = (alice.session("bob"), bob.session("alice"));
    expect(ends.0.is_some() && ends.0 == ends.1, "both ends name one session", || {
        format!("{ends:?}")
    })?;
    let alive = alice.run(&["alive", "bob"])?;
    expect(alive["alive"] == true && alive["agent"] == true, "bob lives", || alive.to_string())
}
