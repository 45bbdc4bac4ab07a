//! A node comes back on another port.

use std::time::Duration;

use super::Scenario;
use crate::finding::Finding;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "port-change",
    shows: "a node that comes back on another port is talked to again by those who only knew the old one",
    short: true,
    needs: &[],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &["--bootstrap", &alice.address()])?;
    bob.attach("cat")?;
    alice.reaches("bob", Duration::from_secs(10))?;
    bob.kill();
    bob.change_port(4999);
    bob.restart()?;
    bob.attach("cat")?;
    stage
        .timed("reached at the new port after", || alice.reaches("bob", Duration::from_secs(15)))?;
    Ok(())
}
