//! Two nodes' transfers, and a wire between them that tests can tap.

mod content;
mod files;
mod hostile;
mod remembered;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure::peer_id_of;
use peer_behaviours::{Clock, SystemClock};
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator, PublicKey};
use peer_protocol::identity::{EntityId, Fingerprint, TrustPolicy};
use peer_protocol::time::Timestamp;
use tokio::sync::mpsc;

use super::ledger::InStore;
use super::{Intake, Output, Transfers};
use crate::config::{AcceptFiles, TransferConfig};
use crate::model::{FileToSend, TransferStatus};
use crate::store::{Store, Writer};
use crate::trust::SharedTrust;
use crate::trust_file::TrustFile;

use self::wire::Wire;

const PATIENCE: Duration = Duration::from_secs(20);

/// One node's part.
struct Side {
    entity: EntityId,
    key: PublicKey,
    peer: PeerId,
    dir: PathBuf,
    config: TransferConfig,
    trust: Arc<SharedTrust>,
    run: Option<Run>,
}

/// One run of it, between two restarts.
struct Run {
    intake: Arc<Intake>,
    transfers: Transfers,
    outputs: mpsc::Receiver<Output>,
    writer: Writer,
}

impl Side {
    fn new(root: &Path, entity: &str, seed: u8, change: impl FnOnce(&mut TransferConfig)) -> Self {
        let dir = root.join(entity);
        std::fs::create_dir_all(&dir).unwrap();
        let mut config = TransferConfig {
            root: Some(dir.join("transfers")),
            received: Some(dir.join("received")),
            accept: AcceptFiles::All,
            contents: true,
            reserve: 0,
            ..TransferConfig::default()
        };
        change(&mut config);
        let key = Ed25519Authenticator::from_seed(&[seed; 32]).public_key();
        let trust = SharedTrust::new(TrustFile::in_memory(TrustPolicy::Open)).0;
        let mut side = Self {
            entity: entity.parse().unwrap(),
            key,
            peer: peer_id_of(&key).unwrap(),
            dir,
            config,
            trust,
            run: None,
        };
        side.start();
        side
    }

    fn start(&mut self) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = Store::open(&self.dir.join("state.redb")).unwrap();
        let loaded = InStore::load(&store).unwrap();
        let writer = Writer::start(store, Arc::clone(&clock)).unwrap();
        let trust = Arc::clone(&self.trust);
        let intake = Arc::new(Intake::new(&self.config, Arc::clone(&trust), Arc::clone(&clock)));
        let (transfers, outputs) = Transfers::start(
            self.config.clone(),
            Arc::clone(&intake),
            trust,
            clock,
            Arc::new(InStore(writer.submitter())),
            loaded,
        )
        .unwrap();
        self.run = Some(Run { intake, transfers, outputs, writer });
    }

    /// Stops at once, and starts again with what is on disk.
    async fn restart(&mut self) {
        let mut run = self.run.take().unwrap();
        run.transfers.stop();
        // Tasks end where they wait; what they gave to the disk may still reach it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        run.writer.close().unwrap().await.unwrap().unwrap();
        drop(run);
        self.start();
    }

    fn transfers(&self) -> &Transfers {
        &self.run.as_ref().unwrap().transfers
    }

    fn intake(&self) -> &Intake {
        &self.run.as_ref().unwrap().intake
    }

    fn pin(&self, other: &Self) {
        let fingerprint = Fingerprint::of(&other.key);
        drop(self.trust.pin(other.entity.clone(), fingerprint, Timestamp::default()));
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn send(&self, to: &Self, path: &Path) -> TransferStatus {
        self.send_as(to, path, None).await
    }

    async fn send_as(&self, to: &Self, path: &Path, name: Option<&str>) -> TransferStatus {
        let name = name.map(str::to_owned);
        let path = path.to_owned();
        let file = FileToSend { path, root: None, name, content_type: None, spooled: false };
        self.transfers().send_file(to.peer, to.entity.clone(), file).await.unwrap()
    }

    fn show(&self, id: &str) -> TransferStatus {
        self.transfers().show(id).unwrap()
    }

    /// Names below `directory`, sorted.
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.join(directory)).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn parts(&self) -> Vec<String> {
        self.names("received/.parts")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.transfers.stop();
    }
}

/// Bytes that look like noise, and are the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Two sides; the first sends.
fn pair(root: &Path) -> Wire {
    pair_with(root, |_| {})
}

fn pair_with(root: &Path, change: impl FnOnce(&mut TransferConfig)) -> Wire {
    let alice = Side::new(root, "alice", 1, |_| {});
    let bob = Side::new(root, "bob", 2, change);
    alice.pin(&bob);
    Wire::between(alice, bob)
}
