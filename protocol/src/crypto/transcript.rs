//! The running hash over the exact bytes of every envelope of a handshake.

use super::{Digest, Sha256};

/// `SHA-256("peer-v1.1-transcript" ‖ len(e1) ‖ e1 ‖ len(e2) ‖ e2 ‖ …)`, lengths as 64-bit big-endian.
#[derive(Clone)]
pub struct Transcript(Sha256);

impl Transcript {
    const LABEL: &[u8] = b"peer-v1.1-transcript";

    /// The transcript before the first envelope.
    #[must_use]
    pub fn new() -> Self {
        let mut hash = Sha256::new();
        hash.update(Self::LABEL);
        Self(hash)
    }

    /// This transcript with one more envelope.
    #[must_use]
    pub fn with(&self, envelope: &[u8]) -> Self {
        self.with_parts(&[envelope])
    }

    /// This transcript with one more envelope that lies in several pieces.
    #[must_use]
    pub fn with_parts(&self, parts: &[&[u8]]) -> Self {
        let mut hash = self.0.clone();
        let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
        hash.update(&len.to_be_bytes());
        for part in parts {
            hash.update(part);
        }
        Self(hash)
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.0.clone().finish()
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcript({})", data_encoding::HEXLOWER.encode(&self.hash()))
    }
}
