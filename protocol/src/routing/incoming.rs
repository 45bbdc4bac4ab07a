//! What neighbours bring: packets for this node, and packets to carry (§12.6, §12.7). What is cheap to
//! check is checked first, and what is refused costs nobody a token.

use super::arrivals::Arrived;
use super::choice::next_hop;
use super::event::{Event, ExchangeId, Transmit};
use super::router::Router;
use super::transit::{Source, Transit};
use super::{Header, Outcome, Packet, Reason, Refusal};
use crate::crypto::PublicKey;
use crate::limits::{
    MAX_CARRIED_BYTES, MAX_ENVELOPE_LEN, MAX_HOPS, MAX_PACKETS, MAX_PACKETS_PER_NEIGHBOUR,
};
use crate::rate_limit::RateLimited;
use crate::time::Now;

impl Router {
    /// A packet for this node.
    pub(super) fn take_in(
        &mut self,
        neighbour: PublicKey,
        exchange: ExchangeId,
        packet: Packet,
        now: Now,
    ) -> Result<(), Refusal> {
        if !packet.header.is_alive(now.timestamp) {
            return Err(Reason::Expired.into());
        }
        let len = packet.envelope.len();
        self.accounts.bring(neighbour, len, now.instant).map_err(rate_limited)?;
        match self.arrivals.take_in(packet.mark(), neighbour, exchange, now.instant) {
            Arrived::New(arrival) => {
                let Packet { header: Header { origin, .. }, envelope } = packet;
                self.events.push_back(Event::Arrived { arrival, origin, neighbour, envelope });
            }
            Arrived::Joined => {}
            Arrived::Known(envelope) => {
                let outcome = Outcome::Answered { hops: 1, envelope };
                self.transmits.push_back(Transmit::Outcome { exchange, outcome });
            }
            Arrived::Refused(reason) => return Err(reason.into()),
        }
        Ok(())
    }

    /// A packet for somebody else.
    pub(super) fn carry(
        &mut self,
        neighbour: PublicKey,
        exchange: ExchangeId,
        mut packet: Packet,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.config.carry {
            return Err(Reason::NotCarrying.into());
        }
        if !packet.header.is_alive(now.timestamp) {
            return Err(Reason::Expired.into());
        }
        let mark = packet.mark();
        if packet.header.origin == self.own || self.seen.contains(&mark) {
            return Err(Reason::Seen.into());
        }
        let left = packet.header.hop_limit.saturating_sub(1);
        if left == 0 || left >= MAX_HOPS {
            return Err(Reason::HopLimit.into());
        }
        let len = packet.envelope.len();
        if len > MAX_ENVELOPE_LEN {
            return Err(Reason::TooLarge.into());
        }
        let of_neighbour = |transit: &&Transit| matches!(&transit.source, Source::Neighbour { key, .. } if *key == neighbour);
        if self.transits.len() - self.own_transits >= MAX_PACKETS
            || self.carried_bytes + len > MAX_CARRIED_BYTES
            || self.transits.values().filter(of_neighbour).count() >= MAX_PACKETS_PER_NEIGHBOUR
        {
            return Err(Reason::Busy.into());
        }
        packet.header.hop_limit = left;
        let destination = packet.header.destination;
        let transit =
            Transit::new(Source::Neighbour { key: neighbour, exchange }, packet, now.instant);
        let skip = |key: &PublicKey| transit.rules_out(key);
        if next_hop(&self.neighbours, &self.routes, &destination, now.instant, skip).is_none() {
            return Err(Reason::NoRoute.into());
        }
        // The first try is paid for here, so that a packet that is refused for the rate may come again.
        self.accounts.carry(neighbour, len, now.instant).map_err(rate_limited)?;
        self.seen.insert(mark, now.instant);
        let number = self.insert(transit);
        self.advance(number, now.instant);
        Ok(())
    }
}

fn rate_limited(limited: RateLimited) -> Refusal {
    Refusal { reason: Reason::RateLimited, retry_after: Some(limited.retry_after) }
}
