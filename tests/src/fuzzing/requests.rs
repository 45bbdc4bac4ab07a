//! Requests to a link with a session that is ready.

use std::sync::Arc;
use std::time::Duration;

use peer_protocol::handshake::Config;
use peer_protocol::link::{Event, ExchangeId, Link, LinkConfig, RequestId, Transmit};
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::people::{Trust, identity};

const START: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

/// Anything in place of a request, and in place of an answer: one answer or none, no message, and
/// the session stays.
pub fn request(data: &[u8]) {
    let [mut a, mut b] = ready_pair();
    b.handle_request(ExchangeId(1_000), data.to_vec(), START);
    let transmits: Vec<_> = std::iter::from_fn(|| b.poll_transmit()).collect();
    assert!(
        matches!(
            transmits.as_slice(),
            [Transmit::Answer { exchange: ExchangeId(1_000), .. }]
                | [Transmit::Drop { exchange: ExchangeId(1_000) }]
        ),
        "{transmits:?}"
    );
    assert_untouched(&mut b);
    a.handle_answer(RequestId(u64::MAX), data.to_vec(), START);
    assert_untouched(&mut a);
}

fn assert_untouched(link: &mut Link) {
    while let Some(event) = link.poll_event() {
        assert!(
            !matches!(event, Event::Message(_) | Event::SessionEnded { .. }),
            "a stranger's bytes led to {event:?}"
        );
    }
}

/// Two links with a session between them. The same every time: nobody can have its keys by chance.
fn ready_pair() -> [Link; 2] {
    let mut links = [0, 1].map(|number: usize| {
        let config = LinkConfig::new(Config::new(identity(number)));
        let peer = *identity(1 - number).public_key();
        let rng = Box::new(StdRng::seed_from_u64(number as u64));
        let mut link = Link::new(Arc::new(config), Arc::new(Trust::default()), peer, rng);
        link.connected(START);
        link
    });
    links[0].open(START);
    let mut exchange = 0;
    while let Some(Transmit::Request { id, envelope }) = links[0].poll_transmit() {
        links[1].handle_request(ExchangeId(exchange), envelope, START);
        exchange += 1;
        if let Some(Transmit::Answer { envelope, .. }) = links[1].poll_transmit() {
            links[0].handle_answer(id, envelope, START);
        }
    }
    for link in &mut links {
        let events = std::iter::from_fn(|| link.poll_event());
        assert!(events.into_iter().any(|event| matches!(event, Event::SessionReady(_))));
    }
    links
}
