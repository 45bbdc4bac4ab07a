//! What happens in a node, as a stream that any number of listeners can follow.

use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use utoipa::ToSchema;

use crate::model::{Delivery, IncomingKind, SessionStatus, TransferStatus};

/// Events that a slow listener may fall behind; then it is told how many it missed.
const CAPACITY: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NodeEvent {
    /// A connection to a peer was opened.
    Connected {
        /// The peer.
        peer_id: String,
        /// Where it is.
        address: String,
    },
    /// The last connection to a peer was lost. Its session lives on.
    Disconnected {
        /// The peer.
        peer_id: String,
    },
    /// A peer without a connection answered over other nodes, for the first time or at another
    /// distance.
    Route {
        /// The peer.
        peer_id: String,
        /// How many hops away it is.
        hops: u8,
    },
    /// A step of a handshake is complete.
    HandshakeStep {
        /// The peer.
        peer_id: String,
        /// The message sent or received, such as `challenge_response`.
        step: String,
        /// The state after it, such as `CHALLENGE_SENT`.
        state: String,
    },
    /// A handshake ended without a session.
    HandshakeFailed {
        /// The peer.
        peer_id: String,
        /// The state it ended in.
        state: String,
        /// The protocol's code.
        #[schema(value_type = String)]
        code: ErrorCode,
        /// More, for people.
        detail: String,
    },
    /// A session is ready.
    SessionReady {
        /// The peer.
        peer_id: String,
        /// The entity that the handshake proved.
        #[schema(value_type = String)]
        entity: EntityId,
        /// The session.
        session: SessionStatus,
    },
    /// A session is no more.
    SessionEnded {
        /// The peer.
        peer_id: String,
        /// The session's id.
        session: String,
    },
    /// A message or a file came in for the agent. What it says is handed over elsewhere.
    Message {
        /// Its id.
        message_id: String,
        /// Its number in the inbox; none for what is not kept there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inbox_number: Option<u64>,
        /// What it is.
        kind: IncomingKind,
        /// Who sent it.
        #[schema(value_type = String)]
        from: EntityId,
        /// The sender's peer id.
        from_peer_id: String,
        /// Its body, or the file, in bytes.
        size: u64,
    },
    /// How far a message of the outbox is known to have come has changed.
    Outbox {
        /// Its id.
        message_id: String,
        /// Its receiver.
        #[schema(value_type = String)]
        peer: EntityId,
        /// The receiver's peer id.
        peer_id: String,
        /// How far it has come.
        #[serde(flatten)]
        status: Delivery,
    },
    /// A transfer has come further; told a few times a second at most, and at its end.
    Transfer(Box<TransferStatus>),
    /// The trust list says something new of an entity.
    Trust {
        /// The entity; none if its key is revoked, whatever it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        entity: Option<EntityId>,
        /// Its key's fingerprint.
        #[schema(value_type = String)]
        fingerprint: Fingerprint,
        /// How it is trusted now.
        #[schema(value_type = String)]
        level: TrustLevel,
    },
    /// An agent has come to listen for messages, or left.
    Agents {
        /// How many listen now.
        count: usize,
    },
    /// What the node tells others of where it is has changed.
    Announced {
        /// The addresses, the best first.
        addresses: Vec<String>,
    },
    /// This listener was too slow.
    Missed {
        /// Events that it did not get.
        count: u64,
    },
}

impl NodeEvent {
    /// All kinds, as [`NodeEvent::kind`] names them.
    pub const KINDS: [&str; 14] = [
        "connected",
        "disconnected",
        "route",
        "handshake_step",
        "handshake_failed",
        "session_ready",
        "session_ended",
        "message",
        "outbox",
        "transfer",
        "trust",
        "agents",
        "announced",
        "missed",
    ];

    /// What it is called in JSON, under `event`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Route { .. } => "route",
            Self::HandshakeStep { .. } => "handshake_step",
            Self::HandshakeFailed { .. } => "handshake_failed",
            Self::SessionReady { .. } => "session_ready",
            Self::SessionEnded { .. } => "session_ended",
            Self::Message { .. } => "message",
            Self::Outbox { .. } => "outbox",
            Self::Transfer(_) => "transfer",
            Self::Trust { .. } => "trust",
            Self::Agents { .. } => "agents",
            Self::Announced { .. } => "announced",
            Self::Missed { .. } => "missed",
        }
    }
}

/// Where events come from.
#[derive(Debug, Clone)]
pub(crate) struct EventSource(broadcast::Sender<NodeEvent>);

impl EventSource {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }

    /// Tells all listeners; without any, nobody.
    pub(crate) fn tell(&self, event: NodeEvent) {
        let _ = self.0.send(event);
    }

    pub(crate) fn listen(&self) -> Events {
        Events(self.0.subscribe())
    }
}

/// The events of a node, from the moment this stream was made.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<NodeEvent>);

impl Events {
    /// The next event; `None` once the node has stopped and no handle is left.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(NodeEvent::Missed { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_how_much_it_missed() {
        let source = EventSource::new();
        let mut events = source.listen();
        let event = NodeEvent::Disconnected { peer_id: "x".to_owned() };
        for _ in 0..CAPACITY + 5 {
            source.tell(event.clone());
        }
        assert_eq!(events.next().await, Some(NodeEvent::Missed { count: 5 }));
        assert_eq!(events.next().await, Some(event));
        drop(source);
        for _ in 1..CAPACITY {
            assert!(events.next().await.is_some());
        }
        assert_eq!(events.next().await, None);
    }
}
