//! Finding each other.

use std::time::Duration;

use peer_tests::processes::eventually;
use serde_json::Value;

use super::Scenario;
use super::cast::{Homes, bootstrap, path};
use crate::actor::Actor;
use crate::finding::{Finding, expect};
use crate::network::Nat;
use crate::stage::Stage;

pub(super) const BY_NAME: Scenario = Scenario {
    name: "find-by-entity-id",
    shows: "alice, behind a router, talks to bob, behind another, knowing nothing but bob's name",
    short: true,
    needs: &["lookup", "ping"],
    play: by_name,
};

pub(super) const BY_CAPABILITY: Scenario = Scenario {
    name: "discover-by-capability",
    shows: "alice finds who can translate, behind a router, and talks to them",
    short: true,
    needs: &["discover"],
    play: by_capability,
};

pub(super) const WITHOUT_BOOTSTRAP: Scenario = Scenario {
    name: "bootstrap-stopped",
    shows: "when the bootstrap node dies, everything known goes on; a node that restarts rejoins from \
            its disk and finds others by name",
    short: true,
    needs: &["lookup"],
    play: without_bootstrap,
};

/// A registration has this long to be found by others.
const FOUND: Duration = Duration::from_secs(40);

fn by_name(stage: &Stage) -> Result<(), Finding> {
    let relay = bootstrap(stage, true)?;
    let homes = Homes::new(stage, &relay, [Nat::Cone, Nat::Cone], &[])?;
    stage.timed("found after", || found(&homes.alice, &homes.bob))?;
    stage.timed("reached after", || homes.alice.reaches("bob", Duration::from_secs(30)))?;
    stage.timed("hole-punched after", || {
        path(&homes.alice, "bob", "hole-punched", Duration::from_secs(40))
    })
}

fn by_capability(stage: &Stage) -> Result<(), Finding> {
    let relay = bootstrap(stage, true)?;
    let homes = Homes::new(stage, &relay, [Nat::Cone, Nat::Cone], &[])?;
    homes.bob.run(&["register", "translate"])?;
    let discovered = || {
        let found = homes.alice.try_run(&["discover", "translate", "--timeout", "5s"]);
        names(&found.unwrap_or_default())
    };
    stage.timed("discovered after", || {
        let what = "alice discovers bob by what he can do".to_owned();
        let found = eventually(FOUND, || discovered() == ["bob"]);
        if found { Ok(()) } else { Err(Finding::Late { what, within: FOUND }) }
    })?;
    let nobody = homes.alice.try_run(&["discover", "juggle", "--timeout", "5s"]);
    let nobody = nobody.map(|found| names(&found)).unwrap_or_default();
    expect(nobody.is_empty(), "nobody can juggle", || format!("{nobody:?}"))?;
    stage.timed("reached after", || homes.alice.reaches("bob", Duration::from_secs(30)))?;
    Ok(())
}

fn without_bootstrap(stage: &Stage) -> Result<(), Finding> {
    let first = bootstrap(stage, true)?;
    let mut nodes = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        let node = stage.public(name, &["--bootstrap", &first.address(), "--dht=server"])?;
        node.attach("cat")?;
        nodes.push(node);
    }
    let [alice, bob, carol, dave] = nodes.as_slice() else { return Ok(()) };
    for (who, whom) in [(alice, bob), (bob, carol), (carol, dave), (dave, alice)] {
        found(who, whom)?;
        who.reaches(whom.name(), Duration::from_secs(20))?;
    }
    first.kill();
    stage.note("bootstrap killed");
    alice.says("bob", "we go on", Duration::from_secs(5))?;
    stage.timed("somebody new to alice found after", || found(alice, carol))?;
    alice.reaches("carol", Duration::from_secs(20))?;

    alice.kill();
    alice.restart()?;
    alice.attach("cat")?;
    stage.timed("restarted; found by name after", || found(alice, dave))?;
    stage.timed("reached after", || alice.reaches("dave", Duration::from_secs(20)))?;
    Ok(())
}

/// Waits until `who` finds `whom` in the registry, under the right key.
fn found(who: &Actor, whom: &Actor) -> Result<(), Finding> {
    let lookup = || who.try_run(&["lookup", whom.name(), "--fresh", "--timeout", "5s"]);
    let right = |found: Value| found["listing"]["peer_id"] == whom.peer_id();
    if eventually(FOUND, || lookup().is_ok_and(right)) {
        Ok(())
    } else {
        let what = format!("{} finds {} in the registry", who.name(), whom.name());
        Err(Finding::Late { what, within: FOUND })
    }
}

fn names(discovered: &Value) -> Vec<String> {
    let listings = discovered["listings"].as_array().cloned().unwrap_or_default();
    let name = |listing: &Value| Some(listing["entity"].as_str()?.to_owned());
    listings.iter().filter_map(name).collect()
}
