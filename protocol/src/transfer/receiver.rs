//! The receiving end of one transfer (§9.2).

use std::time::Duration;

use super::error::TransferError;
use super::name::{BadName, check_name};
use super::ranges::{Added, Ranges};
use crate::id::TransferId;
use crate::limits::{
    MAX_PIECE_LEN, MAX_TRANSFER_LEN, MIN_PIECE_LEN, PROGRESS_LEN, PROGRESS_PAUSE, TRANSFER_IDLE,
    TRANSFER_WINDOW,
};
use crate::message::{ChunkAck, Offer, Purpose};
use crate::time::Instant;

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is to be written.
    New,
    /// It was there before, and is not to be written again.
    Repeated,
}

/// What a receiver knows of one transfer.
///
/// - Each piece goes to [`Receiver::take`], and is written if it is new.
/// - When [`Receiver::is_due`], [`Receiver::poll_timeout`] at the latest, the owner syncs what is
///   written, makes [`Receiver::contiguous`] as it was before that durable, reports it to
///   [`Receiver::synced`], and sends [`Receiver::ack`].
/// - When [`Receiver::is_whole`] and all of it is synced, the owner checks the digest, makes the whole
///   durable, calls [`Receiver::complete`], and sends a last ack.
#[derive(Debug, Clone)]
pub struct Receiver {
    offer: Offer,
    total: u64,
    /// Bytes that were taken, whether written or not.
    ranges: Ranges,
    durable: u64,
    complete: bool,
    last_piece: Instant,
    last_progress: Instant,
}

impl Receiver {
    /// A transfer of which `received` bytes are on disk already.
    ///
    /// # Errors
    /// [`TransferError`] if nobody may offer that.
    pub fn new(
        offer: Offer,
        total: u64,
        received: u64,
        now: Instant,
    ) -> Result<Self, TransferError> {
        if total > MAX_TRANSFER_LEN {
            return Err(TransferError::TooLarge { total, most: MAX_TRANSFER_LEN });
        }
        match (offer.purpose, &offer.name) {
            (Purpose::File, Some(name)) => check_name(name)?,
            (Purpose::File, None) => return Err(BadName::Missing.into()),
            (Purpose::Content, _) => {}
        }
        let durable = received.min(total);
        Ok(Self {
            offer,
            total,
            ranges: Ranges::first(durable),
            durable,
            complete: false,
            last_piece: now,
            last_progress: now,
        })
    }

    /// Whether an offer that came is the one that this transfer began with.
    ///
    /// # Errors
    /// [`TransferError`] if it is another one.
    pub fn check_offer(&self, offer: &Offer, total: u64) -> Result<(), TransferError> {
        self.check_total(total)?;
        if *offer == self.offer { Ok(()) } else { Err(TransferError::WrongOffer) }
    }

    /// Takes the piece of `len` bytes at `offset` in.
    ///
    /// # Errors
    /// [`TransferError`] if no honest sender sends it; nothing has changed then.
    pub fn take(
        &mut self,
        offset: u64,
        len: u64,
        total: u64,
        now: Instant,
    ) -> Result<Taken, TransferError> {
        self.check_total(total)?;
        let total = self.total;
        let end = offset.checked_add(len).filter(|end| *end <= total);
        let end = end.filter(|_| len <= u64::from(MAX_PIECE_LEN));
        let Some(end) = end else { return Err(TransferError::OutOfRange { offset, len, total }) };
        if len < u64::from(MIN_PIECE_LEN) && end != total {
            return Err(TransferError::TooShort { len });
        }
        let limit = self.durable.saturating_add(TRANSFER_WINDOW);
        if end > limit {
            return Err(TransferError::BeyondWindow { end, limit });
        }
        match self.ranges.add(offset, end) {
            Added::New => {
                self.last_piece = now;
                Ok(Taken::New)
            }
            Added::Repeated => Ok(Taken::Repeated),
            Added::Overlaps => Err(TransferError::Overlap { offset, len }),
        }
    }

    /// Where the bytes end that were taken without a gap from the beginning.
    #[must_use]
    pub fn contiguous(&self) -> u64 {
        self.ranges.contiguous()
    }

    /// Whether every byte was taken.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.contiguous() == self.total
    }

    /// Whether what was taken is to be synced now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let new = self.contiguous().saturating_sub(self.durable);
        let quiet = now.since(self.last_piece) >= PROGRESS_PAUSE;
        new >= PROGRESS_LEN || (new > 0 && (quiet || self.is_whole()))
    }

    /// When the owner has to look again, if nothing comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        if self.contiguous() > self.durable {
            self.last_piece + PROGRESS_PAUSE
        } else {
            self.last_progress + TRANSFER_IDLE
        }
    }

    /// The first `received` bytes are on disk, and so is that they are.
    pub fn synced(&mut self, received: u64, now: Instant) {
        let received = received.min(self.contiguous());
        if received > self.durable {
            self.durable = received;
            self.last_progress = now;
        }
    }

    /// The digest was right, and the whole is durable.
    pub fn complete(&mut self) {
        self.complete = self.durable == self.total;
    }

    /// What the sender is told. `None` while all is there and its digest is not known yet: the answer
    /// follows.
    #[must_use]
    pub fn ack(&self, transfer: TransferId) -> Option<ChunkAck> {
        let window = match (self.complete, self.durable == self.total) {
            (true, _) => 0,
            (false, true) => return None,
            (false, false) => TRANSFER_WINDOW,
        };
        Some(ChunkAck { window, received: self.durable, transfer })
    }

    /// What the sender is told once the transfer is over without being complete: it offers again, and
    /// is told why. `None` for an empty payload, of which that cannot be told apart from success.
    #[must_use]
    pub fn halt(&self, transfer: TransferId) -> Option<ChunkAck> {
        let most = self.total.checked_sub(1)?;
        Some(ChunkAck { window: 0, received: self.durable.min(most), transfer })
    }

    /// Since when it has made no progress.
    #[must_use]
    pub const fn idle(&self, now: Instant) -> Duration {
        now.since(self.last_progress)
    }

    /// What was offered.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Bytes in the whole payload.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that are on disk without a gap from the beginning.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// How many ranges of bytes are remembered; at most one a piece of the window, and one.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.ranges.count()
    }

    const fn check_total(&self, given: u64) -> Result<(), TransferError> {
        if given == self.total {
            Ok(())
        } else {
            Err(TransferError::WrongTotal { offered: self.total, given })
        }
    }
}
