//! The node's own store on a disk that loses what was not synced, beside the model: both must say the
//! same at any time.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peer_node::Store;
use peer_node::store::Written;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Outgoing, Resume, Saved, Status, Write};
use peer_protocol::id::MessageId;
use redb::StorageBackend;

use super::disk::{Disk, Failed, Model, Pending};
use crate::simulation::Chance;

/// Most operations of one commit, about.
const OPERATIONS: usize = 40;

/// A disk: what is there, what is certainly there, and what was written since.
#[derive(Debug, Default)]
struct Sectors {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    /// How many operations work before the power fails.
    left: Option<usize>,
}

impl Sectors {
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::ErrorKind::Other.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The power comes back: of what was not synced some is there, in no order.
    fn recover(&mut self, chance: &mut Chance) {
        self.left = None;
        let mut bytes = std::mem::take(&mut self.synced);
        for (at, data) in std::mem::take(&mut self.unsynced) {
            if chance.flip() && at + data.len() <= bytes.len() {
                bytes[at..at + data.len()].copy_from_slice(&data);
            }
        }
        self.synced.clone_from(&bytes);
        self.bytes = bytes;
    }
}

/// A handle of such a disk.
#[derive(Debug, Clone, Default)]
struct Platter(Arc<Mutex<Sectors>>);

impl Platter {
    fn sectors(&self) -> MutexGuard<'_, Sectors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> Store {
        let platter = self.clone();
        Store::on(move || platter.clone()).expect("a disk that lost power opens again")
    }
}

impl StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        Ok(self.sectors().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let sectors = self.sectors();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = sectors.bytes.get(start..start.saturating_add(out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut sectors = self.sectors();
        sectors.operate()?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        sectors.bytes.resize(len, 0);
        // Sizes are kept: a file system's journal sees to that before the data.
        sectors.synced.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut sectors = self.sectors();
        sectors.operate()?;
        sectors.unsynced.clear();
        let bytes = sectors.bytes.clone();
        sectors.synced = bytes;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut sectors = self.sectors();
        sectors.operate()?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let place = sectors.bytes.get_mut(start..start.saturating_add(data.len()));
        place.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        sectors.unsynced.push((start, data.to_vec()));
        Ok(())
    }
}

/// The node's store, and the model that it is compared with.
pub struct Real {
    platter: Platter,
    store: Option<Store>,
    model: Model,
}

impl Default for Real {
    fn default() -> Self {
        let platter = Platter::default();
        let store = Some(platter.store());
        Self { platter, store, model: Model::default() }
    }
}

/// What both say, so that it can be compared.
type View = (Vec<Saved>, Vec<(PublicKey, Resume)>, Vec<(PublicKey, MessageId)>);

impl Real {
    fn store(&self) -> &Store {
        self.store.as_ref().expect("the store is open between crashes")
    }

    fn arrived(&self) -> Vec<Pending> {
        let found = self.store().inbox(0, usize::MAX, usize::MAX).expect("the disk can be read");
        let pending = found.into_iter().map(|it| Pending {
            number: it.number,
            peer: it.peer,
            message: it.message,
        });
        pending.collect()
    }

    fn real_view(&self, peers: &[PublicKey]) -> View {
        let store = self.store();
        let saved = store.saved().expect("the disk can be read");
        let resume = |peer: &PublicKey| store.resume(peer).expect("the disk can be read");
        let resumes = peers.iter().map(|peer| (*peer, resume(peer))).collect();
        let inbox = self.arrived().into_iter().map(|it| (it.peer, it.message.id)).collect();
        normal((saved, resumes, inbox))
    }

    fn model_view(model: &Model, peers: &[PublicKey]) -> View {
        let resumes = peers.iter().map(|peer| (*peer, model.resume(peer))).collect();
        let inbox = model.inbox().into_iter().map(|it| (it.peer, it.message.id)).collect();
        normal((model.saved(), resumes, inbox))
    }
}

/// The order of peers and of owed receipts means nothing.
fn normal((mut saved, mut resumes, inbox): View) -> View {
    saved.sort_by_key(|saved| *saved.peer.as_bytes());
    resumes.sort_by_key(|(peer, _)| *peer.as_bytes());
    for (_, resume) in &mut resumes {
        resume.owed.sort_unstable();
    }
    (saved, resumes, inbox)
}

impl Disk for Real {
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<bool>, Failed> {
        let written = self.store().commit(writes).map_err(|_| Failed)?;
        let written: Vec<_> = written.iter().map(|it| *it != Written::Stale).collect();
        let expected = self.model.commit(writes)?;
        assert_eq!(written, expected, "the store and the model disagree about {writes:?}");
        Ok(written)
    }

    fn crash(&mut self, torn: &[Write], chance: &mut Chance) -> bool {
        self.platter.sectors().left = Some(chance.below(OPERATIONS));
        // Whether it says so or not: the power fails before anybody hears of it.
        let _ = self.store().commit(torn);
        self.store = None;
        self.platter.sectors().recover(chance);
        self.store = Some(self.platter.store());
        let peers: Vec<_> = (0..8).map(|n| *crate::people::identity(n).public_key()).collect();
        let found = self.real_view(&peers);
        if found == Self::model_view(&self.model, &peers) {
            // Nothing of it, or it changes nothing.
            return false;
        }
        let mut with = self.model.clone();
        let done = with.commit(torn).is_ok_and(|written| written.iter().all(|written| *written));
        let expected = Self::model_view(&with, &peers);
        assert!(
            found == expected,
            "half of {torn:?} is on disk, or more:\n{found:?}\nnot\n{expected:?}"
        );
        self.model = with;
        done
    }

    fn copy(&self) -> Box<dyn Disk> {
        let platter = Platter::default();
        platter.sectors().bytes.clone_from(&self.platter.sectors().synced);
        platter.sectors().synced.clone_from(&self.platter.sectors().synced);
        let store = Some(platter.store());
        Box::new(Self { platter, store, model: self.model.clone() })
    }

    fn saved(&self) -> Vec<Saved> {
        let saved = self.store().saved().expect("the disk can be read");
        let expected = normal((self.model.saved(), Vec::new(), Vec::new())).0;
        assert_eq!(normal((saved.clone(), Vec::new(), Vec::new())).0, expected);
        saved
    }

    fn window(&self, peer: &PublicKey, from: u64, to: u64) -> Vec<Outgoing> {
        let found = self.store().window(peer, from, to).expect("the disk can be read");
        assert_eq!(found, self.model.window(peer, from, to));
        found
    }

    fn recall(&self, peer: &PublicKey, ids: &[MessageId]) -> Vec<(u64, MessageId, Status)> {
        let found = self.store().recall(peer, ids).expect("the disk can be read");
        assert_eq!(found, self.model.recall(peer, ids));
        found
    }

    fn resume(&self, peer: &PublicKey) -> Resume {
        let mut found = self.store().resume(peer).expect("the disk can be read");
        let mut expected = self.model.resume(peer);
        found.owed.sort_unstable();
        expected.owed.sort_unstable();
        assert_eq!(found, expected);
        found
    }

    fn inbox(&self) -> Vec<Pending> {
        self.arrived()
    }
}
