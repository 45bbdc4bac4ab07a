//! Messages that callers send, and callers that wait for what comes back.

use std::time::Duration;

use libp2p::PeerId;
use peer_protocol::id::MessageId;
use peer_protocol::identity::EntityId;
use peer_protocol::message::{
    Body, BodyError, Heartbeat, Message, ReceiptStatus, StatusReport, Task, TaskOutcome,
    TaskResult, WakeUp,
};

use super::EventLoop;
use super::asks::{Ask, Waiting};
use super::delivery::{Ahead, Draft};
use crate::error::NodeError;
use crate::handle::{Outgoing, Reply, Report, Talk, Wake};
use crate::model::{Answer, Content, Delivery, Life, Reported, Woken};

/// How long the node keeps trying to deliver an answer.
pub(super) const ANSWER_LIFETIME: Duration = Duration::from_secs(600);
/// How long the node keeps trying to deliver a report, whether or not its caller still waits.
const REPORT_LIFETIME: Duration = Duration::from_secs(600);

/// How a caller's message is sent.
struct How {
    ttl: Option<Duration>,
    /// Kept in memory only.
    volatile: bool,
    /// The id that its caller's key determines, if it is not to be sent again.
    id: Option<MessageId>,
}

impl EventLoop {
    pub(super) fn talk(&mut self, talk: Outgoing<Talk>, reply: Reply<Answer>) {
        let Outgoing { peer, timeout, what: Talk { content, conversation, ttl, volatile, id } } =
            talk;
        let task = Task {
            name: content.name.clone(),
            content: Vec::new().into(),
            transfer: None,
            content_type: content.media_type().to_owned(),
            conversation,
        };
        let draft = Draft::new(task, content, None);
        let how = How { ttl, volatile, id };
        self.send_for(&peer, draft, timeout, how, Waiting::Talk(reply));
    }

    pub(super) fn report(&mut self, report: Outgoing<Report>, reply: Reply<Reported>) {
        let Outgoing { peer, timeout, what } = report;
        let Report { status, next_action, content, ttl, wait, id } = what;
        let ttl = ttl.unwrap_or(self.config.message_ttl());
        let expires = Some(self.clock.now().timestamp + ttl);
        let waiting = Waiting::Report { reply, wait, expires };
        let content_type = content.media_type().to_owned();
        let report = StatusReport {
            status,
            content: Vec::new().into(),
            transfer: None,
            next_action,
            content_type,
        };
        let draft = Draft::new(report, content, None);
        let how = How { ttl: Some(ttl), volatile: false, id };
        self.send_for(&peer, draft, timeout, how, waiting);
    }

    /// Sends what a caller waits for: kept on disk, unless it is volatile or its receiver speaks only
    /// version 1.0.
    fn send_for(
        &mut self,
        peer: &str,
        draft: Draft,
        timeout: Duration,
        How { ttl, volatile, id: once }: How,
        mut waiting: Waiting,
    ) {
        let id = match self.resolve(peer) {
            Ok(id) => id,
            Err(error) => return waiting.fail(error),
        };
        if let Some(peer) = self.directory.get_mut(&id) {
            peer.wanted = true;
        }
        if !volatile && self.is_kept_for(&id) {
            return match once {
                Some(once) => self.keep_once_for(id, once, draft, ttl, timeout, waiting),
                None => self.keep_for(id, draft, ttl, timeout, waiting),
            };
        }
        let body = match draft.body() {
            Ok(body) => body,
            Err(error) => return waiting.fail(error),
        };
        let mut lifetime = timeout;
        if let Waiting::Report { expires, .. } = &mut waiting {
            *expires = None;
            lifetime = timeout.max(REPORT_LIFETIME);
        }
        let sent = self.send(id, &body, None, lifetime).map(|message| (message, id));
        self.wait(sent, timeout, waiting);
    }

    /// Takes a caller's message into the outbox, its content first if that is long.
    pub(super) fn keep_for(
        &mut self,
        id: PeerId,
        draft: Draft,
        ttl: Option<Duration>,
        timeout: Duration,
        waiting: Waiting,
    ) {
        if self.goes_ahead(&id, &draft) {
            return self.spool(id, draft, move |this, spooled| match spooled {
                Ok(message) => this.accept_for(id, message, ttl, timeout, Ahead::Content, waiting),
                Err(error) => waiting.fail(error),
            });
        }
        let chosen = draft.id();
        let message = draft.body().and_then(|body| {
            Message::new(&mut self.rng, &body, None).map_err(|error| body_error(&error))
        });
        match message {
            Ok(message) => {
                let message = Message { id: chosen.unwrap_or(message.id), ..message };
                self.accept_for(id, message, ttl, timeout, Ahead::Nothing, waiting);
            }
            Err(error) => waiting.fail(error),
        }
    }

    pub(super) fn alive(&mut self, heartbeat: &Outgoing<()>, reply: Reply<Life>) {
        let sent = self.send_to(&heartbeat.peer, &Heartbeat {}.into(), heartbeat.timeout);
        self.wait(sent, heartbeat.timeout, Waiting::Alive(reply));
    }

    pub(super) fn wake(&mut self, wake: Outgoing<Wake>, reply: Reply<Woken>) {
        let Outgoing { peer, timeout, what: Wake { reason, attempt } } = wake;
        let sent = self.send_to(&peer, &WakeUp { reason, attempt }.into(), timeout);
        self.wait(sent, timeout, Waiting::Wake(reply));
    }

    /// Sends the agent's answer to a task.
    pub(super) fn answer(
        &mut self,
        message_id: &str,
        content: Content,
        done: bool,
        reply: Reply<()>,
    ) {
        self.agent_seen = Some(self.clock.now().instant);
        let Ok(id) = message_id.parse::<MessageId>() else {
            let message_id = message_id.to_owned();
            return drop(reply.send(Err(NodeError::NoSuchTask { message_id })));
        };
        self.give_answer_to_task(id, content, done, reply);
    }

    /// Answers a task, whoever does.
    pub(super) fn give_answer_to_task(
        &mut self,
        id: MessageId,
        content: Content,
        done: bool,
        reply: Reply<()>,
    ) {
        let result = TaskResult {
            content: Vec::new().into(),
            outcome: if done { TaskOutcome::Done } else { TaskOutcome::Failed },
            transfer: None,
            content_type: content.media_type().to_owned(),
        };
        let draft = Draft::new(result, content, Some(id));
        // What was asked in memory only is answered so.
        match self.inbox.asker(id) {
            Some(peer) => {
                let sent =
                    draft.body().and_then(|body| self.send(peer, &body, Some(id), ANSWER_LIFETIME));
                if sent.is_ok() {
                    self.inbox.close_task(id);
                }
                drop(reply.send(sent.map(drop)));
            }
            None => self.answer_kept(id, draft, reply),
        }
    }

    /// The peer of this name. A name that the trust list knows stands for that key, whoever else uses
    /// it.
    pub(super) fn resolve(&mut self, name: &str) -> Result<PeerId, NodeError> {
        let entity: Option<EntityId> = name.parse().ok();
        match entity.and_then(|entity| self.trust.fingerprint(&entity)) {
            Some(fingerprint) => self.directory.by_fingerprint(fingerprint).ok_or_else(|| {
                let peer = name.to_owned();
                NodeError::UnknownPeer { peer }
            }),
            None => self.directory.resolve(name),
        }
    }

    fn send_to(
        &mut self,
        peer: &str,
        body: &Body<'_>,
        lifetime: Duration,
    ) -> Result<(MessageId, PeerId), NodeError> {
        let id = self.resolve(peer)?;
        if let Some(peer) = self.directory.get_mut(&id) {
            peer.wanted = true;
        }
        let message = self.send(id, body, None, lifetime)?;
        Ok((message, id))
    }

    /// Gives a message to the link of `peer`, in whichever version it speaks.
    pub(super) fn send(
        &mut self,
        peer: PeerId,
        body: &Body<'_>,
        in_reply_to: Option<MessageId>,
        lifetime: Duration,
    ) -> Result<MessageId, NodeError> {
        let message = Message::new(&mut self.rng, body, in_reply_to);
        let message = message.map_err(|error| body_error(&error))?;
        let id = message.id;
        let deadline = self.clock.now().instant + lifetime;
        self.dispatch(peer, message, deadline)?;
        self.unsettled.insert(id);
        Ok(id)
    }

    fn wait(
        &mut self,
        sent: Result<(MessageId, PeerId), NodeError>,
        timeout: Duration,
        waiting: Waiting,
    ) {
        match sent {
            Ok((id, peer)) => {
                let now = self.clock.now().instant;
                self.asks.insert(id, peer, timeout, waiting, now);
            }
            Err(error) => waiting.fail(error),
        }
    }

    /// A peer that cannot be dialled is not alive: whoever asks just that need not wait longer.
    pub(super) fn not_alive(&mut self, id: PeerId, reason: &str) {
        for ask in self.asks.take_heartbeats(&id) {
            let (peer, reason) = (self.directory.name(&id), reason.to_owned());
            ask.waiting.fail(NodeError::Unreachable { peer, reason });
        }
    }

    /// Neither its addresses nor the registry nor other nodes lead to a peer.
    pub(super) fn not_found_anywhere(&mut self, id: PeerId) {
        let peer = self.directory.get(&id);
        let dialing = peer.is_some_and(|peer| peer.redial.is_dialing() || peer.is_connected());
        if !dialing && !self.is_over_hops(&id) {
            let error = peer.and_then(|peer| peer.last_error.clone());
            self.not_alive(id, &error.unwrap_or_else(|| "no address is known".to_owned()));
        }
    }

    /// The caller's time is over; the message may still be under way.
    pub(super) fn ask_timed_out(&mut self, ask: Ask) {
        if ask.kept {
            return self.kept_ask_timed_out(ask);
        }
        let peer = self.directory.get(&ask.peer);
        let connected = peer.is_some_and(crate::directory::Peer::is_connected);
        let last_error = peer.and_then(|peer| peer.last_error.clone());
        let phase = peer.and_then(|peer| peer.phase);
        let name = self.directory.name(&ask.peer);
        let waited = ask.waited;
        let progress = match (ask.status, connected, phase) {
            (Some(_), _, _) => "its node has the message, but no agent has answered".to_owned(),
            (None, false, _) => match last_error {
                Some(error) => format!("there is no connection: {error}"),
                None => "there is no connection".to_owned(),
            },
            (None, true, Some(phase)) => match last_error {
                Some(error) => format!("the handshake stands at {phase}: {error}"),
                None => format!("the handshake stands at {phase}"),
            },
            (None, true, None) => "it was sent, and nothing came back".to_owned(),
        };
        let error = NodeError::Timeout { peer: name, waited, progress };
        if let Waiting::Report { reply, .. } = ask.waiting {
            let status = if connected { Delivery::Sent } else { Delivery::Queued };
            drop(reply.send(Ok(reported(ask.message_id, status))));
        } else {
            ask.waiting.fail(error);
        }
    }
}

/// Why a body cannot be sent.
pub(super) fn body_error(error: &BodyError) -> NodeError {
    match error {
        BodyError::TooLong { .. } | BodyError::Field { .. } => {
            NodeError::TooLarge { detail: error.to_string() }
        }
        BodyError::Cbor { .. } => NodeError::Invalid { detail: error.to_string() },
    }
}

/// What is known of a report that is held in memory only.
pub(super) fn reported(id: MessageId, status: Delivery) -> Reported {
    Reported { message_id: id.to_string(), status, expires: None, waits_for: None }
}

/// How far a message is known to have come.
pub(super) const fn delivery(status: ReceiptStatus) -> Delivery {
    match status {
        ReceiptStatus::Received => Delivery::Received,
        ReceiptStatus::Delivered => Delivery::Delivered,
        ReceiptStatus::Processed => Delivery::Processed,
    }
}

impl Waiting {
    /// Tells the caller that it failed. For a heartbeat, not to be answered is an answer.
    pub(super) fn fail(self, error: NodeError) {
        match self {
            Self::Talk(reply) => drop(reply.send(Err(error))),
            Self::Report { reply, .. } => drop(reply.send(Err(error))),
            Self::Wake(reply) => drop(reply.send(Err(error))),
            Self::Alive(reply) => drop(reply.send(Life::failed(error))),
        }
    }
}
