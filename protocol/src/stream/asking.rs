//! The account of the side that asks.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Credit, FrameId, Head, Kind, Violation};
use crate::link::RequestId;
use crate::time::Instant;

/// A request that went out.
#[derive(Debug)]
struct Open {
    id: FrameId,
    /// `None` once it was given up: its share is only given back by an answer.
    request: Option<RequestId>,
    len: u32,
    since: Instant,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The answer to this request.
    Request(RequestId),
    /// It came too late; nobody waits for it any more.
    Late,
}

/// What is under way on a stream that this side opened.
///
/// It holds no more requests than the peer granted, and than were sent.
#[derive(Debug)]
pub struct Asking {
    granted: Credit,
    used: Credit,
    next: Option<FrameId>,
    open: VecDeque<Open>,
    last_heard: Option<Instant>,
}

impl Default for Asking {
    fn default() -> Self {
        Self::new()
    }
}

impl Asking {
    /// Nothing is granted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            granted: Credit::NONE,
            used: Credit::NONE,
            next: Some(FrameId(0)),
            open: VecDeque::new(),
            last_heard: None,
        }
    }

    /// The peer grants credit.
    ///
    /// # Errors
    /// [`Violation::Withdrawn`] if it is less than before.
    pub fn grant(&mut self, credit: Credit) -> Result<(), Violation> {
        if !credit.covers(&self.granted) {
            return Err(Violation::Withdrawn);
        }
        self.granted = credit;
        Ok(())
    }

    /// Whether the peer granted anything: it then speaks the protocol, and has a session.
    #[must_use]
    pub const fn is_granted(&self) -> bool {
        self.granted.frames > 0
    }

    /// Whether a request of `len` bytes may go over this stream at all, once others are answered.
    #[must_use]
    pub const fn fits(&self, len: usize) -> bool {
        len <= self.granted.bytes as usize
    }

    /// Whether all numbers are used up; another stream is due.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.next.is_none()
    }

    /// Takes credit for a request of `len` bytes; gives the head to send before it. `None` if it has to
    /// wait.
    pub fn ask(&mut self, request: RequestId, len: usize, now: Instant) -> Option<Head> {
        let len = u32::try_from(len).ok()?;
        let id = self.next?;
        let used = Credit {
            frames: self.used.frames.checked_add(1)?,
            bytes: self.used.bytes.checked_add(len)?,
        };
        if !self.granted.covers(&used) {
            return None;
        }
        self.used = used;
        self.next = id.0.checked_add(1).map(FrameId);
        self.open.push_back(Open { id, request: Some(request), len, since: now });
        Some(Head { len, kind: Kind::Request, id })
    }

    /// A frame of the peer is here, an answer or the word that there will be none.
    ///
    /// # Errors
    /// [`Violation::NotAsked`] if no request is open under its number.
    pub fn answered(&mut self, id: FrameId, now: Instant) -> Result<Answered, Violation> {
        let place = self.open.iter().position(|open| open.id == id);
        let open = place.and_then(|place| self.open.remove(place));
        let open = open.ok_or(Violation::NotAsked { id })?;
        self.used.frames -= 1;
        self.used.bytes -= open.len;
        self.last_heard = Some(now);
        Ok(open.request.map_or(Answered::Late, Answered::Request))
    }

    /// Requests without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.open.iter().filter(|open| open.request.is_some()).count()
    }

    /// When the oldest request has been unanswered for `patience`.
    #[must_use]
    pub fn next_timeout(&self, patience: Duration) -> Option<Instant> {
        let oldest = self.open.iter().find(|open| open.request.is_some())?;
        Some(oldest.since + patience)
    }

    /// Gives up requests that have been unanswered for `patience`.
    pub fn give_up(&mut self, patience: Duration, now: Instant) -> Vec<RequestId> {
        let overdue = self.open.iter_mut().filter(|open| open.since + patience <= now);
        overdue.filter_map(|open| open.request.take()).collect()
    }

    /// Whether nothing at all came for as long as the oldest request that is still waited for has been
    /// open, and that is `patience` or longer: the stream is of no use.
    #[must_use]
    pub fn is_dead(&self, patience: Duration, now: Instant) -> bool {
        let waiting = self.open.iter().find(|open| open.request.is_some());
        waiting.is_some_and(|oldest| {
            oldest.since + patience <= now
                && self.last_heard.is_none_or(|heard| heard < oldest.since)
        })
    }

    /// The stream is gone: everything that was under way, in the order in which it was sent.
    pub fn close(&mut self) -> Vec<RequestId> {
        self.next = None;
        self.used = Credit::NONE;
        self.open.drain(..).filter_map(|open| open.request).collect()
    }
}
