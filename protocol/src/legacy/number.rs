//! JSON numbers the way Python sees them: integers of any size, and floats.

use std::fmt;

use thiserror::Error;

use super::MAX_INTEGER_DIGITS;
use crate::error::ErrorCode;

/// An integer of any size or a finite float. The two stay apart: `1` and `1.0` sign differently.
///
/// Displays exactly as Python's `json.dumps` prints it.
#[derive(Debug, Clone, PartialEq)]
pub struct Number(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Canonical decimal text: no leading zero, no `-0`.
    Integer(Box<str>),
    Float(f64),
}

/// Why a number cannot be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// A float too large for 64 bits, an infinity, or not a number.
    #[error("the number is not finite")]
    NotFinite,
    /// An integer longer than Python reads.
    #[error("an integer has at most {MAX_INTEGER_DIGITS} digits; this one has {digits}")]
    TooLong {
        /// Its digits.
        digits: usize,
    },
    /// The text is no JSON number.
    #[error("not a JSON number")]
    Syntax,
}

impl NumberError {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NotFinite | Self::TooLong { .. } | Self::Syntax => ErrorCode::InvalidVersion,
        }
    }
}

impl Number {
    /// A float.
    ///
    /// # Errors
    /// [`NumberError::NotFinite`] for infinities and NaN, which JSON does not have.
    pub const fn float(value: f64) -> Result<Self, NumberError> {
        if value.is_finite() { Ok(Self(Kind::Float(value))) } else { Err(NumberError::NotFinite) }
    }

    /// The number that a JSON literal stands for.
    ///
    /// The grammar itself is the caller's to check; what it let through is read as Python would.
    ///
    /// # Errors
    /// [`NumberError`] says what Python would not read either, or would read as infinite.
    pub(super) fn from_literal(text: &str) -> Result<Self, NumberError> {
        if text.contains(['.', 'e', 'E']) {
            return Self::float(text.parse().map_err(|_| NumberError::Syntax)?);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(NumberError::Syntax);
        }
        if digits.len() > MAX_INTEGER_DIGITS {
            return Err(NumberError::TooLong { digits: digits.len() });
        }
        // Python has one integer zero; only its float zero has a sign.
        Ok(Self(Kind::Integer(if digits == "0" { "0" } else { text }.into())))
    }

    /// The value, if it is an integer that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Kind::Integer(text) => text.parse().ok(),
            Kind::Float(_) => None,
        }
    }

    /// The nearest float; infinite for integers beyond the range of floats.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        match &self.0 {
            Kind::Integer(text) => text.parse().unwrap_or(f64::INFINITY),
            Kind::Float(value) => *value,
        }
    }

    /// Whether it is written as an integer.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(self.0, Kind::Integer(_))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(Kind::Integer(value.to_string().into()))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Kind::Integer(value.to_string().into()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Integer(text) => f.write_str(text),
            Kind::Float(value) => write_float(f, *value),
        }
    }
}

/// Python's `repr`: the shortest digits that read back as the same float, with an exponent if it is
/// below -4 or at least 16.
fn write_float(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    let scientific = shortest(value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(f, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    if value.is_sign_negative() {
        f.write_str("-")?;
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let Ok(before_point) = usize::try_from(exponent + 1) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return write!(f, "0.{:0<zeros$}{digits}", "");
    };
    match digits.split_at_checked(before_point) {
        Some(("", fraction)) => write!(f, "0.{fraction}"),
        Some((whole, "")) => write!(f, "{whole}.0"),
        Some((whole, fraction)) => write!(f, "{whole}.{fraction}"),
        None => write!(f, "{digits:0<before_point$}.0"),
    }
}

/// Scientific notation with as few digits as read back as `value`.
///
/// Of two such that are equally close to it Python takes the even one, Rust the larger. Rounding to
/// the same number of digits settles it the way of Python, except next to powers of two, where the
/// closest digits may belong to the float below.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let nearest = format!("{value:.*e}", digits.saturating_sub(1));
    if nearest.parse() == Ok(value) { nearest } else { shortest }
}
