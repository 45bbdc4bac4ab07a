//! Why a message has come no further, in the words that people read.

use std::fmt;
use std::time::Duration;

/// Why a message has come no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitsFor {
    /// There is no connection to its receiver.
    Connection {
        /// Why the last attempt failed, if there was one.
        last_error: Option<String>,
    },
    /// There is a connection, and no session yet.
    Session {
        /// Why the last handshake failed, if there was one.
        last_error: Option<String>,
    },
    /// Others go before it.
    Others {
        /// How many.
        ahead: u64,
    },
    /// Its receiver asked to wait.
    Pause {
        /// For how much longer.
        left: Duration,
    },
    /// Its content goes ahead of it.
    Content {
        /// How much of it has arrived, in percent.
        percent: u8,
    },
    /// It was sent, and no receipt has come.
    Receipt,
    /// It lies at mailbox nodes until its receiver fetches it.
    Mailboxes {
        /// At how many.
        nodes: u8,
    },
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { last_error: None } => f.write_str("no connection"),
            Self::Connection { last_error: Some(error) } => write!(f, "no connection: {error}"),
            Self::Session { last_error: None } => f.write_str("no session yet"),
            Self::Session { last_error: Some(error) } => write!(f, "no session yet: {error}"),
            Self::Others { ahead: 1 } => f.write_str("behind 1 other"),
            Self::Others { ahead } => write!(f, "behind {ahead} others"),
            Self::Pause { left } => {
                // Rounded up: the peer is not asked before its time.
                let seconds = left.as_millis().div_ceil(1000);
                write!(f, "asked to wait {seconds} s")
            }
            Self::Content { percent } => write!(f, "its content is being transferred: {percent} %"),
            Self::Receipt => f.write_str("sent, no receipt yet"),
            Self::Mailboxes { nodes: 1 } => f.write_str("in 1 mailbox"),
            Self::Mailboxes { nodes } => write!(f, "in {nodes} mailboxes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_plain_words() {
        let refused = Some("connection refused".to_owned());
        for (reason, words) in [
            (WaitsFor::Connection { last_error: None }, "no connection"),
            (
                WaitsFor::Connection { last_error: refused.clone() },
                "no connection: connection refused",
            ),
            (WaitsFor::Session { last_error: refused }, "no session yet: connection refused"),
            (WaitsFor::Others { ahead: 1 }, "behind 1 other"),
            (WaitsFor::Others { ahead: 12 }, "behind 12 others"),
            (WaitsFor::Pause { left: Duration::from_millis(11_001) }, "asked to wait 12 s"),
            (WaitsFor::Content { percent: 34 }, "its content is being transferred: 34 %"),
            (WaitsFor::Receipt, "sent, no receipt yet"),
            (WaitsFor::Mailboxes { nodes: 3 }, "in 3 mailboxes"),
        ] {
            assert_eq!(reason.to_string(), words);
        }
    }
}
