//! Outbox, inbox and traces, through a handle.

use super::{Command, Handle, Reply};
use crate::error::NodeError;
use crate::model::{
    Acknowledged, IdPrefix, InboxFilter, InboxId, InboxLine, Incoming, OutboxFilter, OutboxLine,
    OutboxMessage, Page, Retried, Trace,
};

/// Most messages of one acknowledgement.
pub(crate) const MAX_ACKNOWLEDGED: usize = 1000;

/// What is asked about messages that are kept.
#[derive(Debug)]
pub(crate) enum DeliveryCommand {
    Outbox(OutboxFilter, Reply<Page<OutboxLine>>),
    OutboxMessage(IdPrefix, Reply<OutboxMessage>),
    Cancel(IdPrefix, Reply<OutboxLine>),
    Retry(IdPrefix, Reply<OutboxLine>),
    RetryPeer(String, Reply<Retried>),
    Inbox(InboxFilter, Reply<Page<InboxLine>>),
    InboxMessage(InboxId, Reply<Incoming>),
    /// Answered once it is on disk.
    Acknowledge(Vec<InboxId>, Reply<Acknowledged>),
    Trace(IdPrefix, Reply<Trace>),
}

/// Messages are named by id, or by the first four or more hexadecimal digits of it; in the inbox also by
/// number, as `n17`.
///
/// # Errors
/// Each may fail with [`NodeError::Invalid`] if the name is none, [`NodeError::NoSuchMessage`],
/// [`NodeError::Ambiguous`] with those that begin so, [`NodeError::NotKept`] if the disk fails, and
/// [`NodeError::Stopped`].
impl Handle {
    /// What waits to be sent, and if the filter says so what was settled lately.
    ///
    /// # Errors
    /// [`NodeError::UnknownPeer`]; [`NodeError::Invalid`] if the limit is out of range.
    pub async fn outbox(&self, filter: OutboxFilter) -> Result<Page<OutboxLine>, NodeError> {
        check_limit(filter.limit, OutboxFilter::MAX_LIMIT)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::Outbox(filter, reply))).await?
    }

    /// A message of the outbox, with what it says.
    ///
    /// # Errors
    /// As said above.
    pub async fn outbox_message(&self, id: &str) -> Result<OutboxMessage, NodeError> {
        let id = prefix(id)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::OutboxMessage(id, reply))).await?
    }

    /// Sends a message no more. What has certainly not been sent is then `cancelled`; of what may have been,
    /// nobody can tell: `unknown`.
    ///
    /// # Errors
    /// [`NodeError::Settled`] if it has come further, or to its end, already.
    pub async fn cancel(&self, id: &str) -> Result<OutboxLine, NodeError> {
        let id = prefix(id)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::Cancel(id, reply))).await?
    }

    /// Tries a message, and those before it, again at once: pauses are over, and its receiver is dialled.
    ///
    /// # Errors
    /// [`NodeError::Settled`] if there is nothing to try any more.
    pub async fn retry(&self, id: &str) -> Result<OutboxLine, NodeError> {
        let id = prefix(id)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::Retry(id, reply))).await?
    }

    /// Tries all that waits for `peer` again at once.
    ///
    /// # Errors
    /// [`NodeError::UnknownPeer`].
    pub async fn retry_peer(&self, peer: &str) -> Result<Retried, NodeError> {
        let peer = peer.to_owned();
        self.ask(|reply| Command::Delivery(DeliveryCommand::RetryPeer(peer, reply))).await?
    }

    /// What waits for the agent. Looking at it hands nothing over.
    ///
    /// # Errors
    /// [`NodeError::UnknownPeer`]; [`NodeError::Invalid`] if the limit is out of range.
    pub async fn inbox(&self, filter: InboxFilter) -> Result<Page<InboxLine>, NodeError> {
        check_limit(filter.limit, InboxFilter::MAX_LIMIT)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::Inbox(filter, reply))).await?
    }

    /// A message of the inbox. Looking at it hands nothing over.
    ///
    /// # Errors
    /// As said above.
    pub async fn inbox_message(&self, id: &str) -> Result<Incoming, NodeError> {
        let id = inbox_id(id)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::InboxMessage(id, reply))).await?
    }

    /// Tells that the agent took messages: they leave the inbox, and their senders are told `processed`.
    /// Returns once that is on disk. At most 1000 at once.
    ///
    /// # Errors
    /// [`NodeError::Ambiguous`]; then nothing was acknowledged. A message that is not there is no error.
    pub async fn acknowledge(&self, ids: Vec<String>) -> Result<Acknowledged, NodeError> {
        if ids.is_empty() || ids.len() > MAX_ACKNOWLEDGED {
            let count = ids.len();
            let detail =
                format!("{count} messages to acknowledge: expected 1 to {MAX_ACKNOWLEDGED}");
            return Err(NodeError::Invalid { detail });
        }
        let ids = ids.iter().map(|id| inbox_id(id)).collect::<Result<Vec<_>, _>>()?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::Acknowledge(ids, reply))).await?
    }

    /// The way of a message, sent or received, as far as this node knows it.
    ///
    /// # Errors
    /// As said above.
    pub async fn trace(&self, id: &str) -> Result<Trace, NodeError> {
        let id = prefix(id)?;
        self.ask(|reply| Command::Delivery(DeliveryCommand::Trace(id, reply))).await?
    }
}

fn prefix(text: &str) -> Result<IdPrefix, NodeError> {
    text.parse().map_err(|error: crate::model::BadMessageName| invalid(&error))
}

fn inbox_id(text: &str) -> Result<InboxId, NodeError> {
    text.parse().map_err(|error: crate::model::BadMessageName| invalid(&error))
}

fn invalid(error: &impl ToString) -> NodeError {
    NodeError::Invalid { detail: error.to_string() }
}

fn check_limit(limit: usize, most: usize) -> Result<(), NodeError> {
    if (1..=most).contains(&limit) {
        return Ok(());
    }
    Err(NodeError::Invalid { detail: format!("a limit of {limit}: expected 1 to {most}") })
}
