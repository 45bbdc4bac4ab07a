//! What links tell: handshake steps, sessions, receipts, failures.

use libp2p::PeerId;
use peer_behaviours::secure::{self, EventKind};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{self, Role, SessionState};
use peer_protocol::id::MessageId;
use peer_protocol::link::{Ended, Event, SendFailure, SessionInfo};
use peer_protocol::message::{AGENT_LIFE, Message, ReceiptStatus};

use super::EventLoop;
use super::asks::Waiting;
use super::outgoing::{delivery, reported};
use crate::directory::Peer;
use crate::error::NodeError;
use crate::events::NodeEvent;
use crate::metrics::began;
use crate::model::{HandshakeKind, SessionStatus};
use crate::transfer::Fate;

impl EventLoop {
    pub(super) fn on_secure(&mut self, event: secure::Event) {
        let secure::Event { peer, kind } = event;
        match kind {
            EventKind::Link(event) => self.on_link(peer, event),
            EventKind::Hops(hops) => self.on_hops(peer, hops),
            EventKind::Forgotten => {
                self.detach(&peer);
                self.pump();
            }
            EventKind::Unsupported => {
                tracing::debug!(peer = %self.directory.name(&peer), "does not speak {}", super::SECURE);
                // A version 1.0 peer has said what it speaks instead.
                if let Some(known) = self.directory.entry(peer)
                    && known.protocol != Some("1.0")
                {
                    known.protocol = Some("none");
                }
                self.give_up_on_stranger(peer);
            }
        }
    }

    fn on_link(&mut self, id: PeerId, event: Event) {
        match event {
            Event::NeedConnection => self.need_connection(id),
            Event::Unresponsive => {
                tracing::debug!(peer = %self.directory.name(&id), "does not answer; dialling again");
                self.hops_unresponsive(&id);
                self.need_connection(id);
            }
            // Attempts from before it was known that the peer speaks only version 1.0.
            Event::Step { .. } | Event::HandshakeFailed { .. } if self.is_legacy(&id) => {}
            Event::Step { role, kind, phase } => {
                let peer = self.directory.name(&id);
                tracing::debug!(target: "peer_node::handshake", %peer, ?role, step = %kind, state = %phase);
                if let Some(peer) = self.directory.entry(id) {
                    peer.phase = Some(phase.as_str());
                }
                self.events.tell(NodeEvent::HandshakeStep {
                    peer_id: id.to_string(),
                    step: kind.to_string(),
                    state: phase.to_string(),
                });
            }
            Event::HandshakeFailed { role, phase, code, detail, fatal } => {
                self.on_handshake_failed(id, role, phase, code, &detail, fatal);
            }
            Event::SessionReady(info) => self.on_session_ready(id, info),
            Event::SessionEnded { id: session, why } => self.on_session_ended(id, session, &why),
            Event::Message(message) => {
                self.count_received(&id, &message);
                self.on_message(id, &message, true);
            }
            Event::Receipts { ids, status } => {
                self.metrics().receipts(status, ids.len());
                for message in ids {
                    self.on_receipt(message, status);
                }
            }
            Event::Failed { id: message, why } => self.on_failed(id, message, why),
            Event::Ordered(arrival) => {
                self.count_received(&id, &arrival.message);
                if let Some(arrival) = self.mail_arrives(arrival) {
                    self.on_ordered(id, *arrival);
                }
            }
            Event::Mail { id: message, verdict } => {
                if let Some(key) = secure::key_of(&id) {
                    self.on_mail_verdict(&key, message, verdict);
                }
            }
            // The link's driver asks the disk itself.
            Event::ResumeWanted => {}
            Event::Acknowledged { ids, status } => {
                self.metrics().receipts(status, ids.len());
                self.on_acknowledged(id, &ids, status);
            }
            Event::Transmitted(ids) => self.on_transmitted(&ids),
            Event::OutOfSequence { id: message, stream } => {
                self.on_out_of_sequence(id, message, stream);
            }
            Event::Told(ids) => self.on_told(id, ids),
            Event::Paced { id: message, retry_after } => {
                self.metrics().paced();
                self.on_paced(id, message, retry_after);
                let (peer, wait) = (self.directory.name(&id), retry_after.as_millis());
                tracing::debug!(%peer, wait_ms = wait, "asked to slow down");
            }
        }
    }

    fn count_received(&mut self, id: &PeerId, message: &Message) {
        let len = message.body.len();
        self.metrics().received(message.kind, len);
        if let Some(peer) = self.directory.get_mut(id) {
            peer.traffic.received(len);
        }
    }

    fn on_session_ready(&mut self, id: PeerId, info: SessionInfo) {
        let now = self.clock.now();
        tracing::info!(
            peer = %info.peer,
            session = %info.id,
            suite = info.suite,
            handshake = %info.handshake,
            role = ?info.role,
            took_ms = u64::try_from(info.took.as_millis()).unwrap_or(u64::MAX),
            "session ready"
        );
        self.metrics().session_ready(kind_of(info.handshake), began(info.role), info.took);
        self.swarm.behaviour_mut().prefix_limits.admit(id);
        let Some(peer) = self.directory.entry(id) else { return };
        peer.entity = Some(info.peer);
        peer.phase = None;
        peer.last_error = None;
        peer.protocol = Some("1.1");
        peer.clock_ahead_ms = Some(info.clock_ahead_ms);
        peer.knows_agent_life = info.features.iter().any(|feature| feature == AGENT_LIFE);
        peer.connected_at = None;
        peer.redial.settled();
        let status = SessionStatus {
            id: info.id.to_string(),
            state: match info.handshake {
                handshake::HandshakeKind::SixStep => "READY",
                handshake::HandshakeKind::ThreeWay => "ACTIVE",
            }
            .to_owned(),
            suite: info.suite.to_owned(),
            handshake: kind_of(info.handshake),
            initiator: info.role == Role::Initiator,
            handshake_us: u64::try_from(info.took.as_micros()).unwrap_or(u64::MAX),
            since: now.timestamp,
            expires: now.timestamp + info.expires.since(now.instant),
        };
        let entity = peer.entity.clone();
        peer.sessions.push((info.id, status.clone()));
        if let Some(entity) = entity {
            let peer_id = id.to_string();
            self.events.tell(NodeEvent::SessionReady { peer_id, entity, session: status });
        }
        self.on_secure_peer(id);
        self.release_parked(id);
        self.remember_contact(id);
        self.attach(id);
        self.finish_connecting(id, None);
        self.transfers_interrupted(&id);
    }

    pub(super) fn on_session_ended(
        &mut self,
        id: PeerId,
        session: peer_protocol::id::SessionId,
        why: &Ended,
    ) {
        tracing::info!(peer = %self.directory.name(&id), %session, ?why, "session ended");
        let (peer_id, ended) = (id.to_string(), session.to_string());
        self.events.tell(NodeEvent::SessionEnded { peer_id, session: ended });
        let now = self.clock.now().timestamp;
        // Another one may have taken its place before.
        let is_last = |peer: &Peer| peer.sessions.iter().all(|(known, _)| *known == session);
        if self.directory.get(&id).is_none_or(is_last) {
            self.swarm.behaviour_mut().prefix_limits.dismiss(&id);
        }
        if let Some(peer) = self.directory.get_mut(&id) {
            let over = peer.sessions.iter().find(|(known, _)| *known == session);
            if let Some((_, over)) = over {
                self.measured.counted().session_ended(why, now.distance(over.since));
            }
            peer.sessions.retain(|(known, _)| *known != session);
            if peer.sessions.is_empty() && *why == Ended::Expired {
                peer.phase = Some(SessionState::Expired.as_str());
            }
        }
    }

    fn on_handshake_failed(
        &mut self,
        id: PeerId,
        role: Role,
        phase: handshake::Phase,
        code: ErrorCode,
        detail: &str,
        fatal: bool,
    ) {
        let kind = match phase {
            handshake::Phase::SixStep(_) => HandshakeKind::SixStep,
            handshake::Phase::ThreeWay(_) => HandshakeKind::ThreeWay,
        };
        self.metrics().handshake_failed(kind, Some(began(role)), code);
        let name = self.directory.name(&id);
        // Over hops that is how a peer looks that is simply not there: what dialling said tells more.
        let away = self.is_over_hops(&id) && code == ErrorCode::InvalidState && !fatal;
        if away {
            tracing::debug!(peer = %name, ?role, state = %phase, detail, "no handshake over hops");
        } else {
            tracing::warn!(peer = %name, ?role, state = %phase, %code, detail, "handshake failed");
        }
        self.events.tell(NodeEvent::HandshakeFailed {
            peer_id: id.to_string(),
            state: phase.to_string(),
            code,
            detail: detail.to_owned(),
        });
        if let Some(peer) = self.directory.entry(id) {
            peer.phase = Some(phase.as_str());
            // That another attempt is under way says less than why the last one failed.
            let telling = !away && code != ErrorCode::HandshakeInProgress;
            if telling || peer.last_error.is_none() {
                peer.last_error = Some(format!("{code}: {detail}"));
            }
        }
        if fatal {
            let error = NodeError::Refused { peer: name, code, detail: detail.to_owned() };
            self.finish_connecting(id, Some(&error));
        }
    }

    pub(super) fn on_receipt(&mut self, message: MessageId, status: ReceiptStatus) {
        if self.on_transfer_settled(message, Fate::Arrived) {
            return;
        }
        self.unsettled.remove(&message);
        let Some(ask) = self.asks.get_mut(message) else { return };
        ask.status = Some(delivery(status));
        if !matches!(ask.waiting, Waiting::Report { .. }) {
            return;
        }
        if let Some(ask) = self.asks.remove(message)
            && let Waiting::Report { reply, .. } = ask.waiting
        {
            drop(reply.send(Ok(reported(message, delivery(status)))));
        }
    }

    pub(super) fn on_failed(&mut self, id: PeerId, message: MessageId, why: SendFailure) {
        self.on_mail_failed(message);
        if self.on_transfer_failed(message, &why) || self.on_refused(id, message, &why) {
            return;
        }
        self.unsettled.remove(&message);
        let peer = self.directory.name(&id);
        tracing::debug!(%peer, %message, %why, "message failed");
        // A message that ran out of time is told by its caller's own deadline, which knows more.
        let error = match why {
            SendFailure::Expired | SendFailure::Unknown => return,
            SendFailure::Refused { code, detail } => NodeError::Refused { peer, code, detail },
            SendFailure::QueueFull(full) => NodeError::QueueFull { peer, detail: full.to_string() },
        };
        if let Some(ask) = self.asks.remove(message) {
            ask.waiting.fail(error);
        }
    }
}

const fn kind_of(kind: handshake::HandshakeKind) -> HandshakeKind {
    match kind {
        handshake::HandshakeKind::SixStep => HandshakeKind::SixStep,
        handshake::HandshakeKind::ThreeWay => HandshakeKind::ThreeWay,
    }
}
