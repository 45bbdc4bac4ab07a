//! Long contents, which go ahead of their messages (`docs/PROTOCOL.md` §9.4): between outbox, transfers and
//! inbox.

use std::path::PathBuf;
use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Arrival;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::limits::{MAX_CONTENT_LEN, MAX_INLINE_CONTENT_LEN, MAX_LONG_CONTENT_LEN};
use peer_protocol::message::{Body, Message, MessageKind};

use super::taking::{Taken, Taking};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::outgoing::body_error;
use crate::model::{Content, StoredContent};
use crate::store::{Arrived, IncomingRecord, OutgoingRecord, StoreError, TransferWrite};
use crate::transfer::{Doubt, InStore, Stage, transfer_of};

/// A message that is being made: its body without the content, and the content.
pub(in crate::event_loop) struct Draft {
    body: Body<'static>,
    content: Content,
    answers: Option<MessageId>,
    /// Its id, if that is not drawn.
    id: Option<MessageId>,
}

impl Draft {
    pub(in crate::event_loop) fn new(
        body: impl Into<Body<'static>>,
        content: Content,
        answers: Option<MessageId>,
    ) -> Self {
        Self { body: body.into(), content, answers, id: None }
    }

    /// The same under the id `id`.
    pub(in crate::event_loop) fn under(self, id: MessageId) -> Self {
        Self { id: Some(id), ..self }
    }

    pub(in crate::event_loop) const fn id(&self) -> Option<MessageId> {
        self.id
    }

    pub(super) fn kind(&self) -> MessageKind {
        self.body.kind()
    }

    /// Bytes of the content.
    pub(super) fn size(&self) -> usize {
        self.content.len_hint()
    }

    /// The whole body, with the content in it.
    pub(in crate::event_loop) fn body(self) -> Result<Body<'static>, NodeError> {
        let Self { mut body, content, .. } = self;
        let size = content.len_hint();
        if size > MAX_CONTENT_LEN {
            let detail = format!(
                "the content has {size} bytes, and a message that is volatile, or for a peer of version 1.0, \
                 carries at most {MAX_CONTENT_LEN} (1 MiB)"
            );
            return Err(NodeError::TooLarge { detail });
        }
        if content.text.is_some() || content.base64.is_some() {
            let bytes = content.to_bytes();
            let bytes = bytes.map_err(|error| NodeError::Invalid { detail: error.to_string() })?;
            match &mut body {
                Body::Task(task) => task.content = bytes.into(),
                Body::TaskResult(result) => result.content = bytes.into(),
                Body::StatusReport(report) => report.content = bytes.into(),
                _ => {}
            }
        }
        Ok(body)
    }
}

/// Whether the content of a message came ahead of it.
pub(super) fn names_transfer(body: &Body<'_>) -> bool {
    match body {
        Body::Task(task) => task.transfer.is_some(),
        Body::TaskResult(result) => result.transfer.is_some(),
        Body::StatusReport(report) => report.transfer.is_some(),
        _ => false,
    }
}

fn name_transfer(body: &mut Body<'_>, id: Option<TransferId>) {
    match body {
        Body::Task(task) => task.transfer = id,
        Body::TaskResult(result) => result.transfer = id,
        Body::StatusReport(report) => report.transfer = id,
        _ => {}
    }
}

/// The sender.
impl EventLoop {
    /// Whether a content goes ahead of its message: if it is too long for that, and a shorter one if the
    /// peer is there to take it. Mail, and peers of version 1.0, carry it in the message.
    pub(in crate::event_loop) fn goes_ahead(&self, id: &PeerId, draft: &Draft) -> bool {
        let size = draft.content.len_hint();
        let attached = self.delivery.attached.contains(id);
        size > MAX_CONTENT_LEN || (size > MAX_INLINE_CONTENT_LEN && attached)
    }

    /// Puts the content of a message on disk, and goes on with the message.
    pub(in crate::event_loop) fn spool(
        &mut self,
        id: PeerId,
        draft: Draft,
        then: impl FnOnce(&mut Self, Result<Message, NodeError>) + Send + 'static,
    ) {
        let Draft { mut body, content, answers, id: chosen } = draft;
        let size = content.len_hint();
        if size > MAX_LONG_CONTENT_LEN {
            let detail = format!(
                "the content has {size} bytes, and a message takes at most {MAX_LONG_CONTENT_LEN} (64 MiB)"
            );
            return then(self, Err(NodeError::TooLarge { detail }));
        }
        let Some(key) = key_of(&id) else {
            let (peer, reason) = (self.directory.name(&id), "it has no Ed25519 key".to_owned());
            return then(self, Err(NodeError::Unreachable { peer, reason }));
        };
        let message_id = chosen.unwrap_or_else(|| MessageId::random(&mut self.rng));
        name_transfer(&mut body, transfer_of(message_id));
        let message = match Message::new(&mut self.rng, &body, answers) {
            Ok(message) => Message { id: message_id, ..message },
            Err(error) => return then(self, Err(body_error(&error))),
        };
        let (service, entity) = (self.transfers.service().clone(), self.entity_of(&id));
        let reader = self.delivery.reader.clone();
        tokio::spawn(async move {
            let (content_type, weight) = (content.media_type().to_owned(), content.weight.clone());
            let kept = match tokio::task::spawn_blocking(move || content.to_bytes()).await {
                Ok(Ok(bytes)) => service
                    .spool_content(&key, entity, message_id, bytes, content_type)
                    .await
                    .map_err(NodeError::from),
                Ok(Err(error)) => Err(NodeError::Invalid { detail: error.to_string() }),
                Err(_) => Err(NodeError::Stopped),
            };
            drop(weight);
            // The node may have stopped meanwhile.
            let _ = reader.send(Box::new(move |this: &mut Self| {
                then(this, kept.map(|()| message));
            }));
        });
    }

    /// A message was not accepted whose content may be on disk.
    pub(super) fn content_not_accepted(&self, id: &PeerId, message: MessageId) {
        if let Some(key) = key_of(id) {
            self.transfers.service().end_content(&key, message, false);
        }
    }

    /// It is the turn of a message whose content goes ahead. It waits for a link: mail carries no transfers.
    pub(super) fn send_ahead(&mut self, peer: &PublicKey, id: MessageId) {
        if self.is_mailed(peer) || !self.delivery.outbox.is_held(id) {
            return;
        }
        if !self.transfers.service().begin_content(peer, id) {
            let detail = "its content is not on this node's disk any more".to_owned();
            self.content_failed(peer, id, ErrorCode::InvalidState, detail);
        }
    }

    /// A receiver does not have the content of a message: sends it again, unless that was done too often.
    pub(super) fn send_content_again(&mut self, peer: &PublicKey, id: MessageId) -> bool {
        let Some(pause) = self.transfers.service().content_again(peer, id) else { return false };
        if !self.delivery.outbox.hold(peer, id) {
            return false;
        }
        self.send_ahead_later(*peer, id, pause);
        self.pump();
        true
    }

    fn send_ahead_later(&self, peer: PublicKey, id: MessageId, pause: Duration) {
        let reader = self.delivery.reader.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause + Duration::from_millis(10)).await;
            // The node may have stopped meanwhile.
            let _ = reader.send(Box::new(move |this: &mut Self| this.send_ahead(&peer, id)));
        });
    }

    /// A content has arrived whole, or its transfer ended otherwise.
    pub(in crate::event_loop) fn on_content_sent(
        &mut self,
        peer: &PeerId,
        transfer: TransferId,
        stage: Stage,
    ) {
        let (key, id) = (key_of(peer), MessageId::from_bytes(*transfer.as_bytes()));
        if let (Some(key), Some(id)) = (key, id) {
            self.content_ended(key, id, stage);
            self.pump();
        }
    }

    fn content_ended(&mut self, key: PublicKey, id: MessageId, stage: Stage) {
        match stage {
            Stage::Open => {}
            Stage::Complete => self.delivery.outbox.release(&key, id),
            Stage::Cancelled { .. } => {
                let now = self.clock.now();
                self.delivery.outbox.cancel(id, now);
            }
            Stage::Failed { code: Some(code), detail } => {
                self.content_failed(&key, id, code, format!("its content was refused: {detail}"));
            }
            Stage::Failed { code: None, detail } => {
                match self.transfers.service().content_again(&key, id) {
                    Some(pause) => self.send_ahead_later(key, id, pause),
                    None => {
                        let detail = format!("its content did not arrive: {detail}");
                        self.content_failed(&key, id, ErrorCode::ChunkError, detail);
                    }
                }
            }
        }
    }

    fn content_failed(&mut self, peer: &PublicKey, id: MessageId, code: ErrorCode, detail: String) {
        let now = self.clock.now();
        self.delivery.outbox.refused(peer, id, code, detail, now);
        self.pump();
    }

    /// After a restart: holds back the messages whose contents have not arrived, and deletes contents that
    /// no message waits for.
    pub(in crate::event_loop) fn resume_contents(&mut self) {
        for (peer, id, stage) in self.transfers.service().spooled_contents() {
            let status = self.delivery.outbox.status(id);
            if status.is_none_or(|status| status.is_settled()) {
                self.transfers.service().end_content(&peer, id, false);
            } else if stage != Stage::Complete {
                self.delivery.outbox.hold(&peer, id);
                self.content_ended(peer, id, stage);
            }
        }
    }

    /// How much of the content of a message has arrived, in percent, if it waits for that.
    pub(super) fn content_under_way(&self, id: &PeerId, message: MessageId) -> Option<u8> {
        let key = key_of(id).filter(|_| self.delivery.outbox.is_held(message))?;
        self.transfers.service().content_percent(&key, message)
    }

    /// Bytes of a message and its content.
    pub(super) fn spooled_size(&self, record: &OutgoingRecord) -> u64 {
        let stored = self.transfers.service().spooled(&record.peer, record.id);
        record.len + stored.map_or(0, |stored| stored.size)
    }
}

/// The receiver.
impl EventLoop {
    /// What is to be written with a message whose content came ahead of it.
    pub(super) fn claim_content(&self, arrival: &Arrival) -> Option<TransferWrite> {
        self.transfers.service().claim(&arrival.peer, arrival.message.id)
    }

    /// Asks the disk about contents whose messages it may hold.
    pub(super) fn look_at_claims(&self) {
        let doubts = self.transfers.service().doubts();
        if doubts.is_empty() {
            return;
        }
        self.read(
            move |store| {
                let look = |doubt: Doubt| Ok((InStore::is_claimed(store, &doubt.key)?, doubt));
                doubts.into_iter().map(look).collect::<Result<Vec<_>, StoreError>>()
            },
            |this, found| {
                // Unread they stay doubtful, and are kept.
                for (claimed, doubt) in found.unwrap_or_default() {
                    this.transfers.service().resolve(&doubt, claimed);
                }
            },
        );
    }

    /// The content of a message that came ahead of it. It stays on disk.
    pub(super) fn long_content(
        &self,
        peer: &PublicKey,
        id: MessageId,
        content: Content,
    ) -> Content {
        // Without its row it cannot be read, which is said when that is tried.
        let nowhere = || StoredContent { path: PathBuf::new(), size: 0 };
        let stored = self.transfers.service().content(peer, id).unwrap_or_else(nowhere);
        Content { text: None, base64: None, stored: Some(stored), ..content }
    }

    /// Bytes of a message and its content.
    pub(super) fn stored_size(&self, record: &IncomingRecord) -> u64 {
        let stored = self.transfers.service().content(&record.peer, record.id);
        record.len + stored.map_or(0, |stored| stored.size)
    }

    /// Reads a long answer for whoever waits for it; returns whether somebody does. It is taken once they
    /// have it, and otherwise left to the agent.
    pub(super) fn give_long_answer(&mut self, from: PeerId, arrived: &Arrived) -> bool {
        let Arrived { number, peer, message, .. } = arrived;
        if !message.decode().is_ok_and(|body| names_transfer(&body))
            || !self.is_awaited_answer(from, message)
        {
            return false;
        }
        self.inbox.claimed(*number);
        let content = self.long_content(peer, message.id, Content::default());
        let (reader, arrived) = (self.delivery.reader.clone(), arrived.clone());
        tokio::spawn(async move {
            let loaded = crate::large::load(content).await;
            // The node may have stopped meanwhile.
            let _ = reader.send(Box::new(move |this: &mut Self| {
                this.on_answer_loaded(from, &arrived, loaded);
            }));
        });
        true
    }

    fn on_answer_loaded(&mut self, from: PeerId, arrived: &Arrived, content: Option<Content>) {
        let Arrived { number, peer, message, .. } = arrived;
        let given = content.is_some_and(|content| self.give_answer(from, message, Some(content)));
        if given {
            let (id, len) = (message.id, message.body.len());
            let messages = vec![Taken { peer: *peer, id, number: *number, len }];
            return self.take(Taking { messages, reply: None });
        }
        self.inbox.unclaimed(*number);
        self.load_inbox();
    }
}
