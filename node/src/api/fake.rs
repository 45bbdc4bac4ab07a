//! A node that is none: answers commands as a real event loop would, from a script that peers' names
//! choose.

pub(crate) mod delivery;
mod registry;
mod sending;
pub(crate) mod transfers;

use std::sync::{Arc, Mutex};

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel};
use peer_protocol::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::error::NodeError;
use crate::events::{EventSource, NodeEvent};
use crate::handle::{Command, Handle, Reply};
use crate::model::{
    AgentState, Answer, Awoken, Content, FileToSend, HandshakeKind, Incoming, IncomingKind, Life,
    MailboxStatus, Netcheck, OutboxLine, Path, PathKind, PeerStatus, QueueDepth, SessionLine,
    SessionStatus, Status, Traffic, TrustLine, WakeResult, Woken,
};

pub(crate) use sending::Options;

pub(crate) const PEER_ID: &str = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
pub(crate) const SESSION_ID: &str = "5a2c0a2e-3f6c-4f0e-9d1c-1f0e7c9a4b11";

/// What the fake remembers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) subscribers: Vec<mpsc::Sender<Incoming>>,
    pub(crate) answers: Vec<(String, Content, bool)>,
    pub(crate) reports: Vec<(String, Option<String>, Content)>,
    pub(crate) wakes: Vec<(String, u32)>,
    pub(crate) talks: Vec<Content>,
    /// Who waits for the peer that does not answer.
    pub(crate) unanswered: Vec<Reply<Answer>>,
    pub(crate) files: Vec<FileToSend>,
    pub(crate) options: Vec<Options>,
    pub(crate) outbox: Vec<OutboxLine>,
    pub(crate) inbox: Vec<Incoming>,
    pub(crate) acknowledged: Vec<u64>,
    /// Requests to acknowledge.
    pub(crate) acknowledgements: usize,
    pub(crate) disk_fails: bool,
    /// How far those had come who subscribed.
    pub(crate) after: Vec<Option<u64>>,
    pub(crate) events: Option<EventSource>,
    /// Nonces that were given back.
    pub(crate) nonces: Vec<String>,
    /// Names and answers of agents that were asked, or wait for that.
    pub(crate) probes: Vec<(String, Option<u64>)>,
    /// Agents that wait to be asked.
    pub(crate) questions: Vec<oneshot::Sender<u64>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<Memory>>);

impl Fake {
    /// Starts one.
    pub(crate) fn start() -> (Handle, Self) {
        let (sender, mut commands) = mpsc::channel(16);
        let fake = Self::default();
        fake.look(|memory| memory.outbox = delivery::outbox());
        let it = fake.clone();
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                if let Command::Shutdown(reply) = command {
                    it.look(|memory| memory.subscribers.clear());
                    let _ = reply.send(());
                    return;
                }
                it.obey(command);
            }
        });
        let events = EventSource::new();
        fake.look(|memory| memory.events = Some(events.clone()));
        (Handle::new(sender, events), fake)
    }

    /// Something happens.
    pub(crate) fn tell(&self, event: NodeEvent) {
        self.look(|memory| memory.events.as_ref().unwrap().tell(event));
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Waits until somebody listens, then hands out a message; one with a number stays in the inbox.
    pub(crate) async fn deliver(&self, message: Incoming) {
        if message.inbox_number.is_some() {
            self.look(|memory| memory.inbox.push(message.clone()));
        }
        for _ in 0..1000 {
            if let Some(subscriber) = self.look(|memory| memory.subscribers.last().cloned()) {
                subscriber.send(message).await.unwrap();
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("nobody listens");
    }

    /// Waits until `count` answers have come in.
    pub(crate) async fn answers(&self, count: usize) -> Vec<(String, Content, bool)> {
        for _ in 0..2000 {
            let answers = self.look(|memory| memory.answers.clone());
            if answers.len() >= count {
                return answers;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{count} answers did not come");
    }

    /// Waits until `count` messages were acknowledged.
    pub(crate) async fn acknowledged(&self, count: usize) -> Vec<u64> {
        for _ in 0..2000 {
            let acknowledged = self.look(|memory| memory.acknowledged.clone());
            if acknowledged.len() >= count {
                return acknowledged;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{count} messages were not acknowledged");
    }

    fn obey(&self, command: Command) {
        match command {
            Command::Status(reply) => {
                let _ = reply.send(status());
            }
            Command::Peers(reply) => {
                let _ = reply.send(vec![peer(), stranger(), legacy()]);
            }
            Command::Sessions(reply) => {
                let _ = reply.send(vec![session()]);
            }
            Command::Connect(address, reply) => {
                let text = address.to_string();
                let answer = judge(if text.contains("tcp/9") { "offline" } else { "entity_b" });
                let answer = answer.map(|()| PeerStatus { address: Some(text), ..peer() });
                let _ = reply.send(answer);
            }
            // Whoever asks this one waits, and the message is on disk.
            Command::Talk(ask, reply) if ask.peer == "silent" => {
                drop(ask);
                self.look(|memory| memory.unanswered.push(reply));
            }
            Command::Talk(ask, reply) => drop(reply.send(self.talk(ask))),
            Command::Report(ask, reply) => drop(reply.send(self.report(ask))),
            Command::Alive(ask, reply) => {
                let life = Life {
                    alive: ask.peer != "dead",
                    entity: Some(entity("entity_b")),
                    agent: ask.peer == "entity_b",
                    agent_state: Some(match ask.peer.as_str() {
                        "entity_b" => AgentState::Attached,
                        "hung" => AgentState::Unresponsive,
                        "curl" => AgentState::Unknown,
                        _ => AgentState::Absent,
                    }),
                    agent_idle_ms: Some(1500),
                    uptime_ms: Some(7_384_000),
                    round_trip_us: Some(812),
                    path: Some(path()),
                    error: (ask.peer == "dead").then(|| "connection refused".to_owned()),
                };
                let _ = reply.send(judge(&ask.peer).map(|()| life));
            }
            Command::Wake(ask, reply) => {
                let attempt = ask.what.attempt;
                self.look(|memory| memory.wakes.push((ask.what.reason, attempt)));
                let (outcome, detail) = match ask.peer.as_str() {
                    "closed" => (WakeResult::Refused, "the operator does not let you"),
                    "hung" | "curl" => (WakeResult::HandedToAgent, "handed to its agent"),
                    "entity_b" => (WakeResult::Awake, "its agent is awake"),
                    _ if attempt >= 2 => (WakeResult::Awake, "its agent is awake"),
                    _ => (WakeResult::NoAgent, "no agent is attached"),
                };
                let (woken, detail) = (outcome.is_woken(), detail.to_owned());
                let woken = Woken { woken, outcome, detail, round_trip_us: 900 };
                let _ = reply.send(judge(&ask.peer).map(|()| woken));
            }
            Command::Answer { message_id, content, done, reply } => {
                let known = message_id.starts_with("task");
                self.look(|memory| memory.answers.push((message_id.clone(), content, done)));
                let unknown = NodeError::NoSuchTask { message_id };
                let _ = reply.send(if known { Ok(()) } else { Err(unknown) });
            }
            Command::Subscribe(agent, reply) => {
                self.look(|memory| {
                    memory.after.push(agent.after);
                    memory.subscribers.push(agent.messages);
                });
                let _ = reply.send(());
            }
            Command::Gateway(command) => drop(command),
            Command::Awake(nonce, reply) => {
                let known = self.look(|memory| {
                    memory.nonces.push(nonce);
                    memory.nonces.len() == 1
                });
                let awoken = Awoken { rule: 1, took_ms: 412, asked: vec![entity("entity_b")] };
                let _ = reply.send(if known { Ok(awoken) } else { Err(NodeError::NoSuchWake) });
            }
            Command::Probe { agent, answer, question } => self.look(|memory| {
                memory.probes.push((agent.to_string(), answer));
                memory.questions.push(question);
            }),
            Command::TrustList(reply) => {
                let _ = reply.send(vec![line(TrustLevel::Seen)]);
            }
            Command::Pin(entity, fingerprint, reply) => {
                let pinned = TrustLine { entity, fingerprint, ..line(TrustLevel::Pinned) };
                let _ = reply.send(Ok(pinned));
            }
            Command::Revoke(who, reply) => {
                let _ = reply.send(judge(&who).map(|()| vec![line(TrustLevel::Revoked)]));
            }
            Command::Netcheck(reply) => {
                let net = Netcheck { dht_peers: 3, ..Netcheck::default() };
                let _ = reply.send(net);
            }
            Command::Mailbox { reply, .. } => {
                let status = MailboxStatus { serve: "known".to_owned(), ..Default::default() };
                let _ = reply.send(Ok(status));
            }
            Command::Registry(command) => registry::obey(command),
            Command::Delivery(command) => self.obey_delivery(command),
            Command::Transfer(command) => self.obey_transfer(command),
            Command::Shutdown(_) => unreachable!("handled by the loop"),
        }
    }
}

fn judge(peer: &str) -> Result<(), NodeError> {
    let name = peer.to_owned();
    match peer {
        "nobody" => Err(NodeError::UnknownPeer { peer: name }),
        "offline" => {
            Err(NodeError::Unreachable { peer: name, reason: "connection refused".to_owned() })
        }
        "refuses" => Err(NodeError::Refused {
            peer: name,
            code: ErrorCode::RateLimited,
            detail: "try again in 100 ms".to_owned(),
        }),
        "slow" => Err(NodeError::Timeout {
            peer: name,
            waited: std::time::Duration::from_millis(1500),
            progress: "its node has the task".to_owned(),
        }),
        "full" => Err(NodeError::QueueFull { peer: name, detail: "4096 messages".to_owned() }),
        _ => Ok(()),
    }
}

pub(crate) fn entity(name: &str) -> EntityId {
    name.parse().unwrap()
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::of(&Ed25519Authenticator::from_seed(&[7; 32]).public_key())
}

fn line(level: TrustLevel) -> TrustLine {
    TrustLine {
        entity: entity("entity_b"),
        fingerprint: fingerprint(),
        level,
        first_seen: Timestamp::from_millis(1_700_000_000_000),
        last_seen: Timestamp::from_millis(1_700_000_100_000),
    }
}

pub(crate) fn status() -> Status {
    Status {
        entity: entity("entity_a"),
        fingerprint: fingerprint(),
        peer_id: PEER_ID.to_owned(),
        version: "0.1.0".to_owned(),
        uptime_ms: 65_000,
        listen: vec![format!("/ip4/127.0.0.1/tcp/4711/p2p/{PEER_ID}")],
        connected: 1,
        sessions: 1,
        agents: 0,
        waiting: 2,
        outbox: QueueDepth { messages: 3, bytes: 1_536 },
        inbox: QueueDepth { messages: 2, bytes: 20 },
        transfers: 1,
    }
}

fn path() -> Path {
    let address = Some("/ip4/127.0.0.1/tcp/4711".to_owned());
    Path { kind: PathKind::Direct, address, carriers: None }
}

pub(crate) fn peer() -> PeerStatus {
    PeerStatus {
        entity: Some(entity("entity_b")),
        peer_id: PEER_ID.to_owned(),
        fingerprint: fingerprint(),
        trust: Some(TrustLevel::Pinned),
        connected: true,
        path: Some(path()),
        rtt_us: Some(1_500),
        address: Some("/ip4/127.0.0.1/tcp/4711".to_owned()),
        protocol: Some("1.1".to_owned()),
        encrypted: true,
        session: Some(SessionStatus {
            id: SESSION_ID.to_owned(),
            state: "READY".to_owned(),
            suite: "AES-256-GCM".to_owned(),
            handshake: HandshakeKind::SixStep,
            initiator: true,
            handshake_us: 2_345,
            since: Timestamp::from_millis(1_700_000_000_000),
            expires: Timestamp::from_millis(1_700_001_800_000),
        }),
        round_trip_us: Some(812),
        queued: 0,
        last_error: None,
    }
}

fn session() -> SessionLine {
    let peer = peer();
    SessionLine {
        entity: peer.entity,
        peer_id: peer.peer_id,
        session: peer.session.unwrap(),
        connected: true,
        current: true,
        age_ms: 1000,
        unsettled: 0,
        traffic: Traffic { messages_sent: 3, bytes_sent: 99, ..Traffic::default() },
    }
}

fn stranger() -> PeerStatus {
    PeerStatus {
        entity: None,
        trust: None,
        connected: false,
        path: None,
        rtt_us: None,
        protocol: None,
        round_trip_us: None,
        encrypted: false,
        session: None,
        last_error: Some("connection \u{1b}[31mrefused".to_owned()),
        ..peer()
    }
}

fn legacy() -> PeerStatus {
    PeerStatus {
        entity: Some(entity("legacy-node")),
        protocol: Some("1.0".to_owned()),
        encrypted: false,
        session: None,
        ..peer()
    }
}

pub(crate) fn task(id: &str, text: &str) -> Incoming {
    Incoming {
        message_id: id.to_owned(),
        inbox_number: None,
        durable: false,
        kind: IncomingKind::Task,
        from: entity("entity_b"),
        from_peer_id: PEER_ID.to_owned(),
        trust: Some(TrustLevel::Seen),
        encrypted: true,
        received_at: Timestamp::from_millis(1_700_000_000_000),
        content: Content::from_bytes(text.as_bytes()),
        status: None,
        next_action: None,
        conversation: None,
        in_reply_to: None,
        done: None,
        forwarded: None,
        file: None,
        wake_nonce: None,
    }
}
