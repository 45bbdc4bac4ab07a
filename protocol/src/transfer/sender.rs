//! The sending end of one transfer (§9.2).
//!
//! - `step`: what it keeps to, what it wants sent, how it ends; `pace`: how much is with the link at once;
//! - `reports`: what became of what was sent, and what the receiver says.

mod pace;
mod reports;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use step::{Ended, Limits, Step};

use self::pace::Pace;
use crate::limits::{MAX_PIECE_LEN, MIN_PIECE_LEN};
use crate::time::Instant;

/// How long a sender waits for word from a receiver that has all it may get, before it offers again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest such wait: it doubles with each time that nothing came of it.
const MAX_PATIENCE: Duration = Duration::from_secs(300);
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
