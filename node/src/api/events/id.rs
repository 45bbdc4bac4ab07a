//! How events are named: by the run of the node that they are of, and a number.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The name of an event, such as `3f9c01d2-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventId {
    /// Another one each time that the node starts.
    pub(super) run: u32,
    /// Counts from 1; 0 comes before the first.
    pub(super) number: u64,
}

/// The text names no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`Last-Event-ID` names no event: expected the id of one, such as 3f9c01d2-17")]
pub(super) struct BadEventId;

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let (run, number) = text.split_once('-').ok_or(BadEventId)?;
        let digits = |text: &str, most| text.len() <= most && !text.starts_with('+');
        if run.len() != 8 || !digits(run, 8) || !digits(number, 20) {
            return Err(BadEventId);
        }
        let run = u32::from_str_radix(run, 16).map_err(|_| BadEventId)?;
        Ok(Self { run, number: number.parse().map_err(|_| BadEventId)? })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for id in [EventId { run: 1, number: 0 }, EventId { run: u32::MAX, number: u64::MAX }] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "-", "1-1", "00000001", "00000001-", "0000000g-1", "+0000001-1"] {
            assert_eq!(text.parse::<EventId>(), Err(BadEventId), "{text}");
        }
        for text in ["00000001-+1", "00000001--1", "00000001-1-1", "00000001-18446744073709551616"]
        {
            assert_eq!(text.parse::<EventId>(), Err(BadEventId), "{text}");
        }
    }
}
