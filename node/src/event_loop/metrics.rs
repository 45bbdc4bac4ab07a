//! What the node measures of itself: events as they come, and once a second how things stand.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, ping};
use peer_protocol::handshake::{SessionState, ThreeWayState};
use peer_protocol::time::Instant;

use super::EventLoop;
use crate::behaviour::BehaviourEvent;
use crate::mailbox::Input;
use crate::metrics::{Counted, DhtLevels, Levels, MailLevels, Metrics};
use crate::model::{HandshakeKind, MailboxStatus, PathKind, SessionStatus, TransferStatus};

/// How often it is laid out how things stand; the mailbox's thread is asked less often.
const EVERY: Duration = Duration::from_secs(1);
const MAIL_EVERY: Duration = Duration::from_secs(10);
/// Most transfers whose end is remembered, so that it counts once.
const MAX_ENDED: usize = 4_096;

/// The node's measurements, and when they are next due.
#[derive(Debug)]
pub(super) struct Measured {
    metrics: Metrics,
    levels_at: Instant,
    mail_at: Instant,
    /// Transfers that have ended.
    ended: VecDeque<String>,
}

impl Measured {
    pub(super) fn new(metrics: Metrics) -> Self {
        let at = Instant::default();
        Self { metrics, levels_at: at, mail_at: at, ended: VecDeque::new() }
    }

    pub(super) fn counted(&self) -> &Counted {
        self.metrics.counted()
    }

    pub(super) fn take_in(&self, event: &SwarmEvent<BehaviourEvent>) {
        self.metrics.libp2p().record(event);
    }

    /// These transfers had ended before this run.
    fn remember(&mut self, over: impl Iterator<Item = TransferStatus>) {
        self.ended.extend(over.map(|transfer| transfer.id));
    }

    /// A transfer has come further.
    pub(super) fn transfer(&mut self, transfer: &TransferStatus) {
        if !transfer.state.is_over() || self.ended.contains(&transfer.id) {
            return;
        }
        self.metrics.counted().transferred(transfer);
        if self.ended.len() >= MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(transfer.id.clone());
    }
}

impl EventLoop {
    pub(super) fn metrics(&self) -> &Counted {
        self.measured.counted()
    }

    pub(super) fn on_ping(&mut self, event: &ping::Event) {
        if let (Ok(rtt), Some(peer)) = (&event.result, self.directory.get_mut(&event.peer)) {
            peer.rtt = Some(*rtt);
        }
    }

    /// What is over already is not counted as having ended now.
    pub(super) fn begin_measuring(&mut self) {
        let all = self.transfers.service().list().into_iter();
        self.measured.remember(all.filter(|transfer| transfer.state.is_over()));
    }

    pub(super) fn tick_metrics(&mut self, now: Instant) {
        if now >= self.measured.levels_at {
            self.measured.levels_at = now + EVERY;
            let levels = self.levels(now);
            self.measured.metrics.levels().publish(levels);
        }
        if now >= self.measured.mail_at {
            self.measured.mail_at = now + MAIL_EVERY;
            self.measure_mail();
        }
    }

    fn levels(&mut self, now: Instant) -> Levels {
        let wall = self.clock.now().timestamp;
        let status = self.status();
        let mut levels = Levels {
            uptime: now.since(self.started).as_secs_f64(),
            agents: status.agents as u64,
            outbox: status.outbox,
            inbox: status.inbox,
            unsettled: self.unsettled.len() as u64,
            paths: PathKind::ALL.map(|kind| (kind.as_str(), 0)).into(),
            connections: TRANSPORTS.map(|transport| (transport, 0)).into(),
            sessions: SessionState::ALL.map(|state| (state.as_str(), 0)).into(),
            dht: self.dht_levels(),
            ..Levels::default()
        };
        levels.sessions.insert(ThreeWayState::Active.as_str(), 0);
        for (id, peer) in self.directory.iter() {
            levels.known += 1;
            if let Some(path) = self.path(id) {
                *levels.paths.entry(path.kind.as_str()).or_default() += 1;
            }
            for address in peer.connections.values() {
                *levels.connections.entry(transport(address)).or_default() += 1;
            }
            for (_, session) in &peer.sessions {
                *levels.sessions.entry(ready(session)).or_default() += 1;
                let age = wall.distance(session.since).as_secs_f64();
                levels.oldest_session = levels.oldest_session.max(age);
            }
            if let Some(phase) = peer.phase.filter(|_| peer.sessions.is_empty()) {
                *levels.sessions.entry(phase).or_default() += 1;
            }
        }
        let mut rates = BTreeMap::from([("incoming", 0), ("outgoing", 0)]);
        for transfer in self.transfers.service().open() {
            let direction = transfer.direction.as_str();
            *levels.transfers.entry((direction, transfer.state.as_str())).or_default() += 1;
            *rates.entry(direction).or_default() += transfer.rate;
        }
        levels.transfer_rates = rates;
        levels
    }

    fn dht_levels(&mut self) -> Option<DhtLevels> {
        let registry = self.swarm.behaviour_mut().registry.as_mut()?;
        let table = registry.table();
        let mut refused = BTreeMap::new();
        for (reason, count) in table.refused_records.iter().chain(table.refused_providers.iter()) {
            *refused.entry(reason.as_str()).or_default() += count;
        }
        let records = [("own", table.own_records as u64), ("others", table.foreign_records as u64)];
        Some(DhtLevels {
            neighbours: table.buckets.iter().map(|bucket| bucket.peers as u64).sum(),
            records: records.into(),
            providers: table.providers as u64,
            running: table.running as u64,
            waiting: table.waiting as u64,
            done: table.done,
            timed_out: table.timed_out,
            refused,
        })
    }

    /// Asks the mailbox's thread, whose answer is laid out when it comes.
    fn measure_mail(&self) {
        let levels = self.measured.metrics.levels().clone();
        let (asked, answer) = tokio::sync::oneshot::channel();
        self.mail.mailbox().tell(Input::Status(asked));
        tokio::spawn(async move {
            if let Ok(status) = answer.await {
                levels.publish_mail(mail_levels(&status));
            }
        });
    }
}

fn mail_levels(status: &MailboxStatus) -> MailLevels {
    MailLevels {
        owners: status.owners as u64,
        items: status.items as u64,
        bytes: status.bytes,
        lying: status.lying.iter().map(|lying| lying.messages as u64).sum(),
    }
}

/// The state of a session that is ready (`docs/PROTOCOL.md` §3.3, §4.3).
const fn ready(session: &SessionStatus) -> &'static str {
    match session.handshake {
        HandshakeKind::SixStep => SessionState::Ready.as_str(),
        HandshakeKind::ThreeWay | HandshakeKind::Legacy => ThreeWayState::Active.as_str(),
    }
}

const TRANSPORTS: [&str; 5] = ["tcp", "quic", "websocket", "relay", "other"];

/// What a connection to `address` is.
fn transport(address: &Multiaddr) -> &'static str {
    let has = |wanted: fn(&Protocol<'_>) -> bool| address.iter().any(|part| wanted(&part));
    let [tcp, quic, websocket, relay, other] = TRANSPORTS;
    if has(|part| matches!(part, Protocol::P2pCircuit)) {
        relay
    } else if has(|part| matches!(part, Protocol::QuicV1)) {
        quic
    } else if has(|part| matches!(part, Protocol::Ws(_) | Protocol::Wss(_))) {
        websocket
    } else if has(|part| matches!(part, Protocol::Tcp(_))) {
        tcp
    } else {
        other
    }
}
