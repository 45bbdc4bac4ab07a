//! Cipher suites and the registry from which a handshake chooses one.

use std::fmt;

use super::{Aead, KEY_LEN, Prehash, aead};

/// A suite's name on the wire.
pub type SuiteId = &'static str;

/// A cipher suite: what a name negotiated in the handshake stands for.
///
/// Key exchange (X25519) and key derivation (HKDF-SHA256) are the same for all suites of version 1.1; a
/// suite that changes them gets a new name.
pub trait Suite: Send + Sync {
    /// Name on the wire.
    fn id(&self) -> SuiteId;

    /// What sealed envelopes are hashed with before they are signed. Handshakes always use SHA-256.
    fn prehash(&self) -> Prehash {
        Prehash::Sha256
    }

    /// A cipher under `key`.
    fn aead(&self, key: &[u8; KEY_LEN]) -> Box<dyn Aead>;
}

struct Builtin {
    id: SuiteId,
    prehash: Prehash,
    aead: fn(&[u8; KEY_LEN]) -> Box<dyn Aead>,
}

impl Suite for Builtin {
    fn id(&self) -> SuiteId {
        self.id
    }

    fn prehash(&self) -> Prehash {
        self.prehash
    }

    fn aead(&self, key: &[u8; KEY_LEN]) -> Box<dyn Aead> {
        (self.aead)(key)
    }
}

static AES_256_GCM_BLAKE3: Builtin = Builtin {
    id: SuiteRegistry::AES_256_GCM_BLAKE3,
    prehash: Prehash::Blake3,
    aead: aead::aes_256_gcm,
};
static AES_256_GCM: Builtin =
    Builtin { id: SuiteRegistry::AES_256_GCM, prehash: Prehash::Sha256, aead: aead::aes_256_gcm };
static CHACHA20_POLY1305: Builtin = Builtin {
    id: SuiteRegistry::CHACHA20_POLY1305,
    prehash: Prehash::Sha256,
    aead: aead::chacha20_poly1305,
};

/// The suites a node offers and accepts, in its order of preference.
#[derive(Clone)]
pub struct SuiteRegistry(Vec<&'static dyn Suite>);

impl SuiteRegistry {
    /// As [`AES_256_GCM`](Self::AES_256_GCM), but sealed envelopes are signed over their BLAKE3, which
    /// is several times as fast as SHA-256 over large ones.
    pub const AES_256_GCM_BLAKE3: SuiteId = "AES-256-GCM-BLAKE3";
    /// The suite that every node speaks.
    pub const AES_256_GCM: SuiteId = "AES-256-GCM";
    /// The alternative for hardware without AES instructions.
    pub const CHACHA20_POLY1305: SuiteId = "ChaCha20-Poly1305";

    /// A registry with exactly `suites`, the preferred first.
    #[must_use]
    pub fn new(suites: Vec<&'static dyn Suite>) -> Self {
        Self(suites)
    }

    /// The built-in suites called `names`, in that order; unknown names are left out.
    #[must_use]
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let all = Self::default();
        Self(names.into_iter().filter_map(|name| all.get(name)).collect())
    }

    /// The suite called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static dyn Suite> {
        self.0.iter().copied().find(|suite| suite.id() == name)
    }

    /// The first of `offered` that is also here: the offering side's preference decides.
    #[must_use]
    pub fn choose<'a>(
        &self,
        offered: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'static dyn Suite> {
        offered.into_iter().find_map(|name| self.get(name))
    }

    /// The suites' names, in order of preference.
    pub fn names(&self) -> impl Iterator<Item = SuiteId> + '_ {
        self.0.iter().map(|suite| suite.id())
    }

    /// Whether there is no suite at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for SuiteRegistry {
    /// AES-256-GCM with BLAKE3, then with SHA-256, then ChaCha20-Poly1305.
    fn default() -> Self {
        Self(vec![&AES_256_GCM_BLAKE3, &AES_256_GCM, &CHACHA20_POLY1305])
    }
}

impl fmt::Debug for SuiteRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
