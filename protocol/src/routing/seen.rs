//! Packets that were here before (§12.6). Together with the hop limit this ends every loop.

use hashlink::LinkedHashMap;

use super::Mark;
use crate::limits::{MAX_SEEN_PACKETS, PACKET_MEMORY};
use crate::time::Instant;

/// The packets carried lately, oldest first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    packets: LinkedHashMap<Mark, Instant>,
}

impl Seen {
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        self.packets.contains_key(mark)
    }

    pub(super) fn insert(&mut self, mark: Mark, now: Instant) {
        self.packets.insert(mark, now);
        let over = |since: Instant| now.since(since) >= PACKET_MEMORY;
        while self.packets.len() > MAX_SEEN_PACKETS
            || self.packets.front().is_some_and(|(_, since)| over(*since))
        {
            self.packets.pop_front();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }
}
