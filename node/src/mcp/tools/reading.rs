//! Messages of the inbox as a model reads them.

use peer_protocol::message::Purpose;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::time;
use crate::mcp::content::{PeerWrote, trust};
use crate::model::{
    InboxId, Incoming, IncomingKind, TransferDirection, TransferState, TransferStatus,
};

/// What is in the inbox.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::mcp) struct InboxRead {
    /// The messages, the oldest first.
    pub(super) messages: Vec<MessageRead>,
    /// There is more: read again with this as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_after: Option<u64>,
    /// Files that came in lately, the newest first. They stay listed for a while, and want no acknowledgement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) received_files: Vec<FileRead>,
}

/// A file that came in whole.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct FileRead {
    /// Who sent it.
    from: String,
    /// Where it lies on this machine.
    path: String,
    /// Bytes in it.
    size: u64,
    /// When it was complete.
    received_at: String,
    peer_wrote: PeerWrote,
}

/// A transfer, if it is a file that came in whole.
pub(super) fn file(transfer: TransferStatus) -> Option<FileRead> {
    let came = transfer.direction == TransferDirection::Incoming
        && transfer.state == TransferState::Complete;
    let path = transfer.path.filter(|_| came && transfer.purpose == Purpose::File)?;
    Some(FileRead {
        from: transfer.peer.to_string(),
        path,
        size: transfer.size,
        received_at: time(transfer.updated),
        peer_wrote: PeerWrote { file_name: transfer.name, ..PeerWrote::default() },
    })
}

/// A message that came in.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct MessageRead {
    /// What to call it in acknowledge and answer_task.
    pub(super) message: String,
    /// Its id.
    message_id: String,
    /// `task`, `status_report`, `wake_up`, `answer` or `file`.
    kind: &'static str,
    /// Whether it is a task, which wants answer_task; all else wants acknowledge.
    needs_answer: bool,
    /// Who sent it.
    from: String,
    /// How the sender is known: `pinned` (the user compared the key), `seen`, `revoked` or `none`.
    trust: &'static str,
    /// Whether it came end-to-end encrypted.
    encrypted: bool,
    /// When it came.
    received_at: String,
    /// Whether an agent that listens here now was handed it, too.
    handed_to_listener: bool,
    /// Whether it stays in the inbox until it is acknowledged; otherwise this was the only time it is told.
    kept: bool,
    /// Of an answer: the message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
    /// Of an answer: whether the peer's agent did what it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    /// Of a file: where it lies on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_path: Option<String>,
    /// Of a file: bytes in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
    peer_wrote: PeerWrote,
}

impl MessageRead {
    /// A message, from `offset` on at most so many characters of its content.
    pub(super) fn new(message: Incoming, handed: bool, offset: usize, most: usize) -> Self {
        let number = message.inbox_number.map(|number| InboxId::Number(number).to_string());
        Self {
            message: number.unwrap_or_else(|| message.message_id.clone()),
            message_id: message.message_id.clone(),
            kind: message.kind.as_str(),
            needs_answer: message.kind == IncomingKind::Task,
            from: message.from.to_string(),
            trust: trust(message.trust),
            encrypted: message.encrypted,
            received_at: time(message.received_at),
            handed_to_listener: handed,
            kept: message.inbox_number.is_some(),
            in_reply_to: message.in_reply_to.clone(),
            done: message.done,
            file_path: message.file.as_ref().map(|file| file.path.clone()),
            file_size: message.file.as_ref().map(|file| file.size),
            peer_wrote: PeerWrote::message(message, offset, most),
        }
    }

    /// Characters of its content.
    pub(super) fn len(&self) -> usize {
        self.peer_wrote.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fake::transfers::transfer;

    #[test]
    fn only_files_that_came_in_whole_are_listed() {
        let came = |state| TransferStatus {
            direction: TransferDirection::Incoming,
            ..transfer("a\u{202e}.bin", state)
        };
        let listed = file(came(TransferState::Complete)).unwrap();
        assert_eq!((listed.from.as_str(), listed.size), ("entity_b", 3 << 20));
        assert_eq!(listed.peer_wrote.file_name.as_deref(), Some("a\u{202e}.bin"));
        assert!(file(came(TransferState::Running)).is_none());
        assert!(file(transfer("a.bin", TransferState::Complete)).is_none());
        let content = TransferStatus { purpose: Purpose::Content, ..came(TransferState::Complete) };
        assert!(file(content).is_none());
    }
}
