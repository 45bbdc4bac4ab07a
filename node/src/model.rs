//! What the node tells and is told, as plain data: the same types serve Rust callers, the local API
//! and the command line.

mod api;
mod content;
mod delivery;
mod event;
mod forwarded;
mod id;
mod incoming;
mod life;
mod mailbox;
mod netcheck;
mod path;
pub mod reachability;
mod registry;
mod session;
mod transfer;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel};
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use crate::large::Weight;
pub use api::{ApiStatus, Done, LogTail};
pub use content::StoredContent;
pub use delivery::{
    Acknowledged, Delivery, Direction, InboxFilter, InboxLine, MAX_TTL, OutboxFilter, OutboxLine,
    OutboxMessage, Page, ReportOptions, Reported, Retried, TalkOptions, Trace, TraceStep, Wait,
    WaitsFor,
};
pub use event::{EventLine, Reset, ResetReason};
pub use forwarded::{Forwarded, ForwardedContent, ToForward};
pub(crate) use id::message_id_of;
pub use id::{BadMessageName, IdPrefix, InboxId};
pub use incoming::{Incoming, IncomingKind, ReceivedFile};
pub use life::{AgentState, Awoken, WakeResult};
pub use mailbox::{LyingStatus, MailboxNodeStatus, MailboxStatus};
pub use netcheck::{BootstrapStatus, ClockStatus, Netcheck, PathCounts, StoreTrouble};
pub use path::{Path, PathKind};
pub use registry::{
    Bucket, DhtStatus, Discovered, Found, Listing, Registered, Registration, Source, TablePeer,
};
pub use session::{SessionLine, Traffic};
pub use transfer::{FileToSend, TransferDirection, TransferState, TransferStatus};

/// The content of a message: text where it is text, base64 where it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The content, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The content in standard base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Media type; `text/plain` or `application/octet-stream` if nothing else is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// A file's name, if the content is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where a long content lies that is not in memory; never part of JSON.
    #[serde(skip)]
    pub stored: Option<StoredContent>,
    /// What it takes of the room for long contents, while a request brings it.
    #[serde(skip)]
    pub weight: Weight,
}

/// The content is neither text nor valid base64, or it is both.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a content holds either `text` or valid `base64`")]
pub struct BadContent;

impl Content {
    /// Content of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: Some(text.to_owned()), ..Self::default() },
            Err(_) => Self { base64: Some(STANDARD.encode(bytes)), ..Self::default() },
        }
    }

    /// The bytes. Those of a long content are read from its file, which blocks.
    ///
    /// # Errors
    /// [`BadContent`] if not exactly one form is given, the base64 is invalid, or the file is gone: once the
    /// message was acknowledged.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BadContent> {
        match (&self.text, &self.base64, &self.stored) {
            (Some(text), None, None) => Ok(text.clone().into_bytes()),
            (None, Some(base64), None) => STANDARD.decode(base64).map_err(|_| BadContent),
            (None, None, Some(stored)) => stored.read().map_err(|_| BadContent),
            _ => Err(BadContent),
        }
    }

    /// The media type, guessed if none is given.
    #[must_use]
    pub fn media_type(&self) -> &str {
        let guess = if self.text.is_some() { "text/plain" } else { "application/octet-stream" };
        self.content_type.as_deref().unwrap_or(guess)
    }
}

/// The node itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Its entity id.
    #[schema(value_type = String)]
    pub entity: EntityId,
    /// Its key's fingerprint.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Version of the program.
    pub version: String,
    /// How long it has been up, in milliseconds.
    pub uptime_ms: u64,
    /// Addresses it listens on, each complete with its peer id.
    pub listen: Vec<String>,
    /// Peers connected now.
    pub connected: usize,
    /// Sessions that are `READY`.
    pub sessions: usize,
    /// Agents listening for messages.
    pub agents: usize,
    /// Messages that wait for an agent.
    pub waiting: usize,
    /// Messages of the outbox that are not settled.
    pub outbox: QueueDepth,
    /// Messages of the inbox on disk that no agent took yet.
    pub inbox: QueueDepth,
    /// Transfers that are under way or wait for their turn, both ways.
    pub transfers: usize,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueDepth {
    /// Messages in it.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// How a peer's session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandshakeKind {
    /// The default.
    SixStep,
    /// Opt-in, one exchange shorter.
    ThreeWay,
    /// Signed JSON of version 1.0, without encryption.
    Legacy,
}

/// A session with a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionStatus {
    /// Its id, a UUID v4.
    pub id: String,
    /// `READY`, or where its handshake stands.
    pub state: String,
    /// Cipher suite; `none` for a version 1.0 peer.
    pub suite: String,
    /// How it was opened.
    pub handshake: HandshakeKind,
    /// Whether this node opened it.
    pub initiator: bool,
    /// How long the handshake took, in microseconds.
    pub handshake_us: u64,
    /// When it was opened.
    #[schema(value_type = u64)]
    pub since: Timestamp,
    /// When it expires.
    #[schema(value_type = u64)]
    pub expires: Timestamp,
}

/// A peer that is connected, or that has a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// Its entity id, once a handshake proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub entity: Option<EntityId>,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Its key's fingerprint.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
    /// How it is trusted, if it is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trust: Option<TrustLevel>,
    /// Whether there is a connection now.
    pub connected: bool,
    /// The way to it, if there is one now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    /// Round-trip time of the last ping on a connection to it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// Where it is, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Protocol version it speaks: `1.1`, `1.0`, or `none` if it speaks neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Whether messages to it are end-to-end encrypted. False for version 1.0: a downgrade shows.
    pub encrypted: bool,
    /// Its session, if there is one or one is being opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionStatus>,
    /// Round-trip time of the connection in use, as libp2p's ping last measured it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
    /// Messages that wait to be sent to it.
    pub queued: usize,
    /// Why the last attempt to open a session failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The answer to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// The task's id.
    pub message_id: String,
    /// Who answered.
    #[schema(value_type = String)]
    pub entity: EntityId,
    /// Whether the agent did it; if not, the content says why.
    pub done: bool,
    /// The answer.
    pub content: Content,
    /// Time from sending to the answer, in microseconds.
    pub round_trip_us: u64,
}

/// Whether a peer lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Life {
    /// Whether its node answered.
    pub alive: bool,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub entity: Option<EntityId>,
    /// Whether an agent is attached to its node, and is there.
    pub agent: bool,
    /// What its node knows of its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_state: Option<AgentState>,
    /// Since its agent last did anything, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_idle_ms: Option<u64>,
    /// How long its node has been up, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// Round-trip time, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
    /// The way that its answer took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    /// Why it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What came of a wake-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Woken {
    /// Whether an agent is awake, or was told.
    pub woken: bool,
    /// Which of both, or why not.
    pub outcome: WakeResult,
    /// What the peer's node says.
    pub detail: String,
    /// Round-trip time, the time for waking included, in microseconds.
    pub round_trip_us: u64,
}

/// One attempt of a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestartAttempt {
    /// Counts from 1.
    pub attempt: u32,
    /// How long was waited before it, in milliseconds.
    pub pause_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether an agent is awake, or was told.
    pub woken: bool,
    /// Which of both, or why not.
    pub outcome: WakeResult,
    /// What happened.
    pub detail: String,
    /// What a look after it found, if the agent had given no word by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Life>,
}

/// What came of a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restarted {
    /// Whether an agent is there, is awake, or at least was told and not found missing afterwards.
    pub ok: bool,
    /// What the check before it found.
    pub before: Life,
    /// The attempts, in order; none if the agent was there already.
    pub attempts: Vec<RestartAttempt>,
}

/// A line of the trust list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustLine {
    /// The entity.
    #[schema(value_type = String)]
    pub entity: EntityId,
    /// Its key's fingerprint.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
    /// How it is trusted.
    #[schema(value_type = String)]
    pub level: TrustLevel,
    /// When it was first recorded.
    #[schema(value_type = u64)]
    pub first_seen: Timestamp,
    /// When it last completed a handshake.
    #[schema(value_type = u64)]
    pub last_seen: Timestamp,
}

/// A failure, as the local API and the command line tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// A stable word for programs, such as `unknown_peer`.
    pub kind: String,
    /// The protocol's code, if the failure is one of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub code: Option<ErrorCode>,
    /// The message that it is about, if the node keeps it and it can be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What happened, to what.
    pub detail: String,
    /// The part of `detail` that may be in the words of the peer's node: no instructions to anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_wrote: Option<Box<str>>,
    /// What to do next.
    pub next: String,
}
