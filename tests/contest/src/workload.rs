//! The work that all contestants do.

use std::fmt;

use clap::ValueEnum;

/// The work of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// 64 bytes asked and answered, one after the other.
    #[value(name = "ask-64")]
    Ask64,
    /// The same with 1 KiB.
    #[value(name = "ask-1k")]
    Ask1k,
    /// 1 KiB, 64 in flight, each acknowledged.
    #[value(name = "flow-1k")]
    Flow1k,
    /// 256 KiB, four in flight, each acknowledged.
    #[value(name = "bulk-256k")]
    Bulk256k,
    /// 1 MiB, four in flight, each acknowledged.
    #[value(name = "bulk-1m")]
    Bulk1m,
    /// Connecting, asking 64 bytes and closing, one after the other.
    #[value(name = "connect")]
    Connect,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ask64, Self::Ask1k, Self::Flow1k, Self::Bulk256k, Self::Bulk1m, Self::Connect];

    /// Bytes in a payload.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Ask64 | Self::Connect => 64,
            Self::Ask1k | Self::Flow1k => 1 << 10,
            Self::Bulk256k => 256 << 10,
            Self::Bulk1m => 1 << 20,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => Ok(()),
        }
    }
}
