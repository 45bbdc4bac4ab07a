//! What goes into the mailbox's thread, and what comes out.

use bytes::Bytes;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Arrival;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::link::MailVerdict;
use peer_protocol::mailbox::{MailStatus, Opened, Prekey, Settlement, Waiting};
use peer_protocol::message::{Mailbox, MailboxResult};
use tokio::sync::oneshot;

use super::budget::Share;
use crate::model::MailboxStatus;

/// Who of this node asked a mailbox node for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    Receiver,
    Sender,
}

/// A message that came by mail, is the next of its sender, and is to be written.
#[derive(Debug)]
pub(crate) struct Taking {
    pub(crate) arrival: Box<Arrival>,
    /// What is to be written with it. To be handed back.
    pub(crate) settlement: Settlement,
}

/// Messages of this node to `peer` are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) peer: PublicKey,
    pub(crate) ids: Vec<MessageId>,
    /// Whether the receiver has them.
    pub(crate) taken: bool,
}

#[derive(Debug)]
pub(crate) enum Input {
    /// Another peer asks for something.
    Request {
        from: PublicKey,
        id: MessageId,
        request: Box<Mailbox>,
        /// Whether it may become an owner.
        serve: bool,
        /// What it takes of the memory for requests.
        share: Share,
    },
    /// A mailbox node has answered, or has not.
    Answer {
        asker: Asker,
        node: PublicKey,
        answer: Option<Box<MailboxResult>>,
    },
    /// Whether it is known where somebody's mailbox is.
    Where(PublicKey),
    /// These wait for somebody who cannot be reached.
    Waiting {
        peer: PublicKey,
        waiting: Waiting,
    },
    /// Somebody can be reached again.
    Reached(PublicKey),
    Settled(Settled),
    /// A signed record that was verified.
    Record(Bytes),
    /// What a link said of a message that came by mail.
    Verdict {
        sender: PublicKey,
        id: MessageId,
        verdict: MailVerdict,
    },
    /// Messages that came by mail, from somebody who is not trusted.
    Refused {
        sender: PublicKey,
        ids: Vec<MessageId>,
        code: ErrorCode,
    },
    /// A message that came by mail is the next.
    Arriving(Box<Arrival>),
    /// What was written with a message is on disk.
    Committed(Box<Settlement>),
    /// It is not.
    NotCommitted(Box<Settlement>),
    /// The agent took messages.
    Processed {
        sender: PublicKey,
        ids: Vec<MessageId>,
    },
    /// The operator wants it looked at now.
    Visit,
    Status(oneshot::Sender<MailboxStatus>),
    /// Writes what is left, and ends.
    Stop(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(crate) enum Output {
    /// What another peer asked for.
    Reply { to: PublicKey, in_reply_to: MessageId, answer: Box<MailboxResult>, share: Share },
    /// Ask a mailbox node for something, and say what came of it.
    Ask { asker: Asker, node: PublicKey, request: Box<Mailbox> },
    /// Mail: give it to the link of its sender.
    Mail(Box<Opened>),
    /// Write this, and say what came of it.
    Take(Box<Taking>),
    /// It is not known where somebody's mailbox is.
    Find(PublicKey),
    /// The prekey that goes into the registry record from now on.
    Publish(Prekey),
    /// It is known where somebody's mailbox is.
    Place(PublicKey),
    /// Messages of this node lie at so many mailbox nodes of their receiver.
    InMailbox { ids: Vec<MessageId>, nodes: u8 },
    /// A receiver's word on messages of this node.
    Receipt { peer: PublicKey, ids: Vec<MessageId>, status: MailStatus, code: Option<ErrorCode> },
}
