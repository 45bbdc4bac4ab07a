//! `peer connect`

use super::Timeout;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{micros, printable};
use super::trust::level;
use crate::api::{self, Client};
use crate::model::{HandshakeKind, PeerStatus};

/// Dial an address and open a session
///
/// The peer's `peer status` and `peer run` print its addresses.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Such as /ip4/192.0.2.7/tcp/4711/p2p/<peer id>
    #[arg(value_name = "MULTIADDR")]
    address: String,
    #[command(flatten)]
    timeout: Timeout,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let timeout = args.timeout.timeout;
    let ask = api::Connect { address: args.address, timeout_ms: args.timeout.millis() };
    let peer = super::patiently(output, timeout, client.connect(&ask)).await?;
    output.show(&peer, describe)?;
    Ok(Exit::Ok)
}

fn describe(peer: &PeerStatus) -> String {
    let name = peer.entity.as_ref().map_or_else(|| peer.peer_id.clone(), ToString::to_string);
    let trust = peer.trust.map_or("not on record", level);
    let mut text = format!("connected to {} ({trust})\n", printable(&name));
    if let Some(session) = &peer.session {
        let handshake = match session.handshake {
            HandshakeKind::SixStep => "six-step handshake",
            HandshakeKind::ThreeWay => "three-way handshake",
            HandshakeKind::Legacy => "version 1.0 handshake, NOT ENCRYPTED",
        };
        let session = format!(
            "session {} {}, {}, {handshake} in {}\n",
            session.id,
            session.state,
            session.suite,
            micros(session.handshake_us)
        );
        text.push_str(&printable(&session));
    }
    text
}
