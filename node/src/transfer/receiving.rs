//! The task of one transfer that comes in: writes it, tells how far it is, checks it, puts it down.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use peer_protocol::id::MessageId;
use peer_protocol::limits::TRANSFER_IDLE;
use peer_protocol::message::{ChunkAck, Purpose};
use peer_protocol::time::Instant;
use peer_protocol::transfer::TransferError;
use tokio::sync::mpsc;

use super::intake::{Buffered, Input};
use super::ledger::{NotSaved, durable};
use super::part::{Part, has_room};
use super::places::private;
use super::placing::{self, Put};
use super::row::{IncomingRow, Key, Row, Stage};
use super::service::{Output, Received, Shared, blocking};
use crate::model::TransferState;

/// How long a disk may fail before the transfer is given up.
const DISK_PATIENCE: Duration = Duration::from_secs(600);
/// Pauses between tries to write: they double.
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 500 });
/// An offer of which nothing comes is forgotten after so long: it takes others' places.
const UNUSED: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 60_000 });
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Bytes that are hashed at once of what was written before.
const HASH_SLICE: u64 = 16 << 20;
/// How long an acknowledgement may be on its way.
const ACK_LIFETIME: Duration = Duration::from_secs(60);

/// A piece that waits for the disk.
#[derive(Debug)]
struct Piece {
    offset: u64,
    data: Bytes,
    _buffered: Buffered,
}

/// Why the task ends without the payload.
#[derive(Debug)]
enum Stop {
    /// The transfer is over.
    Over(TransferError),
    /// Nothing ever came. It may be offered again.
    Unused,
}

impl From<TransferError> for Stop {
    fn from(why: TransferError) -> Self {
        Self::Over(why)
    }
}

/// What became of a try to write.
#[derive(Debug)]
enum Failed {
    Write(io::Error),
    /// What was written since the last sync may be lost, though it can still be read.
    Sync(io::Error),
}

/// The task.
#[derive(Debug)]
pub(super) struct Receiving {
    shared: Arc<Shared>,
    key: Key,
    peer: PeerId,
    row: IncomingRow,
    inputs: mpsc::Receiver<Input>,
    pieces: VecDeque<Piece>,
    /// The last offer that was not answered.
    offer: Option<MessageId>,
    began: Instant,
}

impl Receiving {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: PeerId,
        row: IncomingRow,
        inputs: mpsc::Receiver<Input>,
    ) -> Self {
        let key = Key::incoming(row.peer, row.id);
        let began = shared.clock.now().instant;
        Self { shared, key, peer, row, inputs, pieces: VecDeque::new(), offer: None, began }
    }

    /// Runs until the transfer is over. One that is `fresh` was not on disk before.
    pub(super) async fn run(mut self, fresh: bool) {
        let why = match self.receive(fresh).await {
            Ok(()) => return,
            // A message may live for longer than that; its content comes anew then.
            Err(Stop::Over(TransferError::Idle)) if self.row.offer.purpose == Purpose::Content => {
                return self.forget().await;
            }
            Err(Stop::Over(why)) => why,
            Err(Stop::Unused) => return self.forget().await,
        };
        tracing::info!(transfer = %self.row.id, peer = %self.row.entity, %why, "transfer ended");
        let part =
            self.shared.places().map(|places| places.part(&self.key, self.row.offer.purpose));
        let deleted = blocking(move || part.map_or(Ok(()), std::fs::remove_file)).await;
        if let Err(error) = deleted
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(transfer = %self.row.id, %error, "what was received could not be deleted");
        }
        self.row.stage = match why {
            TransferError::Cancelled | TransferError::Withdrawn { .. } => {
                Stage::Cancelled { detail: why.to_string() }
            }
            _ => Stage::Failed { code: Some((&why).into()), detail: why.to_string() },
        };
        // Should that fail, the transfer goes on after a restart, from the beginning.
        let _ = self.save().await;
        self.shared.book.replace(&Row::Incoming(self.row.clone()), TransferState::Failed);
        let halt = self.shared.intake.with(&self.key, |receiver| receiver.halt(self.row.id));
        self.shared.intake.ended(&self.key, &why);
        // The sender offers again, and is told why.
        if let Some(ack) = halt.flatten() {
            self.send(&ack, None).await;
        }
    }

    /// Forgets a transfer of which nothing came.
    async fn forget(self) {
        tracing::debug!(transfer = %self.row.id, peer = %self.row.entity, "nothing came of this offer");
        let part =
            self.shared.places().map(|places| places.part(&self.key, self.row.offer.purpose));
        // What is left is found at the next start.
        let _ = blocking(move || part.map_or(Ok(()), std::fs::remove_file)).await;
        drop(self.shared.ledger.forget(self.key));
        self.shared.book.remove(&self.key);
        self.shared.intake.drop_open(&self.key);
    }

    async fn receive(&mut self, fresh: bool) -> Result<(), Stop> {
        let mut part = self.begin(fresh).await?;
        self.drain()?;
        self.tell().await;
        while self.row.received < self.row.total {
            part = self.write(part).await?;
        }
        // A file that was being put down before a crash was checked before that.
        if self.row.path.is_none() {
            self.check(part).await?;
        }
        if self.row.offer.purpose == Purpose::File {
            self.put_down().await?;
        }
        Ok(self.finish().await?)
    }

    async fn begin(&mut self, fresh: bool) -> Result<Part, TransferError> {
        let places = self.shared.places().ok_or(TransferError::NotAccepted)?;
        let path = places.part(&self.key, self.row.offer.purpose);
        let (outstanding, reserve) = (self.shared.intake.outstanding(), self.shared.config.reserve);
        let (received, placed) = (self.row.received, self.row.path.is_some());
        let opened = blocking(move || {
            let directory = path.parent().unwrap_or(&path);
            private(directory)?;
            if fresh && !has_room(directory, outstanding, reserve)? {
                return Ok(None);
            }
            if placed && !path.exists() {
                // It was put down before the crash: only that is to be noted.
                return Part::open(std::path::Path::new("/dev/null"), 0).map(Some);
            }
            Part::open(&path, received).map(Some)
        });
        match opened.await {
            Ok(Some(part)) => {
                if fresh && self.save().await.is_err() {
                    return Err(TransferError::Disk);
                }
                Ok(part)
            }
            Ok(None) => Err(TransferError::NoSpace),
            Err(error) => {
                tracing::error!(transfer = %self.row.id, %error, "cannot write what is received");
                Err(TransferError::Disk)
            }
        }
    }

    /// Waits for pieces, writes them, and syncs if that is due.
    async fn write(&mut self, part: Part) -> Result<Part, Stop> {
        let now = self.shared.clock.now().instant;
        let look = self.shared.intake.with(&self.key, |receiver| {
            let due = receiver.is_due(now).then(|| receiver.contiguous());
            let unused = receiver.ranges() == 0;
            (due, receiver.poll_timeout(), receiver.idle(now), unused)
        });
        let Some((due, mut timeout, idle, unused)) = look else {
            return Err(TransferError::Cancelled.into());
        };
        if idle >= TRANSFER_IDLE {
            return Err(TransferError::Idle.into());
        }
        if unused {
            if now.since(self.began) >= UNUSED {
                return Err(Stop::Unused);
            }
            timeout = self.began + UNUSED;
        }
        // What was taken by now is in the channel.
        self.drain()?;
        if self.offer.is_some() {
            self.tell().await;
        }
        if self.pieces.is_empty() && due.is_none() {
            tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(input) => self.take(input)?,
                    None => return Err(TransferError::Cancelled.into()),
                },
                () = tokio::time::sleep(timeout.since(now)) => {}
            }
            return Ok(part);
        }
        let Some(part) = self.put_on_disk(part, due).await? else {
            return Ok(self.begin_again().await?);
        };
        if let Some(received) = due {
            self.row.received = received;
            self.row.updated = self.shared.clock.now().timestamp;
            self.insist_on_saving().await?;
            let now = self.shared.clock.now();
            self.shared.intake.with(&self.key, |receiver| {
                receiver.synced(received, now.instant);
            });
            self.shared.book.progress(&self.key, received, now.instant, now.timestamp);
            self.acknowledge(None).await;
        }
        Ok(part)
    }

    /// After a sync that failed nobody knows what of the pieces since the last one is on disk, and the
    /// next sync would not tell: they have to come again.
    async fn begin_again(&mut self) -> Result<Part, TransferError> {
        self.pieces.clear();
        let (inputs, mut kept) = (&mut self.inputs, Vec::new());
        self.shared.intake.begin_again(&self.key, || {
            while let Ok(input) = inputs.try_recv() {
                if !matches!(input, Input::Piece { .. }) {
                    kept.push(input);
                }
            }
        });
        for input in kept {
            self.take(input)?;
        }
        let places = self.shared.places().ok_or(TransferError::NotAccepted)?;
        let path = places.part(&self.key, self.row.offer.purpose);
        let received = self.row.received;
        let part = self.insist(move || {
            let path = path.clone();
            move || Part::open(&path, received)
        });
        let part = part.await?;
        // The sender offers again, and learns where to go on.
        let halt = self.shared.intake.with(&self.key, |receiver| receiver.halt(self.row.id));
        if let Some(ack) = halt.flatten() {
            self.send(&ack, None).await;
        }
        Ok(part)
    }

    /// Does something with the disk, however often it takes, as long as it may fail.
    async fn insist<T, W>(&mut self, mut work: impl FnMut() -> W) -> Result<T, TransferError>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let (mut pause, began) = (FIRST_PAUSE, self.shared.clock.now().instant);
        loop {
            match blocking(work()).await {
                Ok(done) => {
                    self.shared.intake.set_failing(&self.key, false);
                    return Ok(done);
                }
                Err(error) => self.wait_for_disk(&error, began, &mut pause).await?,
            }
        }
    }

    async fn insist_on_saving(&mut self) -> Result<(), TransferError> {
        let (mut pause, began) = (FIRST_PAUSE, self.shared.clock.now().instant);
        while let Err(error) = self.save().await {
            self.wait_for_disk(&io::Error::other(error), began, &mut pause).await?;
        }
        self.shared.intake.set_failing(&self.key, false);
        Ok(())
    }

    /// Waits a little after the disk failed, unless it has for too long.
    async fn wait_for_disk(
        &mut self,
        error: &io::Error,
        began: Instant,
        pause: &mut Duration,
    ) -> Result<(), TransferError> {
        tracing::warn!(transfer = %self.row.id, %error, "what is received cannot be written");
        if self.shared.clock.now().instant.since(began) >= DISK_PATIENCE {
            return Err(TransferError::Disk);
        }
        self.shared.intake.set_failing(&self.key, true);
        let detail = format!("the disk fails: {error}");
        self.shared.book.set(&self.key, TransferState::Running, Some(&detail));
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        self.drain()
    }

    /// Writes all pieces, and syncs the first `sync` bytes, however often it takes. `None` if they have to
    /// come again.
    async fn put_on_disk(
        &mut self,
        part: Part,
        sync: Option<u64>,
    ) -> Result<Option<Part>, TransferError> {
        let (mut part, mut pause) = (part, FIRST_PAUSE);
        let began = self.shared.clock.now().instant;
        loop {
            let mut pieces = std::mem::take(&mut self.pieces);
            let (open, left, done) = {
                let work = move || {
                    let done = write_all(&mut part, &mut pieces, sync);
                    Ok((part, pieces, done))
                };
                blocking(work).await.map_err(|_| TransferError::Disk)?
            };
            self.pieces = left;
            part = open;
            match done {
                Ok(()) => {
                    self.shared.intake.set_failing(&self.key, false);
                    return Ok(Some(part));
                }
                Err(Failed::Write(error)) => {
                    self.wait_for_disk(&error, began, &mut pause).await?;
                }
                Err(Failed::Sync(error)) => {
                    self.wait_for_disk(&error, began, &mut pause).await?;
                    return Ok(None);
                }
            }
        }
    }

    /// Compares the digest.
    async fn check(&mut self, part: Part) -> Result<(), TransferError> {
        self.shared.book.set(&self.key, TransferState::Verifying, None);
        let total = self.row.total;
        let mut part = Some(part);
        let places = self.shared.places().ok_or(TransferError::NotAccepted)?;
        let path = places.part(&self.key, self.row.offer.purpose);
        // What is hashed already stands in `part`; after a failure all of it is read again.
        while let Some(mut open) = part.take() {
            let work = move || Ok(open.catch_up(total, 4 * HASH_SLICE).map(|all| (open, all)));
            let hashed = blocking(work).await.unwrap_or_else(Err);
            self.drain()?;
            let digest = match hashed {
                Ok((open, true)) => open.digest(),
                Ok((open, false)) => {
                    part = Some(open);
                    continue;
                }
                Err(_) => {
                    let again = self.insist(|| {
                        let path = path.clone();
                        move || {
                            let mut part = Part::open(&path, total)?;
                            part.catch_up(total, u64::MAX)?;
                            Ok(part.digest())
                        }
                    });
                    again.await?
                }
            };
            let right = digest == self.row.offer.digest;
            return if right { Ok(()) } else { Err(TransferError::WrongDigest) };
        }
        Err(TransferError::Disk)
    }

    /// Moves the file to its place. Where that is stands on disk before.
    async fn put_down(&mut self) -> Result<(), TransferError> {
        let places = self.shared.places().ok_or(TransferError::NotAccepted)?;
        let directory = places.of_peer(&self.row.entity, &self.row.peer);
        let part = places.part(&self.key, Purpose::File);
        let name = super::names::safe_name(self.row.offer.name.as_deref().unwrap_or_default());
        let mut number = 0;
        for _ in 0..placing::MAX_TRIES {
            if self.row.path.is_none() {
                let free = self.insist(|| {
                    let (directory, name) = (directory.clone(), name.clone());
                    move || {
                        private(&directory)?;
                        placing::free_name(&directory, &name, number)
                    }
                });
                let (path, taken) = free.await?.ok_or(TransferError::Disk)?;
                number = taken + 1;
                self.row.path = Some(path);
                self.insist_on_saving().await?;
            }
            let Some(path) = self.row.path.clone() else { continue };
            let put = self.insist(|| {
                let (part, path) = (part.clone(), path.clone());
                move || placing::put_down(&part, &path)
            });
            match put.await? {
                Put::Down => return Ok(()),
                Put::Taken => self.row.path = None,
            }
        }
        Err(TransferError::Disk)
    }

    /// Notes that it is complete, and tells everybody.
    async fn finish(&mut self) -> Result<(), TransferError> {
        self.row.received = self.row.total;
        self.row.stage = Stage::Complete;
        self.row.updated = self.shared.clock.now().timestamp;
        if self.row.offer.purpose == Purpose::Content {
            self.row.path = self.shared.places().map(|at| at.part(&self.key, Purpose::Content));
            let part = self.row.path.clone().unwrap_or_default();
            let synced = self.insist(|| {
                let part = part.clone();
                move || placing::sync_directory(&part)
            });
            synced.await?;
        }
        self.insist_on_saving().await?;
        self.drain().ok();
        self.shared.intake.complete(&self.key);
        self.shared.keep(&self.row);
        self.shared.book.replace(&Row::Incoming(self.row.clone()), TransferState::Complete);
        tracing::info!(transfer = %self.row.id, peer = %self.row.entity, bytes = self.row.total, "received");
        let done = ChunkAck { window: 0, received: self.row.total, transfer: self.row.id };
        let offer = self.offer.take();
        self.send(&done, offer).await;
        self.shared.tell(Output::Received(Received::of(&self.row, self.peer))).await;
        Ok(())
    }

    /// Answers the last offer.
    async fn tell(&mut self) {
        if let Some(offer) = self.offer.take() {
            self.acknowledge(Some(offer)).await;
        }
    }

    async fn acknowledge(&mut self, offer: Option<MessageId>) {
        let id = self.row.id;
        let ack = self.shared.intake.with(&self.key, |receiver| receiver.ack(id)).flatten();
        match ack {
            Some(ack) => self.send(&ack, offer).await,
            // The answer comes with the digest.
            None => self.offer = offer.or(self.offer),
        }
    }

    async fn send(&self, ack: &ChunkAck, answers: Option<MessageId>) {
        self.shared.send_ack(self.peer, *ack, answers, ACK_LIFETIME).await;
    }

    fn drain(&mut self) -> Result<(), TransferError> {
        while let Ok(input) = self.inputs.try_recv() {
            self.take(input)?;
        }
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<(), TransferError> {
        match input {
            Input::Piece { offset, data, buffered } => {
                self.pieces.push_back(Piece { offset, data, _buffered: buffered });
            }
            Input::Offer(message) => self.offer = Some(message),
            Input::End(why) => return Err(why),
        }
        Ok(())
    }

    async fn save(&self) -> Result<(), NotSaved> {
        durable(self.shared.ledger.save(&Row::Incoming(self.row.clone()))).await
    }
}

/// Writes pieces, each gone once it is written; then syncs.
fn write_all(
    part: &mut Part,
    pieces: &mut VecDeque<Piece>,
    sync: Option<u64>,
) -> Result<(), Failed> {
    while let Some(piece) = pieces.front() {
        part.write(piece.offset, &piece.data).map_err(Failed::Write)?;
        pieces.pop_front();
    }
    if let Some(received) = sync {
        part.sync().map_err(Failed::Sync)?;
        part.catch_up(received, HASH_SLICE).map_err(Failed::Write)?;
    }
    Ok(())
}
