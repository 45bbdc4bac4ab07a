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
