//! The three-way handshake (`docs/PROTOCOL.md` §4): the same envelope, signatures, key schedule and
//! guarantees as the six-step handshake, one exchange shorter.
//!
//! The second message confirms keys that depend on that message itself. What its MAC covers, and what
//! salts the keys, is therefore the message without its signature and with a zero MAC.

mod initiator;
mod responder;

pub use initiator::{AwaitAck, start};
pub use responder::{AwaitConfirm, accept};

use std::ops::Range;

/// Where the `mac` lies in the body of `handshake_ack`: first by key order, 32 bytes.
fn mac_range(body: &[u8], mac: &[u8]) -> Range<usize> {
    crate::envelope::range_within(body, mac)
}

/// Offset of the MAC in a body that this side encodes: map head, key `"mac"`, byte-string head.
const MAC_OFFSET: usize = 1 + 4 + 2;
