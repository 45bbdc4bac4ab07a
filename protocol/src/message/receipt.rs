//! `receipt`: what became of messages, told honestly (§8.3).

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::cbor::text_enum;
use crate::id::MessageId;
use crate::limits::MAX_BATCH;

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// The receiving node holds it in memory; a crash there would lose it.
    Received,
    /// It is durable at the receiver.
    Delivered,
    /// The receiving agent took it.
    Processed,
}

text_enum!(ReceiptStatus {
    Received = "received",
    Delivered = "delivered",
    Processed = "processed",
});

/// Acknowledges messages. With no ids it only answers an envelope that holds nothing to acknowledge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// How far they have come.
    pub status: ReceiptStatus,
    /// The messages.
    pub message_ids: Vec<MessageId>,
}

impl Receipt {
    pub(super) const fn check(&self) -> Result<(), BodyError> {
        let len = self.message_ids.len();
        if len > 2 * MAX_BATCH {
            return Err(BodyError::Field {
                field: "message_ids",
                len,
                limit: 2 * MAX_BATCH,
                unit: "entries",
            });
        }
        Ok(())
    }
}
