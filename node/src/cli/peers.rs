//! `peer peers`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{printable, table};
use super::trust::level;
use crate::api::Client;
use crate::model::{PathKind, PeerStatus};

/// List connected peers, and those with a session
///
/// ENCRYPTED says whether messages to the peer are end-to-end encrypted: not so for peers that speak
/// only version 1.0. More about each, such as session ids, with --json.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn execute(
    _: &Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let peers = client.peers().await?;
    output.show(&peers, |peers| describe(peers))?;
    Ok(Exit::Ok)
}

fn describe(peers: &[PeerStatus]) -> String {
    if peers.is_empty() {
        return "no peers; connect to one with `peer connect <multiaddr>`".to_owned();
    }
    let header = ["PEER", "TRUST", "SESSION", "ENCRYPTED", "QUEUED", "PATH", "ADDRESS"];
    let table = table(&header, peers.iter().map(row).collect());
    let errors = peers.iter().filter_map(|peer| {
        Some(format!("\n{}: {}", printable(&name(peer)), printable(peer.last_error.as_ref()?)))
    });
    format!("{table}{}", errors.collect::<String>())
}

fn row(peer: &PeerStatus) -> Vec<String> {
    let session = match (&peer.session, peer.connected) {
        (Some(session), _) => session.state.clone(),
        (None, true) => "none".to_owned(),
        // Over HTTP there is no connection to lose.
        (None, false) if is_over_http(peer) => "none".to_owned(),
        (None, false) => "disconnected".to_owned(),
    };
    let encrypted = match (&peer.session, peer.encrypted) {
        (Some(session), true) => session.suite.clone(),
        (None, true) => "yes".to_owned(),
        (None, false) if peer.protocol.as_deref() != Some("1.0") => "-".to_owned(),
        (_, false) => "NO".to_owned(),
    };
    vec![
        name(peer),
        peer.trust.map_or("-", level).to_owned(),
        session,
        encrypted,
        peer.queued.to_string(),
        peer.path.as_ref().map_or("-", |path| path.kind.as_str()).to_owned(),
        address(peer),
    ]
}

fn is_over_http(peer: &PeerStatus) -> bool {
    peer.path.as_ref().is_some_and(|path| path.kind == PathKind::Http)
}

fn name(peer: &PeerStatus) -> String {
    peer.entity.as_ref().map_or_else(|| peer.peer_id.clone(), ToString::to_string)
}

/// The address without the peer id, which the name stands for.
fn address(peer: &PeerStatus) -> String {
    let address = peer.address.as_deref().unwrap_or("-");
    address.split_once("/p2p/").map_or(address, |(address, _)| address).to_owned()
}
