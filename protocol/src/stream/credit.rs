//! How much a peer may have unanswered on a stream.

use crate::limits::{MAX_STREAM_BYTES, MAX_STREAM_REQUESTS};

/// Bytes of a credit frame's body.
pub const CREDIT_LEN: usize = 8;

/// How many requests, and bytes of requests, may be unanswered at once. Answering one gives its share
/// back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Requests.
    pub frames: u32,
    /// Bytes of their bodies.
    pub bytes: u32,
}

impl Credit {
    /// Nothing.
    pub const NONE: Self = Self { frames: 0, bytes: 0 };
    /// What this implementation grants.
    pub const GRANT: Self = Self { frames: MAX_STREAM_REQUESTS, bytes: MAX_STREAM_BYTES };

    /// Frames, then bytes, both 32-bit big-endian.
    #[must_use]
    pub fn encode(&self) -> [u8; CREDIT_LEN] {
        let [a, b, c, d] = self.frames.to_be_bytes();
        let [e, f, g, h] = self.bytes.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// Reads the body of a credit frame.
    #[must_use]
    pub const fn decode(bytes: [u8; CREDIT_LEN]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { frames: u32::from_be_bytes([a, b, c, d]), bytes: u32::from_be_bytes([e, f, g, h]) }
    }

    /// Whether `other` grants no more than this.
    pub(super) const fn covers(&self, other: &Self) -> bool {
        self.frames >= other.frames && self.bytes >= other.bytes
    }
}
