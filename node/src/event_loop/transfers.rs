//! Between transfers, which run in tasks of their own, and links (`docs/PROTOCOL.md` §9).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::id::MessageId;
use peer_protocol::identity::TrustView as _;
use peer_protocol::link::SendFailure;
use peer_protocol::message::{Chunk, ChunkAck, Message, Purpose};
use peer_protocol::time::Instant;
use tokio::sync::mpsc;

use super::EventLoop;
use crate::error::NodeError;
use crate::events::NodeEvent;
use crate::handle::{Outgoing, Reply, TransferCommand};
use crate::model::{Content, FileToSend, Incoming, IncomingKind, ReceivedFile, TransferStatus};
use crate::room::Share;
use crate::transfer::{Fate, Key, Output, Received, Transfers};

/// What transfers want is done so often in a row before the network gets its turn.
const BURST: usize = 16;
/// How often listeners are told how transfers go on.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// The event loop's end of transfers.
#[derive(Debug)]
pub(crate) struct TransferState {
    service: Transfers,
    outputs: mpsc::Receiver<Output>,
    /// Messages whose fate is to be told.
    messages: HashMap<MessageId, Key>,
    /// Files that wait for room in the inbox.
    unannounced: VecDeque<Received>,
    /// What became of the messages of files.
    notices: mpsc::UnboundedReceiver<(Key, bool)>,
    notify: mpsc::UnboundedSender<(Key, bool)>,
    /// When listeners were last told how transfers go on.
    told: Option<Instant>,
}

impl TransferState {
    pub(crate) fn new((service, outputs): (Transfers, mpsc::Receiver<Output>)) -> Self {
        let (notify, notices) = mpsc::unbounded_channel();
        Self {
            service,
            outputs,
            messages: HashMap::new(),
            unannounced: VecDeque::new(),
            notices,
            notify,
            told: None,
        }
    }

    pub(super) const fn service(&self) -> &Transfers {
        &self.service
    }

    /// What a transfer wants next.
    pub(super) async fn next(&mut self) -> Option<Output> {
        self.outputs.recv().await
    }
}

impl EventLoop {
    pub(super) fn on_transfer_output(&mut self, first: Output) {
        self.on_output(first);
        for _ in 1..BURST {
            let Ok(output) = self.transfers.outputs.try_recv() else { return };
            self.on_output(output);
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Send { transfer, peer, message, lifetime } => {
                let id = message.id;
                let deadline = self.clock.now().instant + lifetime;
                if let Some(key) = transfer {
                    self.transfers.messages.insert(id, key);
                }
                if let Err(error) = self.dispatch(peer, message, deadline) {
                    tracing::debug!(peer = %self.directory.name(&peer), %error, "a chunk was not sent");
                    self.on_transfer_settled(id, fate_of(&error));
                }
            }
            Output::Received(received) => match received.purpose {
                Purpose::File => {
                    self.transfers.unannounced.push_back(received);
                    self.announce_files();
                }
                // It waits for its message.
                Purpose::Content => {}
            },
            Output::ContentSent { peer, id, stage } => {
                tracing::debug!(peer = %self.directory.name(&peer), transfer = %id, ?stage, "content sent");
                self.on_content_sent(&peer, id, stage);
            }
        }
    }

    /// How many transfers are not over.
    pub(super) fn open_transfers(&self) -> usize {
        self.transfers.service.open_count()
    }

    /// Notes which files the agent was told of; what whoever listened did not get is told again.
    pub(super) fn tick_transfers(&mut self) {
        while let Ok((key, handed)) = self.transfers.notices.try_recv() {
            if handed {
                self.transfers.service.announced(&key);
            } else {
                self.transfers.unannounced.extend(self.transfers.service.received(&key));
            }
        }
        self.announce_files();
        let now = self.clock.now().instant;
        if self.transfers.told.is_none_or(|told| now.since(told) >= TOLD_EVERY) {
            self.transfers.told = Some(now);
            for status in self.transfers.service.changed() {
                self.measured.transfer(&status);
                self.events.tell(NodeEvent::Transfer(Box::new(status)));
            }
        }
    }

    /// Puts files that came in whole into the inbox, as far as there is room.
    fn announce_files(&mut self) {
        for _ in 0..self.transfers.unannounced.len() {
            let Some(received) = self.transfers.unannounced.pop_front() else { return };
            let share = secure::key_of(&received.peer).map_or(Share::Legacy, |key| Share::of(&key));
            match self.inbox.room().take_file(share) {
                Ok(()) => self.announce_file(received, share),
                Err(_) => self.transfers.unannounced.push_back(received),
            }
        }
    }

    /// Puts a file into the inbox, under the id of its transfer.
    fn announce_file(&mut self, received: Received, share: Share) {
        let Received { key, peer, entity, name, path, size, digest, content_type, .. } = received;
        let public_key = secure::key_of(&peer);
        let incoming = Incoming {
            message_id: key.id.to_string(),
            inbox_number: None,
            durable: false,
            kind: IncomingKind::File,
            trust: public_key.and_then(|key| self.trust.level(&entity, &key)),
            from: entity,
            from_peer_id: peer.to_string(),
            encrypted: true,
            received_at: self.clock.now().timestamp,
            content: Content {
                text: Some(String::new()),
                content_type: Some(content_type),
                name: Some(name.clone()),
                ..Content::default()
            },
            status: None,
            next_action: None,
            conversation: None,
            in_reply_to: None,
            done: None,
            forwarded: None,
            wake_nonce: None,
            file: Some(ReceivedFile {
                name,
                path: path.display().to_string(),
                size,
                digest: hex::encode(digest),
            }),
        };
        self.announce(&incoming, size);
        self.inbox.push_file(incoming, share, key, self.transfers.notify.clone());
    }

    /// A chunk was taken in. Pieces are with their transfer already.
    pub(super) fn on_chunk(&mut self, from: PeerId, message: &Message, chunk: &Chunk<'_>) {
        let Some(key) = secure::key_of(&from) else { return };
        if chunk.cancel.is_some() {
            self.transfers.service.withdrawn(&key, chunk.transfer);
        }
        if chunk.offer.is_none() {
            return;
        }
        let entity = self.entity_of(&from);
        self.transfers.service.on_offer(from, &key, entity, chunk.transfer, message.id);
    }

    pub(super) fn on_chunk_ack(&self, from: PeerId, message: &Message, ack: ChunkAck) {
        if let Some(key) = secure::key_of(&from) {
            self.transfers.service.on_ack(&key, message.in_reply_to, ack);
        }
    }

    /// Something became of a message; returns whether it was one of a transfer.
    pub(super) fn on_transfer_settled(&mut self, message: MessageId, fate: Fate) -> bool {
        let Some(key) = self.transfers.messages.remove(&message) else { return false };
        self.transfers.service.settled(&key, message, fate);
        true
    }

    /// The same, of one that failed.
    pub(super) fn on_transfer_failed(&mut self, message: MessageId, why: &SendFailure) -> bool {
        let fate = match why {
            SendFailure::Expired | SendFailure::Unknown => Fate::Lost,
            SendFailure::QueueFull(_) => Fate::Busy,
            SendFailure::Refused { code, detail } => {
                Fate::Refused { code: *code, detail: detail.clone() }
            }
        };
        self.on_transfer_settled(message, fate)
    }

    /// There is a connection to a peer after there was none, or a new session.
    pub(super) fn transfers_interrupted(&self, peer: &PeerId) {
        if let Some(key) = secure::key_of(peer) {
            self.transfers.service.interrupted(&key);
        }
    }

    pub(super) fn stop_transfers(&self) {
        self.transfers.service.stop();
    }

    pub(super) fn on_transfer_command(&mut self, command: TransferCommand) {
        let service = self.transfers.service.clone();
        // A caller that is gone does not need its answer.
        match command {
            TransferCommand::Send(send, reply) => self.send_file(send, reply),
            TransferCommand::List(reply) => drop(reply.send(service.list())),
            TransferCommand::Show(id, reply) => {
                drop(reply.send(service.show(&id).map_err(NodeError::from)));
            }
            TransferCommand::Cancel(id, reply) => {
                drop(reply.send(service.cancel(&id).map_err(NodeError::from)));
            }
            TransferCommand::Retry(id, reply) => {
                tokio::spawn(async move {
                    drop(reply.send(service.retry(&id).await.map_err(NodeError::from)));
                });
            }
        }
    }

    fn send_file(&mut self, send: Outgoing<FileToSend>, reply: Reply<TransferStatus>) {
        let Outgoing { peer, what: file, .. } = send;
        let id = match self.resolve(&peer) {
            Ok(id) => id,
            Err(error) => return drop(reply.send(Err(error))),
        };
        if let Some(peer) = self.directory.get_mut(&id) {
            peer.wanted = true;
        }
        let entity = self.entity_of(&id);
        let service = self.transfers.service.clone();
        tokio::spawn(async move {
            let sent = service.send_file(id, entity, file).await;
            drop(reply.send(sent.map_err(NodeError::from)));
        });
    }
}

pub(super) fn fate_of(error: &NodeError) -> Fate {
    match error {
        NodeError::QueueFull { .. } => Fate::Busy,
        NodeError::Refused { code, detail, .. } => {
            Fate::Refused { code: *code, detail: detail.clone() }
        }
        _ => Fate::Lost,
    }
}
