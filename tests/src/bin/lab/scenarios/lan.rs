//! A home's LAN, and what a node asks of it.

use std::time::Duration;

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::network::Nat;
use crate::stage::Stage;

pub(super) const MDNS: Scenario = Scenario {
    name: "mdns",
    shows: "two nodes in a LAN that nobody told of each other find each other by multicast and talk",
    short: true,
    needs: &["--mdns"],
    play: mdns,
};

pub(super) const NO_UPNP: Scenario = Scenario {
    name: "upnp-absent",
    shows: "a router that knows no UPnP is no reason to complain, nor to wait",
    short: true,
    needs: &["--upnp"],
    play: no_upnp,
};

fn mdns(stage: &Stage) -> Result<(), Finding> {
    let home = stage.network().home("home", Nat::Cone)?;
    let alice = stage.inside(&home, "alice", &["--mdns=true"])?;
    let bob = stage.inside(&home, "bob", &["--mdns=true"])?;
    let deaf = stage.inside(&home, "deaf", &[])?;
    bob.attach("cat")?;
    stage.timed("reached by name after", || alice.reaches("bob", Duration::from_secs(30)))?;
    let known = deaf.run(&["peers"])?;
    let nobody = known.as_array().is_some_and(Vec::is_empty);
    expect(nobody, "who has multicast switched off is not found", || known.to_string())
}

fn no_upnp(stage: &Stage) -> Result<(), Finding> {
    let home = stage.network().home("home", Nat::Cone)?;
    let bob = stage.public("bob", &[])?;
    bob.attach("cat")?;
    let alice = stage.timed("started in", || stage.inside(&home, "alice", &["--upnp=true"]))?;
    alice.connect(&bob.address())?;
    alice.says("bob", "never mind the router", Duration::from_secs(5))?;
    // The search for a gateway is given up after 10 s; only then is there something to complain of.
    std::thread::sleep(Duration::from_secs(11));
    let loud = |line: &&str| {
        (line.contains("WARN") || line.contains("ERROR")) && line.to_lowercase().contains("upnp")
    };
    let log = alice.log();
    let complaints: Vec<&str> = log.lines().filter(loud).collect();
    expect(complaints.is_empty(), "nobody complains", || complaints.join("; "))
}
