//! Messages whose ids their callers' keys determine: asked for again, they are not sent again.

use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::message::Message;

use super::outbox::{outgoing, unreadable};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::asks::Waiting;
use crate::model::Delivery;
use crate::store::OutgoingRecord;

impl EventLoop {
    /// Takes a caller's message into the outbox, unless it is there already: then the caller waits for
    /// that one.
    pub(in crate::event_loop) fn accept_once_for(
        &mut self,
        to: PeerId,
        message: Message,
        ttl: Option<Duration>,
        timeout: Duration,
        waiting: Waiting,
    ) {
        let id = message.id;
        self.read(
            move |store| store.find(id.as_bytes(), id.as_bytes(), 2),
            move |this, found| match found {
                Err(error) => waiting.fail(unreadable(&error)),
                Ok(found) => match found.iter().find_map(outgoing) {
                    Some(record) => this.wait_again(to, &message, record, timeout, waiting),
                    // It is being written for a caller who has given up waiting.
                    None if this.delivery.outbox.status(id).is_some() => {
                        let now = this.clock.now().instant;
                        this.asks.insert(id, to, timeout, waiting, now);
                        this.asks.kept(id);
                    }
                    None => this.accept_for(to, message, ttl, timeout, waiting),
                },
            },
        );
    }

    fn wait_again(
        &mut self,
        to: PeerId,
        message: &Message,
        record: &OutgoingRecord,
        timeout: Duration,
        mut waiting: Waiting,
    ) {
        let (id, len) = (message.id, message.body.len() as u64);
        // Once it is settled its body is not kept, so that there is no more to compare.
        let same = key_of(&to) == Some(record.peer) && record.kind == message.kind;
        if !same || record.len != len {
            return waiting.fail(NodeError::KeyReused { message_id: id.to_string() });
        }
        let status = Delivery::from(record.status.clone());
        match &mut waiting {
            Waiting::Report { expires, .. } => *expires = Some(record.expires),
            // Whether its answer is still to come nobody knows.
            Waiting::Talk(_) if status == Delivery::Processed => {
                let (message_id, status) = (id.to_string(), status.as_str());
                return waiting.fail(NodeError::Settled { message_id, status });
            }
            Waiting::Talk(_) | Waiting::Alive(_) | Waiting::Wake(_) => {}
        }
        let now = self.clock.now().instant;
        self.asks.insert(id, to, timeout, waiting, now);
        self.asks.kept(id);
        self.tell_caller(id, &record.status);
    }
}
