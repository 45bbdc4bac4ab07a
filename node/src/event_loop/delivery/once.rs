//! Messages whose ids their callers' keys determine: asked for again, they are not sent again.

use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::id::MessageId;
use peer_protocol::limits::MAX_INLINE_CONTENT_LEN;
use peer_protocol::message::Message;

use super::contents::Draft;
use super::outbox::{outgoing, unreadable};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::asks::Waiting;
use crate::model::Delivery;
use crate::store::OutgoingRecord;

impl EventLoop {
    /// Takes a caller's message into the outbox under `id`, unless it is there already: then the caller
    /// waits for that one.
    pub(in crate::event_loop) fn keep_once_for(
        &mut self,
        to: PeerId,
        id: MessageId,
        draft: Draft,
        ttl: Option<Duration>,
        timeout: Duration,
        waiting: Waiting,
    ) {
        self.read(
            move |store| store.find(id.as_bytes(), id.as_bytes(), 2),
            move |this, found| match found {
                Err(error) => waiting.fail(unreadable(&error)),
                Ok(found) => match found.iter().find_map(outgoing) {
                    Some(record) => this.wait_again(to, draft, record, timeout, waiting),
                    // It is being written for a caller who has given up waiting.
                    None if this.delivery.outbox.status(id).is_some() => {
                        let now = this.clock.now().instant;
                        this.asks.insert(id, to, timeout, waiting, now);
                        this.asks.kept(id);
                    }
                    None => this.keep_for(to, draft.under(id), ttl, timeout, waiting),
                },
            },
        );
    }

    fn wait_again(
        &mut self,
        to: PeerId,
        draft: Draft,
        record: &OutgoingRecord,
        timeout: Duration,
        mut waiting: Waiting,
    ) {
        let id = record.id;
        if !self.is_same(&to, draft, record) {
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
        self.asks.kept_before(id);
        self.tell_caller(id, &record.status);
    }

    /// Whether a message is the one on record, as far as that tells: once it is settled its body is not
    /// kept, and a long content may have gone in the message or ahead of it.
    fn is_same(&mut self, to: &PeerId, draft: Draft, record: &OutgoingRecord) -> bool {
        if key_of(to) != Some(record.peer) || draft.kind() != record.kind {
            return false;
        }
        if draft.size() > MAX_INLINE_CONTENT_LEN {
            return true;
        }
        let message = draft.body().map(|body| Message::new(&mut self.rng, &body, None));
        matches!(message, Ok(Ok(message)) if message.body.len() as u64 == record.len)
    }
}
