//! What somebody waits for: on disk together with what was written beside it, and then reported.

use peer_protocol::delivery::Write;

use super::change::ROW_OVERHEAD;
use super::transfers::TransferWrite;

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Durable {
    /// About ordered messages.
    Delivery(Write),
    /// About a transfer.
    Transfer(TransferWrite),
}

impl Durable {
    /// Bytes of memory while it waits, about.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Delivery(write) => match write {
                Write::Accept(outgoing) => ROW_OVERHEAD + outgoing.message.body.len(),
                Write::Arrive(arrival) => ROW_OVERHEAD + arrival.message.body.len(),
                Write::MaySend { numbers, .. } => ROW_OVERHEAD + 8 * numbers.len(),
                Write::Take { messages, .. } => ROW_OVERHEAD + 208 * messages.len(),
                Write::Told { messages, .. } => ROW_OVERHEAD + 16 * messages.len(),
                Write::Stream { .. } | Write::Became { .. } | Write::Step { .. } => ROW_OVERHEAD,
            },
            Self::Transfer(write) => ROW_OVERHEAD + write.row.as_ref().map_or(0, Vec::len),
        }
    }
}

impl From<Write> for Durable {
    fn from(write: Write) -> Self {
        Self::Delivery(write)
    }
}
