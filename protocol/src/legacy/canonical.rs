//! Canonical JSON: byte for byte what Python's
//! `json.dumps(value, sort_keys=True, separators=(",", ":"))` prints.

use std::fmt::Write as _;

use super::value::{Object, Value};

/// The canonical JSON of `value`; all ASCII.
///
/// Recurses as deep as the value is nested, so a value that was not parsed here is to pass
/// [`Value::check`] first.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// Writes one object member by member; the caller keeps the keys sorted.
pub(super) struct ObjectWriter {
    out: String,
}

impl ObjectWriter {
    pub(super) const fn new() -> Self {
        Self { out: String::new() }
    }

    pub(super) fn member(mut self, key: &str, write: impl FnOnce(&mut String)) -> Self {
        self.out.push(if self.out.is_empty() { '{' } else { ',' });
        write_string(&mut self.out, key);
        self.out.push(':');
        write(&mut self.out);
        self
    }

    pub(super) fn string(self, key: &str, text: &str) -> Self {
        self.member(key, |out| write_string(out, text))
    }

    pub(super) fn optional_string(self, key: &str, text: Option<&str>) -> Self {
        self.member(key, |out| match text {
            Some(text) => write_string(out, text),
            None => out.push_str("null"),
        })
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str(if self.out.is_empty() { "{}" } else { "}" });
        self.out
    }
}

pub(super) fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_string(out, text),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, element);
            }
            out.push(']');
        }
        Value::Object(members) => write_object(out, members),
    }
}

pub(super) fn write_object(out: &mut String, members: &Object) {
    out.push('{');
    // `str` orders by bytes of UTF-8, which is the order of code points.
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // Python escapes whatever is not printable ASCII, and so U+007F too.
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
