//! A disk for tests that fails, or hangs, for a while.

use std::io;
use std::sync::{Arc, Condvar, Mutex};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::place::Place;
use super::{Change, Store};

/// What the disk does with writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Works,
    Fails,
    /// Writes work, syncs do not: nobody knows what of it is on disk.
    FailsToSync,
    Hangs,
}

/// A disk that keeps its bytes while stores on it are closed and opened.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: InMemoryBackend,
    mood: Mutex<Mood>,
    changed: Condvar,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let (bytes, changed) = (InMemoryBackend::new(), Condvar::new());
        Self(Arc::new(Inner { bytes, mood: Mutex::new(Mood::Works), changed }))
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
        self.0.changed.notify_all();
    }

    /// Opens a store on it.
    pub(crate) fn store(&self) -> Store {
        let disk = self.clone();
        Store::at(Place::backend(move || disk.clone())).unwrap()
    }

    /// Writes past any node.
    pub(crate) fn write(&self, changes: impl IntoIterator<Item = Change>) {
        let changes: Vec<_> = changes.into_iter().collect();
        let store = self.store();
        store.transact(|tables| changes.iter().try_for_each(|it| tables.change(it))).unwrap();
    }

    /// Waits while it hangs.
    fn touch(&self, syncs: bool) -> io::Result<()> {
        let mood = self.0.mood.lock().unwrap();
        let mood = self.0.changed.wait_while(mood, |mood| *mood == Mood::Hangs).unwrap();
        match *mood {
            Mood::Fails => Err(io::ErrorKind::StorageFull.into()),
            Mood::FailsToSync if syncs => Err(io::Error::other("input/output error")),
            Mood::Works | Mood::FailsToSync | Mood::Hangs => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.touch(false)?;
        self.0.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.touch(true)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.touch(false)?;
        self.0.bytes.write(offset, data)
    }
}
