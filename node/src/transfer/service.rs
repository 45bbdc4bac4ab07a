//! All transfers of a node, as the event loop, the API and the outbox call them.

mod shared;
mod start;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::identity::EntityId;
use peer_protocol::limits::{MAX_NAME_LEN, PROGRESS_LEN};
use peer_protocol::message::{ChunkAck, Message, Offer, Purpose};
use peer_protocol::transfer::check_name;

pub(super) use self::shared::{Shared, blocking};

use super::error::TransferFailure;
use super::intake::Begin;
use super::ledger::durable;
use super::receiving::Receiving;
use super::row::{IncomingRow, Key, OutgoingRow, Row, Source, Stage};
use super::sending::ToSender;
use crate::model::{FileToSend, TransferDirection, TransferState, TransferStatus};

/// Most transfers to send that are open at once.
const MAX_OUTGOING: usize = 10_000;
/// Pieces for peers that most likely pinned this node as it pinned them, and for others, whose rates
/// count pieces.
const PIECE_LEN: u32 = 256 << 10;
const LARGE_PIECE_LEN: u32 = 1 << 20;
/// How long an answer to an offer of a complete transfer may be on its way.
const ACK_LIFETIME: Duration = Duration::from_secs(60);

/// What became of a message that was given to [`Output::Send`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The peer's node has it.
    Arrived,
    /// The peer refused it.
    Refused { code: ErrorCode, detail: String },
    /// Nobody knows.
    Lost,
    /// It could not even be queued.
    Busy,
}

/// What transfers want of the event loop.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send a message. If `transfer` is there, [`Transfers::settled`] is to be told what became of it.
    Send { transfer: Option<Key>, peer: PeerId, message: Message, lifetime: Duration },
    /// Something is complete: a file is to be put into the inbox, and [`Transfers::announced`] once an agent
    /// was handed it; a content waits for its message.
    Received(Received),
    /// A content has arrived whole, or never will.
    ContentSent { peer: PeerId, id: TransferId, stage: Stage },
}

/// Something that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) key: Key,
    pub(crate) peer: PeerId,
    pub(crate) entity: EntityId,
    pub(crate) purpose: Purpose,
    /// As its sender calls it.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) digest: [u8; 32],
    pub(crate) content_type: String,
}

impl Received {
    pub(super) fn of(row: &IncomingRow, peer: PeerId) -> Self {
        Self {
            key: Key::incoming(row.peer, row.id),
            peer,
            entity: row.entity.clone(),
            purpose: row.offer.purpose,
            name: row.offer.name.clone().unwrap_or_default(),
            path: row.path.clone().unwrap_or_default(),
            size: row.total,
            digest: row.offer.digest,
            content_type: row.offer.content_type.clone(),
        }
    }
}

/// All transfers of a node. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Transfers {
    pub(super) shared: Arc<Shared>,
}

impl Transfers {
    /// Sends a file; returns once it is noted on disk that it will be.
    ///
    /// # Errors
    /// [`TransferFailure`] if it cannot be read, or not be sent under its name.
    pub(crate) async fn send_file(
        &self,
        peer: PeerId,
        entity: EntityId,
        file: FileToSend,
    ) -> Result<TransferStatus, TransferFailure> {
        let FileToSend { path, root, name, content_type, spooled } = file;
        if spooled {
            self.check_spooled(&path)?;
        }
        let own = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.or_else(own).unwrap_or_default();
        if let Err(reason) = check_name(&name) {
            return Err(TransferFailure::Name { name, reason });
        }
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        if content_type.len() > MAX_NAME_LEN {
            let detail = format!("a media type has at most {MAX_NAME_LEN} bytes");
            return Err(TransferFailure::Refused { code: None, detail });
        }
        let source = blocking(move || Ok(Source::look(&path, root, spooled))).await??;
        let purpose = Purpose::File;
        let offer = Offer { name: Some(name), digest: [0; 32], purpose, content_type };
        let id = self.begin(peer, entity, source, offer).await?;
        self.show(&id.to_string())
    }

    /// Only what somebody put into the spool is deleted.
    fn check_spooled(&self, path: &std::path::Path) -> Result<(), TransferFailure> {
        let spool = self.shared.places().ok_or(TransferFailure::Off)?.spool();
        let plain = path.file_name().is_some_and(|name| spool.join(name) == *path);
        let detail = || format!("{} does not lie in the spool", path.display());
        if plain { Ok(()) } else { Err(TransferFailure::Refused { code: None, detail: detail() }) }
    }

    /// Notes a transfer, and starts its task.
    async fn begin(
        &self,
        peer: PeerId,
        entity: EntityId,
        source: Source,
        offer: Offer,
    ) -> Result<TransferId, TransferFailure> {
        let Some(key) = peer_behaviours::secure::key_of(&peer) else {
            let detail = "the peer id is not that of an Ed25519 key".to_owned();
            return Err(TransferFailure::Refused { code: None, detail });
        };
        let open = self.shared.senders();
        if open >= MAX_OUTGOING {
            return Err(TransferFailure::TooMany { open });
        }
        let id = TransferId::random(&mut rand::rng());
        let row = self.new_row(id, &key, entity, source, offer);
        self.keep_row(&row).await?;
        self.shared.start_sending(peer, row);
        Ok(id)
    }

    pub(super) fn new_row(
        &self,
        id: TransferId,
        key: &PublicKey,
        entity: EntityId,
        source: Source,
        offer: Offer,
    ) -> OutgoingRow {
        let now = self.shared.clock.now().timestamp;
        let pinned = self.shared.is_pinned(key);
        let hashed = offer.purpose == Purpose::Content;
        OutgoingRow {
            id,
            peer: *key.as_bytes(),
            entity,
            source,
            offer,
            hashed,
            piece_len: if pinned { PIECE_LEN } else { LARGE_PIECE_LEN },
            received: 0,
            stage: Stage::Open,
            created: now,
            updated: now,
        }
    }

    /// Notes on disk that something will be sent.
    pub(super) async fn keep_row(&self, row: &OutgoingRow) -> Result<(), TransferFailure> {
        let saved = durable(self.shared.ledger.save(&Row::Outgoing(row.clone()))).await;
        saved.map_err(|error| TransferFailure::Disk { reason: error.to_string() })?;
        self.shared.list(&Row::Outgoing(row.clone()), TransferState::Queued);
        Ok(())
    }

    /// An offer was admitted: starts the task of a new transfer, or says that it is complete.
    pub(crate) fn on_offer(
        &self,
        peer: PeerId,
        key: &PublicKey,
        entity: EntityId,
        transfer: TransferId,
        message: MessageId,
    ) {
        let key = Key::incoming(*key.as_bytes(), transfer);
        match self.shared.intake.begin(&key) {
            Begin::Task(inputs, offer, total) => {
                let now = self.shared.clock.now().timestamp;
                let row = IncomingRow {
                    id: transfer,
                    peer: key.peer,
                    entity,
                    offer,
                    total,
                    received: 0,
                    path: None,
                    announced: false,
                    claimed: false,
                    stage: Stage::Open,
                    created: now,
                    updated: now,
                };
                self.shared.list(&Row::Incoming(row.clone()), TransferState::Running);
                let task = Receiving::new(Arc::clone(&self.shared), peer, row, inputs);
                self.shared.spawn(task.run(true));
            }
            Begin::Complete(total) => {
                let ack = ChunkAck { window: 0, received: total, transfer };
                let shared = Arc::clone(&self.shared);
                self.shared.spawn(async move {
                    shared.send_ack(peer, ack, Some(message), ACK_LIFETIME).await;
                });
            }
            Begin::Nothing => {}
        }
    }

    /// A receiver tells how far it has come.
    pub(crate) fn on_ack(&self, peer: &PublicKey, answers: Option<MessageId>, ack: ChunkAck) {
        let key = Key::outgoing(*peer.as_bytes(), ack.transfer);
        self.shared.tell_sender(&key, ToSender::Ack(answers, ack));
    }

    /// What became of a message.
    pub(crate) fn settled(&self, key: &Key, message: MessageId, fate: Fate) {
        self.shared.tell_sender(key, ToSender::Fate(message, fate));
    }

    /// There is a connection to a peer after there was none, or a new session.
    pub(crate) fn interrupted(&self, peer: &PublicKey) {
        self.shared.tell_senders_to(*peer.as_bytes());
    }

    /// A file that came in whole, and of which the agent was not told.
    pub(crate) fn received(&self, key: &Key) -> Option<Received> {
        let row = self.shared.kept_row(key).filter(|row| !row.announced)?;
        let peer = PublicKey::from_bytes(&row.peer).ok();
        let peer = peer.and_then(|key| peer_behaviours::secure::peer_id_of(&key))?;
        Some(Received::of(&row, peer))
    }

    /// The agent was told of a file.
    pub(crate) fn announced(&self, key: &Key) {
        self.shared.set_announced(key);
    }

    /// All transfers, the oldest first.
    pub(crate) fn list(&self) -> Vec<TransferStatus> {
        self.shared.book.all(self.shared.clock.now().instant)
    }

    /// Those that are not over.
    pub(crate) fn open(&self) -> Vec<TransferStatus> {
        self.shared.book.open_lines(self.shared.clock.now().instant)
    }

    /// How many transfers are not over.
    pub(crate) fn open_count(&self) -> usize {
        self.shared.book.open_count()
    }

    /// Those that have changed since this was last asked, as they stand now.
    pub(crate) fn changed(&self) -> Vec<TransferStatus> {
        self.shared.book.changed(self.shared.clock.now().instant)
    }

    /// One transfer, by its id or the beginning of it.
    ///
    /// # Errors
    /// [`TransferFailure`] if there is none, or several begin like that.
    pub(crate) fn show(&self, name: &str) -> Result<TransferStatus, TransferFailure> {
        let key = self.shared.book.find(name)?;
        let now = self.shared.clock.now().instant;
        let shown = self.shared.book.one(&key, now);
        shown.ok_or_else(|| TransferFailure::Unknown { id: name.to_owned() })
    }

    /// Gives a transfer up, on either side.
    ///
    /// # Errors
    /// [`TransferFailure`] if there is none, or it is over.
    pub(crate) fn cancel(&self, name: &str) -> Result<TransferStatus, TransferFailure> {
        let shown = self.show(name)?;
        if shown.state.is_over() {
            return Err(TransferFailure::Over { id: shown.id, state: shown.state.as_str() });
        }
        let key = self.shared.book.find(name)?;
        match key.direction {
            TransferDirection::Outgoing => self.shared.tell_sender(&key, ToSender::Cancel),
            TransferDirection::Incoming => self.shared.intake.cancel(&key),
        }
        Ok(shown)
    }

    /// Sends what failed, or was cancelled, once more, as a new transfer.
    ///
    /// # Errors
    /// [`TransferFailure`] if there is none, or it cannot be sent again.
    pub(crate) async fn retry(&self, name: &str) -> Result<TransferStatus, TransferFailure> {
        let shown = self.show(name)?;
        let key = self.shared.book.find(name)?;
        let not = |why| Err(TransferFailure::NotRetried { id: shown.id.clone(), why });
        let again = matches!(shown.state, TransferState::Failed | TransferState::Cancelled);
        let path = match (key.direction, shown.path.clone()) {
            (TransferDirection::Incoming, _) => return not("only its sender can send it again"),
            (TransferDirection::Outgoing, _) if !again => return not("it has not failed"),
            (TransferDirection::Outgoing, None) => return not("what was sent is not kept"),
            (TransferDirection::Outgoing, Some(path)) => PathBuf::from(path),
        };
        let Ok(peer) = shown.peer_id.parse() else { return not("its receiver is not known") };
        // Where it was allowed to lie at first.
        let root = self.shared.book.root(&key);
        let name = shown.name.clone();
        let file = FileToSend { path, root, name, content_type: None, spooled: false };
        self.send_file(peer, shown.peer, file).await
    }

    /// Ends all tasks. What is open goes on at the next start.
    pub(crate) fn stop(&self) {
        self.shared.stop();
    }
}

// A sender may have this much with a receiver that is not on disk, twice: progress is told in time.
const _: () = assert!(2 * PROGRESS_LEN <= peer_protocol::limits::TRANSFER_WINDOW);
