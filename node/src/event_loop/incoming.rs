//! Messages from peers: some the node answers itself, the rest is for the agent.

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{EntityId, TrustView as _};
use peer_protocol::message::{
    AgentLife, Body, CapabilityResponse, DiscoveryResponse, HeartbeatAck, Message, MessageKind,
    TaskOutcome, WakeUpAck,
};

use super::EventLoop;
use super::asks::Waiting;
use super::outgoing::ANSWER_LIFETIME;
use crate::events::NodeEvent;
use crate::gateway::{Outward, not_passed_on};
use crate::model::{
    Answer, Content, ForwardedContent, Incoming, IncomingKind, Life, WakeResult, Woken,
};
use crate::room::Share;

impl EventLoop {
    pub(super) fn on_message(&mut self, from: PeerId, message: &Message, encrypted: bool) {
        // The link has decoded the body before it acknowledged the message.
        let Ok(body) = message.decode() else { return };
        let share = match secure::key_of(&from) {
            Some(key) if encrypted => Share::of(&key),
            _ => Share::Legacy,
        };
        let passed =
            if encrypted { self.pass_outward(from, message.id, &body) } else { Outward::Other };
        if passed != Outward::Other {
            // It needs no room among the agent's messages.
            self.inbox.room().leave(share, message.body.len());
            self.inbox.open_task(message.id, from);
            if let Outward::Refused(reason) = passed {
                self.refuse_outward(message.id, not_passed_on(&reason));
            }
            return;
        }
        match body {
            Body::Task(task) => {
                let content = Content {
                    content_type: Some(task.content_type),
                    name: task.name,
                    ..Content::from_bytes(&task.content)
                };
                let incoming = self.incoming(from, message, IncomingKind::Task, content);
                let incoming = Incoming {
                    conversation: task.conversation,
                    encrypted: encrypted && incoming.encrypted,
                    ..incoming
                };
                self.inbox.open_task(message.id, from);
                self.take_in(incoming, share, message.body.len());
            }
            Body::StatusReport(report) => {
                let content = Content {
                    content_type: Some(report.content_type),
                    ..Content::from_bytes(&report.content)
                };
                let incoming = self.incoming(from, message, IncomingKind::StatusReport, content);
                let incoming = Incoming {
                    status: Some(report.status),
                    next_action: report.next_action,
                    encrypted: encrypted && incoming.encrypted,
                    ..incoming
                };
                self.take_in(incoming, share, message.body.len());
            }
            Body::WakeUp(wake) => {
                let content = Content::from_bytes(wake.reason.as_bytes());
                let incoming = Incoming {
                    encrypted,
                    ..self.incoming(from, message, IncomingKind::WakeUp, content)
                };
                self.on_wake_up(from, message, wake, incoming, share);
            }
            Body::Heartbeat(_) => self.on_heartbeat(from, message.id),
            Body::CapabilityQuery(query) => {
                let capabilities = self.capabilities(&query.names);
                self.reply(from, message, &CapabilityResponse { capabilities }.into());
            }
            Body::Discovery(query) => {
                let entities = self.known_entities(&from, &query);
                self.reply(from, message, &DiscoveryResponse { entities }.into());
            }
            Body::TaskResult(_) => {
                if !self.give_answer(from, message, None) {
                    tracing::debug!(from = %self.entity_of(&from), "an answer that nobody waits for");
                }
            }
            Body::Mailbox(request) => self.on_mailbox_request(from, message, request),
            Body::MailboxResult(result) => self.on_mailbox_result(from, message, result),
            Body::WakeUpAck(ack) => self.on_woken(from, message, ack),
            Body::HeartbeatAck(ack) => self.on_alive(from, message, ack),
            Body::Chunk(chunk) if encrypted => self.on_chunk(from, message, &chunk),
            Body::ChunkAck(ack) if encrypted => self.on_chunk_ack(from, message, ack),
            Body::Chunk(_)
            | Body::ChunkAck(_)
            | Body::CapabilityResponse(_)
            | Body::DiscoveryResponse(_)
            | Body::Receipt(_)
            | Body::Error(_)
            | Body::SessionClose(_) => {
                tracing::debug!(kind = %message.kind, "nobody waits for this message");
            }
        }
    }

    /// Puts a volatile message into the inbox; returns whether an agent is there for it.
    pub(super) fn take_in(&mut self, incoming: Incoming, share: Share, len: usize) -> bool {
        self.announce(&incoming, len as u64);
        self.inbox.push(incoming, share, len)
    }

    /// Tells that a message has come in for the agent.
    pub(super) fn announce(&self, incoming: &Incoming, size: u64) {
        self.events.tell(NodeEvent::Message {
            message_id: incoming.message_id.clone(),
            inbox_number: incoming.inbox_number,
            kind: incoming.kind,
            from: incoming.from.clone(),
            from_peer_id: incoming.from_peer_id.clone(),
            size,
        });
    }

    pub(super) fn incoming(
        &self,
        from: PeerId,
        message: &Message,
        kind: IncomingKind,
        content: Content,
    ) -> Incoming {
        let entity = self.entity_of(&from);
        let key = self.directory.get(&from).map(|peer| peer.key);
        let forwarded = ForwardedContent::read(&content).map(|it| it.forwarded);
        Incoming {
            message_id: message.id.to_string(),
            inbox_number: None,
            durable: false,
            kind,
            trust: key.and_then(|key| self.trust.level(&entity, &key)),
            from: entity,
            from_peer_id: from.to_string(),
            // What a gateway brings was readable on its way there.
            encrypted: !ForwardedContent::is_type_of(&content),
            received_at: self.clock.now().timestamp,
            status: None,
            next_action: None,
            conversation: None,
            in_reply_to: None,
            done: None,
            forwarded,
            content,
            file: None,
            wake_nonce: None,
        }
    }

    fn reply(&mut self, to: PeerId, message: &Message, body: &Body<'_>) {
        self.reply_to(to, message.id, body);
    }

    /// Answers a message.
    pub(super) fn reply_to(&mut self, to: PeerId, message: MessageId, body: &Body<'_>) {
        if let Err(error) = self.send(to, body, Some(message), ANSWER_LIFETIME) {
            tracing::warn!(peer = %self.directory.name(&to), %error, "cannot answer");
        }
    }

    /// An answer counts only from the peer that was asked.
    fn take_ask(&mut self, from: PeerId, message: &Message) -> Option<super::asks::Ask> {
        let id = message.in_reply_to?;
        self.asks.get_mut(id).filter(|ask| ask.peer == from)?;
        self.asks.remove(id)
    }

    /// Whether somebody waits for this answer.
    pub(super) fn is_awaited_answer(&mut self, from: PeerId, message: &Message) -> bool {
        let ask = message.in_reply_to.and_then(|id| self.asks.get_mut(id));
        ask.is_some_and(|ask| match &ask.waiting {
            Waiting::Talk(reply) => ask.peer == from && !reply.is_closed(),
            Waiting::Report { .. } | Waiting::Alive(_) | Waiting::Wake(_) => false,
        })
    }

    /// Gives an answer to whoever asked, and still waits; returns whether somebody did. A caller that has
    /// left does not count. A `long` content came ahead of its message.
    pub(super) fn give_answer(
        &mut self,
        from: PeerId,
        message: &Message,
        long: Option<Content>,
    ) -> bool {
        if message.kind != MessageKind::TaskResult {
            return false;
        }
        let Some(ask) = self.take_ask(from, message) else { return false };
        let Waiting::Talk(reply) = ask.waiting else { return false };
        // It is asked before anything is made of the content.
        if reply.is_closed() {
            return false;
        }
        let Ok(Body::TaskResult(result)) = message.decode() else { return false };
        let content = Content {
            content_type: Some(result.content_type),
            ..long.unwrap_or_else(|| Content::from_bytes(&result.content))
        };
        let answer = Answer {
            message_id: ask.message_id.to_string(),
            entity: self.entity_of(&from),
            done: result.outcome == TaskOutcome::Done,
            content,
            round_trip_us: self.micros_since(ask.sent_at),
        };
        reply.send(Ok(answer)).is_ok()
    }

    fn on_woken(&mut self, from: PeerId, message: &Message, ack: WakeUpAck) {
        let Some(ask) = self.take_ask(from, message) else { return };
        let round_trip_us = self.micros_since(ask.sent_at);
        let outcome = WakeResult::from(ack.outcome);
        let (woken, detail) = (outcome.is_woken(), ack.detail);
        if let Waiting::Wake(reply) = ask.waiting {
            drop(reply.send(Ok(Woken { woken, outcome, detail, round_trip_us })));
        }
    }

    fn on_alive(&mut self, from: PeerId, message: &Message, ack: HeartbeatAck) {
        let entity = self.entity_of(&from);
        let Some(ask) = self.take_ask(from, message) else { return };
        let round_trip_us = self.micros_since(ask.sent_at);
        if let Waiting::Alive(reply) = ask.waiting {
            drop(reply.send(Ok(Life {
                alive: true,
                entity: Some(entity),
                agent: ack.agent == AgentLife::Attached,
                agent_state: Some(ack.agent.into()),
                agent_idle_ms: ack.agent_idle_ms,
                uptime_ms: Some(ack.uptime_ms),
                round_trip_us: Some(round_trip_us),
                path: self.path(&from),
                error: None,
            })));
        }
    }

    fn micros_since(&self, then: peer_protocol::time::Instant) -> u64 {
        u64::try_from(self.clock.now().instant.since(then).as_micros()).unwrap_or(u64::MAX)
    }

    /// The entity behind a peer; messages come only from peers that proved theirs.
    pub(super) fn entity_of(&self, id: &PeerId) -> EntityId {
        let named = self.directory.get(id).and_then(|peer| peer.entity.clone());
        // The key is part of the peer id, so that there always is a name.
        named
            .or_else(|| secure::key_of(id).map(|key| EntityId::derived(&key)))
            .unwrap_or_else(|| self.identity.entity().clone())
    }
}
