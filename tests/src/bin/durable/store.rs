//! Messages of 1 KiB through the store alone, in groups, each group one transaction.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use peer_node::Store;
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::delivery::{Arrival, Outgoing, Position, Status, Write};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::message::{Message, MessageKind};
use peer_protocol::time::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Messages a second.
pub(crate) struct Figures {
    /// Accepted into the outbox.
    accepted: f64,
    /// Settled there.
    settled: f64,
    /// Taken into the inbox.
    arrived: f64,
    /// Taken by the agent.
    taken: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, settled, arrived, taken } = self;
        write!(f, "accepted {accepted:.0}/s, settled {settled:.0}/s, ")?;
        write!(f, "arrived {arrived:.0}/s, taken {taken:.0}/s")
    }
}

impl Figures {
    pub(crate) fn measure(path: &Path, group: u64, time: Duration) -> Result<Self, super::Failure> {
        let store = Store::open(path)?;
        let peer = Ed25519Authenticator::from_seed(&[1; 32]).public_key();
        let mut rng = StdRng::seed_from_u64(1);
        let at = Timestamp::from_millis;
        let mut ids = Vec::new();
        let accepted = repeat(
            time,
            group,
            |number| {
                let message = message(&mut rng);
                ids.push(message.id);
                let (created, expires) = (at(1), at(1 << 40));
                let may_be_sent = true;
                let out = Outgoing { peer, number, message, created, expires, may_be_sent };
                Some(Write::Accept(out))
            },
            &store,
        )?;
        let settled = repeat(
            time,
            group,
            |number| {
                let id = *ids.get(usize::try_from(number).ok()?)?;
                Some(Write::Became { peer, number, id, status: Status::Delivered, at: at(2) })
            },
            &store,
        )?;
        let mut before = Position::default();
        let stream = StreamId::random(&mut rng);
        ids.clear();
        let arrived = repeat(
            time,
            group,
            |number| {
                let message = message(&mut rng);
                ids.push(message.id);
                let after = Position { stream: Some(stream), next: number + 1, dead: Vec::new() };
                let before = std::mem::replace(&mut before, after.clone());
                Some(Write::Arrive(Arrival { peer, message, before, after, at: at(3) }))
            },
            &store,
        )?;
        let taken = repeat(
            time,
            group,
            |number| {
                let id = *ids.get(usize::try_from(number).ok()?)?;
                Some(Write::Take { messages: vec![(peer, id)], at: at(4) })
            },
            &store,
        )?;
        Ok(Self { accepted, settled, arrived, taken })
    }
}

fn repeat(
    time: Duration,
    group: u64,
    mut make: impl FnMut(u64) -> Option<Write>,
    store: &Store,
) -> Result<f64, super::Failure> {
    let (mut count, mut spent) = (0, Duration::ZERO);
    while spent < time {
        let writes: Vec<_> = (count..count + group).map_while(&mut make).collect();
        if writes.is_empty() {
            break;
        }
        let start = Instant::now();
        store.commit(&writes)?;
        spent += start.elapsed();
        count += writes.len() as u64;
    }
    Ok(count as f64 / spent.as_secs_f64())
}

fn message(rng: &mut StdRng) -> Message {
    let mut body = vec![0; 1024];
    rng.fill_bytes(&mut body);
    let id = MessageId::random(rng);
    let kind = MessageKind::StatusReport;
    Message { id, kind, in_reply_to: None, order: None, body: body.into() }
}
