//! What the running node knows of its network.

use super::Finding;
use crate::cli::netcheck;
use crate::cli::text::time;
use crate::model::reachability::{Nat, Reachable};
use crate::model::{Netcheck, PeerStatus, Status, StoreTrouble};

/// Clocks further apart than this will be refused soon, in milliseconds: at 60 s they are.
const SKEW_WARNING: u64 = 10_000;
const SKEW_WRONG: u64 = 60_000;

/// Looks at what the node tells.
pub(super) fn examine(status: &Status, net: &Netcheck) -> Vec<Finding> {
    let mut findings = vec![listening(net), peers(status, net)];
    findings.extend(net.bootstrap.iter().map(|known| {
        let detail = |what: &str| format!("{} {what}", known.address);
        match (&known.last_error, known.connected) {
            (_, true) => Finding::ok("bootstrap", detail("is connected")),
            (error, false) => {
                let why = error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
                let fix = "check the address, and that a node runs there, in a private network with \
                           the same key; the node goes on trying, and works with whomever else it \
                           knows";
                Finding::warning("bootstrap", detail(&format!("is not connected{why}")), fix)
            }
        }
    }));
    findings.push(reachability(net));
    findings.push(registry(net));
    findings.push(clock(net));
    findings.push(store(net));
    findings
}

/// Peers with which something does not work.
pub(super) fn stuck(peers: &[PeerStatus]) -> Vec<Finding> {
    peers.iter().filter_map(stuck_peer).collect()
}

fn stuck_peer(peer: &PeerStatus) -> Option<Finding> {
    let name = peer.entity.as_ref().map_or_else(|| peer.peer_id.clone(), ToString::to_string);
    let why = peer.last_error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
    if !peer.connected && peer.queued > 0 {
        let detail =
            format!("{} messages wait for {name}, which is not connected{why}", peer.queued);
        let fix = format!("`peer ping {name}` tells more; they go out once it is reached");
        return Some(Finding::warning("messages", detail, fix));
    }
    let refused = peer.connected && peer.last_error.is_some();
    let open = peer.session.as_ref().is_some_and(|session| !session.id.is_empty());
    (refused && !open).then(|| {
        let detail = format!("{name} is connected, but there is no session{why}");
        let fix = "see the reason; `peer trust list` shows whom this node trusts, and \
                   `peer trust pin <entity> \"<fingerprint>\"` settles whose a name is";
        Finding::warning("session", detail, fix)
    })
}

fn listening(net: &Netcheck) -> Finding {
    if net.reachability.listen.is_empty() {
        let fix =
            "give it an address: `peer run --listen <multiaddr>`; without one it can only dial";
        return Finding::warning("listening", "it listens nowhere", fix);
    }
    Finding::ok("listening", format!("on {} addresses", net.reachability.listen.len()))
}

fn peers(status: &Status, net: &Netcheck) -> Finding {
    if status.connected > 0 {
        let (connected, sessions) = (status.connected, status.sessions);
        return Finding::ok("peers", format!("{connected} connected, {sessions} with a session"));
    }
    let fix = if net.bootstrap.is_empty() {
        "connect to one: `peer connect <multiaddr>`, or name one for every start: `bootstrap` in the \
         configuration"
    } else {
        "see the bootstrap addresses below"
    };
    Finding::warning("peers", "nobody is connected", fix)
}

fn reachability(net: &Netcheck) -> Finding {
    let reach = &net.reachability;
    let relays = reach.relays.iter().filter(|relay| relay.reserved).count();
    let detail = netcheck::reachable(reach.status);
    match (reach.status, relays == 0, reach.nat) {
        (Reachable::Public | Reachable::Local, _, _) => Finding::ok("reachable", detail),
        (Reachable::Unknown, _, _) => Finding::ok("reachable", detail),
        (Reachable::Private, false, _) => {
            Finding::ok("reachable", format!("{detail}; over {relays} relays"))
        }
        (Reachable::Private, true, Nat::EndpointDependent) => Finding::warning(
            "reachable",
            format!("{detail}, and no relay has a place for it"),
            "forward its port at the router, or run a relay on a public machine: `relay_server = true`",
        ),
        (Reachable::Private, true, _) => Finding::warning(
            "reachable",
            format!("{detail}, and no relay has a place for it"),
            "forward its port at the router, switch UPnP on there, or run a relay on a public \
             machine: `relay_server = true`",
        ),
    }
}

fn registry(net: &Netcheck) -> Finding {
    if net.reachability.dht == "off" {
        return Finding::ok("registry", "switched off");
    }
    if net.dht_peers == 0 {
        let fix = "connect to a node that takes part in the registry, such as a bootstrap node";
        return Finding::warning("registry", "no node of the registry is known", fix);
    }
    Finding::ok("registry", netcheck::registry(net))
}

fn clock(net: &Netcheck) -> Finding {
    let off = net.clock.median_ahead_ms.unsigned_abs();
    if net.clock.peers == 0 {
        return Finding::ok("clock of peers", "not compared yet");
    }
    let way = if net.clock.median_ahead_ms > 0 { "behind" } else { "ahead of" };
    let detail = format!("{:.1} s {way} that of {} peers", off as f64 / 1000.0, net.clock.peers);
    let fix = "set the clock, best with a time service; at 60 s peers refuse every message";
    match off {
        SKEW_WRONG.. => Finding::wrong("clock of peers", detail, fix),
        SKEW_WARNING.. => Finding::warning("clock of peers", detail, fix),
        _ => Finding::ok("clock of peers", detail),
    }
}

/// The store of a node that runs cannot be opened by others: it says itself how it is.
fn store(net: &Netcheck) -> Finding {
    let Some(StoreTrouble { since, reason, next }) = &net.store else {
        return Finding::ok("store", "what is to be remembered can be saved");
    };
    let detail = format!("failing since {}: {reason}", time(*since));
    Finding::wrong("store", detail, format!("{next}; the node goes on trying"))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::model::reachability::Report;
    use crate::model::{BootstrapStatus, ClockStatus};
    use peer_protocol::time::Timestamp;

    fn grades(net: &Netcheck, connected: usize) -> Vec<(&'static str, Grade)> {
        let status = Status { connected, ..crate::api::fake::status() };
        examine(&status, net).into_iter().map(|it| (it.check, it.grade)).collect()
    }

    #[test]
    fn a_healthy_node_has_nothing_to_mend() {
        let net = Netcheck {
            reachability: Report {
                status: Reachable::Public,
                listen: vec!["/ip4/192.0.2.7/tcp/4711".to_owned()],
                dht: "server".to_owned(),
                ..Report::default()
            },
            dht_peers: 7,
            clock: ClockStatus { peers: 3, median_ahead_ms: -120 },
            ..Netcheck::default()
        };
        assert!(grades(&net, 3).iter().all(|(_, grade)| *grade == Grade::Ok));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_fix() {
        let error = Some("Connection refused".to_owned());
        let net = Netcheck {
            reachability: Report { status: Reachable::Private, ..Report::default() },
            clock: ClockStatus { peers: 1, median_ahead_ms: 61_000 },
            bootstrap: vec![BootstrapStatus {
                address: "/dns/x.example/tcp/1".to_owned(),
                connected: false,
                last_error: error,
            }],
            store: Some(StoreTrouble {
                since: Timestamp::from_millis(1_800_000_000_000),
                reason: "cannot use the store x: No space left on device".to_owned(),
                next: "make room".to_owned(),
            }),
            ..Netcheck::default()
        };
        let wrong = Grade::Wrong;
        let warning = Grade::Warning;
        assert_eq!(
            grades(&net, 0),
            [
                ("listening", warning),
                ("peers", warning),
                ("bootstrap", warning),
                ("reachable", warning),
                ("registry", warning),
                ("clock of peers", wrong),
                ("store", wrong),
            ]
        );
        let findings = examine(&crate::api::fake::status(), &net);
        assert!(findings.iter().all(|it| (it.grade == Grade::Ok) == it.fix.is_none()));
        assert!(findings[2].detail.contains("Connection refused"));
        assert!(findings[5].detail.contains("61.0 s behind"));
        assert!(findings[6].detail.contains("No space left"), "{}", findings[6].detail);
    }

    #[test]
    fn messages_that_wait_and_sessions_that_do_not_come_about_are_told() {
        let peer = crate::api::fake::peer();
        assert!(stuck(std::slice::from_ref(&peer)).is_empty());
        let error = Some("INVALID_SIGNATURE: another key".to_owned());
        let gone = PeerStatus { connected: false, queued: 2, ..peer.clone() };
        let refused = PeerStatus { session: None, last_error: error, ..peer };
        let findings = stuck(&[gone, refused]);
        assert_eq!([findings[0].check, findings[1].check], ["messages", "session"]);
        assert!(findings[0].detail.contains("2 messages wait"), "{findings:?}");
        assert!(findings[1].detail.contains("another key"), "{findings:?}");
    }

    #[test]
    fn a_clock_that_drifts_is_a_warning_before_it_is_an_error() {
        for (ahead, grade) in
            [(9_999, Grade::Ok), (-10_000, Grade::Warning), (60_000, Grade::Wrong)]
        {
            let clock_status = ClockStatus { peers: 2, median_ahead_ms: ahead };
            let net = Netcheck { clock: clock_status, ..Netcheck::default() };
            assert_eq!(clock(&net).grade, grade);
        }
    }
}
