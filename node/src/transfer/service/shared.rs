//! What the tasks of all transfers share.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::Clock;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::identity::Fingerprint;
use peer_protocol::message::{Body, Chunk, ChunkAck, Message, Purpose};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Output;
use crate::config::TransferConfig;
use crate::model::TransferState;
use crate::transfer::book::Book;
use crate::transfer::contents::Contents;
use crate::transfer::doubts::Doubts;
use crate::transfer::intake::Intake;
use crate::transfer::ledger::Ledger;
use crate::transfer::places::Places;
use crate::transfer::row::{IncomingRow, Key, OutgoingRow, Row};
use crate::transfer::sending::{Sending, ToSender};
use crate::trust::SharedTrust;

/// Places in the channel to a sending task, and how many of them acknowledgements leave free: what
/// became of messages must get through, however many a peer sends.
const INPUTS: usize = 256;
const FOR_FATES: usize = 128;
/// Files, and contents, that go to one peer at once; others wait.
const FILES_AT_ONCE: usize = 2;
const CONTENTS_AT_ONCE: usize = 4;
/// How long it is worth telling that a content was withdrawn.
const WITHDRAWAL_LIFETIME: Duration = Duration::from_secs(60);

type Slots = HashMap<([u8; 32], bool), Weak<Semaphore>>;

/// What the tasks of all transfers share.
#[derive(Debug)]
pub(in crate::transfer) struct Shared {
    pub(in crate::transfer) config: TransferConfig,
    pub(in crate::transfer) clock: Arc<dyn Clock>,
    pub(in crate::transfer) intake: Arc<Intake>,
    pub(in crate::transfer) ledger: Arc<dyn Ledger>,
    pub(in crate::transfer) book: Book,
    places: Option<Places>,
    trust: Arc<SharedTrust>,
    outputs: mpsc::Sender<Output>,
    senders: Mutex<HashMap<Key, mpsc::Sender<ToSender>>>,
    slots: Mutex<Slots>,
    /// Complete transfers whose bytes lie here.
    kept: Mutex<HashMap<Key, IncomingRow>>,
    /// Claims of contents of which nobody knows whether they are on disk.
    doubts: Mutex<Doubts>,
    /// Contents whose messages are not settled.
    contents: Mutex<Contents>,
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    pub(super) fn new(
        config: TransferConfig,
        intake: Arc<Intake>,
        trust: Arc<SharedTrust>,
        clock: Arc<dyn Clock>,
        ledger: Arc<dyn Ledger>,
        outputs: mpsc::Sender<Output>,
    ) -> Self {
        Self {
            places: Places::of(&config),
            config,
            clock,
            intake,
            ledger,
            book: Book::default(),
            trust,
            outputs,
            senders: Mutex::default(),
            slots: Mutex::default(),
            kept: Mutex::default(),
            doubts: Mutex::default(),
            contents: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    /// The directories, if there are any.
    pub(in crate::transfer) fn places(&self) -> Option<Places> {
        self.places.clone()
    }

    pub(super) fn is_pinned(&self, key: &PublicKey) -> bool {
        self.trust.is_pinned(Fingerprint::of(key))
    }

    /// Runs a task until it ends or the node stops.
    pub(in crate::transfer) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(super) fn stop(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Lists a transfer, and forgets the oldest that are over. What is needed of it is noted
    /// [before](Self::keep): this may be the one that makes room for the next.
    pub(super) fn list(&self, row: &Row, state: TransferState) {
        for gone in self.book.open(row, state) {
            // What lies here still counts, and what was not told or taken yet still is to be.
            let needed = self.contents().is_kept(&gone);
            if !needed && self.kept_row(&gone).is_none_or(|row| row.announced) {
                drop(self.ledger.forget(gone));
            }
        }
    }

    /// Tells the event loop something. While it is busy, the task waits.
    pub(in crate::transfer) async fn tell(&self, output: Output) {
        // Without an event loop the node has stopped.
        let _ = self.outputs.send(output).await;
    }

    pub(in crate::transfer) async fn send_ack(
        &self,
        peer: PeerId,
        ack: ChunkAck,
        answers: Option<MessageId>,
        lifetime: Duration,
    ) {
        let message = Message::new(&mut rand::rng(), &Body::from(ack), answers);
        if let Ok(message) = message {
            self.tell(Output::Send { transfer: None, peer, message, lifetime }).await;
        }
    }

    /// Those who may send to a peer now; others wait in the order in which they came.
    pub(in crate::transfer) fn slots(&self, peer: [u8; 32], purpose: Purpose) -> Arc<Semaphore> {
        let mut all = lock(&self.slots);
        let files = purpose == Purpose::File;
        if let Some(slots) = all.get(&(peer, files)).and_then(Weak::upgrade) {
            return slots;
        }
        all.retain(|_, slots| slots.strong_count() > 0);
        let slots = Arc::new(Semaphore::new(if files { FILES_AT_ONCE } else { CONTENTS_AT_ONCE }));
        all.insert((peer, files), Arc::downgrade(&slots));
        slots
    }

    pub(in crate::transfer) fn start_sending(self: &Arc<Self>, peer: PeerId, row: OutgoingRow) {
        let (inputs, receiver) = mpsc::channel(INPUTS);
        lock(&self.senders).insert(Key::outgoing(row.peer, row.id), inputs);
        let task = Sending::new(Arc::clone(self), peer, row, receiver);
        self.spawn(task.run());
    }

    /// Has a task end.
    pub(in crate::transfer) fn cancel_sender(&self, key: &Key) {
        self.tell_sender(key, ToSender::Cancel);
    }

    /// Tells the receiver of a content that no message follows.
    pub(in crate::transfer) async fn withdraw_content(&self, row: &OutgoingRow) {
        let chunk = Chunk {
            data: Vec::new().into(),
            offer: None,
            total: row.source.size,
            cancel: Some("its message does not follow".to_owned()),
            offset: 0,
            transfer: row.id,
        };
        let peer = PublicKey::from_bytes(&row.peer).ok();
        let peer = peer.and_then(|key| peer_behaviours::secure::peer_id_of(&key));
        let message = Message::new(&mut rand::rng(), &Body::from(chunk), None);
        if let (Some(peer), Ok(message)) = (peer, message) {
            let lifetime = WITHDRAWAL_LIFETIME;
            self.tell(Output::Send { transfer: None, peer, message, lifetime }).await;
        }
    }

    pub(super) fn senders(&self) -> usize {
        lock(&self.senders).len()
    }

    pub(in crate::transfer) fn sender_ended(&self, key: &Key) {
        lock(&self.senders).remove(key);
    }

    pub(super) fn tell_sender(&self, key: &Key, input: ToSender) {
        let senders = lock(&self.senders);
        let Some(sender) = senders.get(key) else { return };
        let extra = matches!(input, ToSender::Ack(..) | ToSender::Interrupted);
        if !extra || sender.capacity() > FOR_FATES {
            // A task that has just ended needs nothing more.
            let _ = sender.try_send(input);
        }
    }

    pub(super) fn tell_senders_to(&self, peer: [u8; 32]) {
        let keys: Vec<_> =
            lock(&self.senders).keys().filter(|key| key.peer == peer).copied().collect();
        for key in keys {
            self.tell_sender(&key, ToSender::Interrupted);
        }
    }

    /// Contents whose messages are not settled.
    pub(in crate::transfer) fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.contents)
    }

    /// Claims of contents of which nobody knows whether they are on disk.
    pub(in crate::transfer) fn doubts(&self) -> MutexGuard<'_, Doubts> {
        lock(&self.doubts)
    }

    /// Deletes the file of a content that is not needed any more, and forgets its row.
    pub(in crate::transfer) async fn drop_content(&self, row: &OutgoingRow) {
        drop(self.ledger.forget(Key::outgoing(row.peer, row.id)));
        let path = row.source.path.clone();
        // A file that is left is found at the next start.
        let _ = blocking(move || std::fs::remove_file(path)).await;
    }

    /// Notes that the bytes of a complete transfer lie here, or that somebody is still to be told of it.
    pub(in crate::transfer) fn keep(&self, row: &IncomingRow) {
        lock(&self.kept).insert(Key::incoming(row.peer, row.id), row.clone());
    }

    pub(in crate::transfer) fn kept_row(&self, key: &Key) -> Option<IncomingRow> {
        lock(&self.kept).get(key).cloned()
    }

    pub(super) fn kept_rows(&self) -> Vec<IncomingRow> {
        lock(&self.kept).values().cloned().collect()
    }

    /// The bytes of a complete transfer are gone. Returns its row, to one caller only.
    pub(super) fn unkeep(&self, key: &Key) -> Option<IncomingRow> {
        let row = lock(&self.kept).remove(key)?;
        self.doubts().remove(key);
        self.intake.release(row.peer, row.offer.purpose, row.total);
        self.intake.gone(key);
        Some(row)
    }

    /// Deletes a content that was taken, or that nobody wants. Returns whether it was here.
    pub(in crate::transfer) async fn drop_kept(&self, key: &Key) -> bool {
        let Some(mut row) = self.unkeep(key) else { return false };
        row.announced = true;
        drop(self.ledger.save(&Row::Incoming(row.clone())));
        if let Some(path) = row.path {
            // What is left is found at the next start.
            let _ = blocking(move || std::fs::remove_file(path)).await;
        }
        true
    }

    /// Forgets a content that no message asks for: it may be sent again.
    pub(in crate::transfer) async fn forget_content(&self, key: &Key) {
        if self.drop_kept(key).await {
            drop(self.ledger.forget(*key));
            self.book.remove(key);
            // From here on the same id may be another transfer, whose file and row have the same names.
            self.intake.forget(key);
        }
    }

    /// Changes what is known of a complete transfer; returns its row then, for the disk.
    pub(in crate::transfer) fn change_kept(
        &self,
        key: &Key,
        change: impl FnOnce(&mut IncomingRow),
    ) -> Option<IncomingRow> {
        let mut kept = lock(&self.kept);
        let row = kept.get_mut(key)?;
        change(row);
        Some(row.clone())
    }

    pub(super) fn set_announced(&self, key: &Key) {
        if let Some(row) = lock(&self.kept).get_mut(key) {
            row.announced = true;
            drop(self.ledger.save(&Row::Incoming(row.clone())));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what touches the disk where it may block.
pub(in crate::transfer) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl From<io::Error> for crate::transfer::TransferFailure {
    fn from(error: io::Error) -> Self {
        Self::Disk { reason: error.to_string() }
    }
}

/// A path as rows keep it.
pub(super) fn existing(path: Option<&PathBuf>) -> bool {
    path.is_some_and(|path| path.exists())
}
