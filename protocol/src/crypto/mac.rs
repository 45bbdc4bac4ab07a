//! Key confirmation: HMAC-SHA256 over the transcript (`docs/PROTOCOL.md` §3.5).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{BadSignature, Digest, Secret};

/// A confirmation MAC.
pub type ConfirmationMac = [u8; 32];

/// Proof that the sender holds the session's keys and saw this transcript.
#[must_use]
pub fn confirmation_mac(confirm_key: &Secret, transcript: &Digest) -> ConfirmationMac {
    keyed(confirm_key, transcript).finalize().into_bytes().into()
}

/// Checks a confirmation MAC in constant time.
///
/// # Errors
/// [`BadSignature`] if it does not hold.
pub fn verify_confirmation(
    confirm_key: &Secret,
    transcript: &Digest,
    mac: &ConfirmationMac,
) -> Result<(), BadSignature> {
    keyed(confirm_key, transcript).verify_slice(mac).map_err(|_| BadSignature)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(confirm_key: &Secret, transcript: &Digest) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(confirm_key.expose())
        .expect("HMAC takes keys of any length");
    hmac.update(transcript);
    hmac
}
