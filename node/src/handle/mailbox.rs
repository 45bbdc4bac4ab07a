//! The mailbox, for other Rust programs.

use super::{Command, Handle};
use crate::error::NodeError;
use crate::model::MailboxStatus;

impl Handle {
    /// How the mailbox stands: what this node keeps for others, where its own messages wait, and what of
    /// its messages lies in others' mailboxes.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn mailbox(&self) -> Result<MailboxStatus, NodeError> {
        self.ask(|reply| Command::Mailbox { visit: false, reply }).await?
    }

    /// Looks for messages and receipts at the mailbox nodes now, and says how things stood before.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn fetch_mail(&self) -> Result<MailboxStatus, NodeError> {
        self.ask(|reply| Command::Mailbox { visit: true, reply }).await?
    }
}
