//! SHA-256, streaming and in one go, and BLAKE3 for large payloads.

use sha2::Digest as _;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// Streaming SHA-256.
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// An empty hash.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Absorbs `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was absorbed.
    #[must_use]
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

/// What an envelope is hashed with before it is signed (§2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prehash {
    /// SHA-256: of every envelope outside a session, and of sealed ones unless their suite says
    /// otherwise.
    Sha256,
    /// BLAKE3.
    Blake3,
}

impl Prehash {
    /// The digest of `parts`, one after the other.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        match self {
            Self::Sha256 => {
                let mut hash = Sha256::new();
                parts.iter().for_each(|part| hash.update(part));
                hash.finish()
            }
            Self::Blake3 => blake3(parts),
        }
    }
}

/// BLAKE3 hashes sixteen kibibytes side by side if it gets them at once, and one after the other if a
/// short part comes first. So the beginning is put together.
fn blake3(parts: &[&[u8]]) -> Digest {
    const AT_ONCE: usize = 16 << 10;
    let mut hash = blake3::Hasher::new();
    let mut beginning =
        Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>().min(AT_ONCE));
    for part in parts {
        let room = AT_ONCE - beginning.len();
        let (joins, rest) = part.split_at_checked(room).unwrap_or((part, &[]));
        beginning.extend_from_slice(joins);
        if !rest.is_empty() {
            if !beginning.is_empty() && hash.count() == 0 {
                hash.update(&beginning);
            }
            hash.update(rest);
        }
    }
    if hash.count() == 0 {
        hash.update(&beginning);
    }
    hash.finalize().into()
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

/// Streaming BLAKE3, the digest of transfers (§9.1).
#[derive(Clone, Default)]
pub struct Blake3(blake3::Hasher);

impl Blake3 {
    /// An empty hash.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Absorbs `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was absorbed so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        self.0.finalize().into()
    }
}

impl std::fmt::Debug for Blake3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blake3").field("absorbed", &self.0.count()).finish()
    }
}
