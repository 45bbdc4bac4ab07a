//! Many peers in one process, all connected to one server.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use libp2p::multiaddr::Protocol;
use libp2p::request_response;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm};
use peer_behaviours::boxed::Boxed;
use peer_behaviours::secure::EventKind;
use peer_protocol::crypto::HotKeys;
use peer_protocol::link;
use peer_protocol::message::{Body, Message, StatusReport};
use tokio::sync::{Semaphore, watch};

use crate::Failure;
use crate::swarms::{self, Kind, Peer, PeerEvent};

/// Connections that are being opened at once; a node takes at most 128.
const AT_ONCE: usize = 48;
/// A peer that has no session tries again after this long.
const AGAIN: Duration = Duration::from_secs(5);
/// Most time for a peer to be connected and ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages of 1 KiB that each busy peer has under way.
const WINDOW: usize = 64;
const LEN: usize = 1024;
const FAR: peer_protocol::time::Instant =
    peer_protocol::time::Instant::from_start(Duration::from_secs(24 * 3600));

/// What the process is told, as arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What they speak
    #[arg(long, value_enum)]
    kind: Kind,
    /// The server, with its peer id
    #[arg(long)]
    to: Multiaddr,
    /// How many
    #[arg(long)]
    count: u32,
    /// The first one's number
    #[arg(long, default_value_t = 0)]
    first: u32,
}

#[derive(Debug, Default)]
struct Shared {
    ready: AtomicUsize,
    failed: AtomicUsize,
    acknowledged: AtomicU64,
    /// Each would have a table of the server's key of its own, once it is worth it, and caches for that.
    hot_keys: HotKeys,
}

/// Connects them, prints `ready SECONDS` (what keeps one from it ends the process), and then does what lines on standard input say: `busy N` has the
/// first N send until `still`, which prints how many messages were acknowledged in how many seconds. Ends
/// with the input.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let shared = Arc::new(Shared::default());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let (busy, told) = watch::channel(0_u32);
    let begun = Instant::now();
    for number in 0..args.count {
        let (args, shared, told) = (args.clone(), Arc::clone(&shared), told.clone());
        let places = Arc::clone(&places);
        tokio::spawn(async move {
            if let Err(error) = live(args, number, &shared, &places, told).await {
                eprintln!("peer {number}: {error}");
                shared.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while shared.ready.load(Ordering::Relaxed) < args.count as usize {
        if shared.failed.load(Ordering::Relaxed) > 0 {
            return Err("not all are ready".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("ready {}", begun.elapsed().as_secs_f64());
    let (lines, mut heard) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut since = (Instant::now(), 0);
    while let Some(line) = heard.recv().await {
        let acknowledged = shared.acknowledged.load(Ordering::Relaxed);
        if let Some(count) = line.strip_prefix("busy ") {
            since = (Instant::now(), acknowledged);
            busy.send(count.parse()?)?;
        } else {
            println!("{} {}", acknowledged - since.1, since.0.elapsed().as_secs_f64());
            busy.send(0)?;
        }
    }
    Ok(())
}

/// One of them.
async fn live(
    args: Args,
    number: u32,
    shared: &Shared,
    places: &Semaphore,
    mut told: watch::Receiver<u32>,
) -> Result<(), Failure> {
    let place = places.acquire().await?;
    let hot_keys = shared.hot_keys.clone();
    let mut swarm = swarms::peer(args.kind, args.first + number, false, hot_keys)?;
    let own = Multiaddr::empty().with(Protocol::Ip4([127, 0, 0, 1].into()));
    swarm.listen_on(own.with(Protocol::Tcp(0)))?;
    let listening = async {
        while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
    };
    tokio::time::timeout(PATIENCE, listening).await.map_err(|_| "it cannot listen")?;
    swarm.dial(args.to.clone())?;
    let server = meet(&mut swarm, args.kind, &args.to).await?;
    shared.ready.fetch_add(1, Ordering::Relaxed);
    drop(place);
    let mut under_way = HashSet::new();
    loop {
        let is_busy = number < *told.borrow_and_update();
        while is_busy && under_way.len() < WINDOW {
            let report = StatusReport { content: [7; LEN][..].into(), ..StatusReport::default() };
            let message = Message::new(&mut rand::rng(), &Body::from(report), None)?;
            under_way.insert(message.id);
            let Some(secure) = swarm.behaviour_mut().secure.as_mut() else { return Ok(()) };
            secure.send(server, message, FAR)?;
        }
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(PeerEvent::Secure(event)) => match event.kind {
                    EventKind::Link(link::Event::Receipts { mut ids, .. }) => {
                        ids.retain(|id| under_way.remove(id));
                        shared.acknowledged.fetch_add(ids.len() as u64, Ordering::Relaxed);
                    }
                    EventKind::Link(link::Event::Failed { why, .. }) => return Err(why.into()),
                    EventKind::Link(link::Event::SessionEnded { why, .. }) => {
                        return Err(format!("its session ended: {why:?}").into());
                    }
                    _ => {}
                }
                // Of several connections to the server one may go.
                SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. }
                    if peer_id == server =>
                {
                    return Err(format!("its connection is closed: {cause:?}").into());
                }
                _ => {}
            },
            changed = told.changed() => changed?,
        }
    }
}

/// Until there is a session, or a request was answered.
async fn meet(
    swarm: &mut Swarm<Boxed<Peer>>,
    kind: Kind,
    to: &Multiaddr,
) -> Result<PeerId, Failure> {
    let Some(Protocol::P2p(server)) = to.iter().last() else {
        return Err("the server's address has no peer id".into());
    };
    let mut again = tokio::time::interval(AGAIN);
    again.tick().await;
    let end = Instant::now() + PATIENCE;
    let mut last = "nothing has happened".to_owned();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == server => {
                    let behaviour = swarm.behaviour_mut();
                    if let Some(secure) = behaviour.secure.as_mut() {
                        secure.open(server)?;
                    }
                    if let Some(asking) = behaviour.asking.as_mut() {
                        asking.send_request(&server, vec![1; LEN]);
                    }
                }
                SwarmEvent::Behaviour(PeerEvent::Secure(event)) => {
                    if matches!(event.kind, EventKind::Link(link::Event::SessionReady(_))) {
                        return Ok(server);
                    }
                    last = format!("{:?}", event.kind);
                }
                SwarmEvent::Behaviour(PeerEvent::Asking(request_response::Event::Message {
                    message: request_response::Message::Response { .. },
                    ..
                })) => return Ok(server),
                SwarmEvent::ConnectionClosed { cause, .. } => last = format!("closed: {cause:?}"),
                SwarmEvent::OutgoingConnectionError { error, .. } => last = error.to_string(),
                _ => {}
            },
            _ = again.tick() => {
                if Instant::now() > end {
                    return Err(format!("it is not ready: {last}").into());
                }
                if !swarm.is_connected(&server) {
                    swarm.dial(to.clone())?;
                } else if kind == Kind::Ours
                    && let Some(secure) = swarm.behaviour_mut().secure.as_mut()
                {
                    secure.open(server)?;
                }
            }
        }
    }
}
