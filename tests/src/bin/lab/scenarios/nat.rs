//! Two nodes behind routers.

use std::time::Duration;

use super::Scenario;
use super::cast::{Homes, bootstrap, path};
use crate::finding::{Finding, expect};
use crate::network::Nat;
use crate::stage::Stage;

pub(super) const CONE_CONE: Scenario = Scenario {
    name: "cone-cone",
    shows: "two nodes behind routers that keep ports meet at a relay and punch a hole; `peer ping` says so",
    short: true,
    needs: &["ping"],
    play: |stage| relayed(stage, [Nat::Cone, Nat::Cone], "hole-punched"),
};

pub(super) const SYMMETRIC_SYMMETRIC: Scenario = Scenario {
    name: "symmetric-symmetric",
    shows: "two nodes behind routers that change ports stay on the relay",
    short: true,
    needs: &["ping"],
    play: |stage| relayed(stage, [Nat::Symmetric, Nat::Symmetric], "relayed"),
};

pub(super) const CONE_SYMMETRIC: Scenario = Scenario {
    name: "cone-symmetric",
    shows: "so do two of which one's router keeps ports and the other's does not",
    short: false,
    needs: &["ping"],
    play: |stage| relayed(stage, [Nat::Cone, Nat::Symmetric], "relayed"),
};

fn relayed(stage: &Stage, nats: [Nat; 2], kind: &str) -> Result<(), Finding> {
    let relay = bootstrap(stage, true)?;
    let homes = Homes::new(stage, &relay, nats, &[])?;
    let address = stage.timed("reserved after", || homes.relayed(&relay))?;
    stage.timed("session after", || homes.alice.connect(&address))?;
    homes.alice.says("bob", "over the relay", Duration::from_secs(5))?;
    let session = homes.alice.session("bob");
    if kind == "relayed" {
        // Hole punching is tried, fails, and must leave what works alone.
        std::thread::sleep(Duration::from_secs(10));
    }
    stage.timed(&format!("{kind} after"), || {
        path(&homes.alice, "bob", kind, Duration::from_secs(20))
    })?;
    homes.alice.says("bob", "and again", Duration::from_secs(5))?;
    let now = homes.alice.session("bob");
    expect(session.is_some() && now == session, "the session is the same", || {
        format!("{session:?} became {now:?}")
    })
}
