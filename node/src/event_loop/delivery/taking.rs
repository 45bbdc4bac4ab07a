//! Messages that the agent took, or whoever asked for them: written, and told to their senders.

use std::collections::HashMap;
use std::time::Duration;

use super::naming::peer_id_of;
use libp2p::PeerId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Write;
use peer_protocol::id::MessageId;
use peer_protocol::time::Instant;

use super::Submitted;
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::handle::Reply;
use crate::model::Acknowledged;
use crate::room::Share;
use crate::store::{Durable, StoreError};

/// Pause before it is tried again to take down that an answer was given to its caller.
const AGAIN: Duration = Duration::from_secs(1);

/// A message that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) peer: PublicKey,
    pub(super) id: MessageId,
    pub(super) number: u64,
    pub(super) len: usize,
}

/// Messages that were taken together, and whoever said so, if anybody waits for that.
pub(super) struct Taking {
    pub(super) messages: Vec<Taken>,
    pub(super) reply: Option<(Reply<Acknowledged>, Acknowledged)>,
}

impl EventLoop {
    /// Takes down that messages were taken, each once.
    pub(super) fn take(&mut self, mut taking: Taking) {
        let delivery = &mut self.delivery;
        taking.messages.retain(|message| {
            !delivery.taken.contains_key(&message.number) && delivery.taking.insert(message.number)
        });
        // With nothing left of it, whoever waits hears when what was under way before is on disk.
        if taking.messages.is_empty() && taking.reply.is_none() {
            return;
        }
        let at = self.clock.now().timestamp;
        let messages = taking.messages.iter().map(|taken| (taken.peer, taken.id)).collect();
        let service = self.transfers.service();
        let contents = taking.messages.iter().filter_map(|it| service.taking(&it.peer, it.id));
        let writes = std::iter::once(Durable::from(Write::Take { messages, at }))
            .chain(contents.map(Durable::Transfer))
            .collect();
        match self.delivery.submitter.submit(writes) {
            Ok(ticket) => {
                self.delivery.submitted.insert(ticket, Submitted::Taken(taking));
            }
            Err(refused) => self.not_taken(taking, refused.to_string()),
        }
    }

    /// It is not on disk that messages were taken.
    fn not_taken(&mut self, taking: Taking, reason: String) {
        let Taking { messages, reply } = taking;
        for message in &messages {
            self.delivery.taking.remove(&message.number);
        }
        match reply {
            // The agent will say it again.
            Some((reply, _)) => drop(reply.send(Err(NodeError::NotKept { reason }))),
            None => self.take_later(Taking { messages, reply: None }),
        }
    }

    pub(super) fn on_taken(&mut self, taking: Taking, error: Option<StoreError>) {
        if let Some(error) = error {
            return self.not_taken(taking, error.to_string());
        }
        let Taking { messages, reply } = taking;
        let mut by_peer: HashMap<PeerId, Vec<MessageId>> = HashMap::new();
        for Taken { peer, id, number, len } in messages {
            self.inbox.room().let_go(Share::of(&peer), len);
            self.inbox.taken(number);
            self.delivery.taking.remove(&number);
            self.delivery.taken.insert(number, ());
            self.transfers.service().taken(&peer, id);
            by_peer.entry(peer_id_of(&peer)).or_default().push(id);
        }
        for (peer, ids) in by_peer {
            self.taken_from(&peer, &ids);
            self.owe(peer);
            self.swarm.behaviour_mut().secure.processed(&peer, ids);
        }
        if let Some((reply, acknowledged)) = reply {
            drop(reply.send(Ok(acknowledged)));
        }
    }

    /// A peer knows that these messages are processed.
    pub(in crate::event_loop) fn on_told(&mut self, peer: PeerId, messages: Vec<MessageId>) {
        let Some(peer) = peer_behaviours::secure::key_of(&peer) else { return };
        // If that is not taken down the peer is told again.
        let _ = self.delivery.submit(vec![Write::Told { peer, messages }], Submitted::Note);
    }

    fn take_later(&mut self, taking: Taking) {
        self.delivery.untaken.push_back(taking);
        let now = self.clock.now().instant;
        self.delivery.retry_taking.get_or_insert(now + AGAIN);
    }

    pub(super) fn take_again(&mut self, now: Instant) {
        if self.delivery.retry_taking.is_some_and(|at| at <= now) {
            self.delivery.retry_taking = None;
            for taking in std::mem::take(&mut self.delivery.untaken) {
                self.take(taking);
            }
        }
    }
}
