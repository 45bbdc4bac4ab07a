//! Messages of the peer that were fetched from a mailbox (§18): judged together with those that come
//! directly, so that copies are one message.

use super::{Event, Link};
use crate::delivery::Verdict;
use crate::error::ErrorCode;
use crate::message::{Message, ReceiptStatus};
use crate::time::Now;

/// The tag of messages that no exchange of the peer's waits for.
const NO_EXCHANGE: u64 = 0;

/// What became of a message from a mailbox that is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailVerdict {
    /// It was taken before: this far it has come.
    Known(ReceiptStatus),
    /// It is being written, or waits for a predecessor, for room, or for what the disk knows: it is to be
    /// handed in again.
    Later,
    /// Its stream is over, or later ones were taken: nothing can be said of it.
    Late,
    /// It is refused for good.
    Refused(ErrorCode),
}

impl Link {
    /// Takes ordered messages of the peer in that came by mail. Those that are next are reported with
    /// [`Event::Ordered`], as if they had come directly, all others with [`Event::Mail`].
    pub fn take_mail(&mut self, messages: Vec<Message>, now: Now) {
        for message in messages {
            let id = message.id;
            if let Some(verdict) = self.judge_mail(message, now) {
                self.events.push_back(Event::Mail { id, verdict });
            }
        }
        self.flush(now);
    }

    fn judge_mail(&mut self, message: Message, now: Now) -> Option<MailVerdict> {
        let Some(order) = message.order.filter(|_| message.kind.may_be_ordered()) else {
            return Some(MailVerdict::Refused(ErrorCode::InvalidState));
        };
        match self.incoming.judge(message.id, &order) {
            Verdict::Known(status) => Some(MailVerdict::Known(status)),
            Verdict::Writing => Some(MailVerdict::Later),
            Verdict::OutOfSequence => Some(MailVerdict::Late),
            Verdict::Early => {
                self.incoming.hold(message);
                Some(MailVerdict::Later)
            }
            Verdict::Next => match self.check(&message) {
                Err(report) if report.code == ErrorCode::RateLimited => Some(MailVerdict::Later),
                Err(report) => Some(MailVerdict::Refused(report.code)),
                Ok(()) => {
                    self.take_before(&order, now);
                    let taken = self.take(message, NO_EXCHANGE, now);
                    self.take_held(now);
                    (!taken).then_some(MailVerdict::Later)
                }
            },
        }
    }
}
