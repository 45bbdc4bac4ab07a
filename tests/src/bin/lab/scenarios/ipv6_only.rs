//! A network without IPv4.

use std::time::Duration;

use super::Scenario;
use crate::finding::Finding;
use crate::network::Family;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ipv6-only",
    shows: "hosts without any IPv4 address talk over TCP and over QUIC",
    short: true,
    needs: &[],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let host = |name| stage.network().public(name, Family::V6);
    let alice = stage.start(host("alice")?, &[])?;
    let bob = stage.start(host("bob")?, &["--bootstrap", &alice.address()])?;
    let carol = stage.start(host("carol")?, &[])?;
    bob.attach("cat")?;
    stage.note(bob.address());
    stage.timed("bootstrapped in", || alice.reaches("bob", Duration::from_secs(10)))?;
    carol.connect(&bob.quic_address())?;
    carol.says("bob", "over QUIC", Duration::from_secs(5))
}
