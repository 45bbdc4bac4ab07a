//! What the outbox wants.

use std::time::Duration;

use super::naming::peer_id_of;
use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Effect, Status, Step, Ticket, Write};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::link::SendFailure;
use peer_protocol::message::{Message, ReceiptStatus};

use super::Submitted;
use crate::event_loop::EventLoop;
use crate::events::NodeEvent;
use crate::model::Delivery;

impl EventLoop {
    /// Does what the outbox and the inbox want by now.
    pub(in crate::event_loop) fn pump(&mut self) {
        while let Some(effect) = self.delivery.outbox.poll_effect() {
            self.on_effect(effect);
        }
        self.load_inbox();
    }

    fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Write { ticket, writes } => self.write(ticket, writes),
            Effect::Load { ticket, peer, from, to } => self.read(
                move |store| store.window(&peer, from, to),
                move |this, found| {
                    let now = this.clock.now();
                    this.delivery.outbox.loaded(ticket, found.ok(), now);
                },
            ),
            Effect::Hand { peer, messages } => self.hand(peer, messages),
            Effect::Withdraw { peer, ids } => {
                self.swarm.behaviour_mut().secure.withdraw(&peer_id_of(&peer), ids);
            }
            Effect::Ahead { peer, id } => self.send_ahead(&peer, id),
            Effect::NotAccepted { peer, id } => {
                self.transfers.service().end_content(&peer, id, false);
                self.not_accepted(id);
            }
            Effect::Tell { peer, id, status } => self.tell(&peer, id, &status),
            Effect::Recall { peer, ids, status } => self.read(
                move |store| store.recall(&peer, &ids),
                move |this, found| {
                    let now = this.clock.now();
                    // A receipt that is not taken down is owed no more; the peer need not repeat it.
                    let found = found.unwrap_or_default();
                    this.delivery.outbox.recalled(&peer, found, status, now);
                },
            ),
        }
    }

    fn write(&mut self, ticket: Ticket, writes: Vec<Write>) {
        if let Err(refused) = self.delivery.submit(writes, Submitted::Outbox(ticket)) {
            tracing::warn!(%refused, "messages cannot be written");
            let now = self.clock.now();
            self.delivery.outbox.written(ticket, false, now);
        }
    }

    fn hand(&mut self, peer: PublicKey, messages: Vec<Message>) {
        if self.is_mailed(&peer) {
            return self.mail_handed(&peer, &messages);
        }
        let id = peer_id_of(&peer);
        let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
        let measures = |message: &Message| (message.kind, message.body.len());
        let sent: Vec<_> = messages.iter().map(measures).collect();
        if let Err(error) = self.swarm.behaviour_mut().secure.hand(id, messages) {
            tracing::debug!(peer = %self.directory.name(&id), %error, "there can be no link");
            self.detach(&id);
            return;
        }
        self.delivery.attempts.handed(&ids);
        if let Some(peer) = self.directory.get_mut(&id) {
            sent.iter().for_each(|(_, len)| peer.traffic.sent(*len));
        }
        sent.iter().for_each(|(kind, len)| self.metrics().sent(*kind, *len));
        self.note(ids, &Step::GivenToLink);
    }

    /// Messages left for their peer.
    pub(in crate::event_loop) fn on_transmitted(&mut self, ids: &[MessageId]) {
        let now = self.clock.now().timestamp;
        let again = self.delivery.attempts.transmitted(ids, now);
        self.metrics().sent_again(again);
    }

    /// Takes down steps of messages, which nobody waits for.
    pub(super) fn note(&mut self, ids: Vec<MessageId>, step: &Step) {
        let at = self.clock.now().timestamp;
        let write = |id| Write::Step { id, step: step.clone(), at };
        let writes: Vec<_> = ids.into_iter().map(write).collect();
        // Without them a message goes its way just as well.
        let _ = self.delivery.submit(writes, Submitted::Note);
    }

    /// A peer acknowledged messages.
    pub(in crate::event_loop) fn on_acknowledged(
        &mut self,
        from: PeerId,
        ids: &[MessageId],
        status: ReceiptStatus,
    ) {
        let Some(key) = key_of(&from) else { return };
        let now = self.clock.now();
        self.delivery.outbox.acknowledged(&key, ids, status, now);
        self.pump();
    }

    /// A peer has seen the number of a message already.
    pub(in crate::event_loop) fn on_out_of_sequence(
        &mut self,
        from: PeerId,
        id: MessageId,
        stream: StreamId,
    ) {
        let Some(key) = key_of(&from) else { return };
        tracing::warn!(
            peer = %self.directory.name(&from),
            %stream,
            "the peer has seen later messages: a new stream is begun, after a pause if it took nothing \
             in this one. Was this node's store restored from an old copy?"
        );
        let now = self.clock.now().instant;
        self.delivery.outbox.out_of_sequence(&key, id, stream, now);
        self.pump();
    }

    /// A message failed. Returns whether it was one that is kept.
    pub(in crate::event_loop) fn on_refused(
        &mut self,
        from: PeerId,
        id: MessageId,
        why: &SendFailure,
    ) -> bool {
        if self.delivery.outbox.status(id).is_none() {
            return false;
        }
        let (Some(key), SendFailure::Refused { code, detail }) = (key_of(&from), why) else {
            return true;
        };
        if *code == ErrorCode::ChunkError && self.send_content_again(&key, id) {
            return true;
        }
        let now = self.clock.now();
        self.delivery.outbox.refused(&key, id, *code, detail.clone(), now);
        self.pump();
        true
    }

    /// A peer asked to wait.
    pub(in crate::event_loop) fn on_paced(&mut self, from: PeerId, id: MessageId, wait: Duration) {
        let now = self.clock.now().instant;
        self.delivery.paced.insert(from, now + wait);
        if self.delivery.outbox.status(id).is_some() {
            let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.note(vec![id], &Step::Paced { retry_after_ms });
        }
    }

    /// What is known of a message has changed.
    fn tell(&mut self, peer: &PublicKey, id: MessageId, status: &Status) {
        let peer_id = peer_id_of(peer);
        let delivery = Delivery::from(status.clone());
        self.metrics().outbox(&delivery);
        self.events.tell(NodeEvent::Outbox {
            message_id: id.to_string(),
            peer: self.entity_of(&peer_id),
            peer_id: peer_id.to_string(),
            status: delivery,
        });
        self.accepted(id);
        self.tell_caller(id, status);
        if status.is_settled() {
            let taken = matches!(status, Status::Delivered | Status::Processed);
            self.transfers.service().end_content(peer, id, taken);
            self.mail_settled(peer, &[id], taken);
            self.cancelled(id);
        }
    }
}
