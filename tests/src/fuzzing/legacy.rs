//! Version 1.0: JSON values and messages.

use peer_protocol::legacy::{MAX_MESSAGE_LEN, Message, Value, canonical};

use crate::people::identity;

/// A JSON value: what is read, written canonically, reads as the same value.
pub fn legacy_value(data: &[u8]) {
    let Ok(value) = Value::parse(data, MAX_MESSAGE_LEN) else { return };
    assert!(value.check().is_ok());
    let text = canonical(&value);
    assert!(text.is_ascii());
    let again = Value::parse(text.as_bytes(), usize::MAX).expect("canonical JSON is JSON");
    assert_eq!(canonical(&again), text);
    assert_eq!(again, value);
}

/// A message: what is read, written and read again is the same, and is signed over the same bytes.
pub fn legacy_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let _ = message.verify(identity(0).public_key());
    let bytes = message.to_bytes();
    if bytes.len() > MAX_MESSAGE_LEN {
        // Escapes make the canonical form longer than what came.
        return;
    }
    let again = Message::parse(&bytes).expect("a written message can be read");
    assert_eq!(again, message);
    assert_eq!(again.signing_bytes(), message.signing_bytes());
}
