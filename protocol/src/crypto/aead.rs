//! The AEAD trait, and the two ciphers behind it.

#[cfg(not(feature = "fast-crypto"))]
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;
use thiserror::Error;

/// Bytes in an AEAD key.
pub const KEY_LEN: usize = 32;
/// Bytes in an initialisation vector, and in a nonce.
pub const IV_LEN: usize = 12;
/// Bytes that sealing adds.
pub const TAG_LEN: usize = 16;

/// The ciphertext, its tag or its associated data is not what was sealed under this key and nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the record does not open under this key")]
pub struct AeadError;

/// A cipher keyed for one direction of one session. The caller never repeats a nonce.
pub trait Aead: Send + Sync {
    /// Encrypts `buffer` in place; returns the tag.
    ///
    /// # Errors
    /// [`AeadError`] if the buffer is longer than the cipher allows (64 GiB).
    fn seal(
        &self,
        nonce: &[u8; IV_LEN],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], AeadError>;

    /// Checks `tag` over `aad` and `buffer`, then decrypts `buffer` in place.
    ///
    /// # Errors
    /// [`AeadError`] if the check fails; what `buffer` holds then is of no use, and no plaintext.
    fn open(
        &self,
        nonce: &[u8; IV_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), AeadError>;
}

/// AES-256-GCM under `key`.
#[cfg(not(feature = "fast-crypto"))]
pub(super) fn aes_256_gcm(key: &[u8; KEY_LEN]) -> Box<dyn Aead> {
    Box::new(RustCrypto(Aes256Gcm::new(key.into())))
}

#[cfg(feature = "fast-crypto")]
pub(super) use super::fast::aes_256_gcm;

/// ChaCha20-Poly1305 under `key`.
pub(super) fn chacha20_poly1305(key: &[u8; KEY_LEN]) -> Box<dyn Aead> {
    Box::new(RustCrypto(ChaCha20Poly1305::new(key.into())))
}

struct RustCrypto<C>(C);

macro_rules! rust_crypto {
    ($cipher:ty) => {
        impl Aead for RustCrypto<$cipher> {
            fn seal(
                &self,
                nonce: &[u8; IV_LEN],
                aad: &[u8],
                buffer: &mut [u8],
            ) -> Result<[u8; TAG_LEN], AeadError> {
                self.0
                    .encrypt_inout_detached(nonce.into(), aad, buffer.into())
                    .map(Into::into)
                    .map_err(|_| AeadError)
            }

            fn open(
                &self,
                nonce: &[u8; IV_LEN],
                aad: &[u8],
                buffer: &mut [u8],
                tag: &[u8; TAG_LEN],
            ) -> Result<(), AeadError> {
                self.0
                    .decrypt_inout_detached(nonce.into(), aad, buffer.into(), tag.into())
                    .map_err(|_| AeadError)
            }
        }
    };
}

#[cfg(not(feature = "fast-crypto"))]
rust_crypto!(Aes256Gcm);
rust_crypto!(ChaCha20Poly1305);
