//! Going on after a restart, and clearing up.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use libp2p::PeerId;
use peer_behaviours::{Clock, secure};
use peer_protocol::crypto::PublicKey;
use peer_protocol::limits::TRANSFER_IDLE;
use peer_protocol::message::Purpose;
use peer_protocol::transfer::TransferError;
use tokio::sync::mpsc;

use super::shared::{Shared, blocking, existing};
use super::{Output, Received, Transfers};
use crate::config::TransferConfig;
use crate::model::TransferState;
use crate::transfer::intake::Intake;
use crate::transfer::ledger::{Ledger, Loaded};
use crate::transfer::receiving::Receiving;
use crate::transfer::row::{IncomingRow, Key, OutgoingRow, Row, Stage};
use crate::trust::SharedTrust;

/// Places in the channel to the event loop.
const OUTPUTS: usize = 64;
/// How often it is looked whether what was received still lies here.
const SWEEP: Duration = Duration::from_secs(60);
/// Transfers that are over are remembered for so long.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

impl Transfers {
    /// The transfers that were `loaded`, which go on, and what they want of the event loop. Touches the disk:
    /// before the node is on the network.
    pub(crate) fn start(
        config: TransferConfig,
        intake: Arc<Intake>,
        trust: Arc<SharedTrust>,
        clock: Arc<dyn Clock>,
        ledger: Arc<dyn Ledger>,
        loaded: Loaded,
    ) -> std::io::Result<(Self, mpsc::Receiver<Output>)> {
        let (outputs, receiver) = mpsc::channel(OUTPUTS);
        let shared = Shared::new(config, intake, trust, clock, ledger, outputs);
        let shared = Arc::new(shared);
        if let Some(places) = shared.places() {
            places.create()?;
            // A row that is not here may be the one that needs a file.
            if loaded.is_all() {
                let used = loaded.rows.iter().filter_map(|row| used_file(row, &shared));
                let used: HashSet<_> = used.collect();
                clear(&places.parts(), &used, Duration::ZERO);
                clear(&places.contents(), &used, Duration::ZERO);
                // Somebody may be writing into the spool while the node starts.
                clear(&places.spool(), &used, TRANSFER_IDLE);
            }
        }
        let now = shared.clock.now().timestamp;
        for row in loaded.rows {
            if !is_needed(&row) && now.distance(row.updated()) > REMEMBERED {
                drop(shared.ledger.forget(row.key()));
                continue;
            }
            match row {
                Row::Outgoing(row) => go_on_sending(&shared, row),
                Row::Incoming(row) => go_on_receiving(&shared, row),
            }
        }
        shared.spawn(sweep(Arc::clone(&shared)));
        Ok((Self { shared }, receiver))
    }
}

/// Whether a row is more than a memory, however old it is: the wall clock may have jumped.
fn is_needed(row: &Row) -> bool {
    match row {
        // Whether its message is settled, the outbox knows.
        Row::Outgoing(row) => !row.stage.is_over() || row.offer.purpose == Purpose::Content,
        // Nobody was told of it, or its message was not taken.
        Row::Incoming(row) => match row.stage {
            Stage::Open => true,
            Stage::Complete => !row.announced,
            Stage::Cancelled { .. } | Stage::Failed { .. } => false,
        },
    }
}

fn go_on_sending(shared: &Arc<Shared>, row: OutgoingRow) {
    let Some(peer) = peer_of(&row.peer) else { return };
    let listed = Row::Outgoing(row.clone());
    let content = row.offer.purpose == Purpose::Content;
    if content {
        // It goes when it is its message's turn.
        shared.contents().recall(row.clone());
    }
    shared.list(&listed, TransferState::Queued);
    if !content && !row.stage.is_over() {
        shared.start_sending(peer, row);
    }
}

fn go_on_receiving(shared: &Arc<Shared>, mut row: IncomingRow) {
    let key = Key::incoming(row.peer, row.id);
    let Some(peer) = peer_of(&row.peer) else { return };
    match row.stage {
        Stage::Open => {
            let part = shared.places().map(|places| places.part(&key, row.offer.purpose));
            let len = part.and_then(|part| std::fs::metadata(part).ok()).map(|part| part.len());
            // What was to be put down when the node stopped may have been.
            if row.path.is_none() && len.is_none_or(|len| len < row.received) {
                tracing::warn!(transfer = %row.id, "what was received is gone; it begins again");
                row.received = 0;
            }
            shared.list(&Row::Incoming(row.clone()), TransferState::Running);
            let (offer, total, received) = (&row.offer, row.total, row.received);
            if let Some(inputs) = shared.intake.resume(key, offer, total, received) {
                let task = Receiving::new(Arc::clone(shared), peer, row, inputs);
                shared.spawn(task.run(false));
            }
        }
        Stage::Complete => {
            let lies_here = existing(row.path.as_ref());
            // What is needed is not forgotten because its disk is not there for once.
            let kept = lies_here || !row.announced;
            let bytes = if kept { row.total } else { 0 };
            shared.intake.recall(key, &row.offer, row.total, bytes, lies_here);
            if kept {
                shared.keep(&row);
            }
            shared.list(&Row::Incoming(row.clone()), TransferState::Complete);
            if !row.announced && (lies_here || row.offer.purpose == Purpose::File) {
                tell(shared, Output::Received(Received::of(&row, peer)));
            }
        }
        Stage::Cancelled { ref detail } | Stage::Failed { ref detail, .. } => {
            // Its sender may not know yet.
            shared.intake.ended(&key, &TransferError::Over { why: detail.clone() });
            shared.list(&Row::Incoming(row), TransferState::Failed);
        }
    }
}

/// Tells the event loop once it runs.
fn tell(shared: &Arc<Shared>, output: Output) {
    let told = Arc::clone(shared);
    shared.spawn(async move { told.tell(output).await });
}

fn peer_of(key: &[u8; 32]) -> Option<PeerId> {
    PublicKey::from_bytes(key).ok().and_then(|key| secure::peer_id_of(&key))
}

/// The file that a row still needs.
fn used_file(row: &Row, shared: &Shared) -> Option<PathBuf> {
    match row {
        Row::Outgoing(row) => {
            let content = row.offer.purpose == Purpose::Content;
            let needed = content || !row.stage.is_over();
            (row.source.spooled && needed).then(|| row.source.path.clone())
        }
        Row::Incoming(row) => {
            let places = shared.places()?;
            let needed = match (&row.stage, row.offer.purpose) {
                (Stage::Open, _) => true,
                (Stage::Complete, Purpose::Content) => !row.announced,
                _ => false,
            };
            let key = Key::incoming(row.peer, row.id);
            needed.then(|| places.part(&key, row.offer.purpose))
        }
    }
}

/// Deletes what no row needs, if it is older than that.
fn clear(directory: &Path, used: &HashSet<PathBuf>, older: Duration) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if !used.contains(&path) && age.is_none_or(|age| age >= older) {
            tracing::debug!(path = %path.display(), "nobody needs this any more");
            // What cannot be deleted now is found again.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
impl Transfers {
    pub(in crate::transfer) async fn sweep(&self) {
        sweep_once(&self.shared).await;
    }
}

/// Looks now and then whether what was received still lies here, so that quotas count what does.
async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        sweep_once(&shared).await;
    }
}

async fn sweep_once(shared: &Shared) {
    let now = shared.clock.now().timestamp;
    let rows = shared.kept_rows();
    let looked = blocking(move || {
        let gone = |row: &IncomingRow| !existing(row.path.as_ref());
        Ok(rows.into_iter().map(|row| (gone(&row), row)).collect::<Vec<_>>())
    });
    for (gone, row) in looked.await.unwrap_or_default() {
        let key = Key::incoming(row.peer, row.id);
        let unclaimed = row.offer.purpose == Purpose::Content
            && !row.claimed
            && now.distance(row.updated) > TRANSFER_IDLE
            && !shared.intake.was_asked_for(&key, TRANSFER_IDLE);
        if unclaimed {
            tracing::info!(transfer = %row.id, "no message came for this content");
            shared.forget_content(&key).await;
        } else if gone && row.announced {
            shared.unkeep(&key);
        }
    }
}
