//! JSON values, read within bounds.
//!
//! What Python's `json` module reads and a signature could cover, with four exceptions that are
//! refused because two readers could disagree about them: duplicate keys (Python silently keeps the
//! last one), `NaN` and infinities (not JSON), lone surrogates (no text) and integers of over 4300
//! digits (Python refuses them itself).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::number::{Number, NumberError};
use super::{MAX_DEPTH, MAX_VALUES};
use crate::error::ErrorCode;

/// Fields of a message, which count as values.
const MESSAGE_FIELDS: usize = 13;

/// The members of a JSON object, by key in code-point order.
pub type Object = BTreeMap<String, Value>;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a float.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object),
}

/// Why bytes are no acceptable JSON value, or a value cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Over the limit on the whole text.
    #[error("{len} bytes of JSON are over the limit of {max}")]
    TooLong {
        /// Bytes there are.
        len: usize,
        /// Bytes there may be.
        max: usize,
    },
    /// Not UTF-8.
    #[error("the JSON is not UTF-8")]
    NotUtf8,
    /// Not JSON; `NaN`, infinities and trailing bytes count as that.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// Where, from 1.
        line: usize,
        /// Where, in bytes.
        column: usize,
    },
    /// Nested too deeply.
    #[error("the JSON is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Too many array elements and object members in total.
    #[error("the JSON has more than {MAX_VALUES} values")]
    TooMany,
    /// A key occurs twice in one object, at whatever depth.
    #[error("a key occurs twice in one object")]
    DuplicateKey,
    /// Half of a surrogate pair, which stands for no character.
    #[error("a string has half of a surrogate pair")]
    LoneSurrogate,
    /// A number that cannot be carried.
    #[error(transparent)]
    Number(#[from] NumberError),
}

impl ValueError {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong { .. }
            | Self::NotUtf8
            | Self::Syntax { .. }
            | Self::TooDeep
            | Self::TooMany
            | Self::DuplicateKey
            | Self::LoneSurrogate => ErrorCode::InvalidVersion,
            Self::Number(error) => error.code(),
        }
    }
}

impl Value {
    /// Reads one JSON value of at most `max_len` bytes; nothing but whitespace may follow it.
    ///
    /// # Errors
    /// [`ValueError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8], max_len: usize) -> Result<Self, ValueError> {
        if bytes.len() > max_len {
            return Err(ValueError::TooLong { len: bytes.len(), max: max_len });
        }
        let text = str::from_utf8(bytes).map_err(|_| ValueError::NotUtf8)?;
        // This pass keeps nothing and does not recurse. It settles the grammar, so that below only
        // escapes for surrogates can still fail to parse.
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| syntax(&error))?;
        Reader { values: 0 }.value(raw, 0)
    }

    /// Whether the value stays within the bounds that receivers apply.
    ///
    /// # Errors
    /// [`ValueError::TooDeep`] or [`ValueError::TooMany`].
    pub fn check(&self) -> Result<(), ValueError> {
        Reader { values: 0 }.check(self, 0)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }
}

/// Whether a message with this payload stays within the bounds that receivers apply.
///
/// # Errors
/// [`ValueError::TooDeep`] or [`ValueError::TooMany`].
pub(super) fn check_payload(payload: &Object) -> Result<(), ValueError> {
    // The message around it is an object too, with its own members.
    Reader { values: MESSAGE_FIELDS }.check_all(payload.values(), 1)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

/// Counts what it has seen, so that a message cannot spend more than its share of memory.
struct Reader {
    values: usize,
}

impl Reader {
    const fn count(&mut self) -> Result<(), ValueError> {
        if self.values >= MAX_VALUES {
            return Err(ValueError::TooMany);
        }
        self.values += 1;
        Ok(())
    }

    fn value(&mut self, raw: &RawValue, depth: usize) -> Result<Value, ValueError> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => Value::Object(self.object(text, deeper(depth)?)?),
            Some(b'[') => Value::Array(self.array(text, deeper(depth)?)?),
            Some(b'"') => Value::String(string(text)?),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => Value::Number(Number::from_literal(text)?),
        })
    }

    fn object(&mut self, text: &str, depth: usize) -> Result<Object, ValueError> {
        let mut members = Vec::new();
        let mut visitor = Members { reader: self, members: &mut members, stop: None };
        let outcome = serde_json::Deserializer::from_str(text).deserialize_map(&mut visitor);
        finish(outcome, visitor.stop)?;
        let mut object = Object::new();
        for (key, value) in members {
            match object.entry(string(key.get())?) {
                Entry::Occupied(_) => return Err(ValueError::DuplicateKey),
                Entry::Vacant(entry) => entry.insert(self.value(value, depth)?),
            };
        }
        Ok(object)
    }

    fn array(&mut self, text: &str, depth: usize) -> Result<Vec<Value>, ValueError> {
        let mut members = Vec::new();
        let mut visitor = Elements { reader: self, elements: &mut members, stop: None };
        let outcome = serde_json::Deserializer::from_str(text).deserialize_seq(&mut visitor);
        finish(outcome, visitor.stop)?;
        members.into_iter().map(|value| self.value(value, depth)).collect()
    }

    fn check(&mut self, value: &Value, depth: usize) -> Result<(), ValueError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
            Value::Array(elements) => self.check_all(elements.iter(), depth),
            Value::Object(members) => self.check_all(members.values(), depth),
        }
    }

    fn check_all<'a>(
        &mut self,
        values: impl Iterator<Item = &'a Value>,
        depth: usize,
    ) -> Result<(), ValueError> {
        let depth = deeper(depth)?;
        for value in values {
            self.count()?;
            self.check(value, depth)?;
        }
        Ok(())
    }
}

const fn deeper(depth: usize) -> Result<usize, ValueError> {
    if depth >= MAX_DEPTH { Err(ValueError::TooDeep) } else { Ok(depth + 1) }
}

fn string(text: &str) -> Result<String, ValueError> {
    serde_json::from_str(text).map_err(|_| ValueError::LoneSurrogate)
}

fn syntax(error: &serde_json::Error) -> ValueError {
    ValueError::Syntax { line: error.line(), column: error.column() }
}

/// A visitor that stopped has its own reason, which the parser's error would hide.
fn finish(
    outcome: Result<(), serde_json::Error>,
    stop: Option<ValueError>,
) -> Result<(), ValueError> {
    match stop {
        Some(reason) => Err(reason),
        None => outcome.map_err(|error| syntax(&error)),
    }
}

struct Members<'a, 'de> {
    reader: &'a mut Reader,
    members: &'a mut Vec<(&'de RawValue, &'de RawValue)>,
    stop: Option<ValueError>,
}

impl<'de> Visitor<'de> for &mut Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_entry()? {
            if let Err(reason) = self.reader.count() {
                self.stop = Some(reason);
                return Err(A::Error::custom("over a limit"));
            }
            self.members.push(member);
        }
        Ok(())
    }
}

struct Elements<'a, 'de> {
    reader: &'a mut Reader,
    elements: &'a mut Vec<&'de RawValue>,
    stop: Option<ValueError>,
}

impl<'de> Visitor<'de> for &mut Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            if let Err(reason) = self.reader.count() {
                self.stop = Some(reason);
                return Err(A::Error::custom("over a limit"));
            }
            self.elements.push(element);
        }
        Ok(())
    }
}
