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

/// HMAC-SHA256 of a text under a key of any length (RFC 2104).
#[must_use]
pub fn text_mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    hmac(key, text).finalize().into_bytes().into()
}

fn keyed(confirm_key: &Secret, transcript: &Digest) -> Hmac<Sha256> {
    hmac(confirm_key.expose(), transcript)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hmac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    hmac.update(text);
    hmac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_mac_is_that_of_rfc_4231() {
        let mac = text_mac(b"Jefe", b"what do ya want for nothing?");
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(mac), known);
    }
}
