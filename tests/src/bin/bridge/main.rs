//! Carries substreams of libp2p to a program in any language, which speaks over this one's standard input
//! and output (`records.rs`). It knows names of protocols and nothing of what is said in them.
//!
//! It prints nothing but records; what goes wrong as a whole stands on standard error.

#![allow(clippy::print_stderr, reason = "a program that says why it ends")]

mod behaviour;
mod records;
mod streams;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, identify, noise, tcp, yamux};
use tokio::sync::mpsc;

use crate::behaviour::Streams;
use crate::records::{Event, ToSwarm};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Carries substreams between libp2p and standard input and output.
#[derive(Debug, Parser)]
#[command(name = "bridge", after_help = "Exit codes: 0 standard input ended; 1 something failed.")]
struct Args {
    /// The Ed25519 seed of the peer id, 64 hexadecimal digits
    #[arg(long)]
    seed: String,
    /// Where to listen; without it, it only dials
    #[arg(long)]
    listen: Option<Multiaddr>,
    /// A protocol that peers may open streams for
    #[arg(long = "protocol", value_parser = protocol)]
    protocols: Vec<StreamProtocol>,
    /// Tell peers with libp2p's identify which protocols these are
    #[arg(long)]
    identify: bool,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: Streams,
    identify: Toggle<identify::Behaviour>,
}

fn protocol(name: &str) -> Result<StreamProtocol, String> {
    StreamProtocol::try_from_owned(name.to_owned()).map_err(|error| error.to_string())
}

fn seed(hex: &str) -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    let digits = hex.as_bytes().chunks_exact(2);
    if hex.len() != 64 || !hex.is_ascii() {
        return Err("a seed has 64 hexadecimal digits".into());
    }
    for (byte, pair) in seed.iter_mut().zip(digits) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair)?, 16)?;
    }
    Ok(seed)
}

fn swarm(args: &Args) -> Result<Swarm<Behaviour>, Failure> {
    let key = Keypair::ed25519_from_bytes(seed(&args.seed)?)?;
    let streams = Streams::new(args.protocols.clone());
    let told = identify::Config::new("peer/1.1.0".to_owned(), key.public());
    let identify = args.identify.then(|| identify::Behaviour::new(told)).into();
    Ok(SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|_| Behaviour { streams, identify })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build())
}

async fn run(args: Args) -> Result<(), Failure> {
    let mut swarm = swarm(&args)?;
    if let Some(address) = args.listen {
        swarm.listen_on(address)?;
    }
    let (events, written) = mpsc::channel(256);
    let (commands, mut asked) = mpsc::channel(256);
    let open = streams::Open::default();
    let mut output = tokio::spawn(records::write(written));
    let mut input = tokio::spawn(records::read(commands, open.clone()));
    loop {
        let event = tokio::select! {
            ended = &mut input => return ended?,
            ended = &mut output => return ended?,
            Some(command) = asked.recv() => match command {
                ToSwarm::Dial(address) => match swarm.dial(address) {
                    Ok(()) => continue,
                    Err(error) => Event::Unreachable(error.to_string()),
                },
                ToSwarm::Open { id, peer, protocol } => {
                    match swarm.behaviour_mut().streams.open(id, peer, protocol) {
                        Ok(()) => continue,
                        Err(why) => Event::Refused { id, why },
                    }
                }
                ToSwarm::Disconnect(peer) => {
                    // One that is gone already needs nothing.
                    let _ = swarm.disconnect_peer_id(peer);
                    continue;
                }
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::NewListenAddr { address, .. } => {
                    let own = *swarm.local_peer_id();
                    Event::Listening(address.with_p2p(own).unwrap_or_else(|address| address))
                }
                SwarmEvent::ConnectionEstablished { peer_id, .. } => Event::Connected(peer_id),
                SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                    Event::Disconnected(peer_id)
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => {
                    Event::Unreachable(error.to_string())
                }
                SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => {
                    match streams::begin(event, &open, &events) {
                        Some(event) => event,
                        None => continue,
                    }
                }
                _ => continue,
            },
        };
        events.send(event).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
