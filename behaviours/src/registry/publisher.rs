//! What this node has to tell the network about itself, and when.

use std::collections::{BTreeMap, VecDeque};

use peer_protocol::limits::RECORD_REFRESH;
use peer_protocol::registry::Key;
use peer_protocol::time::Instant;

use super::event::{Busy, Event, NotStored, PublishId};

/// Most keys that wait: six records with every capability that one may have.
const MAX_WAITING: usize = 1_024;

/// One key to put or to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) key: Key,
    pub(super) what: What,
    /// None if it only refreshes.
    pub(super) publication: Option<PublishId>,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Record,
    Provider,
}

/// A publication under way.
#[derive(Debug, Default)]
struct Publication {
    left: usize,
    keys: usize,
    stored: usize,
    failed: Vec<(Key, NotStored)>,
    announced: usize,
}

/// Tasks that wait, and publications under way.
#[derive(Debug)]
pub(super) struct Publisher {
    waiting: VecDeque<Task>,
    publications: BTreeMap<PublishId, Publication>,
    refresh: Instant,
}

impl Publisher {
    pub(super) fn new(now: Instant) -> Self {
        let refresh = now + RECORD_REFRESH;
        Self { waiting: VecDeque::new(), publications: BTreeMap::new(), refresh }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn check_room(&self, tasks: usize) -> Result<(), Busy> {
        let waiting = self.waiting.len();
        if waiting + tasks > MAX_WAITING { Err(Busy { waiting }) } else { Ok(()) }
    }

    /// Begins a publication; there has to be room.
    pub(super) fn publish(&mut self, id: PublishId, tasks: Vec<Task>, now: Instant) {
        let keys = tasks.iter().filter(|task| task.what == What::Record).count();
        let publication = Publication { left: tasks.len(), keys, ..Publication::default() };
        self.publications.insert(id, publication);
        self.waiting.extend(tasks);
        self.refresh = now + RECORD_REFRESH;
    }

    /// When everything is to be refreshed.
    pub(super) const fn due(&self) -> Instant {
        self.refresh
    }

    /// Adds refreshing tasks for keys that nothing waits for, as far as there is room.
    pub(super) fn refresh(&mut self, tasks: impl IntoIterator<Item = Task>, now: Instant) {
        self.refresh = now + RECORD_REFRESH;
        for task in tasks {
            let same = |other: &Task| other.key == task.key && other.what == task.what;
            if self.waiting.len() < MAX_WAITING && !self.waiting.iter().any(same) {
                self.waiting.push_back(task);
            }
        }
    }

    /// Takes out everything that waits.
    pub(super) fn take_waiting(&mut self) -> VecDeque<Task> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn next(&mut self) -> Option<Task> {
        self.waiting.pop_front()
    }

    /// A task is over; returns the event that ends its publication, if it was the last one.
    pub(super) fn done(&mut self, task: Task, result: Result<(), NotStored>) -> Option<Event> {
        let id = task.publication?;
        let publication = self.publications.get_mut(&id)?;
        publication.left -= 1;
        match (task.what, result) {
            (What::Record, Ok(())) => publication.stored += 1,
            (What::Record, Err(why)) => publication.failed.push((task.key, why)),
            (What::Provider, Ok(())) => publication.announced += 1,
            (What::Provider, Err(_)) => {}
        }
        if publication.left > 0 {
            return None;
        }
        let Publication { keys, stored, failed, announced, .. } = self.publications.remove(&id)?;
        Some(Event::Published { id, keys, stored, failed, announced })
    }
}
