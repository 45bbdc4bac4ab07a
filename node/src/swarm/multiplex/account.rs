//! What one connection holds.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::MAX_STREAMS;
use super::store::Store;

/// What may lie unread on every connection's streams without asking: a frame as this program sends them,
/// and a little.
pub(in crate::swarm) const OWN: usize = 20 << 10;
/// What a frame takes besides its bytes.
pub(super) const FRAME: usize = 64;
/// Whoever reads a stream may keep so much of its beginning: names of protocols, and frames that do not
/// count towards a budget. It counts as unread until more was read. A name has two bytes of length and at
/// most 16 KiB, and comes after the twenty bytes of multistream-select's own.
pub(super) const BEGINNING: usize = 20 + 2 + (16 << 10);
/// Streams in the account: those that Yamux has, and those that it is just letting go of.
const MOST: usize = 2 * MAX_STREAMS;

/// The account.
#[derive(Debug)]
pub(in crate::swarm) struct Account {
    store: Arc<Store>,
    /// Bytes that it may hold without asking.
    own: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    streams: HashMap<u32, Unread>,
    /// Whether any of them was dropped.
    dropped: bool,
    /// The frame under way, if it is for no stream: Yamux throws it away once it is complete.
    lost: usize,
    /// Bytes that lie in memory for this connection.
    held: usize,
    /// Those of the store: all beyond its own.
    taken: usize,
    /// When any of it was last read.
    read: Instant,
    /// Yamux cannot write: streams that were dropped are still there.
    blocked: bool,
    /// Why it is over, if it is.
    ended: Option<&'static str>,
    /// Whoever polls the connection, if it holds some of the store's or waits for room.
    waker: Option<Waker>,
    waits: bool,
}

/// What lies unread on a stream.
#[derive(Debug, Default)]
struct Unread {
    bytes: usize,
    /// What their frames take.
    frames: usize,
    /// Bytes that were read, until they are more than a [`BEGINNING`].
    beginning: usize,
    begun: bool,
    /// Its owner has dropped it.
    dropped: bool,
}

impl Unread {
    fn held(&self) -> usize {
        self.bytes + self.frames + self.beginning
    }

    fn read(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_sub(len);
        if self.bytes == 0 {
            self.frames = 0;
        }
        if !self.begun {
            self.beginning += len;
            self.begun = self.beginning > BEGINNING;
        }
        if self.begun {
            self.beginning = 0;
        }
    }
}

impl Account {
    pub(in crate::swarm) fn new(store: Arc<Store>, own: usize) -> Arc<Self> {
        let state = State {
            streams: HashMap::new(),
            dropped: false,
            lost: 0,
            held: 0,
            taken: 0,
            read: Instant::now(),
            blocked: false,
            ended: None,
            waker: None,
            waits: false,
        };
        Arc::new(Self { store, own, state: Mutex::new(state) })
    }

    pub(super) const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection may go on; whoever polls it is woken when it may not.
    ///
    /// # Errors
    /// It is over.
    pub(in crate::swarm) fn check(&self, waker: &Waker) -> io::Result<()> {
        let mut state = self.state();
        if let Some(reason) = state.ended {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason));
        }
        if state.taken > 0 && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        Ok(())
    }

    /// Takes in a frame with `len` bytes for the stream `id`, which it may open. Returns whether there is
    /// room for it; if not, `waker` is woken when this connection holds less.
    ///
    /// # Errors
    /// More streams are opened than there can be.
    pub(in crate::swarm) fn arrives(
        self: &Arc<Self>,
        id: u32,
        len: usize,
        opens: bool,
        waker: &Waker,
    ) -> io::Result<bool> {
        let mut state = self.state();
        state.held -= std::mem::take(&mut state.lost);
        let known = state.streams.contains_key(&id);
        if opens && !known && state.streams.len() >= MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many streams are opened"));
        }
        let frame = if len == 0 { 0 } else { FRAME };
        let needed = (state.held + len + frame).saturating_sub(self.own + state.taken);
        if needed > 0 {
            if !self.store.take(needed, state.taken) {
                state.waker = Some(waker.clone());
                state.waits = true;
                return Ok(false);
            }
            if state.taken == 0 {
                state.read = Instant::now();
                self.store.note(self);
            }
            state.taken += needed;
        }
        state.held += len + frame;
        if known || opens {
            let stream = state.streams.entry(id).or_default();
            stream.bytes += len;
            stream.frames += frame;
        } else {
            state.lost = len + frame;
        }
        state.waits = false;
        self.give_back(&mut state);
        Ok(true)
    }

    /// There is a stream, of whichever side.
    pub(in crate::swarm) fn opened(&self, id: u32) {
        self.state().streams.entry(id).or_default();
    }

    /// The owner of a stream has read so many bytes of it.
    pub(in crate::swarm) fn read(&self, id: u32, len: usize) {
        let mut state = self.state();
        let Some(stream) = state.streams.get_mut(&id) else { return };
        let before = stream.held();
        stream.read(len);
        let after = stream.held();
        state.held = (state.held + after).saturating_sub(before);
        if state.taken > 0 {
            state.read = Instant::now();
        }
        self.give_back(&mut state);
    }

    /// The owner of a stream has dropped it.
    pub(in crate::swarm) fn dropped(&self, id: u32) {
        let mut state = self.state();
        if let Some(stream) = state.streams.get_mut(&id) {
            stream.dropped = true;
            state.dropped = true;
        }
    }

    /// Whether Yamux could write.
    pub(super) fn wrote(&self, could: bool) {
        self.state().blocked = !could;
    }

    /// Yamux has let go of the streams that were dropped, unless it is still writing.
    pub(in crate::swarm) fn settle(&self) {
        let mut state = self.state();
        if state.blocked || !std::mem::take(&mut state.dropped) {
            return;
        }
        let mut freed = 0;
        state.streams.retain(|_, stream| {
            freed += if stream.dropped { stream.held() } else { 0 };
            !stream.dropped
        });
        if freed > 0 {
            state.held = state.held.saturating_sub(freed);
            state.read = Instant::now();
            self.give_back(&mut state);
        }
    }

    /// Returns to the store what is not needed any more.
    fn give_back(&self, state: &mut State) {
        let needed = state.held.saturating_sub(self.own);
        if state.taken > needed {
            self.store.give(state.taken - needed);
            state.taken = needed;
            if needed == 0 {
                self.store.forget(self);
            }
        }
        // Whether it is enough is seen when the frame is tried again.
        if std::mem::take(&mut state.waits) {
            state.waker.iter().for_each(Waker::wake_by_ref);
        }
    }

    /// What it has of the store, if nothing of what it holds was read for so long.
    pub(super) fn stale(&self, now: Instant, after: Duration) -> Option<usize> {
        let state = self.state();
        let holds = state.taken > 0 && state.ended.is_none();
        let stale = holds && now.saturating_duration_since(state.read) >= after;
        stale.then_some(state.taken)
    }

    /// Closes the connection.
    pub(in crate::swarm) fn end(&self, reason: &'static str) {
        let mut state = self.state();
        state.ended = Some(reason);
        state.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Bytes that it holds.
    #[cfg(test)]
    pub(in crate::swarm) fn held(&self) -> usize {
        self.state().held
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.store.give(std::mem::take(&mut state.taken));
    }
}
