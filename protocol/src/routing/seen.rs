//! Packets that were here before (§12.6). Together with the hop limit this ends every loop.

use hashlink::LinkedHashMap;

use super::Header;
use super::PacketId;
use crate::crypto::PublicKey;
use crate::limits::{MAX_SEEN_PACKETS, PACKET_MEMORY};
use crate::time::Instant;

/// The packets carried lately, oldest first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    packets: LinkedHashMap<(PacketId, PublicKey), Instant>,
}

impl Seen {
    pub(super) fn contains(&self, header: &Header) -> bool {
        self.packets.contains_key(&(header.id, header.origin))
    }

    pub(super) fn insert(&mut self, header: &Header, now: Instant) {
        self.packets.insert((header.id, header.origin), now);
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
