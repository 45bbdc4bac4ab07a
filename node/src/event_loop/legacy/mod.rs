//! Peers that speak only version 1.0: what their links tell, and their messages in this node's terms.
//! Nothing here is end-to-end encrypted, and every listing says so.

mod calls;
mod ids;
pub(crate) mod translate;

use std::sync::Arc;

use libp2p::PeerId;
use peer_behaviours::legacy::{self, Event, EventKind, SessionInfo};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::legacy::{Object, Unsigned};
use peer_protocol::message::{ErrorReport, Message, MessageKind, ReceiptStatus};
use peer_protocol::time::Instant;

pub(super) use self::ids::ForeignIds;

use super::EventLoop;
use super::asks::Waiting;
use crate::directory::Peer;
use crate::error::NodeError;
use crate::gateway::{Leave, Places, UNPINNED};
use crate::model::{HandshakeKind, SessionStatus};
use crate::room::{Room, Share};

/// The node's bound on what it takes in, for version 1.0 messages.
pub(crate) struct LegacyAdmission {
    pub(crate) room: Arc<Room>,
    /// Places for what is passed on, and to whom.
    pub(crate) places: Arc<Places>,
    pub(crate) leave: Arc<Leave>,
}

impl legacy::Admission for LegacyAdmission {
    fn admit(&self, message: &Unsigned) -> Result<(), ErrorReport> {
        let read = translate::incoming(&message.msg_type, &message.payload)?;
        let other = message.recipient_id.as_ref();
        if let Some(other) = other.filter(|it| self.leave.listed().contains(*it)) {
            return match read.body.kind() {
                _ if self.leave.way_to(other).is_none() => {
                    let detail = format!("nothing is passed on to {other}: {UNPINNED}");
                    Err(ErrorReport::new(ErrorCode::InvalidState, detail))
                }
                MessageKind::Task | MessageKind::StatusReport => {
                    self.places.take(&message.sender_id)
                }
                kind => Err(not_passed_on(kind)),
            };
        }
        let id = MessageId::random(&mut rand::rng());
        self.room.take(Share::Legacy, &translate::message(&read.body, id, None)?)
    }
}

fn not_passed_on(kind: MessageKind) -> ErrorReport {
    let detail = format!("a {kind} is not passed on: tasks and reports are");
    ErrorReport::new(ErrorCode::InvalidState, detail)
}

impl EventLoop {
    pub(super) fn on_legacy(&mut self, event: Event) {
        let Event { peer: id, kind } = event;
        match kind {
            EventKind::NeedConnection => self.legacy_needs_connection(id),
            EventKind::Uncarried { reason } => self.on_uncarried(id, &reason),
            EventKind::ForOther { message } => self.on_for_other(id, message),
            EventKind::Unsupported => {
                tracing::debug!(peer = %self.directory.name(&id), "does not speak {}", super::LEGACY);
            }
            EventKind::SessionReady(info) => self.on_legacy_ready(id, info),
            EventKind::SessionEnded { id: session, why } => {
                self.on_session_ended(id, session, &why);
            }
            EventKind::HandshakeFailed { code, detail, fatal } => {
                self.on_legacy_handshake_failed(id, code, &detail, fatal);
            }
            EventKind::Message { msg_type, payload } => {
                self.on_legacy_message(id, &msg_type, &payload);
            }
            EventKind::Delivered { id: message } => {
                if let Some(peer) = self.directory.get_mut(&id).filter(|peer| peer.http.is_some()) {
                    peer.last_error = None;
                }
                self.on_receipt(message, ReceiptStatus::Received);
            }
            EventKind::Failed { id: message, why } => self.on_failed(id, message, why),
        }
    }

    /// Opens a version 1.0 session.
    pub(super) fn open_legacy(&mut self, id: PeerId) {
        let Some(legacy) = self.swarm.behaviour_mut().legacy.as_mut() else { return };
        if let Err(error) = legacy.open(id) {
            tracing::warn!(peer = %self.directory.name(&id), %error, "cannot open a session");
        }
    }

    /// Gives a message to the version 1.0 link of `peer`.
    pub(super) fn send_legacy(
        &mut self,
        peer: PeerId,
        message: &Message,
        deadline: Instant,
    ) -> Result<(), NodeError> {
        let reply_to = message.in_reply_to.and_then(|id| self.foreign.theirs(id));
        let outgoing = translate::outgoing(message, reply_to.as_deref())?;
        self.give_legacy(peer, outgoing, deadline)
    }

    fn on_legacy_ready(&mut self, id: PeerId, info: SessionInfo) {
        let now = self.clock.now();
        tracing::info!(
            peer = %info.peer,
            session = %info.id,
            initiator = info.initiator,
            took_ms = info.took.as_secs_f64() * 1000.0,
            "session ready: version 1.0, not encrypted end to end"
        );
        self.metrics().session_ready(HandshakeKind::Legacy, info.initiator, info.took);
        if !self.directory.get(&id).is_some_and(Peer::is_connected) {
            // There is no other way to come by a session.
            self.heard_over_http(id);
        }
        let Some(peer) = self.directory.entry(id) else { return };
        peer.entity = Some(info.peer);
        peer.phase = None;
        peer.last_error = None;
        let status = SessionStatus {
            id: info.id.to_string(),
            state: "ACTIVE".to_owned(),
            suite: "none".to_owned(),
            handshake: HandshakeKind::Legacy,
            initiator: info.initiator,
            handshake_us: u64::try_from(info.took.as_micros()).unwrap_or(u64::MAX),
            since: now.timestamp,
            expires: now.timestamp + info.expires.since(now.instant),
        };
        peer.sessions.push((info.id, status));
        self.finish_connecting(id, None);
    }

    fn on_legacy_handshake_failed(
        &mut self,
        id: PeerId,
        code: ErrorCode,
        detail: &str,
        fatal: bool,
    ) {
        let name = self.directory.name(&id);
        tracing::warn!(peer = %name, %code, detail, "version 1.0 handshake failed");
        self.metrics().handshake_failed(HandshakeKind::Legacy, None, code);
        if let Some(peer) = self.directory.get_mut(&id) {
            peer.last_error = Some(format!("{code}: {detail}"));
        }
        if fatal {
            let error = NodeError::Refused { peer: name, code, detail: detail.to_owned() };
            self.finish_connecting(id, Some(&error));
        }
    }

    fn on_legacy_message(&mut self, from: PeerId, msg_type: &str, payload: &Object) {
        // It was read before it was acknowledged.
        let Ok(read) = translate::incoming(msg_type, payload) else { return };
        let id = self.adopt(read.id);
        let in_reply_to = self.asked(from, read.body.kind(), read.in_reply_to);
        if let Ok(message) = translate::message(&read.body, id, in_reply_to) {
            self.on_message(from, &message, false);
        }
    }

    /// This node's id for a message: the peer's, if it is one and nobody else's task has it.
    fn adopt(&mut self, theirs: Option<&str>) -> MessageId {
        let usable = theirs
            .and_then(|text| text.parse().ok())
            .filter(|id| self.inbox.asker(*id).is_none() && theirs == Some(&id.to_string()));
        if let Some(id) = usable {
            return id;
        }
        let id = MessageId::random(&mut self.rng);
        self.foreign.remember(id, theirs);
        id
    }

    /// What a message answers: what it says, or else the oldest question of its kind to its sender.
    fn asked(&self, from: PeerId, kind: MessageKind, says: Option<&str>) -> Option<MessageId> {
        if let Some(says) = says {
            return says.parse().ok();
        }
        self.asks.oldest(&from, |waiting| {
            matches!(
                (kind, waiting),
                (MessageKind::TaskResult, Waiting::Talk(_))
                    | (MessageKind::WakeUpAck, Waiting::Wake(_))
                    | (MessageKind::HeartbeatAck, Waiting::Alive(_))
            )
        })
    }
}
