//! Deterministic CBOR (RFC 8949 §4.2.1): one encoding for each value, and decoding that is bounded
//! before it allocates (`docs/PROTOCOL.md` §2.2, §2.5).

mod canonical;
mod decode;
mod text_enum;

pub(crate) use canonical::check;
use serde::{Deserialize, Serialize};
pub(crate) use text_enum::text_enum;
use thiserror::Error;

use self::decode::Decoder;
use crate::limits::{MAX_CBOR_DEPTH, MAX_CBOR_ENTRIES};

/// Why bytes are not the deterministic CBOR that was expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CborError {
    /// The bytes end inside an item.
    #[error("the CBOR ends early")]
    Truncated,
    /// Bytes follow the item.
    #[error("{len} bytes follow the CBOR item")]
    Trailing {
        /// How many.
        len: usize,
    },
    /// Not the one deterministic encoding of its value.
    #[error("not deterministic CBOR: {what}")]
    NotDeterministic {
        /// What is wrong.
        what: &'static str,
    },
    /// A kind of item that this protocol does not use.
    #[error("CBOR {what} are not used by this protocol")]
    Unsupported {
        /// The kind.
        what: &'static str,
    },
    /// Nested deeper than allowed.
    #[error("CBOR nested deeper than {MAX_CBOR_DEPTH} levels")]
    TooDeep,
    /// An array or map with more entries than allowed.
    #[error("a CBOR array or map has more than {MAX_CBOR_ENTRIES} entries")]
    TooManyEntries,
    /// Deterministic CBOR, but not of the expected shape.
    #[error("unexpected CBOR content: {detail}")]
    Shape {
        /// What the decoder says.
        detail: String,
    },
}

/// Encodes `value`. Its type lists map keys in deterministic order; tests check each type.
///
/// Encoding to memory cannot fail for the types of this crate: they hold nothing that CBOR lacks.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_into(Vec::new(), value)
}

/// As [`encode`], into a buffer that is empty and should have room for it: growing copies.
#[expect(
    clippy::expect_used,
    reason = "the writer is a growing Vec, and no type refuses to encode"
)]
pub(crate) fn encode_into<T: Serialize>(buffer: Vec<u8>, value: &T) -> Vec<u8> {
    cbor4ii::serde::to_vec(buffer, value).expect("protocol types always encode")
}

/// Decodes `bytes` if they are the deterministic encoding of a `T`, borrowing from them.
///
/// # Errors
/// [`CborError`] says what is wrong; nothing is allocated for sizes that the bytes do not back.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CborError> {
    let mut decoder = Decoder::new(bytes);
    let value = match T::deserialize(&mut decoder) {
        Ok(value) => value,
        // What is no deterministic CBOR at all is called that, wherever a type stopped reading.
        Err(error) => return check(bytes).and(Err(error)),
    };
    match decoder.left() {
        0 => Ok(value),
        len => Err(CborError::Trailing { len }),
    }
}

/// Appends the head of an item: its major type (0–7) and argument, in the shortest form.
pub(crate) fn push_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    if argument < 24 {
        out.push(major | argument as u8);
    } else if let Ok(byte) = u8::try_from(argument) {
        out.extend_from_slice(&[major | 24, byte]);
    } else if let Ok(short) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(word) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

/// Bytes in the head of an item with this argument.
pub(crate) const fn head_len(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Appends a text string.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a byte string.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_head(out, 2, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
