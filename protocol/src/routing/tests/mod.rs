//! The router alone, one packet at a time. Whole networks are simulated in the workspace's tests.

mod arrivals;
mod bounds;
mod choice;
mod routes;
mod told;

use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::{Authenticator as _, Ed25519Authenticator, PublicKey};
use crate::time::{Instant, Now, Timestamp};

const START: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

fn key(number: u16) -> PublicKey {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Ed25519Authenticator::from_seed(&seed).public_key()
}

/// A router with number 0, its clock, and neighbours numbered from 1.
struct Rig {
    router: Router,
    rng: StdRng,
    now: Now,
    exchanges: u64,
}

/// What a router hands on: the try, to whom, and what.
type Handed = (TryId, PublicKey, Packet);

impl Rig {
    fn new(neighbours: u16) -> Self {
        Self::with(neighbours, Config::default())
    }

    fn with(neighbours: u16, config: Config) -> Self {
        let mut router = Router::new(key(0), config);
        (1..=neighbours).for_each(|number| router.neighbour_up(key(number), START));
        Self { router, rng: StdRng::seed_from_u64(1), now: START, exchanges: 0 }
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.router.handle_timeout(self.now);
    }

    fn send(&mut self, to: u16) -> PacketId {
        let envelope = Bytes::from_static(b"envelope");
        self.router.send(key(to), envelope, &mut self.rng, self.now).unwrap()
    }

    /// A fresh packet of a stranger.
    fn packet(&mut self, to: u16, len: usize) -> Packet {
        let header = Header {
            id: PacketId::random(&mut self.rng),
            origin: key(900),
            destination: key(to),
            hop_limit: 10,
            expiry: self.now.timestamp + Duration::from_secs(10),
        };
        Packet { header, envelope: vec![7; len].into() }
    }

    fn bring(&mut self, neighbour: u16, packet: Packet) -> ExchangeId {
        let exchange = ExchangeId(self.exchanges);
        self.exchanges += 1;
        self.router.handle_packet(key(neighbour), exchange, packet, self.now);
        exchange
    }

    /// Everything handed on and told since the last time.
    fn drain(&mut self) -> (Vec<Handed>, Vec<(ExchangeId, Outcome)>) {
        let (mut handed, mut told) = (Vec::new(), Vec::new());
        while let Some(transmit) = self.router.poll_transmit() {
            match transmit {
                Transmit::Packet { id, neighbour, packet } => handed.push((id, neighbour, *packet)),
                Transmit::Outcome { exchange, outcome } => told.push((exchange, outcome)),
            }
        }
        (handed, told)
    }

    /// The one packet handed on since the last time.
    fn handed(&mut self) -> Handed {
        let (mut handed, told) = self.drain();
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(handed.len(), 1, "{handed:?}");
        handed.remove(0)
    }

    /// Why the last packet was refused.
    fn refusal(&mut self) -> Option<Refusal> {
        match self.drain().1.pop() {
            Some((_, Outcome::Refused(refusal))) => Some(refusal),
            _ => None,
        }
    }

    fn answer(&mut self, id: TryId, hops: u8) {
        let envelope = Bytes::from_static(b"answer");
        self.router.handle_outcome(id, Outcome::Answered { hops, envelope }, self.now);
    }

    fn refuse(&mut self, id: TryId, reason: Reason) {
        self.router.handle_outcome(id, Outcome::Refused(reason.into()), self.now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.router.poll_event()).collect()
    }
}
