//! The last events, for clients that come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use peer_protocol::time::Timestamp;
use tokio::sync::watch;

use crate::events::NodeEvent;
use crate::handle::Handle;
use crate::model::EventLine;

/// Most events that are kept, and most bytes of them.
const MAX_EVENTS: usize = 4096;
const MAX_BYTES: usize = 4 << 20;
/// Most events that one reader takes at once.
const MAX_READ: usize = 64;

/// The last events of this run of the node, each with a number.
#[derive(Debug)]
pub(in crate::api) struct Log {
    run: u32,
    ring: Mutex<Ring>,
    /// The number of the next event.
    head: Mutex<Option<watch::Sender<u64>>>,
    following: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The number of the first that is here.
    first: u64,
}

/// An event as clients get it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: &'static str,
    pub(super) data: Arc<str>,
}

/// What there is for a reader.
#[derive(Debug)]
pub(super) enum Found {
    Events(Vec<Entry>),
    Nothing,
    /// Some that it has not read are not here any more.
    TooOld,
}

impl Log {
    pub(in crate::api) fn new() -> Self {
        let ring = Ring { entries: VecDeque::new(), bytes: 0, first: 1 };
        let (head, following) = watch::channel(1);
        let head = Mutex::new(Some(head));
        Self { run: rand::random(), ring: Mutex::new(ring), head, following }
    }

    /// Takes down what happens, until the node has stopped; then those who follow hear it.
    pub(in crate::api) async fn take_down(self: Arc<Self>, node: Handle) {
        let mut events = node.events();
        loop {
            let event = tokio::select! {
                biased;
                event = events.next() => event,
                () = node.stopped() => None,
            };
            match event {
                Some(NodeEvent::Missed { .. }) => self.skip(),
                Some(event) => self.push(&event),
                None => break,
            }
        }
        lock(&self.head).take();
    }

    fn push(&self, event: &NodeEvent) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let line = EventLine { at, event: event.clone() };
        // Plain data always becomes JSON.
        let Ok(data) = serde_json::to_string(&line) else { return };
        self.tell(|ring| ring.push(Entry { kind: event.kind(), data: data.into() }));
    }

    /// Some events were missed: whoever follows has to begin anew.
    fn skip(&self) {
        self.tell(|ring| {
            ring.first = ring.next() + 1;
            ring.entries.clear();
            ring.bytes = 0;
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Ring)) {
        let mut ring = lock(&self.ring);
        change(&mut ring);
        let next = ring.next();
        drop(ring);
        if let Some(head) = &*lock(&self.head) {
            head.send_replace(next);
        }
    }

    pub(super) const fn run(&self) -> u32 {
        self.run
    }

    /// The number of the next event.
    pub(super) fn next(&self) -> u64 {
        lock(&self.ring).next()
    }

    /// Tells of each change, and by its end of the node's.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.following.clone()
    }

    /// The events from `next` on, not necessarily all.
    pub(super) fn read(&self, next: u64) -> Found {
        let ring = lock(&self.ring);
        if next < ring.first || next > ring.next() {
            return Found::TooOld;
        }
        let from = usize::try_from(next - ring.first).unwrap_or(usize::MAX);
        let events: Vec<_> = ring.entries.iter().skip(from).take(MAX_READ).cloned().collect();
        if events.is_empty() { Found::Nothing } else { Found::Events(events) }
    }
}

impl Ring {
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.data.len();
        self.entries.push_back(entry);
        while self.entries.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.data.len();
            self.first += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> NodeEvent {
        NodeEvent::Disconnected { peer_id: text.to_owned() }
    }

    fn count(found: &Found) -> usize {
        match found {
            Found::Events(events) => events.len(),
            Found::Nothing => 0,
            Found::TooOld => panic!("too old"),
        }
    }

    #[test]
    fn the_last_events_are_kept_within_bounds() {
        let log = Log::new();
        assert!(matches!(log.read(1), Found::Nothing));
        for _ in 0..MAX_EVENTS + 10 {
            log.push(&event("x"));
        }
        assert_eq!(log.next(), MAX_EVENTS as u64 + 11);
        assert!(matches!(log.read(10), Found::TooOld));
        assert_eq!(count(&log.read(11)), MAX_READ);
        assert_eq!(count(&log.read(log.next() - 5)), 5);
        assert!(matches!(log.read(log.next()), Found::Nothing));
        assert!(matches!(log.read(log.next() + 1), Found::TooOld), "it was never told");

        let long = "x".repeat(MAX_BYTES / 4);
        for _ in 0..8 {
            log.push(&event(&long));
        }
        let ring = lock(&log.ring);
        assert!(ring.bytes <= MAX_BYTES && ring.entries.len() == 3, "{}", ring.entries.len());
        assert_eq!(ring.bytes, ring.entries.iter().map(|entry| entry.data.len()).sum::<usize>());
    }

    #[test]
    fn after_a_gap_everybody_begins_anew() {
        let log = Log::new();
        log.push(&event("x"));
        let here = log.next();
        log.skip();
        assert!(matches!(log.read(1), Found::TooOld));
        assert!(matches!(log.read(here), Found::TooOld));
        assert!(matches!(log.read(log.next()), Found::Nothing));
        log.push(&event("y"));
        assert_eq!(count(&log.read(log.next() - 1)), 1);
    }
}
