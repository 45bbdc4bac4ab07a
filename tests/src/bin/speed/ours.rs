//! Messages of this protocol through the behaviour, between peers that have pinned each other.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm};
use peer_behaviours::SystemClock;
use peer_behaviours::secure::{Behaviour, Event, EventKind, GateConfig};
use peer_protocol::handshake::Config;
use peer_protocol::id::MessageId;
use peer_protocol::link::{self, LinkConfig};
use peer_protocol::message::{Body, Message, MessageKind, StatusReport, Task, TaskResult};
use peer_protocol::rate_limit::{Quota, RateProfile};
use peer_protocol::time::Instant;
use peer_tests::people::{Trust, identity};

use crate::Failure;
use crate::transport::{Link, connect, listen, swarm};

const FAR: Instant = Instant::from_start(Duration::from_secs(3600));

/// The entities' numbers.
const SERVER: usize = 0;
const CLIENT: usize = 1;

/// More than any machine can do: how much is let in is not what is measured. A pinned peer may otherwise
/// send 60,000 reports at once, and 500 a second from then on.
const ALL: Quota = Quota { per_minute: 100_000_000, burst: 10_000_000 };

fn node(
    own: usize,
    other: usize,
    link: Link,
    streams: bool,
    awake: bool,
) -> Result<Swarm<Behaviour>, Failure> {
    let mut config = LinkConfig::new(Config::new(identity(own)));
    config.trusted_rate = RateProfile { handshake: ALL, task: ALL, ..RateProfile::trusted() };
    // Until its first session nobody knows that the peer is pinned, and what that handshake takes of a bucket
    // for strangers the other one takes seconds to give back.
    config.rate = RateProfile { handshake: ALL, ..RateProfile::default() };
    let trust = Arc::new(Trust::pinning(other));
    let clock = Arc::new(SystemClock::new());
    let gate = GateConfig { peer: ALL, prefix: ALL, node: ALL, pace: ALL, ..GateConfig::default() };
    let mut behaviour = Behaviour::new(config, gate, trust, clock).with_low_latency(awake);
    if !streams {
        behaviour = behaviour.without_streams();
    }
    // The peer id has to be the one of the entity's key.
    let seed = [u8::try_from(own + 1)?; 32];
    swarm(Keypair::ed25519_from_bytes(seed)?, link, Version::V1Lazy, behaviour)
}

fn message<'a>(body: impl Into<Body<'a>>, reply: Option<MessageId>) -> Result<Message, Failure> {
    Ok(Message::new(&mut rand::rng(), &body.into(), reply)?)
}

/// Answers tasks with their content.
pub(crate) async fn serve(link: Link, streams: bool, awake: bool) -> Result<(), Failure> {
    let mut swarm = node(SERVER, CLIENT, link, streams, awake)?;
    listen(&mut swarm, link).await?;
    loop {
        let SwarmEvent::Behaviour(Event { peer, kind }) = swarm.select_next_some().await else {
            continue;
        };
        let EventKind::Link(link::Event::Message(asked)) = kind else { continue };
        if asked.kind == MessageKind::Task
            && let Ok(Body::Task(task)) = asked.decode()
        {
            let content = task.content;
            let result = TaskResult { content, ..TaskResult::default() };
            let answer = message(result, Some(asked.id))?;
            swarm.behaviour_mut().send(peer, answer, FAR)?;
        }
    }
}

/// The side that asks.
pub(crate) struct Client {
    swarm: Swarm<Behaviour>,
    server: PeerId,
}

impl Client {
    pub(crate) async fn new(
        link: Link,
        address: Multiaddr,
        streams: bool,
        awake: bool,
    ) -> Result<Self, Failure> {
        let mut swarm = node(CLIENT, SERVER, link, streams, awake)?;
        let server = connect(&mut swarm, address).await?;
        swarm.behaviour_mut().open(server)?;
        let mut client = Self { swarm, server };
        while !matches!(client.next().await?, link::Event::SessionReady(_)) {}
        Ok(client)
    }

    /// The next thing that the link tells.
    async fn next(&mut self) -> Result<link::Event, Failure> {
        loop {
            let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await else {
                continue;
            };
            if let EventKind::Link(event) = event.kind {
                return match event {
                    link::Event::Failed { why, .. } => Err(why.into()),
                    link::Event::Paced { retry_after, .. } => {
                        Err(format!("over the rate for {retry_after:?}").into())
                    }
                    event => Ok(event),
                };
            }
        }
    }
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let content = Cow::Borrowed(payload.as_ref());
        let task = message(Task { content, ..Task::default() }, None)?;
        let id = task.id;
        self.swarm.behaviour_mut().send(self.server, task, FAR)?;
        loop {
            if let link::Event::Message(answer) = self.next().await?
                && answer.in_reply_to == Some(id)
            {
                let Body::TaskResult(result) = answer.decode()? else {
                    return Err("no result".into());
                };
                let whole = result.content.len() == payload.len();
                return if whole { Ok(()) } else { Err("not the whole of it".into()) };
            }
        }
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let mut waiting = HashSet::with_capacity(window);
        let mut sent = 0;
        while sent < count || !waiting.is_empty() {
            while sent < count && waiting.len() < window {
                let content = Cow::Borrowed(payload.as_ref());
                let report = message(StatusReport { content, ..StatusReport::default() }, None)?;
                let id = report.id;
                self.swarm.behaviour_mut().send(self.server, report, FAR)?;
                waiting.insert(id);
                sent += 1;
            }
            if let link::Event::Receipts { ids, .. } = self.next().await? {
                for id in ids {
                    waiting.remove(&id);
                }
            }
        }
        Ok(())
    }
}
