//! The task of one transfer that goes out: reads the file, and sends what the protocol says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libp2p::PeerId;
use peer_protocol::id::MessageId;
use peer_protocol::message::{Body, Chunk, ChunkAck, Message, Purpose};
use peer_protocol::time::Instant;
use peer_protocol::transfer::{Ended, Limits, Sender, Step};
use tokio::sync::mpsc;

use super::error::TransferFailure;
use super::ledger::durable;
use super::row::{Key, OutgoingRow, Row, Stage};
use super::service::{Fate, Output, Shared, blocking};
use super::source::Opened;
use crate::model::TransferState;

/// How long an offer, and a piece, may wait with the link.
const LIFETIME: Duration = Duration::from_secs(3_600);
/// How long a cancellation is worth telling.
const CANCEL_LIFETIME: Duration = Duration::from_secs(60);
/// Pause after the link had no room.
const BUSY: Duration = Duration::from_millis(250);
/// How often progress is written down.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// What the task is told.
#[derive(Debug)]
pub(super) enum ToSender {
    /// What became of a message.
    Fate(MessageId, Fate),
    /// What the receiver tells, and the message that it answers.
    Ack(Option<MessageId>, ChunkAck),
    /// There is a connection after there was none, or a new session.
    Interrupted,
    /// Somebody here does not want it any more.
    Cancel,
}

/// The task.
#[derive(Debug)]
pub(super) struct Sending {
    shared: Arc<Shared>,
    key: Key,
    peer: PeerId,
    row: OutgoingRow,
    inputs: mpsc::Receiver<ToSender>,
    sent: HashMap<MessageId, Step>,
    /// The last offer.
    offer: Option<(MessageId, u32)>,
    busy_until: Option<Instant>,
    noted: Instant,
}

impl Sending {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: PeerId,
        row: OutgoingRow,
        inputs: mpsc::Receiver<ToSender>,
    ) -> Self {
        let key = Key::outgoing(row.peer, row.id);
        let noted = shared.clock.now().instant;
        let sent = HashMap::new();
        Self { shared, key, peer, row, inputs, sent, offer: None, busy_until: None, noted }
    }

    /// Runs until the transfer is over.
    pub(super) async fn run(mut self) {
        self.row.stage = match self.try_run().await {
            Ok(Ended::Complete) => {
                self.row.received = self.row.source.size;
                Stage::Complete
            }
            Ok(Ended::Cancelled) => Stage::Cancelled { detail: "cancelled here".to_owned() },
            Ok(Ended::Refused { code, detail }) => Stage::Failed { code: Some(code), detail },
            Ok(ended @ (Ended::Misled { .. } | Ended::Lost | Ended::TimedOut)) => {
                Stage::Failed { code: None, detail: ended.to_string() }
            }
            Err(failure) => Stage::Failed { code: failure.code(), detail: failure.to_string() },
        };
        self.row.updated = self.shared.clock.now().timestamp;
        tracing::info!(transfer = %self.row.id, peer = %self.row.entity, stage = ?self.row.stage, "sent");
        if self.row.offer.purpose == Purpose::Content {
            return self.end_content().await;
        }
        if let Err(error) = durable(self.shared.ledger.save(&Row::Outgoing(self.row.clone()))).await
        {
            tracing::error!(transfer = %self.row.id, %error, "a transfer");
        }
        if self.row.source.spooled {
            let path = self.row.source.path.clone();
            // A file that is left is found at the next start.
            let _ = blocking(move || std::fs::remove_file(path)).await;
        }
        self.shared.sender_ended(&self.key);
        self.shared.book.replace(&Row::Outgoing(self.row.clone()), TransferState::Complete);
    }

    /// A content stays until its message is settled: its receiver may lose it.
    async fn end_content(self) {
        let row = Row::Outgoing(self.row.clone());
        // Should that fail, it is offered again after a restart, and the receiver says that it has it.
        let _ = durable(self.shared.ledger.save(&row)).await;
        self.shared.sender_ended(&self.key);
        self.shared.book.replace(&row, TransferState::Complete);
        let kept = self.shared.contents().ended(&self.key, &self.row);
        if !kept {
            self.shared.drop_content(&self.row).await;
            if self.row.stage == Stage::Complete {
                self.shared.withdraw_content(&self.row).await;
            }
            return;
        }
        let (peer, id, stage) = (self.peer, self.row.id, self.row.stage);
        self.shared.tell(Output::ContentSent { peer, id, stage }).await;
    }

    async fn try_run(&mut self) -> Result<Ended, TransferFailure> {
        let slots = self.shared.slots(self.row.peer, self.row.offer.purpose);
        let permit = tokio::select! {
            permit = slots.acquire() => permit,
            () = cancelled(&mut self.inputs) => return Ok(Ended::Cancelled),
        };
        // Slots are never closed.
        let Ok(_permit) = permit else { return Ok(Ended::Cancelled) };
        let source = self.row.source.clone();
        let mut opened = Arc::new(blocking(move || Ok(source.open())).await??);
        if !self.row.hashed {
            let Some(hashed) = self.hash(opened).await? else { return Ok(Ended::Cancelled) };
            opened = hashed;
        }
        self.shared.book.set(&self.key, TransferState::Offered, None);
        self.shared.book.restart(&self.key, self.row.received);
        self.send_all(&opened).await
    }

    /// Takes the digest of the file. `None` if it was cancelled meanwhile.
    async fn hash(&mut self, opened: Arc<Opened>) -> Result<Option<Arc<Opened>>, TransferFailure> {
        self.shared.book.set(&self.key, TransferState::Hashing, None);
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, key, stopped) = (Arc::clone(&self.shared), self.key, Arc::clone(&stop));
        let file = Arc::clone(&opened);
        let hashing = blocking(move || {
            Ok(file.hash(|read| {
                let now = shared.clock.now();
                shared.book.progress(&key, read, now.instant, now.timestamp);
                !stopped.load(Ordering::Relaxed)
            }))
        });
        tokio::pin!(hashing);
        let digest = tokio::select! {
            digest = &mut hashing => digest??,
            () = cancelled(&mut self.inputs) => {
                stop.store(true, Ordering::Relaxed);
                return Ok(None);
            }
        };
        let Some(digest) = digest else { return Ok(None) };
        self.row.offer.digest = digest;
        self.row.hashed = true;
        let row = Row::Outgoing(self.row.clone());
        let saved = durable(self.shared.ledger.save(&row)).await;
        saved.map_err(|error| TransferFailure::Disk { reason: error.to_string() })?;
        self.shared.book.replace(&row, TransferState::Offered);
        Ok(Some(opened))
    }

    async fn send_all(&mut self, opened: &Arc<Opened>) -> Result<Ended, TransferFailure> {
        let now = self.shared.clock.now().instant;
        let limits = Limits::new(self.row.piece_len);
        let mut sender = Sender::new(self.row.source.size, self.row.received, limits, now);
        loop {
            while let Ok(input) = self.inputs.try_recv() {
                self.take(&mut sender, input);
            }
            let now = self.shared.clock.now().instant;
            sender.handle_timeout(now);
            self.note(&sender, now);
            if let Some(ended) = sender.ended() {
                return Ok(ended.clone());
            }
            if self.busy_until.is_some_and(|until| until <= now) {
                self.busy_until = None;
            }
            if self.busy_until.is_none()
                && let Some(step) = sender.poll(now)
            {
                self.send(step, opened).await?;
                continue;
            }
            let due = [sender.poll_timeout(), self.busy_until].into_iter().flatten().min();
            let pause = due.map_or(Duration::ZERO, |due| due.since(now));
            tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(input) => self.take(&mut sender, input),
                    None => return Ok(Ended::Cancelled),
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn take(&mut self, sender: &mut Sender, input: ToSender) {
        let now = self.shared.clock.now().instant;
        match input {
            ToSender::Fate(message, fate) => {
                if let Some(step) = self.sent.remove(&message) {
                    self.settle(sender, step, fate, now);
                }
            }
            ToSender::Ack(answers, ack) => {
                let answered = self.offer.filter(|(id, _)| answers == Some(*id));
                if answers.is_some() {
                    let (received, window) = (ack.received, ack.window);
                    let current = answered.is_some();
                    tracing::debug!(transfer = %self.row.id, received, window, current, "answered");
                }
                sender.handle_ack(answered.map(|(_, attempt)| attempt), &ack, now);
            }
            ToSender::Interrupted => sender.interrupted(),
            ToSender::Cancel => sender.cancel(),
        }
    }

    fn settle(&mut self, sender: &mut Sender, step: Step, fate: Fate, now: Instant) {
        if !matches!(fate, Fate::Arrived) {
            tracing::debug!(transfer = %self.row.id, ?step, ?fate, "did not arrive");
        }
        if matches!(fate, Fate::Busy) {
            self.busy_until = Some(now + BUSY);
        }
        match (step, fate) {
            (Step::Offer { .. }, Fate::Arrived) => sender.offer_arrived(now),
            (Step::Offer { attempt }, Fate::Lost | Fate::Busy) => sender.offer_lost(attempt, now),
            (Step::Offer { .. }, Fate::Refused { code, detail }) => sender.refused(code, &detail),
            (Step::Piece { offset, .. }, Fate::Arrived) => sender.arrived(offset, now),
            (Step::Piece { offset, .. }, Fate::Lost | Fate::Busy) => sender.lost(offset, now),
            (Step::Piece { offset, .. }, Fate::Refused { code, detail }) => {
                sender.piece_refused(offset, code, &detail);
            }
            (Step::Cancel, _) => {}
        }
    }

    async fn send(&mut self, step: Step, opened: &Arc<Opened>) -> Result<(), TransferFailure> {
        let mut chunk = Chunk {
            data: Vec::new().into(),
            offer: None,
            total: self.row.source.size,
            cancel: None,
            offset: 0,
            transfer: self.row.id,
        };
        let mut lifetime = LIFETIME;
        match step {
            Step::Offer { .. } => chunk.offer = Some(self.row.offer.clone()),
            Step::Cancel => {
                chunk.cancel = Some("the sender cancelled it".to_owned());
                lifetime = CANCEL_LIFETIME;
            }
            Step::Piece { offset, len } => {
                let file = Arc::clone(opened);
                let read = blocking(move || Ok(file.read(offset, len))).await?;
                chunk.data = match read {
                    Ok(data) => data.into(),
                    Err(failure) => {
                        self.give_up(&failure).await;
                        return Err(failure);
                    }
                };
                chunk.offset = offset;
            }
        }
        let message = message(chunk)?;
        if let Step::Offer { attempt } = step {
            tracing::debug!(transfer = %self.row.id, attempt, "offered");
            self.offer = Some((message.id, attempt));
        }
        if step != Step::Cancel {
            self.sent.insert(message.id, step);
        }
        self.tell(message, lifetime).await;
        Ok(())
    }

    /// Tells the receiver that nothing more comes.
    async fn give_up(&self, failure: &TransferFailure) {
        // No path of this machine is told.
        let why = match failure {
            TransferFailure::Changed { .. } => "the file changed while it was sent",
            _ => "the file cannot be read any more",
        };
        let chunk = Chunk {
            data: Vec::new().into(),
            offer: None,
            total: self.row.source.size,
            cancel: Some(why.to_owned()),
            offset: 0,
            transfer: self.row.id,
        };
        if let Ok(message) = message(chunk) {
            self.tell(message, CANCEL_LIFETIME).await;
        }
    }

    async fn tell(&self, message: Message, lifetime: Duration) {
        let (transfer, peer) = (Some(self.key), self.peer);
        self.shared.tell(Output::Send { transfer, peer, message, lifetime }).await;
    }

    /// Notes how far it is: for people at once, on disk now and then.
    fn note(&mut self, sender: &Sender, now: Instant) {
        if sender.received() != self.row.received {
            self.row.received = sender.received();
            self.row.updated = self.shared.clock.now().timestamp;
            self.shared.book.progress(&self.key, self.row.received, now, self.row.updated);
            if now.since(self.noted) >= NOTE_EVERY {
                self.noted = now;
                // The receiver knows better after a restart.
                drop(self.shared.ledger.save(&Row::Outgoing(self.row.clone())));
            }
        }
        if sender.is_sending() {
            self.shared.book.set(&self.key, TransferState::Running, None);
        }
    }
}

fn message(chunk: Chunk<'_>) -> Result<Message, TransferFailure> {
    let body = Body::from(chunk);
    Message::new(&mut rand::rng(), &body, None)
        .map_err(|error| TransferFailure::Refused { code: None, detail: error.to_string() })
}

/// Waits until somebody cancels.
async fn cancelled(inputs: &mut mpsc::Receiver<ToSender>) {
    loop {
        match inputs.recv().await {
            Some(ToSender::Cancel) | None => return,
            Some(ToSender::Fate(..) | ToSender::Ack(..) | ToSender::Interrupted) => {}
        }
    }
}
