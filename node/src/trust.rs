//! The trust list as all links share it, and the task that keeps its file up to date.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::{
    Admission, EntityId, Fingerprint, TrustEntry, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::time::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::events::{EventSource, NodeEvent};
use crate::model::TrustLine;
use crate::trust_file::TrustFile;

/// How long changes that nobody waits for are gathered before they are written.
const GATHER: Duration = Duration::from_secs(1);

/// Most callers that wait for a save at once.
const MAX_WAITING: usize = 64;

/// Where the result of a save goes.
type Saved = oneshot::Sender<io::Result<()>>;

/// What the saver of a list listens to.
pub(crate) struct Saves(mpsc::Receiver<Saved>);

/// The shared trust list.
#[derive(Debug)]
pub(crate) struct SharedTrust {
    store: RwLock<TrustStore>,
    path: Option<PathBuf>,
    /// Something changed that nobody waits for.
    changed: Notify,
    /// Callers that wait for their change to be on disk.
    saver: mpsc::Sender<Saved>,
    /// Who hears of changes, once the node runs.
    events: OnceLock<EventSource>,
}

impl SharedTrust {
    /// The list, and what its saver listens to.
    pub(crate) fn new(file: TrustFile) -> (Arc<Self>, Saves) {
        let (path, store) = file.into_parts();
        let (saver, saves) = mpsc::channel(MAX_WAITING);
        let (changed, events) = (Notify::new(), OnceLock::new());
        let shared = Self { store: RwLock::new(store), path, changed, saver, events };
        (Arc::new(shared), Saves(saves))
    }

    /// Tells of changes from now on.
    pub(crate) fn tell_to(&self, events: EventSource) {
        // One node has one list.
        let _ = self.events.set(events);
    }

    fn tell(&self, entity: Option<&EntityId>, fingerprint: Fingerprint, level: TrustLevel) {
        if let Some(events) = self.events.get() {
            let entity = entity.cloned();
            events.tell(NodeEvent::Trust { entity, fingerprint, level });
        }
    }

    pub(crate) fn lines(&self) -> Vec<TrustLine> {
        self.read(|store| store.iter().map(|(entity, entry)| line(entity, entry)).collect())
    }

    pub(crate) fn fingerprint(&self, entity: &EntityId) -> Option<Fingerprint> {
        self.read(|store| store.get(entity).map(|entry| entry.fingerprint))
    }

    /// The key to which this name is pinned.
    pub(crate) fn pinned_to(&self, entity: &EntityId) -> Option<Fingerprint> {
        self.read(|store| {
            let pinned = store.get(entity).filter(|entry| entry.level == TrustLevel::Pinned);
            pinned.map(|entry| entry.fingerprint)
        })
    }

    /// Whether some name belongs to this key, and it is not revoked.
    pub(crate) fn knows(&self, key: Fingerprint) -> bool {
        let trusted = |entry: &TrustEntry| entry.level != TrustLevel::Revoked;
        self.read(|store| store.iter().any(|(_, entry)| entry.fingerprint == key && trusted(entry)))
    }

    /// Whether some name is pinned to this key.
    pub(crate) fn is_pinned(&self, key: Fingerprint) -> bool {
        let pinned = |entry: &TrustEntry| entry.level == TrustLevel::Pinned;
        self.read(|store| store.iter().any(|(_, entry)| entry.fingerprint == key && pinned(entry)))
    }

    /// The keys to which some name is pinned.
    pub(crate) fn pinned(&self) -> HashSet<Fingerprint> {
        let pinned = |entry: &TrustEntry| entry.level == TrustLevel::Pinned;
        self.read(|store| {
            let pinned = store.iter().filter(|(_, entry)| pinned(entry));
            pinned.map(|(_, entry)| entry.fingerprint).collect()
        })
    }

    /// Pins an entity; the receiver tells whether it could be saved.
    pub(crate) fn pin(
        &self,
        entity: EntityId,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> oneshot::Receiver<io::Result<()>> {
        let pinned = entity.clone();
        self.write(|store| store.pin(entity, fingerprint, now));
        self.tell(Some(&pinned), fingerprint, TrustLevel::Pinned);
        self.save()
    }

    /// Revokes a key; the receiver tells whether it could be saved.
    pub(crate) fn revoke(&self, fingerprint: Fingerprint) -> oneshot::Receiver<io::Result<()>> {
        self.write(|store| store.revoke(fingerprint));
        self.tell(None, fingerprint, TrustLevel::Revoked);
        self.save()
    }

    /// Saves the list now.
    pub(crate) fn save(&self) -> oneshot::Receiver<io::Result<()>> {
        let (saved, result) = oneshot::channel();
        // With no saver, or one with too many callers, the receiver reports a closed channel.
        let _ = self.saver.try_send(saved);
        result
    }

    /// Writes the list whenever it changed, for as long as the node runs.
    pub(crate) async fn keep_saved(self: Arc<Self>, Saves(mut saves): Saves) {
        loop {
            let mut waiting = Vec::new();
            // A change that nobody waits for is written after a while, with those that follow it.
            let gathered = async {
                self.changed.notified().await;
                tokio::time::sleep(GATHER).await;
            };
            tokio::select! {
                saved = saves.recv() => match saved {
                    Some(saved) => waiting.push(saved),
                    None => return,
                },
                () = gathered => {}
            }
            while let Ok(saved) = saves.try_recv() {
                waiting.push(saved);
            }
            let result = self.write_file().await;
            if let Err(error) = &result {
                tracing::error!(%error, "the trust list could not be saved");
            }
            for saved in waiting {
                let result =
                    result.as_ref().copied().map_err(|error| io::Error::other(error.to_string()));
                // A caller that is gone does not need to know.
                let _ = saved.send(result);
            }
        }
    }

    async fn write_file(&self) -> io::Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        let store = self.read(TrustStore::clone);
        tokio::task::spawn_blocking(move || TrustFile::save(&path, &store))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn read<T>(&self, with: impl FnOnce(&TrustStore) -> T) -> T {
        with(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, with: impl FnOnce(&mut TrustStore) -> T) -> T {
        with(&mut self.store.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TrustView for SharedTrust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.read(|store| store.judge(entity, key))
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        let admission = self.write(|store| store.admit(entity, key, now))?;
        if admission == Admission::Unrecorded {
            tracing::warn!(%entity, "the trust list is full: this entity's key is not remembered");
        } else {
            self.changed.notify_one();
        }
        if admission == Admission::Recorded {
            self.tell(Some(entity), Fingerprint::of(key), TrustLevel::Seen);
        }
        Ok(admission)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.read(|store| store.level(entity, key))
    }
}

fn line(entity: &EntityId, entry: &TrustEntry) -> TrustLine {
    TrustLine {
        entity: entity.clone(),
        fingerprint: entry.fingerprint,
        level: entry.level,
        first_seen: entry.first_seen,
        last_seen: entry.last_seen,
    }
}
