//! Exit codes: part of the interface, so that scripts can tell failures apart.

use std::process::ExitCode;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    NoNode = 3,
    Unreachable = 4,
    Timeout = 5,
    Refused = 6,
    Config = 7,
    InUse = 8,
    Limit = 9,
    Undelivered = 10,
}

/// The table as `peer --help` shows it.
pub(super) const TABLE: &str = "\
Exit codes:
  0  done
  1  failed, or the peer's agent could not do it
  2  wrong usage: an argument or address that makes no sense
  3  no node runs on the data directory, or it has stopped
  4  the peer is unknown, cannot be reached, or is not alive
  5  timed out
  6  refused, by the peer or by this node's trust rules
  7  configuration, key, trust list or data directory unusable; a key exists already
  8  address, socket or data directory in use
  9  too large, or the queue is full
 10  not delivered: its time ran out, or it did not come as far as was required in time";

impl Exit {
    /// The code of a failure of this kind.
    pub(crate) fn of_kind(kind: &str) -> Self {
        match kind {
            "invalid" | "bad_address" | "usage" | "ambiguous" => Self::Usage,
            "no_node" | "stopped" => Self::NoNode,
            "unknown_peer" | "not_found" | "unreachable" => Self::Unreachable,
            "timeout" | "silent" => Self::Timeout,
            "refused" => Self::Refused,
            "config" | "no_key" | "key_exists" | "key_exposed" | "bad_key" | "trust_file"
            | "registry_file" | "store" | "not_kept" | "data_dir" | "socket" => Self::Config,
            "in_use" | "listen" => Self::InUse,
            "too_large" | "queue_full" => Self::Limit,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_code_once() {
        let codes: Vec<u8> = TABLE
            .lines()
            .filter_map(|line| line.trim_start().split("  ").next()?.parse().ok())
            .collect();
        assert_eq!(codes, (0..=Exit::Undelivered as u8).collect::<Vec<_>>());
    }
}
