//! Messages that other nodes carry.

use std::time::Duration;

use super::Scenario;
use super::cast::{Homes, bootstrap, path};
use crate::finding::{Finding, expect};
use crate::network::Nat;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hops",
    shows: "without any relay, messages travel over a node that both know, sealed end to end",
    short: true,
    needs: &["ping"],
    play: hops,
};

pub(super) const CARRIER_DIES: Scenario = Scenario {
    name: "carrier-dies",
    shows: "when the node that carries dies, another one does within 5 s, in the same session",
    short: false,
    needs: &["ping"],
    play: carrier_dies,
};

/// A home behind such a router is not reached directly, and not by hole punching either.
const CLOSED: [Nat; 2] = [Nat::Symmetric, Nat::Symmetric];
/// Direct dials are tried first; then carriers are asked.
const FIRST: Duration = Duration::from_secs(40);

fn hops(stage: &Stage) -> Result<(), Finding> {
    let carrier = bootstrap(stage, false)?;
    let homes = Homes::new(stage, &carrier, CLOSED, &[])?;
    stage.timed("reached over hops after", || homes.alice.reaches("bob", FIRST))?;
    path(&homes.alice, "bob", "hops", Duration::from_secs(5))?;
    let (at_alice, at_bob) = (homes.alice.session("bob"), homes.bob.session("alice"));
    let same = at_alice.is_some() && at_alice == at_bob;
    expect(same, "the session is end to end", || format!("{at_alice:?}, {at_bob:?}"))
}

fn carrier_dies(stage: &Stage) -> Result<(), Finding> {
    let one = bootstrap(stage, false)?;
    let other = stage.public("carrier", &["--bootstrap", &one.address()])?;
    let homes = Homes::new(stage, &one, CLOSED, &["--bootstrap", &other.address()])?;
    let Homes { alice, .. } = &homes;
    stage.timed("reached over hops after", || alice.reaches("bob", FIRST))?;
    let session = alice.session("bob");
    // Whichever carries: each dies once, while the other lives.
    for (dying, living) in [(&one, &other), (&other, &one)] {
        dying.kill();
        let took = alice.reaches("bob", Duration::from_secs(5))?;
        stage.note(format!("{} dead: reached after {:.1} s", dying.name(), took.as_secs_f64()));
        path(alice, "bob", "hops", Duration::from_secs(5))?;
        dying.restart()?;
        for end in [alice, &homes.bob] {
            let back = || end.session(dying.name()).is_some();
            let what = format!("{} finds {} again", end.name(), dying.name());
            let within = Duration::from_secs(60);
            if !peer_tests::processes::eventually(within, back) {
                return Err(Finding::Late { what, within });
            }
        }
        living.run(&["status"])?;
    }
    let now = alice.session("bob");
    expect(session.is_some() && now == session, "the session is the same", || {
        format!("{session:?} became {now:?}")
    })
}
