//! What became of what was sent, and what the receiver says.

use super::{Ended, PATIENCE, Sender, State};
use crate::error::ErrorCode;
use crate::message::ChunkAck;
use crate::time::Instant;

/// How often a receiver may have lost what it had, or refuse pieces without ending the transfer.
const MAX_SETBACKS: u32 = 3;

impl Sender {
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
}
