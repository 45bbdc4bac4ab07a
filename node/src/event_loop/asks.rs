//! Callers that wait: for an answer to a message, or for a session.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use peer_protocol::id::MessageId;
use peer_protocol::time::{Instant, Timestamp};

use crate::handle::Reply;
use crate::model::{Answer, Delivery, Life, PeerStatus, Reported, Wait, Woken};

/// Who waits, and for what.
pub(super) enum Waiting {
    Talk(Reply<Answer>),
    /// Until it has come so far. It is tried until `expires`, if it is kept on disk.
    Report {
        reply: Reply<Reported>,
        wait: Wait,
        expires: Option<Timestamp>,
    },
    Alive(Reply<Life>),
    Wake(Reply<Woken>),
}

/// A message sent on behalf of a caller.
pub(super) struct Ask {
    pub(super) message_id: MessageId,
    pub(super) peer: PeerId,
    pub(super) sent_at: Instant,
    pub(super) waited: Duration,
    /// How far the message is known to have come.
    pub(super) status: Option<Delivery>,
    /// Whether the message is on disk, or on its way there.
    pub(super) kept: bool,
    /// Whether the message was sent for an earlier caller, who may have got the answer.
    pub(super) again: bool,
    pub(super) waiting: Waiting,
    deadline: Instant,
}

/// Callers that wait for messages, by message and by deadline.
#[derive(Default)]
pub(super) struct Asks {
    asks: HashMap<MessageId, Ask>,
    deadlines: BTreeSet<(Instant, MessageId)>,
}

impl Asks {
    pub(super) fn insert(
        &mut self,
        id: MessageId,
        peer: PeerId,
        waited: Duration,
        waiting: Waiting,
        now: Instant,
    ) {
        let deadline = now + waited;
        self.deadlines.insert((deadline, id));
        let (status, kept, again) = (None, false, false);
        let sent_at = now;
        let ask =
            Ask { message_id: id, peer, sent_at, waited, status, kept, again, waiting, deadline };
        self.asks.insert(id, ask);
    }

    pub(super) fn get_mut(&mut self, id: MessageId) -> Option<&mut Ask> {
        self.asks.get_mut(&id)
    }

    /// The message is to be on disk.
    pub(super) fn kept(&mut self, id: MessageId) {
        if let Some(ask) = self.asks.get_mut(&id) {
            ask.kept = true;
        }
    }

    /// The message is on disk for an earlier caller.
    pub(super) fn kept_before(&mut self, id: MessageId) {
        if let Some(ask) = self.asks.get_mut(&id) {
            (ask.kept, ask.again) = (true, true);
        }
    }

    /// The message is not on disk any more, though it is on its way.
    pub(super) fn not_kept(&mut self, id: MessageId) {
        if let Some(ask) = self.asks.get_mut(&id) {
            ask.kept = false;
            if let Waiting::Report { expires, .. } = &mut ask.waiting {
                *expires = None;
            }
        }
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Ask> {
        let ask = self.asks.remove(&id)?;
        self.deadlines.remove(&(ask.deadline, id));
        Some(ask)
    }

    /// Takes out those whose time is over.
    pub(super) fn timed_out(&mut self, now: Instant) -> Vec<Ask> {
        let mut over = Vec::new();
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            over.extend(self.asks.remove(&id));
        }
        over
    }

    /// The message sent first of those to `peer` that wait for `what`.
    pub(super) fn oldest(
        &self,
        peer: &PeerId,
        what: impl Fn(&Waiting) -> bool,
    ) -> Option<MessageId> {
        let asks = self.asks.values().filter(|ask| ask.peer == *peer && what(&ask.waiting));
        asks.min_by_key(|ask| ask.sent_at).map(|ask| ask.message_id)
    }

    /// Takes out those that only ask whether `peer` lives.
    pub(super) fn take_heartbeats(&mut self, peer: &PeerId) -> Vec<Ask> {
        let heartbeat = |ask: &Ask| ask.peer == *peer && matches!(ask.waiting, Waiting::Alive(_));
        let ids: Vec<_> =
            self.asks.iter().filter(|(_, ask)| heartbeat(ask)).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}

/// A caller that waits for a session.
pub(super) struct Connecting {
    /// What it dialled, in its own words.
    pub(super) address: String,
    /// The dial, while it is under way.
    pub(super) dial: Option<ConnectionId>,
    /// The peer, once it is known.
    pub(super) peer: Option<PeerId>,
    pub(super) deadline: Instant,
    pub(super) reply: Reply<PeerStatus>,
}
