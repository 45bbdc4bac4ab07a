//! The head of a frame.

use std::fmt;

use super::{CREDIT_LEN, Violation};
use crate::limits::MAX_ENVELOPE_LEN;

/// Bytes of a head.
pub const HEAD_LEN: usize = 9;

/// The number of a request on its stream, from zero; an answer has that of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How much may be unanswered: a [`Credit`](super::Credit). From the answering side.
    Credit,
    /// An envelope that asks. From the asking side.
    Request,
    /// An envelope that answers. From the answering side.
    Answer,
    /// A request stays without an answer. From the answering side.
    Drop,
}

impl Kind {
    /// Its byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Credit => 0,
            Self::Request => 1,
            Self::Answer => 2,
            Self::Drop => 3,
        }
    }

    /// Whether the asking side sends it.
    #[must_use]
    pub const fn asks(self) -> bool {
        match self {
            Self::Request => true,
            Self::Credit | Self::Answer | Self::Drop => false,
        }
    }

    const fn of(byte: u8) -> Result<Self, Violation> {
        match byte {
            0 => Ok(Self::Credit),
            1 => Ok(Self::Request),
            2 => Ok(Self::Answer),
            3 => Ok(Self::Drop),
            kind => Err(Violation::UnknownKind { kind }),
        }
    }

    const fn may_have(self, len: usize) -> bool {
        match self {
            Self::Credit => len == CREDIT_LEN,
            Self::Request | Self::Answer => len <= MAX_ENVELOPE_LEN,
            Self::Drop => len == 0,
        }
    }
}

/// `len` as 32-bit big-endian ‖ kind ‖ id as 32-bit big-endian. So many bytes of body follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Length of the body, in bytes.
    pub len: u32,
    /// What the frame is.
    pub kind: Kind,
    /// The request's number; zero where there is none.
    pub id: FrameId,
}

impl Head {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD_LEN] {
        let [a, b, c, d] = self.len.to_be_bytes();
        let [e, f, g, h] = self.id.0.to_be_bytes();
        [a, b, c, d, self.kind.byte(), e, f, g, h]
    }

    /// Reads a head.
    ///
    /// # Errors
    /// [`Violation`] for an unknown kind, and for a length that its kind does not have.
    pub fn decode(bytes: [u8; HEAD_LEN]) -> Result<Self, Violation> {
        let [a, b, c, d, kind, e, f, g, h] = bytes;
        let len = u32::from_be_bytes([a, b, c, d]);
        let kind = Kind::of(kind)?;
        if !kind.may_have(len as usize) {
            return Err(Violation::Length { kind, len });
        }
        Ok(Self { len, kind, id: FrameId(u32::from_be_bytes([e, f, g, h])) })
    }
}
