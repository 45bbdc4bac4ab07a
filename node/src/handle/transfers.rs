//! Files, through a handle.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Command, Handle, Outgoing, Reply, outgoing};
use crate::error::NodeError;
use crate::model::{FileToSend, TransferStatus};

/// What is asked about transfers.
#[derive(Debug)]
pub(crate) enum TransferCommand {
    Send(Outgoing<FileToSend>, Reply<TransferStatus>),
    List(oneshot::Sender<Vec<TransferStatus>>),
    Show(String, Reply<TransferStatus>),
    Cancel(String, Reply<TransferStatus>),
    Retry(String, Reply<TransferStatus>),
}

impl Handle {
    /// Sends a file to `peer`. Returns once it is noted that it will be; the node then sends it, across
    /// lost connections and restarts of either side. `timeout` is for finding the peer.
    ///
    /// # Errors
    /// [`NodeError`] if the peer is unknown, or the file cannot be read.
    pub async fn send_file(
        &self,
        peer: &str,
        file: FileToSend,
        timeout: Duration,
    ) -> Result<TransferStatus, NodeError> {
        let send = outgoing(peer, timeout, file);
        self.ask(|reply| Command::Transfer(TransferCommand::Send(send, reply))).await?
    }

    /// All transfers, those that ended lately included; the oldest first.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn transfers(&self) -> Result<Vec<TransferStatus>, NodeError> {
        self.ask(|reply| Command::Transfer(TransferCommand::List(reply))).await
    }

    /// One transfer, by its id or at least four characters that only it begins with.
    ///
    /// # Errors
    /// [`NodeError::Transfer`] if there is none.
    pub async fn transfer(&self, id: &str) -> Result<TransferStatus, NodeError> {
        let id = id.to_owned();
        self.ask(|reply| Command::Transfer(TransferCommand::Show(id, reply))).await?
    }

    /// Gives a transfer up, whichever way it goes.
    ///
    /// # Errors
    /// [`NodeError::Transfer`] if there is none, or it is over.
    pub async fn cancel_transfer(&self, id: &str) -> Result<TransferStatus, NodeError> {
        let id = id.to_owned();
        self.ask(|reply| Command::Transfer(TransferCommand::Cancel(id, reply))).await?
    }

    /// Sends a file once more that failed or was cancelled, as a new transfer.
    ///
    /// # Errors
    /// [`NodeError::Transfer`] if it cannot be.
    pub async fn retry_transfer(&self, id: &str) -> Result<TransferStatus, NodeError> {
        let id = id.to_owned();
        self.ask(|reply| Command::Transfer(TransferCommand::Retry(id, reply))).await?
    }
}
