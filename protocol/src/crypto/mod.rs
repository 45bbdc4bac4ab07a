//! The only place that names cryptographic libraries. Everything above sees keys, digests and the
//! [`Aead`] and [`Authenticator`] traits (`docs/PROTOCOL.md` §6).
//!
//! Everything is done in Rust, by dalek and RustCrypto. The feature `fast-crypto` has AWS-LC do what is
//! dear instead; nothing on the wire, and nothing of what is accepted, depends on it.

mod aead;
#[cfg(feature = "fast-crypto")]
mod fast;
mod hash;
mod hot;
mod kdf;
mod kex;
mod mac;
mod prekey;
mod signature;
mod suite;
mod table;
mod transcript;

pub use aead::{Aead, AeadError, IV_LEN, KEY_LEN, TAG_LEN};
pub use hash::{Blake3, Digest, Prehash, Sha256, sha256};
pub use hot::HotKeys;
pub(crate) use hot::Verifier;
pub use kdf::{DirectionKeys, KeySchedule, Secret, SessionKey, TrafficKeys};
pub use kex::{EphemeralKey, EphemeralPublic, LowOrderPoint};
pub use mac::{ConfirmationMac, confirmation_mac, text_mac, verify_confirmation};
pub use prekey::{PrekeyPair, item_key};
pub use signature::{
    Authenticator, BadPublicKey, BadSignature, Ed25519Authenticator, PublicKey, SIGNATURE_LEN,
    Signature,
};
pub use suite::{Suite, SuiteId, SuiteRegistry};
pub use table::KeyTable;
pub use transcript::Transcript;

#[cfg(test)]
mod tests;
