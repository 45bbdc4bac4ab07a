//! Machines that change their place while they talk.

use std::time::Duration;

use super::Scenario;
use super::cast::{Homes, bootstrap};
use crate::actor::Actor;
use crate::finding::{Finding, expect};
use crate::network::Nat;
use crate::stage::Stage;

/// A node that moved is reached again within this.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) const ADDRESS: Scenario = Scenario {
    name: "move",
    shows: "a node whose host changes its address is reached again within 10 s, in the same session",
    short: true,
    needs: &[],
    play: address,
};

pub(super) const QUIC: Scenario = Scenario {
    name: "move-quic",
    shows: "the same over QUIC",
    short: true,
    needs: &[],
    play: quic,
};

pub(super) const HOME: Scenario = Scenario {
    name: "move-home",
    shows: "a machine is carried from one home's LAN to another's and is reached again within 10 s",
    short: false,
    needs: &["ping"],
    play: home,
};

pub(super) const ROUTER: Scenario = Scenario {
    name: "router-renumbered",
    shows: "a home's router gets another public address and forgets its translations; the nodes inside \
            notice nothing of it but are reached again within 10 s",
    short: false,
    needs: &[],
    play: router,
};

fn address(stage: &Stage) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &[])?;
    moves(stage, &alice, &bob, &alice.address())
}

fn quic(stage: &Stage) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &[])?;
    moves(stage, &alice, &bob, &alice.quic_address())
}

/// Bob, who dialled `address` of alice, gets another address.
fn moves(stage: &Stage, alice: &Actor, bob: &Actor, address: &str) -> Result<(), Finding> {
    alice.attach("cat")?;
    bob.attach("cat")?;
    bob.connect(address)?;
    alice.says("bob", "before", Duration::from_secs(5))?;
    let session = alice.session("bob");
    bob.host().renumber(stage.network().free_address())?;
    again(stage, bob, alice)?;
    same_session(session.as_deref(), alice, "bob")
}

fn home(stage: &Stage) -> Result<(), Finding> {
    let relay = bootstrap(stage, true)?;
    let homes = Homes::new(stage, &relay, [Nat::Cone, Nat::Cone], &[])?;
    homes.alice.attach("cat")?;
    let address = homes.relayed(&relay)?;
    homes.alice.connect(&address)?;
    homes.alice.says("bob", "before", Duration::from_secs(5))?;
    let session = homes.alice.session("bob");
    homes.bob.host().carry_to(&homes.at[0])?;
    again(stage, &homes.bob, &homes.alice)?;
    same_session(session.as_deref(), &homes.alice, "bob")
}

fn router(stage: &Stage) -> Result<(), Finding> {
    let home = stage.network().home("home", Nat::Cone)?;
    let alice = stage.public("alice", &[])?;
    let bob = stage.inside(&home, "bob", &[])?;
    alice.attach("cat")?;
    bob.attach("cat")?;
    bob.connect(&alice.address())?;
    alice.says("bob", "before", Duration::from_secs(5))?;
    let session = alice.session("bob");
    home.renumber(stage.network().free_address())?;
    again(stage, &bob, &alice)?;
    same_session(session.as_deref(), &alice, "bob")
}

/// The mover reaches the other, and the other the mover.
fn again(stage: &Stage, mover: &Actor, other: &Actor) -> Result<(), Finding> {
    let took = mover.reaches(other.name(), AGAIN)?;
    stage.note(format!("the mover reaches the other after {:.1} s", took.as_secs_f64()));
    let took = other.reaches(mover.name(), AGAIN.saturating_sub(took))?;
    stage.note(format!("the other reaches the mover {:.1} s later", took.as_secs_f64()));
    Ok(())
}

fn same_session(before: Option<&str>, who: &Actor, whom: &str) -> Result<(), Finding> {
    let now = who.session(whom);
    expect(before.is_some() && now.as_deref() == before, "the session is the same", || {
        format!("{before:?} became {now:?}")
    })
}
