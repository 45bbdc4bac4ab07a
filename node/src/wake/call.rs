//! What a woken agent is told.
//!
//! A peer chose the reason and its name. They stand in variables and in JSON, never in a command, an
//! argument or a path.

use peer_protocol::identity::{EntityId, Fingerprint};
use serde::Serialize;

use super::Nonce;

/// Longest text in a variable, in bytes.
const MAX_VARIABLE: usize = 1024;
/// Longest reason, in bytes; the protocol's own bound is the same.
const MAX_REASON: usize = 4096;

/// One wake-up, as the agent is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) nonce: Nonce,
    pub(crate) from: EntityId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) reason: String,
    pub(crate) attempt: u32,
}

#[derive(Serialize)]
struct Document<'a> {
    nonce: String,
    from: &'a str,
    fingerprint: String,
    reason: &'a str,
    attempt: u32,
}

impl Call {
    /// Variables for a program. Nothing in them controls a terminal or ends a line.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("PEER_WAKE_NONCE", self.nonce.to_string()),
            ("PEER_WAKE_FROM", plain(self.from.as_str(), MAX_VARIABLE)),
            ("PEER_WAKE_FINGERPRINT", self.fingerprint.to_string()),
            ("PEER_WAKE_REASON", plain(&self.reason, MAX_VARIABLE)),
            ("PEER_WAKE_ATTEMPT", self.attempt.to_string()),
        ]
    }

    /// The same as a JSON object, with the reason as it came.
    pub(crate) fn json(&self) -> Vec<u8> {
        let document = Document {
            nonce: self.nonce.to_string(),
            from: self.from.as_str(),
            fingerprint: self.fingerprint.to_string(),
            reason: cut(&self.reason, MAX_REASON),
            attempt: self.attempt,
        };
        // Text and numbers always become JSON.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// `text` on one line, without control characters and marks that change the direction of writing, and no
/// longer than `most` bytes.
fn plain(text: &str, most: usize) -> String {
    let hidden = |c: char| {
        let mark = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || mark
    };
    let spaced = cut(text, 4 * most).replace(['\n', '\t', '\u{2028}', '\u{2029}'], " ");
    let shown: String = spaced.chars().filter(|c| !hidden(*c)).collect();
    cut(&shown, most).to_owned()
}

fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
    use subtle::ConstantTimeEq as _;

    use super::*;

    pub(crate) fn call(reason: &str) -> Call {
        let key = Ed25519Authenticator::from_seed(&[7; 32]).public_key();
        Call {
            nonce: "00112233445566778899aabbccddeeff".parse().unwrap(),
            from: "bob".parse().unwrap(),
            fingerprint: Fingerprint::of(&key),
            reason: reason.to_owned(),
            attempt: 2,
        }
    }

    #[test]
    fn nothing_that_a_peer_says_controls_anything() {
        let hostile = "a\0b\x1b[31mc\nd\re\u{202e}f\u{9b}g\u{7f}";
        let call = call(hostile);
        let value = call.environment()[3].1.clone();
        assert_eq!(value, "ab[31mc defg");
        let json: serde_json::Value = serde_json::from_slice(&call.json()).unwrap();
        assert_eq!(json["reason"], hostile);
        assert_eq!(json["nonce"], "00112233445566778899aabbccddeeff");
        assert!(call.json().iter().all(|byte| *byte >= b' '), "escaped in JSON");
    }

    #[test]
    fn lengths_are_bounded_at_whole_characters() {
        for reason in ["x".repeat(65_536), "é".repeat(40_000), "\u{1b}".repeat(65_536)] {
            let call = call(&reason);
            let value = &call.environment()[3].1;
            assert!(value.len() <= MAX_VARIABLE, "{}", value.len());
            assert!(call.json().len() <= 6 * MAX_REASON + 300);
        }
    }

    #[test]
    fn a_nonce_is_read_as_it_is_written() {
        let nonce = Nonce::random(&mut rand::rng());
        let again: Nonce = nonce.to_string().parse().unwrap();
        assert!(bool::from(nonce.ct_eq(&again)));
        for wrong in
            ["", "00", "zz112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff00"]
        {
            assert!(wrong.parse::<Nonce>().is_err(), "{wrong}");
        }
        assert!(!format!("{nonce:?}").contains(&nonce.to_string()));
    }
}
