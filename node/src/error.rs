//! What can go wrong when a node is started or asked for something, and what to do next.

use std::time::Duration;

use libp2p::Multiaddr;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::EntityIdError;
use thiserror::Error;

use crate::config::InvalidSetting;
use crate::model::Failure;
use crate::registry_file::RegistryFileError;
use crate::store::StoreError;
use crate::transfer::TransferFailure;

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// It cannot listen.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why, such as an address in use.
        reason: String,
    },
    /// Its entity id and its key do not go together.
    #[error("{0}")]
    Identity(#[from] EntityIdError),
    /// Parts of the configuration do not go together.
    #[error("{0}")]
    Config(#[from] InvalidSetting),
    /// What it remembers cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry file makes no sense.
    #[error(transparent)]
    RegistryFile(#[from] RegistryFileError),
    /// The directories for transfers cannot be made.
    #[error("the directories for transfers cannot be made: {reason}")]
    Transfers {
        /// Why.
        reason: String,
    },
    /// What the mailbox keeps cannot be read.
    #[error("what the mailbox keeps cannot be read: {reason}")]
    Mailbox {
        /// Why.
        reason: String,
    },
    /// The gateway cannot listen.
    #[error("the version 1.0 gateway cannot listen on {address}: {reason}")]
    Gateway {
        /// The address.
        address: std::net::SocketAddr,
        /// Why, such as an address in use.
        reason: String,
    },
    /// The transport could not be set up.
    #[error("the network transport could not be set up: {reason}")]
    Transport {
        /// Why.
        reason: String,
    },
}

/// Why a request to the node failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeError {
    /// Nobody of that name is known.
    #[error("no peer is known as {peer:?}")]
    UnknownPeer {
        /// The name.
        peer: String,
    },
    /// The registry knows nobody of that name.
    #[error("nobody is registered as {peer:?}: {detail}")]
    NotFound {
        /// The name.
        peer: String,
        /// Who was asked.
        detail: String,
    },
    /// The registry cannot be used.
    #[error("the registry cannot be used: {detail}")]
    Registry {
        /// Why.
        detail: String,
    },
    /// The text is no multiaddress, or not one this node can dial.
    #[error("{address:?} is no address to dial: {reason}")]
    BadAddress {
        /// The text.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection came about.
    #[error("cannot reach {peer}: {reason}")]
    Unreachable {
        /// The peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The peer, or this node's trust rules, refused.
    #[error("{peer} refused: {code}: {detail}")]
    Refused {
        /// The peer.
        peer: String,
        /// The protocol's code.
        code: ErrorCode,
        /// More.
        detail: String,
    },
    /// No answer in time.
    #[error("no answer from {peer} within {} s: {progress}", (waited.as_secs_f64() * 10.0).round() / 10.0)]
    Timeout {
        /// The peer.
        peer: String,
        /// How long the caller waited.
        waited: Duration,
        /// How far it got.
        progress: String,
    },
    /// No answer in time, but the task is kept and goes on.
    #[error(
        "no answer from {peer} within {} s: {progress}; the node goes on, and an answer that is still \
         to come will be in the inbox (message {message_id})",
        (waited.as_secs_f64() * 10.0).round() / 10.0
    )]
    Unanswered {
        /// The peer.
        peer: String,
        /// The task.
        message_id: String,
        /// How long the caller waited.
        waited: Duration,
        /// How far it got.
        progress: String,
    },
    /// The content is too large for one message.
    #[error("{detail}")]
    TooLarge {
        /// Size and limit.
        detail: String,
    },
    /// The queue to this peer is full.
    #[error("the queue to {peer} is full: {detail}")]
    QueueFull {
        /// The peer.
        peer: String,
        /// Which bound was reached.
        detail: String,
    },
    /// No task of this id waits for an answer.
    #[error("no task {message_id} waits for an answer")]
    NoSuchTask {
        /// The id.
        message_id: String,
    },
    /// No wake-up waits for a nonce.
    #[error(
        "no wake-up waits for this nonce: it was given back before, its time is over, or it is not this node's"
    )]
    NoSuchWake,
    /// No message of this id, or that begins so, is kept here.
    #[error("no message {id} is kept here")]
    NoSuchMessage {
        /// What was asked for.
        id: String,
    },
    /// The beginning of an id stands for several messages.
    #[error("{prefix} stands for several messages: {}", listed(candidates))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// Messages that begin so; not necessarily all.
        candidates: Vec<String>,
    },
    /// The node is done with sending this message.
    #[error("message {message_id} is {status} already")]
    Settled {
        /// The message.
        message_id: String,
        /// How far it has come.
        status: &'static str,
    },
    /// A key stands for a request, and another one came with it.
    #[error("the key of the request is that of another one, which sent message {message_id}")]
    KeyReused {
        /// What the other one sent.
        message_id: String,
    },
    /// Messages cannot be kept, and so not be accepted.
    #[error("messages cannot be kept: {reason}")]
    NotKept {
        /// Why.
        reason: String,
    },
    /// A parameter makes no sense.
    #[error("{detail}")]
    Invalid {
        /// What is wrong.
        detail: String,
    },
    /// The trust list could not be written.
    #[error("the trust list could not be saved: {reason}")]
    Storage {
        /// Why.
        reason: String,
    },
    /// Something about a transfer.
    #[error(transparent)]
    Transfer(#[from] TransferFailure),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl NodeError {
    /// A stable word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::UnknownPeer { .. } => "unknown_peer",
            Self::NotFound { .. } => "not_found",
            Self::Registry { .. } => "registry",
            Self::BadAddress { .. } => "bad_address",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Timeout { .. } | Self::Unanswered { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::QueueFull { .. } => "queue_full",
            Self::NoSuchTask { .. } => "no_such_task",
            Self::NoSuchWake => "no_such_wake",
            Self::NoSuchMessage { .. } => "no_such_message",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Settled { .. } => "settled",
            Self::KeyReused { .. } => "idempotency_key_reused",
            Self::NotKept { .. } => "not_kept",
            Self::Invalid { .. } => "invalid",
            Self::Storage { .. } => "storage",
            Self::Transfer(failure) => failure.kind(),
            Self::Stopped => "stopped",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::UnknownPeer { .. } => {
                "see `peer peers`, or connect first: `peer connect <multiaddr>`"
            }
            Self::NotFound { .. } => {
                "check the name; `peer dht` shows whether this node reaches the registry, and \
                 `peer connect <multiaddr>` does without it"
            }
            Self::Registry { .. } => {
                "see `peer dht`; `dht = \"auto\"` in the configuration turns it on"
            }
            Self::BadAddress { .. } => {
                "write it like /ip4/192.0.2.7/tcp/4711/p2p/<peer id>; the peer's `peer status` prints its own"
            }
            Self::Unreachable { .. } => {
                "check that the peer runs (`peer status` there) and its address"
            }
            Self::Refused { .. } => {
                "see the detail; `peer trust list` shows whom this node trusts, and \
                 `peer trust pin <entity> \"<fingerprint>\"` settles whose a name is, once you have \
                 compared the fingerprint over another channel"
            }
            Self::Timeout { .. } => {
                "check the peer with `peer alive <peer>`, or allow more `--timeout`"
            }
            Self::Unanswered { .. } => {
                "see `peer trace <message>` for its way; `peer inbox` will have the answer that is \
                 still to come"
            }
            Self::TooLarge { .. } => "send less, or split it",
            Self::QueueFull { .. } => {
                "see `peer outbox` for what waits; cancel some, or wait until the peer takes messages"
            }
            Self::NoSuchWake => {
                "give a nonce back once, in time, to the node that handed it out (PEER_DATA_DIR); `timeout` \
                 of [[wake]] gives the agent more time"
            }
            Self::NoSuchTask { .. } => "answer a task once, and before its sender gives up",
            Self::NoSuchMessage { .. } => {
                "see `peer outbox --all` and `peer inbox`; what was settled long ago is forgotten"
            }
            Self::Ambiguous { .. } => "give more of the id",
            Self::Settled { .. } => {
                "see `peer trace <message>`; to have it sent once more, send it anew"
            }
            Self::KeyReused { .. } => {
                "use a new key for each request, and the same only to repeat it"
            }
            Self::NotKept { .. } => {
                "see `peer doctor`; make room in, or repair the permissions of, the data directory"
            }
            Self::Invalid { .. } => "correct it and try again",
            Self::Storage { .. } => {
                "make room in, or repair the permissions of, the data directory"
            }
            Self::Transfer(failure) => failure.next_step(),
            Self::Stopped => "start it again: `peer run`",
        }
    }

    /// The protocol's code, where it has one.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Transfer(failure) => failure.code(),
            Self::NotFound { .. } | Self::Registry { .. } => Some(ErrorCode::DhtError),
            _ => None,
        }
    }

    /// The message that it is about, if that can be followed.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Self::Unanswered { message_id, .. }
            | Self::Settled { message_id, .. }
            | Self::KeyReused { message_id } => Some(message_id),
            _ => None,
        }
    }

    /// The part of the text that may be in the words of the peer's node.
    #[must_use]
    pub fn peer_wrote(&self) -> Option<&str> {
        let part = match self {
            Self::Refused { detail, .. }
            | Self::Transfer(TransferFailure::Refused { code: Some(_), detail }) => detail,
            Self::Unreachable { reason, .. } => reason,
            // How far it got in this node's words, and then why it got no further.
            Self::Timeout { progress, .. } | Self::Unanswered { progress, .. } => {
                progress.split_once(": ")?.1
            }
            _ => return None,
        };
        Some(part).filter(|part| !part.is_empty())
    }

    /// The failure as plain data.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        Failure {
            kind: self.kind().to_owned(),
            code: self.code(),
            message_id: self.message_id().map(str::to_owned),
            detail: self.to_string(),
            peer_wrote: self.peer_wrote().map(Box::from),
            next: self.next_step().to_owned(),
        }
    }
}

/// Most candidates that an error names.
const MAX_LISTED: usize = 8;

fn listed(candidates: &[String]) -> String {
    let shown: Vec<&str> = candidates.iter().take(MAX_LISTED).map(String::as_str).collect();
    let more = if candidates.len() > MAX_LISTED { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
