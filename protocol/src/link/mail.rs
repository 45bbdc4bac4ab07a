//! Messages of the peer that were fetched from a mailbox (§18): judged together with those that come
//! directly, so that copies are one message.

use super::{Event, Link};
use crate::delivery::Verdict;
use crate::error::ErrorCode;
use crate::identity::{EntityId, TrustLevel};
use crate::message::{Message, ReceiptStatus};
use crate::rate_limit::RateProfile;
use crate::time::Now;

/// The tag of messages that no exchange of the peer's waits for.
const NO_EXCHANGE: u64 = 0;

/// What became of a message from a mailbox that is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailVerdict {
    /// It was taken before: this far it has come.
    Known(ReceiptStatus),
    /// It is being written, or waits for a predecessor, for room, for its sender's rate, or for what the
    /// disk knows: it is to be handed in again.
    Later,
    /// Its stream is over, or later ones were taken: nothing can be said of it.
    Late,
    /// It is refused for good.
    Refused(ErrorCode),
}

impl Link {
    /// Takes ordered messages of the peer in that came by mail. Those that are next are reported with
    /// [`Event::Ordered`], as if they had come directly, all others with [`Event::Mail`]. They draw on the
    /// rates of the peer; `sender` is its name, which it has signed.
    pub fn take_mail(&mut self, sender: &EntityId, messages: Vec<Message>, now: Now) {
        let pinned = self.trust.level(sender, &self.peer_key) == Some(TrustLevel::Pinned);
        let profile = if pinned { self.config.trusted_rate } else { self.rate_profile() };
        for message in messages {
            let id = message.id;
            if let Some(verdict) = self.judge_mail(message, &profile, now) {
                self.events.push_back(Event::Mail { id, verdict });
            }
        }
        self.flush(now);
    }

    fn judge_mail(
        &mut self,
        message: Message,
        profile: &RateProfile,
        now: Now,
    ) -> Option<MailVerdict> {
        let Some(order) = message.order.filter(|_| message.kind.may_be_ordered()) else {
            return Some(MailVerdict::Refused(ErrorCode::InvalidState));
        };
        match self.incoming.judge(message.id, &order) {
            Verdict::Known(status) => Some(MailVerdict::Known(status)),
            Verdict::Writing => Some(MailVerdict::Later),
            Verdict::OutOfSequence => Some(MailVerdict::Late),
            Verdict::Early => {
                // It comes again with each visit, and is taken without another word once it is next.
                if self.incoming.holds(&message) || self.charge_mail(&message, profile, now) {
                    self.hold_early(message, now);
                }
                Some(MailVerdict::Later)
            }
            Verdict::Next => match self.check(&message) {
                Err(report) if report.code == ErrorCode::RateLimited => Some(MailVerdict::Later),
                Err(report) => Some(MailVerdict::Refused(report.code)),
                Ok(()) if !self.charge_mail(&message, profile, now) => Some(MailVerdict::Later),
                Ok(()) => {
                    self.take_before(&order, now);
                    let taken = self.take(message, NO_EXCHANGE, now);
                    self.take_held(now);
                    (!taken).then_some(MailVerdict::Later)
                }
            },
        }
    }

    /// Takes the token that a message costs. Whether there was one.
    fn charge_mail(&mut self, message: &Message, profile: &RateProfile, now: Now) -> bool {
        let class = message.kind.rate_class();
        class.is_none_or(|class| self.limiter.take(profile, class, now.instant).is_ok())
    }
}
