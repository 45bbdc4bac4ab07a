//! The account of the side that answers.

use std::collections::HashMap;

use super::{Credit, FrameId, Head, Kind, Violation};

/// What the peer has under way on a stream that it opened.
///
/// It holds no more requests than were granted.
#[derive(Debug)]
pub struct Answering {
    grant: Credit,
    used: Credit,
    next: Option<FrameId>,
    open: HashMap<FrameId, u32>,
}

impl Answering {
    /// An account with this grant.
    #[must_use]
    pub fn new(grant: Credit) -> Self {
        Self { grant, used: Credit::NONE, next: Some(FrameId(0)), open: HashMap::new() }
    }

    /// The first frame of this side: what it grants.
    #[must_use]
    pub fn grant(&self) -> (Head, Credit) {
        let len = super::CREDIT_LEN as u32;
        (Head { len, kind: Kind::Credit, id: FrameId(0) }, self.grant)
    }

    /// A request is here.
    ///
    /// # Errors
    /// [`Violation`] if its number is not the next one, or if it goes over what was granted.
    pub fn asked(&mut self, id: FrameId, len: usize) -> Result<(), Violation> {
        let kind = Kind::Request;
        let expected = self.next.ok_or(Violation::WrongSide { kind })?;
        if id != expected {
            return Err(Violation::OutOfOrder { found: id, expected });
        }
        let Credit { frames, bytes } = self.grant;
        if self.used.frames >= frames {
            return Err(Violation::TooManyFrames { frames });
        }
        let over = Violation::TooManyBytes { bytes };
        let len = u32::try_from(len).map_err(|_| over)?;
        let used = self.used.bytes.checked_add(len).filter(|used| *used <= bytes).ok_or(over)?;
        self.used = Credit { frames: self.used.frames + 1, bytes: used };
        self.next = id.0.checked_add(1).map(FrameId);
        self.open.insert(id, len);
        Ok(())
    }

    /// The head of the answer to a request, of `len` bytes, or of none; `None` if the request is not
    /// open, or if there can be no such answer.
    pub fn answer(&mut self, id: FrameId, len: Option<usize>) -> Option<Head> {
        let asked = *self.open.get(&id)?;
        let head = match len {
            Some(len) => Head { len: u32::try_from(len).ok()?, kind: Kind::Answer, id },
            None => Head { len: 0, kind: Kind::Drop, id },
        };
        self.open.remove(&id);
        self.used.frames -= 1;
        self.used.bytes -= asked;
        Some(head)
    }

    /// Requests without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.open.len()
    }
}
