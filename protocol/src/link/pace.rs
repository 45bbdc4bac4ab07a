//! Obeying a peer's rate limits, so that what is over the rate arrives later instead of never.

use std::time::Duration;

use crate::limits::MAX_RETRY_AFTER;
use crate::message::MessageKind;
use crate::rate_limit::RateClass;
use crate::time::Instant;

/// Below this interval a class runs free again.
const FREE: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy)]
struct Pace {
    class: RateClass,
    interval: Duration,
    next: Instant,
}

/// The classes in which the peer has asked this entity to slow down.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    paced: Vec<Pace>,
}

impl Pacer {
    /// Whether a message of `kind` may go now; if not, when.
    pub(super) fn admit(&mut self, kind: MessageKind, now: Instant) -> Result<(), Instant> {
        let Some(pace) = self.of(kind) else { return Ok(()) };
        let at = pace.next;
        if at > now {
            return Err(at);
        }
        pace.next = now + pace.interval;
        Ok(())
    }

    /// The peer refused a message of `kind` for now: one message per `retry_after` from here on.
    pub(super) fn slow_down(&mut self, kind: MessageKind, retry_after: Duration, now: Instant) {
        let Some(class) = kind.rate_class() else { return };
        let interval = retry_after.clamp(FREE, MAX_RETRY_AFTER);
        let next = now + interval;
        match self.of(kind) {
            Some(pace) => {
                pace.interval = interval;
                pace.next = pace.next.max(next);
            }
            None => self.paced.push(Pace { class, interval, next }),
        }
    }

    /// The peer took a message of `kind`: try twice as fast.
    pub(super) fn speed_up(&mut self, kind: MessageKind) {
        if let Some(pace) = self.of(kind) {
            pace.interval /= 2;
        }
        self.paced.retain(|pace| pace.interval > FREE);
    }

    fn of(&mut self, kind: MessageKind) -> Option<&mut Pace> {
        let class = kind.rate_class()?;
        self.paced.iter_mut().find(|pace| pace.class == class)
    }
}
