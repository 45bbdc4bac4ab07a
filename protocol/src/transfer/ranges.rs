//! Which bytes of a payload are there.

use std::collections::BTreeMap;

/// What became of a range that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    New,
    /// All of it was there.
    Repeated,
    /// A part of it was there.
    Overlaps,
}

/// Ranges of bytes that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// End by start.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// The first `len` bytes.
    pub(super) fn first(len: u64) -> Self {
        let ends = if len == 0 { BTreeMap::new() } else { BTreeMap::from([(0, len)]) };
        Self { ends }
    }

    /// Adds `start..end`, which is not empty, unless some of it is there.
    pub(super) fn add(&mut self, start: u64, end: u64) -> Added {
        let before = self.ends.range(..=start).next_back().map(|(start, end)| (*start, *end));
        let after = self.ends.range(start..).next().map(|(start, end)| (*start, *end));
        if let Some((_, covered)) = before
            && covered > start
        {
            return if covered >= end { Added::Repeated } else { Added::Overlaps };
        }
        if after.is_some_and(|(next, _)| next < end) {
            return Added::Overlaps;
        }
        let joins = before.filter(|(_, covered)| *covered == start).map(|(begin, _)| begin);
        let mut end = end;
        if let Some((next, until)) = after
            && next == end
        {
            self.ends.remove(&next);
            end = until;
        }
        self.ends.insert(joins.unwrap_or(start), end);
        Added::New
    }

    /// Where the bytes end that are there without a gap from the beginning.
    pub(super) fn contiguous(&self) -> u64 {
        match self.ends.first_key_value() {
            Some((0, end)) => *end,
            Some(_) | None => 0,
        }
    }

    /// How many ranges there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }
}
