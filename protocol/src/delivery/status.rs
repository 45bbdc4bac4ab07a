//! What is known of a message at its sender (§8.1), and the steps of its way.

use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;

/// What is known of an ordered message at its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// On disk here; certainly not sent.
    Queued,
    /// May have been sent.
    Sent,
    /// Durable at the receiver.
    Delivered,
    /// The receiving agent took it.
    Processed,
    /// Its time ran out, and it was certainly never sent.
    Expired,
    /// It may have been sent, and nobody can tell what became of it.
    Unknown,
    /// The receiver refused it for good.
    Failed {
        /// The protocol's code.
        code: ErrorCode,
        /// More, for people.
        detail: String,
    },
    /// It was cancelled, and was certainly never sent.
    Cancelled,
}

impl Status {
    /// Whether the sender is done with sending it.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Queued | Self::Sent)
    }

    /// Whether more can become known: a status never goes back.
    #[must_use]
    pub const fn may_become(&self, next: &Self) -> bool {
        match self {
            Self::Queued => !matches!(next, Self::Queued),
            Self::Sent => {
                !matches!(next, Self::Queued | Self::Sent | Self::Expired | Self::Cancelled)
            }
            Self::Delivered => matches!(next, Self::Processed),
            Self::Unknown => matches!(next, Self::Delivered | Self::Processed),
            Self::Processed | Self::Expired | Self::Failed { .. } | Self::Cancelled => false,
        }
    }
}

/// A step on the way of a message, for whoever asks where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Written to disk at its sender.
    Accepted,
    /// Given to the link with its receiver for the first time.
    GivenToLink,
    /// Sealed and handed to the carrier for the last time so far. Known until the node stops.
    Transmitted {
        /// How many times by then: 1 the first time.
        attempt: u32,
    },
    /// The receiver asked to wait.
    Paced {
        /// For how long, in milliseconds.
        retry_after_ms: u64,
    },
    /// Left at mailbox nodes.
    InMailbox {
        /// At how many.
        nodes: u8,
    },
    /// Its status became this.
    Became(Status),
    /// Written to disk at its receiver.
    Stored,
    /// Handed to an agent.
    Handed,
    /// Acknowledged by an agent.
    Taken,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By rows what a status may become, in the same order.
    #[test]
    fn a_status_never_goes_back() {
        let failed = Status::Failed { code: ErrorCode::InvalidState, detail: String::new() };
        let all = [
            Status::Queued,
            Status::Sent,
            Status::Delivered,
            Status::Processed,
            Status::Unknown,
            Status::Expired,
            failed,
            Status::Cancelled,
        ];
        let table = [
            "-sdpuxfc", // queued
            "--dpu-f-", // sent
            "---p----", // delivered
            "--------", // processed
            "--dp----", // unknown
            "--------", // expired
            "--------", // failed
            "--------", // cancelled
        ];
        for (status, row) in all.iter().zip(table) {
            let may = all.iter().map(|next| status.may_become(next));
            let expected: Vec<_> = row.chars().map(|letter| letter != '-').collect();
            assert_eq!(may.collect::<Vec<_>>(), expected, "{status:?}");
            let unsettled = matches!(status, Status::Queued | Status::Sent);
            assert_eq!(status.is_settled(), !unsettled, "{status:?}");
        }
    }
}
