//! What the owner provides for peers that are not on libp2p (`docs/PROTOCOL.md` §13.8).

use std::net::IpAddr;

use futures::future::BoxFuture;
use libp2p_core::PeerId;
use peer_protocol::identity::EntityId;
use peer_protocol::legacy::Message;
use thiserror::Error;
use tokio::sync::oneshot;

/// Carries messages to peers otherwise than over libp2p, such as over HTTP.
pub trait Courier: Send + Sync {
    /// Brings one message to `peer`, and its answer back: a message, or nothing. It is polled by the
    /// swarm's task, and should give up by itself within a few seconds.
    fn carry(&self, peer: PeerId, message: Vec<u8>) -> BoxFuture<'static, Carried>;
}

/// What a [`Courier`] brings back.
pub type Carried = Result<Vec<u8>, CarryError>;

/// Why a message got no answer that its peer signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CarryError {
    /// It never left.
    #[error("{reason}")]
    Unsent {
        /// Why.
        reason: String,
    },
    /// It may have arrived.
    #[error("{reason}")]
    Lost {
        /// What happened.
        reason: String,
    },
    /// What stands in front of the peer refused it.
    #[error("{reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
}

/// What the operator has said of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// What it is called, for as long as it has not said so itself.
    pub entity: Option<EntityId>,
    /// Whether the [`Courier`] reaches it.
    pub by_courier: bool,
    /// Whether messages travel without a session, as long as the peer opens none.
    pub sessionless: bool,
}

/// A request that came in otherwise than over libp2p.
#[derive(Debug)]
pub struct Call {
    /// Who signed it: the caller of [`Behaviour::call`](super::Behaviour::call) has verified the signature
    /// under this peer's key.
    pub peer: PeerId,
    /// Where it came from.
    pub from: IpAddr,
    /// The message.
    pub message: Box<Message>,
    /// Where the answer goes: a message, or nothing. Dropped if there is to be no answer.
    pub answer: oneshot::Sender<Vec<u8>>,
}
