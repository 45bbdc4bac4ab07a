//! What comes in is judged before it is acknowledged (§9.3). Links ask from their own tasks; nothing here
//! waits.

mod pool;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hashlink::LinkedHashMap;
use peer_behaviours::Clock;
use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::identity::Fingerprint;
use peer_protocol::limits::{MAX_INLINE_CONTENT_LEN, MAX_LONG_CONTENT_LEN};
use peer_protocol::message::{Body, Chunk, ErrorReport, Message, Offer, Purpose};
use peer_protocol::time::Instant;
use peer_protocol::transfer::{Part, Receiver, Taken, TransferError};
use tokio::sync::mpsc;

use self::pool::Pool;
use super::row::Key;
use crate::config::{AcceptFiles, TransferConfig};
use crate::trust::SharedTrust;

/// Most bytes of pieces, of all transfers, that wait for the disk.
const MAX_BUFFERED: usize = 64 << 20;
/// Places in the channel to a transfer's task: more than a window has pieces.
const INPUTS: usize = 512;
/// Of these, places that are kept for pieces.
const FOR_PIECES: usize = 256;
/// Most complete transfers that are remembered whose bytes are gone, and most that ended otherwise.
const MAX_OVER: usize = 4_096;
/// Largest content of a message, most of one peer, and of all, in bytes.
pub(super) const MAX_CONTENT: u64 = MAX_LONG_CONTENT_LEN as u64;
const CONTENTS: u64 = 512 << 20;
/// What is not longer goes in its message, and is no content.
const MAX_INLINE: u64 = MAX_INLINE_CONTENT_LEN as u64;
/// When a sender tries again that met a busy disk, and a failing one, in milliseconds.
const BUSY_MS: u64 = 100;
const FAILING_MS: u64 = 5_000;
/// When a sender offers a content again for which there is no room, in milliseconds.
const FULL_MS: u64 = 1_000;

/// What the task of a transfer is told.
#[derive(Debug)]
pub(super) enum Input {
    Piece {
        offset: u64,
        data: Bytes,
        buffered: Buffered,
    },
    /// It was offered, in this message.
    Offer(MessageId),
    /// It is over.
    End(TransferError),
}

/// Bytes that wait for the disk, until this is dropped.
#[derive(Debug)]
pub(super) struct Buffered {
    all: Arc<AtomicUsize>,
    len: usize,
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.all.fetch_sub(self.len, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Entry {
    Open {
        receiver: Receiver,
        inputs: mpsc::Sender<Input>,
        /// For the task, until it begins.
        begins: Option<mpsc::Receiver<Input>>,
        /// The disk does not take what comes.
        failing: bool,
    },
    Complete {
        offer: Offer,
        total: u64,
        /// Whether its bytes lie here still.
        here: bool,
        /// When a message last named it.
        asked: Option<Instant>,
    },
}

#[derive(Debug)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Complete ones whose bytes do not lie here any more, the oldest first. Quotas bound the others, which no
    /// peer can push out: what is offered under their ids would take their files' places.
    gone: LinkedHashMap<Key, ()>,
    ended: LinkedHashMap<Key, TransferError>,
    files: Pool,
    contents: Pool,
}

/// What an offer leads to.
#[derive(Debug)]
pub(super) enum Begin {
    /// Its task is to be started.
    Task(mpsc::Receiver<Input>, Offer, u64),
    /// It is complete already, with so many bytes.
    Complete(u64),
    /// Its task runs, and answers; or it is over.
    Nothing,
}

/// All transfers that come in.
#[derive(Debug)]
pub(crate) struct Intake {
    config: TransferConfig,
    trust: Arc<SharedTrust>,
    clock: Arc<dyn Clock>,
    buffered: Arc<AtomicUsize>,
    state: Mutex<State>,
}

impl Intake {
    pub(crate) fn new(
        config: &TransferConfig,
        trust: Arc<SharedTrust>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let TransferConfig { per_peer, total, open_per_peer, open, .. } = *config;
        let state = State {
            entries: HashMap::new(),
            gone: LinkedHashMap::new(),
            ended: LinkedHashMap::new(),
            files: Pool::new(open_per_peer, open, per_peer, total),
            contents: Pool::new(open_per_peer, open, MAX_CONTENT, CONTENTS),
        };
        let buffered = Arc::default();
        Self { config: config.clone(), trust, clock, buffered, state: Mutex::new(state) }
    }

    /// Takes a chunk of the holder of `from` in, or says why not.
    ///
    /// # Errors
    /// What the sender is told.
    pub(crate) fn admit(&self, from: &PublicKey, message: &Message) -> Result<(), ErrorReport> {
        // The link has decoded it before.
        let Ok(Body::Chunk(chunk)) = message.decode() else { return Ok(()) };
        let key = Key::incoming(*from.as_bytes(), chunk.transfer);
        let part = Part::of(&chunk).map_err(|error| report(&error))?;
        let mut state = self.lock();
        match part {
            Part::Offer(offer) => self.offer(&mut state, key, offer, &chunk, message.id, from),
            Part::Piece(data) => self.piece(&mut state, key, &chunk, message.body.slice_ref(data)),
            Part::Cancel(why) => {
                state.end(&key, TransferError::Withdrawn { why: why.to_owned() });
                Ok(())
            }
        }
    }

    fn offer(
        &self,
        state: &mut State,
        key: Key,
        offer: &Offer,
        chunk: &Chunk<'_>,
        message: MessageId,
        from: &PublicKey,
    ) -> Result<(), ErrorReport> {
        let total = chunk.total;
        if let Some(error) = state.ended.get(&key) {
            return Err(report(error));
        }
        let known = match state.entries.get(&key) {
            None => None,
            Some(Entry::Complete { offer: taken, total: all, .. }) => {
                let same = taken == offer && *all == total;
                Some(if same { Ok(()) } else { Err(TransferError::WrongOffer) })
            }
            Some(Entry::Open { receiver, inputs, .. }) => {
                let checked = receiver.check_offer(offer, total);
                if checked.is_ok() && inputs.capacity() > FOR_PIECES {
                    // Without room it goes unanswered, and is made again.
                    let _ = inputs.try_send(Input::Offer(message));
                }
                Some(checked)
            }
        };
        match known {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => {
                state.end(&key, error.clone());
                return Err(report(&error));
            }
            None => {}
        }
        let now = self.clock.now().instant;
        let receiver = Receiver::new(offer.clone(), total, 0, now);
        let receiver = receiver.map_err(|error| report(&error))?;
        self.judge(offer, total, from).map_err(|error| report(&error))?;
        let pinned = self.trust.is_pinned(Fingerprint::of(from));
        let pool = state.pool(offer.purpose);
        pool.open(key.peer, total, pinned).map_err(|error| match offer.purpose {
            Purpose::File => report(&error),
            // There will be room once the agent has taken what came before.
            Purpose::Content => later(&error.to_string(), FULL_MS),
        })?;
        let (inputs, begins) = mpsc::channel(INPUTS);
        let _ = inputs.try_send(Input::Offer(message));
        let begins = Some(begins);
        state.entries.insert(key, Entry::Open { receiver, inputs, begins, failing: false });
        Ok(())
    }

    /// Whether such a payload is taken from this peer at all.
    fn judge(&self, offer: &Offer, total: u64, from: &PublicKey) -> Result<(), TransferError> {
        let most = match offer.purpose {
            Purpose::File => self.config.max_file,
            // Whoever may have a session may send messages.
            Purpose::Content => MAX_CONTENT,
        };
        let fingerprint = Fingerprint::of(from);
        let accepted = match (offer.purpose, self.config.accept) {
            (Purpose::Content, _) => self.config.contents,
            (Purpose::File, AcceptFiles::None) => false,
            (Purpose::File, AcceptFiles::Pinned) => self.trust.is_pinned(fingerprint),
            (Purpose::File, AcceptFiles::Known) => self.trust.knows(fingerprint),
            (Purpose::File, AcceptFiles::All) => true,
        };
        if !accepted || self.config.root.is_none() {
            let helps = matches!(self.config.accept, AcceptFiles::Pinned | AcceptFiles::Known)
                && offer.purpose == Purpose::File
                && self.config.root.is_some();
            return Err(if helps { TransferError::NotPinned } else { TransferError::NotAccepted });
        }
        // Each takes a row, a file and an entry: so their number is bounded with their bytes.
        if offer.purpose == Purpose::Content && total <= MAX_INLINE {
            return Err(TransferError::TooSmall { total, most: MAX_INLINE });
        }
        if total > most { Err(TransferError::TooLarge { total, most }) } else { Ok(()) }
    }

    fn piece(
        &self,
        state: &mut State,
        key: Key,
        chunk: &Chunk<'_>,
        data: Bytes,
    ) -> Result<(), ErrorReport> {
        if let Some(error) = state.ended.get(&key) {
            return Err(report(error));
        }
        let (receiver, inputs) = match state.entries.get_mut(&key) {
            None => return Err(report(&TransferError::Unknown)),
            // A repetition that comes late.
            Some(Entry::Complete { .. }) => return Ok(()),
            Some(Entry::Open { failing: true, .. }) => {
                return Err(later("the disk takes nothing now", FAILING_MS));
            }
            Some(Entry::Open { receiver, inputs, .. }) => (receiver, inputs),
        };
        let len = data.len();
        let full = self.buffered.load(Ordering::Relaxed) + len > MAX_BUFFERED;
        if full || inputs.capacity() == 0 {
            return Err(later("the disk is slower than what comes", BUSY_MS));
        }
        let now = self.clock.now().instant;
        match receiver.take(chunk.offset, len as u64, chunk.total, now) {
            Ok(Taken::Repeated) => Ok(()),
            Ok(Taken::New) => {
                self.buffered.fetch_add(len, Ordering::Relaxed);
                let buffered = Buffered { all: Arc::clone(&self.buffered), len };
                // There is room, and this is the only place that takes it.
                let _ = inputs.try_send(Input::Piece { offset: chunk.offset, data, buffered });
                Ok(())
            }
            // One who sent it before this side lost what it had: the next answer to an offer says.
            Err(error @ TransferError::BeyondWindow { .. }) => Err(report(&error)),
            Err(error) => {
                state.end(&key, error.clone());
                Err(report(&error))
            }
        }
    }

    /// What there is to do about an offer that was admitted.
    pub(super) fn begin(&self, key: &Key) -> Begin {
        match self.lock().entries.get_mut(key) {
            Some(Entry::Complete { total, .. }) => Begin::Complete(*total),
            Some(Entry::Open { receiver, begins, .. }) => match begins.take() {
                Some(inputs) => Begin::Task(inputs, receiver.offer().clone(), receiver.total()),
                None => Begin::Nothing,
            },
            None => Begin::Nothing,
        }
    }

    /// Goes on with a transfer of an earlier run. `None` if nobody may offer that any more.
    pub(super) fn resume(
        &self,
        key: Key,
        offer: &Offer,
        total: u64,
        received: u64,
    ) -> Option<mpsc::Receiver<Input>> {
        let now = self.clock.now().instant;
        let receiver = Receiver::new(offer.clone(), total, received, now).ok()?;
        let (inputs, begins) = mpsc::channel(INPUTS);
        let mut state = self.lock();
        state.pool(offer.purpose).open_anyway(key.peer, total);
        let open = Entry::Open { receiver, inputs, begins: None, failing: false };
        state.entries.insert(key, open);
        Some(begins)
    }

    /// Remembers a transfer that was complete in an earlier run; `kept` bytes of it still lie `here`.
    pub(super) fn recall(&self, key: Key, offer: &Offer, total: u64, kept: u64, here: bool) {
        let mut state = self.lock();
        state.pool(offer.purpose).keep(key.peer, kept);
        state.insert_complete(key, offer.clone(), total, here);
    }

    /// Whether the content that a message of the holder of `from` names is here. It stays for a while then.
    pub(crate) fn has_content(&self, from: &PublicKey, id: TransferId) -> bool {
        let now = self.clock.now().instant;
        match self.lock().entries.get_mut(&Key::incoming(*from.as_bytes(), id)) {
            Some(Entry::Complete { offer, here: true, asked, .. }) => {
                *asked = Some(now);
                offer.purpose == Purpose::Content
            }
            Some(Entry::Complete { .. } | Entry::Open { .. }) | None => false,
        }
    }

    /// Whether a message named a content within the last `time`.
    pub(super) fn was_asked_for(&self, key: &Key, time: Duration) -> bool {
        let now = self.clock.now().instant;
        match self.lock().entries.get(key) {
            Some(Entry::Complete { asked: Some(at), .. }) => now.since(*at) < time,
            Some(Entry::Complete { .. } | Entry::Open { .. }) | None => false,
        }
    }

    /// The bytes of a complete transfer do not lie here any more.
    pub(super) fn gone(&self, key: &Key) {
        let mut state = self.lock();
        if let Some(Entry::Complete { here, .. }) = state.entries.get_mut(key) {
            *here = false;
            state.insert_gone(*key);
        }
    }

    /// Does something with an open transfer.
    pub(super) fn with<T>(&self, key: &Key, run: impl FnOnce(&mut Receiver) -> T) -> Option<T> {
        match self.lock().entries.get_mut(key) {
            Some(Entry::Open { receiver, .. }) => Some(run(receiver)),
            Some(Entry::Complete { .. }) | None => None,
        }
    }

    /// Whether the disk takes what comes.
    pub(super) fn set_failing(&self, key: &Key, fails: bool) {
        if let Some(Entry::Open { failing, .. }) = self.lock().entries.get_mut(key) {
            *failing = fails;
        }
    }

    /// A transfer is complete; its bytes lie here until they are [released](Intake::release).
    pub(super) fn complete(&self, key: &Key) {
        let mut state = self.lock();
        let Some(Entry::Open { receiver, .. }) = state.entries.remove(key) else { return };
        let (offer, total) = (receiver.offer().clone(), receiver.total());
        let pool = state.pool(offer.purpose);
        pool.close(key.peer, total);
        pool.keep(key.peer, total);
        state.insert_complete(*key, offer, total, true);
    }

    /// Bytes of complete transfers do not lie here any more.
    pub(super) fn release(&self, peer: [u8; 32], purpose: Purpose, bytes: u64) {
        self.lock().pool(purpose).release(peer, bytes);
    }

    /// A transfer is over without being complete; its sender is told why when it asks.
    pub(super) fn ended(&self, key: &Key, why: &TransferError) {
        let mut state = self.lock();
        if let Some(Entry::Open { receiver, .. }) = state.entries.remove(key) {
            let (purpose, total) = (receiver.offer().purpose, receiver.total());
            state.pool(purpose).close(key.peer, total);
        }
        state.insert_ended(*key, why.clone());
    }

    /// Forgets a transfer of which nothing has come: it may be offered again.
    pub(super) fn drop_open(&self, key: &Key) {
        let mut state = self.lock();
        if let Some(Entry::Open { receiver, .. }) = state.entries.remove(key) {
            let (purpose, total) = (receiver.offer().purpose, receiver.total());
            state.pool(purpose).close(key.peer, total);
        }
    }

    /// What was taken beyond what is on disk is lost: pieces are to come again. `discard` empties what
    /// waits for the disk.
    pub(super) fn begin_again(&self, key: &Key, discard: impl FnOnce()) {
        let now = self.clock.now().instant;
        let mut state = self.lock();
        if let Some(Entry::Open { receiver, .. }) = state.entries.get_mut(key) {
            let (offer, total) = (receiver.offer().clone(), receiver.total());
            if let Ok(fresh) = Receiver::new(offer, total, receiver.durable(), now) {
                *receiver = fresh;
            }
            discard();
        }
    }

    /// Ends a transfer from this side.
    pub(super) fn cancel(&self, key: &Key) {
        self.lock().end(key, TransferError::Cancelled);
    }

    /// Forgets a transfer, so that it may be sent again under its id: its content is gone.
    pub(super) fn forget(&self, key: &Key) {
        let mut state = self.lock();
        if matches!(state.entries.get(key), Some(Entry::Complete { .. })) {
            state.entries.remove(key);
            state.gone.remove(key);
        }
    }

    /// Bytes that open transfers are still to bring.
    pub(super) fn outstanding(&self) -> u64 {
        let state = self.lock();
        let left = |entry: &Entry| match entry {
            Entry::Open { receiver, .. } => receiver.total().saturating_sub(receiver.durable()),
            Entry::Complete { .. } => 0,
        };
        state.entries.values().map(left).fold(0, u64::saturating_add)
    }

    /// Transfers of which anything is remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let state = self.lock();
        state.entries.len() + state.ended.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn pool(&mut self, purpose: Purpose) -> &mut Pool {
        match purpose {
            Purpose::File => &mut self.files,
            Purpose::Content => &mut self.contents,
        }
    }

    /// Ends a transfer; its task cleans up.
    fn end(&mut self, key: &Key, why: TransferError) {
        match self.entries.get_mut(key) {
            Some(Entry::Open { inputs, receiver, begins, .. }) => {
                if begins.is_some() {
                    // Its task has not begun, and will not.
                    let (purpose, total) = (receiver.offer().purpose, receiver.total());
                    self.entries.remove(key);
                    self.pool(purpose).close(key.peer, total);
                } else {
                    // Pieces do not fill the channel: the window has fewer.
                    let _ = inputs.try_send(Input::End(why.clone()));
                }
            }
            Some(Entry::Complete { .. }) => return,
            None => return,
        }
        self.insert_ended(*key, why);
    }

    fn insert_ended(&mut self, key: Key, why: TransferError) {
        self.ended.insert(key, why);
        if self.ended.len() > MAX_OVER {
            self.ended.pop_front();
        }
    }

    fn insert_complete(&mut self, key: Key, offer: Offer, total: u64, here: bool) {
        self.entries.insert(key, Entry::Complete { offer, total, here, asked: None });
        if !here {
            self.insert_gone(key);
        }
    }

    fn insert_gone(&mut self, key: Key) {
        self.gone.insert(key, ());
        if self.gone.len() > MAX_OVER
            && let Some((oldest, ())) = self.gone.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

fn report(error: &TransferError) -> ErrorReport {
    ErrorReport::new(error.into(), error.to_string())
}

fn later(detail: &str, retry_after_ms: u64) -> ErrorReport {
    ErrorReport {
        retry_after_ms: Some(retry_after_ms),
        ..ErrorReport::new(ErrorCode::RateLimited, detail)
    }
}
