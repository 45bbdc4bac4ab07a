//! Canonical CBOR: the protocol's check agrees with the obvious one.

use peer_protocol::CborError;
use peer_protocol::limits::{MAX_BODY_LEN, MAX_CBOR_DEPTH, MAX_CBOR_ENTRIES};
use peer_protocol::message::{Body, BodyError, MessageKind};

use super::naive_cbor::is_deterministic;

/// Any CBOR. A body decoder checks the encoding before it looks for what it expects.
pub fn cbor(data: &[u8]) {
    if data.len() > MAX_BODY_LEN {
        return;
    }
    let accepted = match Body::decode(MessageKind::Heartbeat, data) {
        Ok(_) | Err(BodyError::Cbor { error: CborError::Shape { .. }, .. }) => true,
        Err(BodyError::Cbor { .. }) => false,
        Err(BodyError::TooLong { .. } | BodyError::Field { .. }) => return,
    };
    let entries = MAX_CBOR_ENTRIES as u64;
    assert_eq!(accepted, is_deterministic(data, MAX_CBOR_DEPTH, entries));
}
