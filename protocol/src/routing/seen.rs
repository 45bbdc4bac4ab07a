//! Packets that were here before (§12.6). Together with the hop limit this ends every loop.

use hashlink::LinkedHashMap;

use super::{Header, PacketId};
use crate::limits::{MAX_SEEN_PACKETS, PACKET_MEMORY};
use crate::time::Instant;

/// The packets carried lately, oldest first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    packets: LinkedHashMap<(PacketId, [u8; 32]), Instant>,
}

impl Seen {
    pub(super) fn contains(&self, header: &Header) -> bool {
        self.packets.contains_key(&key(header))
    }

    pub(super) fn insert(&mut self, header: &Header, now: Instant) {
        self.packets.insert(key(header), now);
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

/// Two origins may choose the same id, or pretend to.
fn key(header: &Header) -> (PacketId, [u8; 32]) {
    (header.id, *header.origin.as_bytes())
}
