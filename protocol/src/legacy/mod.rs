//! Version 1.0: signed JSON messages without end-to-end encryption (`docs/PROTOCOL.md` §13).
//!
//! A [`Message`] is a JSON object. Its signature covers `msg_type`, `nonce`, `payload`, `sender_id`,
//! `timestamp` and `version`, and **not** `recipient_id`, `session_id` and `sequence_num`: whoever
//! carries a message can rewrite those three. Replays are therefore found by nonce and timestamp,
//! and what the handshake agrees on stands inside its payloads.
//!
//! # Handshake
//!
//! Three messages, each signed by its sender, with `session_id` and `sequence_num` `null` unless
//! said otherwise, and `sender_public_key` the sender's key in hexadecimal. Their payloads:
//!
//! | message | payload |
//! |---|---|
//! | `handshake` A→B | `handshake_type` "initiate"; `challenge`; `public_key`; `supported_versions`, an array with "1.0" in it |
//! | `handshake_ack` B→A | `handshake_type` "response"; `accepted_version` "1.0"; `challenge`; `challenge_response`; `public_key`; `session_id` |
//! | `handshake_confirm` A→B | `handshake_type` "confirm"; `challenge_response`; `session_id` |
//!
//! `challenge` is standard base64 of 32 random bytes. `public_key` is the sender's Ed25519 key, 64
//! hexadecimal digits, either case. `session_id` is a UUID v4 that B draws; the messages that carry
//! it carry the same one in their envelope. Other members of a payload are ignored.
//! `challenge_response` is standard base64 of an Ed25519 signature by its sender over
//!
//! ```text
//! label ‖ challenge ‖ u16(len(signer)) ‖ signer ‖ u16(len(verifier)) ‖ verifier
//! ```
//!
//! where `label` is `peer-v1.0-handshake-ack` for B and `peer-v1.0-handshake-confirm` for A,
//! `challenge` is the other side's 32 bytes, `signer` and `verifier` are entity ids in UTF-8 and
//! lengths are big-endian. Signed messages begin with `{`, so neither signature can pass for the
//! other.
//!
//! The key of a peer is `public_key` of the payload. If `sender_public_key` is there too, the two
//! must be equal. A peer that sends no `public_key` is known by its `sender_public_key`, which may
//! also be standard base64 of the 32 bytes, or else by the key that the caller expects. Whichever it
//! is, the message's signature must hold under it, it must be the expected key if there is one, and
//! the trust store has the last word. After the handshake `sender_public_key` is ignored.
//!
//! B remembers the nonce of a `handshake` and refuses its replay. An answer is due within
//! 10 seconds of the challenge; timestamps lie within 60 seconds of the receiver's clock.
//!
//! # Sessions
//!
//! After the handshake every message carries `session_id`, `recipient_id` and `sequence_num`; the
//! number starts at 0 in each direction. The receiver checks, in this order: that the session is open
//! and its 30 minutes are not over; session id, sender and recipient; that the type is none of the
//! handshake's and `encrypted_payload` is `null`; that the number is larger than the last one
//! accepted (gaps are no matter); the timestamp; that the message is no older than the second in
//! which the peer sent its last handshake message; the nonce, remembered for 5 minutes; the
//! signature. Only then does it remember number and nonce.
//!
//! What version 1.0 cannot prevent: whoever carries a message can drop it, raise its number so that
//! the numbers after it are refused, or hand it to another entity with which the sender has a
//! session too. Payloads that matter should name their recipient.
//!
//! States: `INIT` → `HANDSHAKE_SENT` → `ACTIVE` → `CLOSED` ([`State`]). A check that fails changes
//! no state, so that forged messages do not end a handshake or a session.

mod canonical;
mod handshake;
mod message;
mod number;
mod replay;
mod session;
mod value;

#[cfg(test)]
mod tests;

pub use canonical::canonical;
pub use handshake::{HandshakeError, Initiator, PeerCheck, Responder, shown_key};
pub use message::{ClockSkew, Message, MessageError, Unsigned};
pub use number::{Number, NumberError};
pub use replay::{NONCE_LEN, Nonce, NonceMemory, ReplayError};
pub use session::{Session, SessionError, Sessionless};
pub use value::{Object, Value, ValueError};

/// The version that every message names.
pub const VERSION: &str = "1.0";
/// Longest message, in bytes (§13).
pub const MAX_MESSAGE_LEN: usize = 64 << 10;
/// Deepest nesting of JSON arrays and objects, the message itself included (§13).
pub const MAX_DEPTH: usize = 32;
/// Most array elements and object members in one message, in total (§13).
pub const MAX_VALUES: usize = 8192;
/// Most digits of an integer (§13): Python reads no more.
pub const MAX_INTEGER_DIGITS: usize = 4300;

/// The message types of the handshake.
mod msg_type {
    pub(super) const HANDSHAKE: &str = "handshake";
    pub(super) const HANDSHAKE_ACK: &str = "handshake_ack";
    pub(super) const HANDSHAKE_CONFIRM: &str = "handshake_confirm";

    pub(super) fn is_handshake(name: &str) -> bool {
        matches!(name, HANDSHAKE | HANDSHAKE_ACK | HANDSHAKE_CONFIRM)
    }
}

/// Where a version 1.0 conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing was sent.
    Init,
    /// This side's first handshake message is out.
    HandshakeSent,
    /// The handshake is complete.
    Active,
    /// Closed by this side, or expired.
    Closed,
}

impl State {
    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::HandshakeSent => "HANDSHAKE_SENT",
            Self::Active => "ACTIVE",
            Self::Closed => "CLOSED",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
