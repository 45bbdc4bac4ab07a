//! The sending end of one transfer (§9.2).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use thiserror::Error;

use crate::error::ErrorCode;
use crate::limits::{MAX_PIECE_LEN, MIN_PIECE_LEN, TRANSFER_WINDOW};
use crate::message::ChunkAck;
use crate::time::Instant;

/// How long a sender waits for word from a receiver that has all it may get, before it offers again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest such wait: it doubles with each time that nothing came of it.
const MAX_PATIENCE: Duration = Duration::from_secs(300);
/// Bytes that are with the link at first.
const FIRST_UNDER_WAY: u64 = 512 << 10;
/// A piece that queued for less went its way undisturbed; one that queued for longer disturbs others.
const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_millis(400);
/// How often a receiver may have lost what it had, or refuse pieces without ending the transfer.
const MAX_SETBACKS: u32 = 3;

/// What a sender keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a piece; the same for the whole life of a transfer.
    pub piece_len: u32,
    /// Most bytes beyond what the receiver has on disk.
    pub window: u64,
    /// Most bytes that are with the link at once; one piece may always be.
    pub under_way: u64,
    /// Without any progress for so long, the transfer is over.
    pub patience: Duration,
}

impl Limits {
    /// The limits for pieces of about `piece_len` bytes.
    #[must_use]
    pub fn new(piece_len: u32) -> Self {
        Self {
            piece_len: piece_len.clamp(MIN_PIECE_LEN, MAX_PIECE_LEN),
            window: TRANSFER_WINDOW,
            under_way: 4 << 20,
            patience: Duration::from_secs(7 * 86_400),
        }
    }
}

/// Something to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The offer, for the `attempt`th time.
    Offer {
        /// To be reported back with the answer.
        attempt: u32,
    },
    /// A piece.
    Piece {
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        len: u32,
    },
    /// That the sender gives up.
    Cancel,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ended {
    /// The receiver has the whole on disk, and its digest was right.
    #[error("complete")]
    Complete,
    /// The receiver refused it.
    #[error("{code}: {detail}")]
    Refused {
        /// The protocol's code.
        code: ErrorCode,
        /// More, for people.
        detail: String,
    },
    /// The receiver says what cannot be.
    #[error("the receiver says that it has {received} of {total} bytes")]
    Misled {
        /// Bytes that it says it has.
        received: u64,
        /// Bytes in the payload.
        total: u64,
    },
    /// The receiver takes pieces and loses them, again and again.
    #[error("the receiver lost what it had, again and again")]
    Lost,
    /// Nothing has come of it for too long.
    #[error("it made no progress for too long")]
    TimedOut,
    /// This side gave up.
    #[error("cancelled")]
    Cancelled,
}

/// How much is with the link at once: more while pieces arrive as fast as ever, less while they queue
/// on the way, since whatever else is sent queues behind them.
#[derive(Debug, Clone, Copy)]
struct Pace {
    most: u64,
    /// The least time that a piece ever took.
    fastest: Duration,
}

impl Pace {
    fn new(piece_len: u32) -> Self {
        let most = FIRST_UNDER_WAY.max(2 * u64::from(piece_len));
        Self { most, fastest: Duration::MAX }
    }

    fn arrived(&mut self, len: u32, took: Duration, limits: Limits) {
        self.fastest = self.fastest.min(took);
        let queued = took.saturating_sub(self.fastest);
        if queued < QUICK {
            self.most = self.most.saturating_add(u64::from(len)).min(limits.under_way);
        } else if queued > SLOW {
            self.most = (self.most / 2).max(u64::from(limits.piece_len));
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The offer is to be sent.
    ToOffer,
    /// It was sent.
    Offered,
    /// The receiver takes pieces.
    Sending,
    /// The receiver takes nothing now; the offer is to be sent again then.
    Paused(Instant),
    /// The cancellation is to be sent.
    ToCancel,
    Over(Ended),
}

/// What a sender knows of one transfer.
///
/// The owner drains [`Sender::poll`], sends what it says, and reports what becomes of it; and calls
/// [`Sender::handle_timeout`] at [`Sender::poll_timeout`]. Everything that it polls is reported back
/// once: an offer through [`Sender::offer_arrived`], [`Sender::offer_lost`] or [`Sender::refused`], a
/// piece through [`Sender::arrived`], [`Sender::lost`] or [`Sender::piece_refused`].
#[derive(Debug, Clone)]
pub struct Sender {
    total: u64,
    limits: Limits,
    state: State,
    attempt: u32,
    /// Offers that are with the link.
    offers: u32,
    /// Bytes that the receiver has on disk.
    received: u64,
    /// The most that it ever had.
    highest: u64,
    /// What it takes beyond them.
    window: u64,
    /// Where the next piece begins that was not sent since the last answer to an offer.
    next: u64,
    /// Pieces that are with the link: length, and since when, by offset.
    under_way: BTreeMap<u64, (u32, Instant)>,
    under_way_len: u64,
    pace: Pace,
    /// Pieces that were lost.
    again: BTreeSet<u64>,
    /// Pieces from `next` on that have arrived: they were with the link when the offer was answered.
    ahead: BTreeSet<u64>,
    setbacks: u32,
    /// Whether it was asked, since it last made progress, why it takes nothing.
    asked_why: bool,
    /// When there was last a sign of life, and of progress.
    last_word: Instant,
    last_progress: Instant,
    patience: Duration,
}

impl Sender {
    /// A transfer of `total` bytes, of which the receiver had `received` when it last told.
    #[must_use]
    pub fn new(total: u64, received: u64, limits: Limits, now: Instant) -> Self {
        let piece_len = limits.piece_len.clamp(MIN_PIECE_LEN, MAX_PIECE_LEN);
        Self {
            total,
            limits: Limits { piece_len, ..limits },
            state: State::ToOffer,
            attempt: 0,
            offers: 0,
            received: received.min(total),
            highest: received.min(total),
            window: 0,
            next: received.min(total),
            under_way: BTreeMap::new(),
            under_way_len: 0,
            pace: Pace::new(piece_len),
            again: BTreeSet::new(),
            ahead: BTreeSet::new(),
            setbacks: 0,
            asked_why: false,
            last_word: now,
            last_progress: now,
            patience: PATIENCE,
        }
    }

    /// What is to be sent now.
    pub fn poll(&mut self, now: Instant) -> Option<Step> {
        match self.state {
            State::ToOffer => {
                self.state = State::Offered;
                self.attempt += 1;
                self.offers += 1;
                self.last_word = now;
                Some(Step::Offer { attempt: self.attempt })
            }
            State::ToCancel => {
                self.state = State::Over(Ended::Cancelled);
                Some(Step::Cancel)
            }
            State::Sending => self.next_piece(now),
            State::Offered | State::Paused(_) | State::Over(_) => None,
        }
    }

    fn next_piece(&mut self, now: Instant) -> Option<Step> {
        let (offset, len) = loop {
            if let Some(offset) = self.again.first().copied() {
                break (offset, self.len_at(offset));
            }
            let len = self.len_at(self.next);
            // What the link still has, or delivered since the offer, is not sent a second time.
            if !self.under_way.contains_key(&self.next) && !self.ahead.remove(&self.next) {
                break (self.next, len);
            }
            self.next += u64::from(len);
        };
        let end = offset + u64::from(len);
        let window = self.window.min(self.limits.window);
        let fits = self.under_way.is_empty()
            || self.under_way_len + u64::from(len) <= self.pace.most.min(self.limits.under_way);
        if len == 0 || end > self.received.saturating_add(window) || !fits {
            return None;
        }
        if !self.again.remove(&offset) {
            self.next = end;
        }
        self.under_way.insert(offset, (len, now));
        self.under_way_len += u64::from(len);
        self.last_word = now;
        Some(Step::Piece { offset, len })
    }

    /// Bytes of the piece at `offset`: the last one is shorter.
    fn len_at(&self, offset: u64) -> u32 {
        let left = self.total.saturating_sub(offset);
        u32::try_from(left).unwrap_or(u32::MAX).min(self.limits.piece_len)
    }

    /// The receiver's node has an offer; the answer follows.
    pub const fn offer_arrived(&mut self, now: Instant) {
        self.offers = self.offers.saturating_sub(1);
        self.last_word = now;
    }

    /// Nobody knows what became of the offer.
    pub fn offer_lost(&mut self, attempt: u32, now: Instant) {
        self.offers = self.offers.saturating_sub(1);
        if attempt == self.attempt && self.state == State::Offered {
            self.pause(now);
        }
    }

    /// The receiver refused the offer: that is the end.
    pub fn refused(&mut self, code: ErrorCode, detail: &str) {
        self.end(Ended::Refused { code, detail: detail.to_owned() });
    }

    /// The receiver's node has the piece at `offset`, in memory.
    pub fn arrived(&mut self, offset: u64, now: Instant) {
        if let Some((len, since)) = self.settle(offset) {
            self.pace.arrived(len, now.since(since), self.limits);
            if offset >= self.next {
                self.ahead.insert(offset);
            }
            self.last_word = now;
        }
    }

    /// Nobody knows what became of the piece at `offset`.
    pub fn lost(&mut self, offset: u64, now: Instant) {
        if self.settle(offset).is_some() {
            if (self.received..self.next).contains(&offset) {
                self.again.insert(offset);
            }
            self.last_word = now;
        }
    }

    /// The receiver refused the piece at `offset`: it may not know the transfer any more, or have
    /// ended it, and tells when it is offered again.
    pub fn piece_refused(&mut self, offset: u64, code: ErrorCode, detail: &str) {
        if self.settle(offset).is_none() {
            return;
        }
        if self.state == State::Sending {
            self.state = State::ToOffer;
            self.setbacks += 1;
        }
        if self.setbacks > MAX_SETBACKS {
            self.end(Ended::Refused { code, detail: detail.to_owned() });
        }
    }

    /// The receiver tells how far it has come. `answers` is the attempt at offering that this answers.
    pub fn handle_ack(&mut self, answers: Option<u32>, ack: &ChunkAck, now: Instant) {
        if self.is_over() {
            return;
        }
        let total = self.total;
        if ack.received > total {
            return self.end(Ended::Misled { received: ack.received, total });
        }
        if ack.received == total {
            self.received = total;
            return self.end(Ended::Complete);
        }
        if self.state == State::ToCancel {
            return;
        }
        self.last_word = now;
        if ack.received > self.highest {
            self.highest = ack.received;
            self.last_progress = now;
            self.patience = PATIENCE;
            self.setbacks = 0;
            self.asked_why = false;
        }
        if answers.is_some_and(|attempt| attempt == self.attempt) {
            self.begin_at(ack, now);
        } else if ack.received >= self.received {
            // Acknowledgements may overtake each other; the highest counts.
            self.received = ack.received;
            self.window = ack.window;
            if ack.window == 0 {
                self.ask_why(now);
            }
        }
        self.again = self.again.split_off(&self.received);
        self.ahead = self.ahead.split_off(&self.received);
        self.next = self.next.max(self.received);
    }

    /// The receiver takes nothing any more: when it is offered again, it says why. One that does not,
    /// and makes no progress either, is not asked all the time.
    fn ask_why(&mut self, now: Instant) {
        if !matches!(self.state, State::Offered | State::Sending) {
            return;
        }
        if std::mem::replace(&mut self.asked_why, true) {
            self.pause(now);
        } else {
            self.state = State::ToOffer;
        }
    }

    /// The answer to an offer: what it says is where things stand.
    fn begin_at(&mut self, ack: &ChunkAck, now: Instant) {
        if ack.received < self.received {
            self.setbacks += 1;
            if self.setbacks > MAX_SETBACKS {
                return self.end(Ended::Lost);
            }
        }
        self.received = ack.received;
        self.window = ack.window;
        self.next = ack.received;
        self.again.clear();
        self.ahead.clear();
        if ack.window == 0 {
            self.pause(now);
        } else {
            self.state = State::Sending;
        }
    }

    /// Both were apart, or one of them was down: what was under way may be lost, and is offered anew.
    pub fn interrupted(&mut self) {
        // An offer that is still with the link is sent again by the link.
        let offering = self.state == State::Offered && self.offers > 0;
        if !offering && matches!(self.state, State::Offered | State::Sending | State::Paused(_)) {
            self.state = State::ToOffer;
        }
    }

    /// Gives up.
    pub fn cancel(&mut self) {
        if !self.is_over() {
            self.state = State::ToCancel;
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over() || self.state == State::ToCancel {
            return;
        }
        if now.since(self.last_progress) >= self.limits.patience {
            return self.end(Ended::TimedOut);
        }
        match self.state {
            State::Paused(until) if until <= now => self.state = State::ToOffer,
            State::Offered | State::Sending if self.is_stalled(now) => {
                self.patience = (self.patience * 2).min(MAX_PATIENCE);
                self.state = State::ToOffer;
            }
            State::Offered
            | State::Sending
            | State::Paused(_)
            | State::ToOffer
            | State::ToCancel
            | State::Over(_) => {}
        }
    }

    /// When [`Sender::handle_timeout`] is due; `None` once the transfer is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let end = self.last_progress + self.limits.patience;
        match self.state {
            State::Paused(until) => Some(until.min(end)),
            State::Offered | State::Sending if self.is_quiet() => {
                Some((self.last_word + self.patience).min(end))
            }
            State::Offered | State::Sending => Some(end),
            State::ToOffer | State::ToCancel => Some(end),
            State::Over(_) => None,
        }
    }

    /// Whether nothing is with the link: it is the receiver's turn.
    fn is_quiet(&self) -> bool {
        self.under_way.is_empty() && self.offers == 0
    }

    fn is_stalled(&self, now: Instant) -> bool {
        self.is_quiet() && now.since(self.last_word) >= self.patience
    }

    fn pause(&mut self, now: Instant) {
        self.state = State::Paused(now + self.patience);
        self.patience = (self.patience * 2).min(MAX_PATIENCE);
    }

    fn settle(&mut self, offset: u64) -> Option<(u32, Instant)> {
        let settled = self.under_way.remove(&offset)?;
        self.under_way_len -= u64::from(settled.0);
        Some(settled)
    }

    fn end(&mut self, ended: Ended) {
        if !self.is_over() {
            self.state = State::Over(ended);
            self.again.clear();
            self.ahead.clear();
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Over(ended) => Some(ended),
            State::ToOffer
            | State::Offered
            | State::Sending
            | State::Paused(_)
            | State::ToCancel => None,
        }
    }

    /// Whether the receiver takes pieces.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.state == State::Sending
    }

    /// Bytes that the receiver has on disk.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Bytes that were handed out and of which the receiver's node has not said that they arrived.
    #[must_use]
    pub const fn under_way(&self) -> u64 {
        self.under_way_len
    }

    const fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }
}
