//! What the gateway asks of the node.

use std::time::Duration;

use peer_behaviours::legacy::Call;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::SessionId;
use peer_protocol::identity::EntityId;
use peer_protocol::message::{Body, Task};
use tokio::sync::{mpsc, oneshot};

use super::{Command, Handle, Reply};
use crate::error::NodeError;
use crate::events::EventSource;
use crate::model::Answer;

/// What the gateway asks of the event loop.
#[derive(Debug)]
pub(crate) enum GatewayCommand {
    /// Whose version 1.0 session this is.
    SessionKey(SessionId, oneshot::Sender<Option<PublicKey>>),
    /// A request of a version 1.0 peer whose signature holds.
    Call(Call),
    /// Asks a version 1.0 peer for another entity.
    Ask(Asked, Reply<Answer>),
    /// Tells a version 1.0 peer what another entity says.
    Say(Box<Said>, Reply<()>),
}

/// A question to a version 1.0 peer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) peer: EntityId,
    /// Who asks.
    pub(crate) from: EntityId,
    pub(crate) task: Task<'static>,
    pub(crate) timeout: Duration,
}

/// Something for a version 1.0 peer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) key: PublicKey,
    /// Who says it.
    pub(crate) from: EntityId,
    pub(crate) body: Body<'static>,
    /// What the peer calls the message that this answers.
    pub(crate) in_reply_to: Option<String>,
}

/// A handle that does not keep the node running.
#[derive(Debug, Clone)]
pub(crate) struct WeakHandle {
    commands: mpsc::WeakSender<Command>,
    events: EventSource,
}

impl WeakHandle {
    pub(crate) fn new(commands: &mpsc::Sender<Command>, events: EventSource) -> Self {
        Self { commands: commands.downgrade(), events }
    }

    /// The handle, while the node runs.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub(crate) fn handle(&self) -> Result<Handle, NodeError> {
        let commands = self.commands.upgrade().ok_or(NodeError::Stopped)?;
        Ok(Handle::new(commands, self.events.clone()))
    }
}

impl Handle {
    pub(crate) async fn session_key(
        &self,
        session: SessionId,
    ) -> Result<Option<PublicKey>, NodeError> {
        self.ask(|reply| Command::Gateway(GatewayCommand::SessionKey(session, reply))).await
    }

    /// Hands over a request; its answer goes where the request says.
    pub(crate) async fn call(&self, call: Call) -> Result<(), NodeError> {
        let command = Command::Gateway(GatewayCommand::Call(call));
        self.commands.send(command).await.map_err(|_| NodeError::Stopped)
    }

    pub(crate) async fn ask_legacy(&self, asked: Asked) -> Result<Answer, NodeError> {
        self.ask(|reply| Command::Gateway(GatewayCommand::Ask(asked, reply))).await?
    }

    pub(crate) async fn say_legacy(&self, said: Said) -> Result<(), NodeError> {
        self.ask(|reply| Command::Gateway(GatewayCommand::Say(Box::new(said), reply))).await?
    }
}
