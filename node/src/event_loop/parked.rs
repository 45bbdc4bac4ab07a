//! Messages for peers of which it is not known yet what they speak.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use libp2p::PeerId;
use peer_protocol::id::MessageId;
use peer_protocol::limits::{MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES};
use peer_protocol::link::QueueFull;
use peer_protocol::message::Message;
use peer_protocol::time::Instant;

/// A connected peer that has not told what it speaks by then is taken to speak version 1.1.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a connection is asked for.
const REMIND: Duration = Duration::from_secs(1);

/// Messages for one peer.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<(Message, Instant)>,
    connected_at: Option<Instant>,
    asked_at: Option<Instant>,
    overdue: bool,
}

/// Messages by peer, bounded over all peers in number and bytes.
#[derive(Debug, Default)]
pub(super) struct Parked {
    peers: HashMap<PeerId, Waiting>,
    messages: usize,
    bytes: usize,
}

impl Parked {
    pub(super) fn push(
        &mut self,
        peer: PeerId,
        message: Message,
        deadline: Instant,
    ) -> Result<(), QueueFull> {
        if self.messages >= MAX_QUEUED_MESSAGES {
            return Err(QueueFull::Messages);
        }
        if self.bytes + message.body.len() > MAX_QUEUED_BYTES {
            return Err(QueueFull::Bytes);
        }
        self.messages += 1;
        self.bytes += message.body.len();
        self.peers.entry(peer).or_default().messages.push_back((message, deadline));
        Ok(())
    }

    pub(super) fn count(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, |waiting| waiting.messages.len())
    }

    pub(super) fn holds(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    pub(super) fn peers(&self) -> Vec<PeerId> {
        self.peers.keys().copied().collect()
    }

    pub(super) fn first(&self, peer: &PeerId) -> Option<&(Message, Instant)> {
        self.peers.get(peer)?.messages.front()
    }

    pub(super) fn remove_first(&mut self, peer: &PeerId) {
        let Some(waiting) = self.peers.get_mut(peer) else { return };
        if let Some((message, _)) = waiting.messages.pop_front() {
            self.messages -= 1;
            self.bytes -= message.body.len();
        }
        if waiting.messages.is_empty() {
            self.peers.remove(peer);
        }
    }

    /// Whether the peer has been connected for long and has told nothing.
    pub(super) fn is_overdue(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|waiting| waiting.overdue)
    }

    /// Notes whether the peer is connected; returns whether to ask for a connection now.
    pub(super) fn needs_connection(
        &mut self,
        peer: &PeerId,
        connected: bool,
        now: Instant,
    ) -> bool {
        let Some(waiting) = self.peers.get_mut(peer) else { return false };
        if connected {
            let since = *waiting.connected_at.get_or_insert(now);
            waiting.overdue = now.since(since) >= PATIENCE;
            return false;
        }
        waiting.connected_at = None;
        waiting.overdue = false;
        let due = now.since(*waiting.asked_at.get_or_insert(now)) >= REMIND;
        if due {
            waiting.asked_at = Some(now);
        }
        due
    }

    /// Takes out those whose time is over.
    pub(super) fn timed_out(&mut self, now: Instant) -> Vec<MessageId> {
        let mut over = Vec::new();
        for waiting in self.peers.values_mut() {
            waiting.messages.retain(|(message, deadline)| {
                let keep = *deadline > now;
                if !keep {
                    over.push(message.id);
                    self.messages -= 1;
                    self.bytes -= message.body.len();
                }
                keep
            });
        }
        self.peers.retain(|_, waiting| !waiting.messages.is_empty());
        over
    }
}

#[cfg(test)]
mod tests {
    use peer_protocol::message::{Body, WakeUp};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn message(seed: u64) -> Message {
        let body = Body::from(WakeUp { reason: "x".repeat(4096), attempt: 1 });
        Message::new(&mut StdRng::seed_from_u64(seed), &body, None).unwrap()
    }

    fn at(secs: u64) -> Instant {
        Instant::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn bytes_are_bounded_over_all_peers_and_come_free_again() {
        let mut parked = Parked::default();
        let mut taken = 0;
        while parked.push(PeerId::random(), message(taken), at(1)).is_ok() {
            taken += 1;
        }
        assert!(parked.bytes <= MAX_QUEUED_BYTES && taken > 3000, "{taken}");
        assert!(parked.timed_out(at(0)).is_empty());
        assert_eq!(parked.timed_out(at(1)).len() as u64, taken);
        assert_eq!((parked.bytes, parked.messages, parked.peers.len()), (0, 0, 0));
    }

    #[test]
    fn messages_leave_in_order() {
        let (mut parked, peer) = (Parked::default(), PeerId::random());
        for seed in 0..3 {
            parked.push(peer, message(seed), at(9)).unwrap();
        }
        for seed in 0..3 {
            assert_eq!(parked.first(&peer).unwrap().0, message(seed));
            parked.remove_first(&peer);
        }
        assert!(!parked.holds(&peer));
        assert_eq!((parked.bytes, parked.messages), (0, 0));
    }

    #[test]
    fn a_connection_is_asked_for_now_and_then_and_patience_begins_with_it() {
        let (mut parked, peer) = (Parked::default(), PeerId::random());
        parked.push(peer, message(1), at(900)).unwrap();
        let asked = (0..10).filter(|secs| parked.needs_connection(&peer, false, at(*secs)));
        assert_eq!(asked.count(), 9);
        assert!(!parked.needs_connection(&peer, true, at(100)) && !parked.is_overdue(&peer));
        parked.needs_connection(&peer, true, at(104));
        assert!(!parked.is_overdue(&peer));
        parked.needs_connection(&peer, true, at(105));
        assert!(parked.is_overdue(&peer));
        parked.needs_connection(&peer, false, at(106));
        assert!(!parked.is_overdue(&peer));
    }
}
