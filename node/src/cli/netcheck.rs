//! `peer netcheck`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{pairs, printable, span, time};
use crate::api::Client;
use crate::model::Netcheck;
use crate::model::reachability::{Address, Nat, Reachable};

/// Show how this node stands in the network: who can reach it, where, and through what
///
/// `peer doctor` says what is wrong with that, and what to do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn execute(
    _: &Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let netcheck = client.netcheck().await?;
    output.show(&netcheck, describe)?;
    Ok(Exit::Ok)
}

fn describe(it: &Netcheck) -> String {
    let on = |on| if on { "on" } else { "off" }.to_owned();
    let (peers, reach) = (it.peers, &it.reachability);
    let mut text = pairs(&[
        ("reachable", reachable(reach.status).to_owned()),
        ("NAT", nat(reach.nat).to_owned()),
        ("UPnP", reach.upnp.clone()),
        ("mDNS", on(reach.mdns)),
        ("relays for others", on(it.relay_server)),
        ("carries for others", on(it.carries)),
        ("registry", registry(it)),
        (
            "peers",
            format!(
                "{} direct, {} hole-punched, {} relayed, {} over hops",
                peers.direct, peers.hole_punched, peers.relayed, peers.hops
            ),
        ),
        ("clock", clock(it)),
    ]);
    list(&mut text, "listens on", reach.listen.iter().cloned());
    let seen = reach.observed.iter();
    let seen = seen.map(|it| format!("{} (from {} networks)", it.address, it.networks));
    list(&mut text, "seen by others at", seen);
    list(&mut text, "addresses of its own", reach.addresses.iter().map(address));
    let relays = reach.relays.iter().map(|relay| {
        if relay.reserved { relay.address.clone() } else { format!("{} (asked)", relay.peer_id) }
    });
    list(&mut text, "relays", relays);
    list(&mut text, "tells others", reach.announced.iter().cloned());
    let bootstrap = it.bootstrap.iter().map(|known| match (known.connected, &known.last_error) {
        (true, _) => format!("{}: connected", known.address),
        (false, Some(error)) => format!("{}: {error}", known.address),
        (false, None) => format!("{}: not connected", known.address),
    });
    list(&mut text, "bootstrap", bootstrap);
    let trouble = it.store.iter().map(|it| format!("since {}: {}", time(it.since), it.reason));
    list(&mut text, "nothing can be saved", trouble);
    text
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        text.push_str(title);
        text.push('\n');
    }
    for line in lines {
        text.push_str("  ");
        text.push_str(&printable(&line));
        text.push('\n');
    }
}

fn address(it: &Address) -> String {
    let Address { address, source, confirmed_ms, refusals, .. } = it;
    match (confirmed_ms, refusals) {
        (Some(age), _) => format!("{address} ({source}, confirmed {} ago)", span(*age)),
        (None, 0) => format!("{address} ({source}, not tested yet)"),
        (None, refusals) => format!("{address} ({source}, {refusals} tests failed)"),
    }
}

pub(super) fn registry(it: &Netcheck) -> String {
    let part = &it.reachability.dht;
    format!("{part} ({}); {} peers in its table", it.dht_reason, it.dht_peers)
}

fn clock(it: &Netcheck) -> String {
    let ahead = it.clock.median_ahead_ms;
    match it.clock.peers {
        0 => "not compared with anybody's yet".to_owned(),
        peers if ahead.abs() < 1000 => format!("within a second of {peers} peers'"),
        peers => {
            let off = span(ahead.unsigned_abs());
            let way = if ahead > 0 { "behind" } else { "ahead of" };
            format!("{off} {way} that of {peers} peers, in the median")
        }
    }
}

pub(super) const fn reachable(reachable: Reachable) -> &'static str {
    match reachable {
        Reachable::Unknown => "not known yet",
        Reachable::Public => "yes, at a public address",
        Reachable::Private => "not directly: it is behind a NAT or a firewall",
        Reachable::Local => "in its local network, which is all that it knows",
    }
}

const fn nat(nat: Nat) -> &'static str {
    match nat {
        Nat::Unknown => "not known",
        Nat::None => "none",
        Nat::EndpointIndependent => "one port for all peers: hole punching works",
        Nat::EndpointDependent => "another port for each peer: some are reached over relays only",
    }
}
