//! The check that bytes are one deterministic CBOR item, without allocating anything.

use super::CborError;
use crate::limits::{MAX_CBOR_DEPTH, MAX_CBOR_ENTRIES};

/// Checks that `bytes` are exactly one item in the deterministic encoding.
///
/// # Errors
/// [`CborError`], never `Shape`.
pub(crate) fn check(bytes: &[u8]) -> Result<(), CborError> {
    let mut reader = Reader::new(bytes);
    reader.item(MAX_CBOR_DEPTH)?;
    match reader.rest.len() {
        0 => Ok(()),
        len => Err(CborError::Trailing { len }),
    }
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads an item with at most `depth` levels.
    pub(super) fn item(&mut self, depth: usize) -> Result<(), CborError> {
        let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
        let (major, argument) = self.head()?;
        match major {
            0 | 1 => Ok(()),
            2 => self.take(argument).map(|_| ()),
            3 => self.text(argument).map(|_| ()),
            4 => {
                for _ in 0..entries(argument)? {
                    self.item(depth)?;
                }
                Ok(())
            }
            5 => self.map(argument, depth),
            6 => Err(CborError::Unsupported { what: "tags" }),
            _ => match argument {
                20 | 21 => Ok(()),
                _ => Err(CborError::Unsupported { what: "floats, null and simple values" }),
            },
        }
    }

    fn map(&mut self, argument: u64, depth: usize) -> Result<(), CborError> {
        let mut previous: &[u8] = &[];
        for _ in 0..entries(argument)? {
            self.key(&mut previous)?;
            self.item(depth)?;
        }
        Ok(())
    }

    /// Reads a key of a map. `previous` is the one before, as it is encoded, and becomes this one.
    pub(super) fn key(&mut self, previous: &mut &'a [u8]) -> Result<&'a str, CborError> {
        let before = self.rest;
        let (major, len) = self.head()?;
        if major != 3 {
            return Err(CborError::Unsupported { what: "map keys other than text" });
        }
        let text = self.text(len)?;
        let key = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        if key <= *previous {
            return Err(CborError::NotDeterministic { what: "map keys out of order or repeated" });
        }
        *previous = key;
        Ok(text)
    }

    /// Reads an item's head; returns its major type and argument.
    pub(super) fn head(&mut self) -> Result<(u8, u64), CborError> {
        let [first] = self.array()?;
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 && info >= 24 {
            return Err(CborError::Unsupported { what: "floats, null and simple values" });
        }
        let (argument, smallest) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (u64::from(u8::from_be_bytes(self.array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array()?), 1 << 32),
            31 => return Err(CborError::NotDeterministic { what: "an indefinite length" }),
            _ => return Err(CborError::Unsupported { what: "reserved heads" }),
        };
        if argument < smallest {
            return Err(CborError::NotDeterministic { what: "a number not in its shortest form" });
        }
        Ok((major, argument))
    }

    pub(super) fn text(&mut self, len: u64) -> Result<&'a str, CborError> {
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes)
            .map_err(|_| CborError::NotDeterministic { what: "text that is not UTF-8" })
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], CborError> {
        let len = usize::try_from(len).map_err(|_| CborError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CborError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CborError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// How many entries an array or a map has, if they are not too many.
pub(super) fn entries(argument: u64) -> Result<usize, CborError> {
    usize::try_from(argument)
        .ok()
        .filter(|count| *count <= MAX_CBOR_ENTRIES)
        .ok_or(CborError::TooManyEntries)
}
