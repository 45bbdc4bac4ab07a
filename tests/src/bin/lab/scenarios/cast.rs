//! Who plays in most scenarios.

use std::rc::Rc;
use std::time::Duration;

use peer_tests::processes::eventually;

use crate::actor::Actor;
use crate::finding::Finding;
use crate::network::{Family, Home, Nat, PORT};
use crate::stage::Stage;

/// A public node that everybody is told of: `bootstrap`, which is also a relay if `relay` says so. Its
/// operator has configured its addresses, as those of public nodes do.
///
/// # Errors
/// If it does not start.
pub(super) fn bootstrap(stage: &Stage, relay: bool) -> Result<Rc<Actor>, Finding> {
    let host = stage.network().public("bootstrap", Family::Both)?;
    let address = host.multiaddr();
    let tcp = format!("{address}/tcp/{PORT}");
    let quic = format!("{address}/udp/{PORT}/quic-v1");
    let relay = format!("--relay-server={relay}");
    stage.start(host, &["--external", &tcp, "--external", &quic, &relay])
}

/// Alice and bob, each alone in a home behind a router of this kind, who know `bootstrap`; bob's agent
/// echoes.
pub(super) struct Homes {
    pub(super) alice: Rc<Actor>,
    pub(super) bob: Rc<Actor>,
    /// Alice's home and bob's.
    pub(super) at: [Home; 2],
}

impl Homes {
    /// Starts them, each with more arguments of `peer run`.
    ///
    /// # Errors
    /// If one does not start.
    pub(super) fn new(
        stage: &Stage,
        bootstrap: &Actor,
        nats: [Nat; 2],
        args: &[&str],
    ) -> Result<Self, Finding> {
        let [nat_a, nat_b] = nats;
        let network = stage.network();
        let at = [network.home("home-a", nat_a)?, network.home("home-b", nat_b)?];
        let address = bootstrap.address();
        let args: Vec<&str> =
            ["--bootstrap", &address].into_iter().chain(args.iter().copied()).collect();
        let alice = stage.inside(&at[0], "alice", &args)?;
        let bob = stage.inside(&at[1], "bob", &args)?;
        bob.attach("cat")?;
        Ok(Self { alice, bob, at })
    }

    /// Waits until bob has a reservation at `relay`, and returns bob's address there.
    ///
    /// # Errors
    /// If there is none in time.
    pub(super) fn relayed(&self, relay: &Actor) -> Result<String, Finding> {
        let within = Duration::from_secs(40);
        let relayed = || {
            let stand = self.bob.try_run(&["netcheck"]).unwrap_or_default();
            let relays = &stand["reachability"]["relays"];
            relays.as_array().is_some_and(|relays| relays.iter().any(|it| it["reserved"] == true))
        };
        if !eventually(within, relayed) {
            let what = "bob has a reservation at the relay".to_owned();
            return Err(Finding::Late { what, within });
        }
        Ok(format!("{}/p2p-circuit/p2p/{}", relay.address(), self.bob.peer_id()))
    }
}

/// Waits until `from` has a path to `to` of the given kind, as `peer ping` names it.
///
/// # Errors
/// If it has another one when time is up.
pub(super) fn path(from: &Actor, to: &str, kind: &str, within: Duration) -> Result<(), Finding> {
    let found = || from.path(to).unwrap_or_else(|finding| finding.to_string());
    if eventually(within, || found() == kind) {
        Ok(())
    } else {
        let what = format!("{}'s path to {to} is {kind} within {within:?}", from.name());
        Err(Finding::Wrong { what, found: found() })
    }
}
