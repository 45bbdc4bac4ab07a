//! Packets and outcomes from strangers, and a router that gets them.

use std::time::Duration;

use bytes::Bytes;
use peer_protocol::limits::{MAX_CARRIED_TRIES, MAX_HOPS};
use peer_protocol::routing::{Config, Event, ExchangeId, Outcome, Packet, Router, Transmit, TryId};
use peer_protocol::time::{Instant, Now, Timestamp};

use crate::people::identity;

const START: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

/// A packet or an outcome: what is accepted has one encoding, and a router that gets it tells exactly
/// one outcome, hands on a few copies at most, and holds nothing afterwards.
pub fn hop(data: &[u8]) {
    if let Ok(outcome) = Outcome::decode(data) {
        let again = Outcome::decode(&outcome.encode());
        assert_eq!(again.as_ref(), Ok(&outcome));
        if matches!(outcome, Outcome::Answered { .. }) {
            assert_eq!(outcome.encode(), data, "two encodings of one outcome");
        }
        tell(&outcome);
    }
    if let Ok(packet) = Packet::decode(data) {
        assert_eq!(packet.encode(), data, "two encodings of one packet");
        assert!((1..=MAX_HOPS).contains(&packet.header.hop_limit));
        assert_ne!(packet.header.origin, packet.header.destination);
        bring(packet);
    }
}

/// A router with five neighbours.
fn router() -> Router {
    let mut router = Router::new(*identity(0).public_key(), Config::default());
    (1..=5).for_each(|number| router.neighbour_up(*identity(number).public_key(), START));
    router
}

fn bring(packet: Packet) {
    let mut router = router();
    let neighbour = *identity(1).public_key();
    let header = packet.header;
    router.handle_packet(neighbour, ExchangeId(7), packet, START);
    let (mut told, mut copies) = (0, 0);
    let mut now = START;
    loop {
        while let Some(event) = router.poll_event() {
            let Event::Arrived { arrival, origin, .. } = event else {
                panic!("it is no packet of this node: {event:?}")
            };
            assert_eq!(origin, header.origin);
            router.answer(arrival, &Bytes::from_static(b"answer"), now);
        }
        while let Some(transmit) = router.poll_transmit() {
            match transmit {
                Transmit::Packet { id, neighbour: next, packet } => {
                    copies += 1;
                    assert_ne!(next, neighbour, "back to where it came from");
                    assert_ne!(next, header.origin);
                    assert_eq!(packet.header.hop_limit, header.hop_limit - 1);
                    assert_eq!(packet.header.id, header.id);
                    router.handle_failure(id, now);
                }
                Transmit::Outcome { exchange, .. } => {
                    assert_eq!(exchange, ExchangeId(7));
                    told += 1;
                }
            }
        }
        let Some(due) = router.poll_timeout() else { break };
        assert!(due > now.instant, "a timer does not let time pass");
        now = now + due.since(now.instant);
        router.handle_timeout(now);
    }
    assert_eq!(told, 1);
    assert!(copies <= MAX_CARRIED_TRIES);
    assert_eq!(router.stats().under_way, 0);
}

fn tell(outcome: &Outcome) {
    let mut router = router();
    // Nobody asked.
    router.handle_outcome(TryId(99), outcome.clone(), START);
    assert!(router.poll_event().is_none() && router.poll_transmit().is_none());
    let destination = *identity(9).public_key();
    let mut rng = crate::fuzzing::seeds::rng();
    let sent = router.send(destination, Bytes::from_static(b"hello"), &mut rng, START);
    let sent = sent.expect("nothing is under way");
    let mut ended = 0;
    while let Some(transmit) = router.poll_transmit() {
        if let Transmit::Packet { id, .. } = transmit {
            router.handle_outcome(id, outcome.clone(), START);
        }
    }
    while let Some(event) = router.poll_event() {
        match event {
            Event::Answered { packet, .. } | Event::Failed { packet, .. } => {
                assert_eq!(packet, sent);
                ended += 1;
            }
            Event::Arrived { .. } => panic!("nothing arrived"),
        }
    }
    assert_eq!(ended, 1, "five neighbours said the same");
}
