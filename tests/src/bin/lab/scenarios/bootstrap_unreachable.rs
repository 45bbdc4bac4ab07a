//! A bootstrap node that is not there.

use std::time::Duration;

use peer_tests::processes::eventually;

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::network::{Family, PORT};
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bootstrap-unreachable",
    shows: "a node whose bootstrap address nobody answers at says which and why, goes on, and connects \
            as soon as somebody is there",
    short: true,
    needs: &[],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let host = stage.network().public("bootstrap", Family::Both)?;
    let address = format!("{}/tcp/{PORT}", host.multiaddr());
    let alice = stage.public("alice", &["--bootstrap", &address])?;
    let told = || alice.log().lines().any(|line| line.contains("WARN") && line.contains(&address));
    expect(eventually(Duration::from_secs(10), told), "the log warns of the address", || {
        alice.log()
    })?;
    let warning = alice.log().lines().find(|line| line.contains("WARN")).map(str::to_owned);
    let warning = warning.unwrap_or_default();
    let said = warning.split(": ").nth(1).unwrap_or_default();
    stage.note(format!("the log says: {}", said.split(" address=").next().unwrap_or_default()));
    alice.run(&["status"])?;
    let bob = stage.public("bob", &[])?;
    bob.attach("cat")?;
    alice.connect(&bob.address())?;
    alice.says("bob", "we need nobody", Duration::from_secs(5))?;

    let bootstrap = stage.start(host, &[])?;
    bootstrap.attach("cat")?;
    let seen = || alice.session(bootstrap.name()).is_some();
    stage.timed("bootstrap came up, connected after", || {
        let within = Duration::from_secs(45);
        let what = "alice finds the bootstrap node".to_owned();
        if eventually(within, seen) { Ok(()) } else { Err(Finding::Late { what, within }) }
    })
}
