//! Taking messages into the outbox, and telling their callers how far they come.

use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{NotAccepted, Status};
use peer_protocol::id::MessageId;
use peer_protocol::message::Message;

use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::asks::{Ask, Waiting};
use crate::event_loop::versions::Version;
use crate::handle::Reply;
use crate::model::{Delivery, Reported, WaitsFor};

/// What goes before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::event_loop) enum Ahead {
    Nothing,
    /// Its content, as a transfer.
    Content,
}

/// What follows once a message is on disk.
pub(super) enum Accepting {
    /// Its caller waits in the asks.
    Asked,
    /// It answers a task, which is done with then.
    Answer(Box<Answering>),
}

/// An answer, and who gave it.
pub(super) struct Answering {
    pub(super) task: MessageId,
    pub(super) asker: PublicKey,
    pub(super) reply: Reply<()>,
}

impl EventLoop {
    /// Whether messages to this peer are kept on disk: not if it is known to speak version 1.0 only.
    pub(in crate::event_loop) fn is_kept_for(&self, id: &PeerId) -> bool {
        match self.version(id) {
            Version::Secure => true,
            Version::Undecided => {
                self.directory.get(id).is_none_or(|peer| peer.protocol != Some("1.0"))
            }
            Version::Legacy | Version::Refused(_) => false,
        }
    }

    /// Takes a message into the outbox. What follows once it is on disk is `then`.
    pub(super) fn accept(
        &mut self,
        id: PeerId,
        message: Message,
        ttl: Option<Duration>,
        ahead: Ahead,
        then: Accepting,
    ) -> Result<(), Box<(NodeError, Accepting)>> {
        if self.stopping {
            return Err(Box::new((NodeError::Stopped, then)));
        }
        let name = self.directory.name(&id);
        let Some(key) = key_of(&id) else {
            let reason = "its peer id is not that of an Ed25519 key".to_owned();
            return Err(Box::new((NodeError::Unreachable { peer: name, reason }, then)));
        };
        let (now, message_id) = (self.clock.now(), message.id);
        let ttl = ttl.unwrap_or(self.config.message_ttl());
        let outbox = &mut self.delivery.outbox;
        let accepted = match ahead {
            Ahead::Nothing => outbox.accept(key, message, ttl, now),
            Ahead::Content => outbox.accept_held(key, message, ttl, now),
        };
        if let Err(error) = accepted {
            return Err(Box::new((refusal(name, error), then)));
        }
        self.delivery.accepting.insert(message_id, then);
        self.remember_contact(id);
        self.begin_reaching(id);
        self.pump();
        Ok(())
    }

    /// Takes a caller's message into the outbox, and lets the caller wait.
    pub(in crate::event_loop) fn accept_for(
        &mut self,
        id: PeerId,
        message: Message,
        ttl: Option<Duration>,
        timeout: Duration,
        ahead: Ahead,
        waiting: Waiting,
    ) {
        let now = self.clock.now().instant;
        // The disk may be quick.
        self.asks.insert(message.id, id, timeout, waiting, now);
        self.asks.kept(message.id);
        let message_id = message.id;
        if let Err(refused) = self.accept(id, message, ttl, ahead, Accepting::Asked) {
            self.content_not_accepted(&id, message_id);
            if let Some(ask) = self.asks.remove(message_id) {
                ask.waiting.fail(refused.0);
            }
        }
    }

    /// A message could not be written.
    pub(super) fn not_accepted(&mut self, id: MessageId) {
        let reason = match self.store_trouble() {
            Some(trouble) => trouble.reason,
            None => "the disk did not take it".to_owned(),
        };
        let error = NodeError::NotKept { reason };
        match self.delivery.accepting.remove(&id) {
            Some(Accepting::Answer(answering)) => {
                let Answering { task, asker, reply } = *answering;
                self.delivery.answering.remove(&task);
                self.delivery.tasks.insert(task, asker);
                drop(reply.send(Err(error)));
            }
            Some(Accepting::Asked) | None => {
                if let Some(ask) = self.asks.remove(id) {
                    ask.waiting.fail(error);
                }
            }
        }
    }

    /// A message is on disk, if that was not known yet.
    pub(super) fn accepted(&mut self, id: MessageId) {
        if let Some(Accepting::Answer(answering)) = self.delivery.accepting.remove(&id) {
            let Answering { task, asker, reply } = *answering;
            self.delivery.answering.remove(&task);
            drop(reply.send(Ok(())));
            self.take_task(asker, task);
        }
    }

    /// Tells whoever waits for a message how far it has come.
    pub(super) fn tell_caller(&mut self, id: MessageId, status: &Status) {
        let Some(ask) = self.asks.get_mut(id).filter(|ask| ask.kept) else { return };
        ask.status = Some(Delivery::from(status.clone()));
        let peer = ask.peer;
        let done = match &ask.waiting {
            Waiting::Report { wait, .. } => {
                let status = Delivery::from(status.clone());
                status.reaches(*wait) || (status.is_settled() && !is_on_its_way(&status))
            }
            Waiting::Talk { .. } => matches!(
                status,
                Status::Expired | Status::Unknown | Status::Cancelled | Status::Failed { .. }
            ),
            Waiting::Alive(_) | Waiting::Wake(_) => false,
        };
        if done && let Some(ask) = self.asks.remove(id) {
            self.conclude_ask(peer, ask, status);
        }
    }

    fn conclude_ask(&mut self, peer: PeerId, ask: Ask, status: &Status) {
        let Ask { message_id, waiting, waited, .. } = ask;
        if let Waiting::Report { reply, expires, .. } = waiting {
            let (message_id, status) = (message_id.to_string(), Delivery::from(status.clone()));
            drop(reply.send(Ok(Reported { message_id, status, expires, waits_for: None })));
            return;
        }
        let (peer, message_id) = (self.directory.name(&peer), message_id.to_string());
        let error = match status {
            Status::Failed { code, detail } => {
                NodeError::Refused { peer, code: *code, detail: detail.clone() }
            }
            Status::Queued
            | Status::Sent
            | Status::Delivered
            | Status::Processed
            | Status::Expired
            | Status::Unknown
            | Status::Cancelled => {
                let progress = format!("it is {}", Delivery::from(status.clone()).as_str());
                NodeError::Unanswered { peer, message_id, waited, progress }
            }
        };
        waiting.fail(error);
    }

    /// The time of a caller is over whose message is on disk.
    pub(in crate::event_loop) fn kept_ask_timed_out(&mut self, ask: Ask) {
        let Ask { message_id, peer, waited, status, again, waiting, .. } = ask;
        let name = self.directory.name(&peer);
        let Some(status) = status else {
            let progress = "the disk has not taken it yet".to_owned();
            return waiting.fail(NodeError::Timeout { peer: name, waited, progress });
        };
        let waits_for = self.waits_for(&peer, message_id, &status);
        if let Waiting::Report { reply, expires, .. } = waiting {
            let (message_id, waits_for) =
                (message_id.to_string(), waits_for.map(|it| it.to_string()));
            drop(reply.send(Ok(Reported { message_id, status, expires, waits_for })));
            return;
        }
        let progress = match waits_for {
            Some(reason) => format!("it is {}: {reason}", status.as_str()),
            None if again => format!(
                "it is {}; it was sent for an earlier request, and if that got the answer none is to come",
                status.as_str()
            ),
            None => format!("it is {}, and no agent has answered", status.as_str()),
        };
        let message_id = message_id.to_string();
        waiting.fail(NodeError::Unanswered { peer: name, message_id, waited, progress });
    }

    /// Why a message to `id` has come no further.
    pub(super) fn waits_for(
        &self,
        id: &PeerId,
        message: MessageId,
        status: &Delivery,
    ) -> Option<WaitsFor> {
        let content = self.content_under_way(id, message);
        if status.is_settled() {
            return None;
        }
        let peer = self.directory.get(id);
        let last_error = peer.and_then(|peer| peer.last_error.clone());
        if !self.is_reachable(id) {
            return Some(WaitsFor::Connection { last_error });
        }
        if peer.is_none_or(|peer| peer.sessions.is_empty()) {
            return Some(WaitsFor::Session { last_error });
        }
        let now = self.clock.now().instant;
        if let Some(until) = self.delivery.paced.peek(id).filter(|until| **until > now) {
            return Some(WaitsFor::Pause { left: until.since(now) });
        }
        if let Some(percent) = content {
            return Some(WaitsFor::Content { percent });
        }
        if *status == Delivery::Sent {
            return Some(WaitsFor::Receipt);
        }
        let ahead = key_of(id).map_or(0, |key| self.delivery.outbox.waiting(&key).0);
        let ahead = u64::try_from(ahead.saturating_sub(1)).unwrap_or(u64::MAX);
        (ahead > 0).then_some(WaitsFor::Others { ahead })
    }
}

/// Whether more is to come of a settled message by itself.
const fn is_on_its_way(status: &Delivery) -> bool {
    matches!(status, Delivery::Delivered)
}

fn refusal(peer: String, error: NotAccepted) -> NodeError {
    match error {
        NotAccepted::Messages
        | NotAccepted::Bytes
        | NotAccepted::PeerMessages
        | NotAccepted::PeerBytes
        | NotAccepted::Unwritten => NodeError::QueueFull { peer, detail: error.to_string() },
        NotAccepted::Known | NotAccepted::Kind(_) | NotAccepted::Numbers => {
            NodeError::Invalid { detail: error.to_string() }
        }
    }
}
