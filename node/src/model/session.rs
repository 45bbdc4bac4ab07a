//! Sessions with what went over them.

use peer_protocol::identity::EntityId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SessionStatus;

/// What went over the sessions with a peer since this node has known it, renewals included, version
/// 1.0 not. Sent is what was given to them; what is sent again counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Messages to it.
    pub messages_sent: u64,
    /// Bytes of their bodies.
    pub bytes_sent: u64,
    /// Messages from it.
    pub messages_received: u64,
    /// Bytes of their bodies.
    pub bytes_received: u64,
}

impl Traffic {
    /// One more message to the peer.
    pub(crate) const fn sent(&mut self, len: usize) {
        self.messages_sent = self.messages_sent.saturating_add(1);
        self.bytes_sent = self.bytes_sent.saturating_add(len as u64);
    }

    /// One more message from the peer.
    pub(crate) const fn received(&mut self, len: usize) {
        self.messages_received = self.messages_received.saturating_add(1);
        self.bytes_received = self.bytes_received.saturating_add(len as u64);
    }
}

/// A session, or a handshake that would open one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionLine {
    /// The other side, once a handshake proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub entity: Option<EntityId>,
    /// Its peer id.
    pub peer_id: String,
    /// The session. Its state is one of `docs/PROTOCOL.md` §3.3, or §4.3 for the three-way handshake.
    pub session: SessionStatus,
    /// Whether there is a connection to the peer now: sessions live on without one.
    pub connected: bool,
    /// Whether messages are sent over it. False during a handshake, and for one that was renewed: that is only
    /// listened to, until it expires.
    pub current: bool,
    /// Since when it is ready, in milliseconds; 0 during a handshake.
    pub age_ms: u64,
    /// Messages that wait for the peer, or are on their way to it.
    pub unsettled: usize,
    /// What went over the sessions with this peer.
    pub traffic: Traffic,
}
