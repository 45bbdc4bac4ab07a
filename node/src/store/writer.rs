//! Writing: one thread, and one commit for all that came in while it was busy with the last.

use std::sync::Arc;

use peer_protocol::time::Timestamp;
use redb::WriteTransaction;
use tokio::sync::{mpsc, oneshot};

use super::error::Failed;
use super::row::encode;
use super::tables::{CAPABILITIES, LAST_SEEN, META, PEERS, PROVIDERS, RECORDS, SALT};
use super::{Entry, Remembered, Store, StoreError};

/// Places in the queue to the writing thread.
const JOBS: usize = 256;
/// Most jobs that one commit takes in.
const MAX_GROUP: usize = 128;

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The registry's secret.
    Salt([u8; 32]),
    /// The latest `last_seen` that was used.
    LastSeen(Timestamp),
    /// What was registered at run time.
    Capabilities(Vec<String>),
    /// All records under a key; none forgets it.
    Records([u8; 32], Vec<Entry>),
    /// All provider entries under a key; none forgets it.
    Providers([u8; 32], Vec<Entry>),
    /// All peers to remember, in place of those before.
    Peers(Vec<Remembered>),
}

#[derive(Debug)]
struct Job {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to the writing thread, which ends once all of these are gone.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// A write whose end can be waited for.
pub(crate) type Written = oneshot::Receiver<Result<(), StoreError>>;

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(store: Arc<Store>) -> Self {
        let (jobs, receiver) = mpsc::channel(JOBS);
        tokio::task::spawn_blocking(move || store.keep_writing(receiver));
        Self { jobs }
    }

    /// Whether the thread keeps up.
    pub(crate) fn has_room(&self) -> bool {
        self.jobs.capacity() > 0
    }

    /// Writes `changes` all together or not at all. Never waits; `None` if the thread is so far
    /// behind that its queue is full.
    pub(crate) fn write(&self, changes: Vec<Change>) -> Option<Written> {
        let (done, written) = oneshot::channel();
        self.jobs.try_send(Job { changes, done }).ok().map(|()| written)
    }
}

impl Store {
    fn keep_writing(&self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            let changes = group.iter().flat_map(|job| &job.changes);
            let written = self.commit(changes).map_err(|failed| failed.at(&self.path()));
            if let Err(error) = &written {
                tracing::error!(%error, next = error.next_step(), "nothing could be saved");
            }
            for job in group {
                // Whoever does not wait for it does not need to know.
                let _ = job.done.send(written.clone());
            }
        }
    }

    /// Writes everything in one transaction.
    pub(super) fn commit<'a>(
        &self,
        changes: impl Iterator<Item = &'a Change>,
    ) -> Result<(), Failed> {
        let transaction = self.database.begin_write()?;
        for change in changes {
            apply(&transaction, change)?;
        }
        Ok(transaction.commit()?)
    }
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<(), Failed> {
    let meta = |name: &str, value: &[u8]| -> Result<(), Failed> {
        transaction.open_table(META)?.insert(name, value)?;
        Ok(())
    };
    match change {
        Change::Salt(salt) => meta(SALT, salt)?,
        Change::LastSeen(at) => meta(LAST_SEEN, &at.as_millis().to_be_bytes())?,
        Change::Capabilities(names) => meta(CAPABILITIES, &bytes(names)?)?,
        Change::Records(key, entries) => {
            let mut table = transaction.open_table(RECORDS)?;
            if entries.is_empty() {
                table.remove(key)?;
            } else {
                table.insert(key, bytes(entries)?.as_slice())?;
            }
        }
        Change::Providers(key, entries) => {
            let mut table = transaction.open_table(PROVIDERS)?;
            if entries.is_empty() {
                table.remove(key)?;
            } else {
                table.insert(key, bytes(entries)?.as_slice())?;
            }
        }
        Change::Peers(peers) => {
            let mut table = transaction.open_table(PEERS)?;
            table.retain(|_, _| false)?;
            for (number, peer) in (0..).zip(peers) {
                table.insert(number, bytes(peer)?.as_slice())?;
            }
        }
    }
    Ok(())
}

fn bytes<T: serde::Serialize>(row: &T) -> Result<Vec<u8>, Failed> {
    encode(row).map_err(|error| Failed::Encoding(error.to_string()))
}
