//! What somebody waits for: on disk together with what was written beside it, and then reported.

use peer_protocol::delivery::Write;
use peer_protocol::mailbox;

use super::change::ROW_OVERHEAD;
use super::transfers::TransferWrite;

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Durable {
    /// About ordered messages.
    Delivery(Write),
    /// About a transfer.
    Transfer(TransferWrite),
    /// The arrival of a message, and the row of its content, which is written only if the message is stored.
    Content(Write, TransferWrite),
    /// The arrival of a message that came by mail, what is written only if that is, and the row of its
    /// content, as with [`Durable::Content`].
    Mail(Write, Vec<mailbox::Change>, Option<TransferWrite>),
}

impl Durable {
    /// Bytes of memory while it waits, about.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Transfer(write) => ROW_OVERHEAD + write.row.as_ref().map_or(0, Vec::len),
            Self::Mail(write, changes, _) => {
                let len = |change: &mailbox::Change| {
                    ROW_OVERHEAD + change.value.as_ref().map_or(0, |value| value.len())
                };
                len_of(write) + changes.iter().map(len).sum::<usize>()
            }
            Self::Content(write, row) => {
                len_of(write) + ROW_OVERHEAD + row.row.as_ref().map_or(0, Vec::len)
            }
            Self::Delivery(write) => len_of(write),
        }
    }
}

fn len_of(write: &Write) -> usize {
    match write {
        Write::Accept(outgoing) => ROW_OVERHEAD + outgoing.message.body.len(),
        Write::Arrive(arrival) => ROW_OVERHEAD + arrival.message.body.len(),
        Write::MaySend { numbers, .. } => ROW_OVERHEAD + 8 * numbers.len(),
        Write::Take { messages, .. } => ROW_OVERHEAD + 208 * messages.len(),
        Write::Told { messages, .. } => ROW_OVERHEAD + 16 * messages.len(),
        Write::Stream { .. } | Write::Became { .. } | Write::Step { .. } => ROW_OVERHEAD,
    }
}

impl From<Write> for Durable {
    fn from(write: Write) -> Self {
        Self::Delivery(write)
    }
}
