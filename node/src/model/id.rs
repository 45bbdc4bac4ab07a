//! How people and programs name a message: by id, by the beginning of one, by its number in the inbox.

use std::fmt;
use std::str::FromStr;

use peer_protocol::crypto::sha256;
use peer_protocol::id::MessageId;
use thiserror::Error;

/// Fewest hexadecimal digits of an id that stand for it.
const MIN_DIGITS: usize = 4;
/// Digits of a whole id.
const DIGITS: usize = 32;

/// The id of the message that a caller has named by `text`: always the same, so that it is not sent twice,
/// also after a restart.
pub(crate) fn message_id_of(text: &str) -> MessageId {
    let digest = sha256(text.as_bytes());
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    MessageId::from_random(id)
}

/// The text names no message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} names no message: expected an id, or at least {MIN_DIGITS} hex digits that it begins with"
)]
pub struct BadMessageName {
    /// The text.
    pub text: String,
}

/// A message id, or how it begins: 4 to 32 hexadecimal digits; hyphens may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdPrefix {
    /// The smallest id that begins so.
    first: [u8; 16],
    /// The greatest.
    last: [u8; 16],
    digits: usize,
}

impl IdPrefix {
    /// The smallest and the greatest 16 bytes that begin so, for a search in what is sorted.
    #[must_use]
    pub const fn range(&self) -> (&[u8; 16], &[u8; 16]) {
        (&self.first, &self.last)
    }

    /// Whether `id` begins so.
    #[must_use]
    pub fn matches(&self, id: &MessageId) -> bool {
        self.first <= *id.as_bytes() && *id.as_bytes() <= self.last
    }

    /// The id, if all of it was given.
    #[must_use]
    pub fn whole(&self) -> Option<MessageId> {
        if self.digits == DIGITS { MessageId::from_bytes(self.first) } else { None }
    }
}

impl From<MessageId> for IdPrefix {
    fn from(id: MessageId) -> Self {
        Self { first: *id.as_bytes(), last: *id.as_bytes(), digits: DIGITS }
    }
}

impl FromStr for IdPrefix {
    type Err = BadMessageName;

    fn from_str(text: &str) -> Result<Self, BadMessageName> {
        let bad = || BadMessageName { text: text.chars().take(2 * DIGITS).collect() };
        let (mut first, mut last, mut digits) = ([0; 16], [0xff; 16], 0);
        for digit in text.chars().filter(|c| *c != '-') {
            let value = digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
            let at = digits / 2;
            let (Some(value), Some(low), Some(high)) = (value, first.get_mut(at), last.get_mut(at))
            else {
                return Err(bad());
            };
            let shift = if digits % 2 == 0 { 4 } else { 0 };
            *low |= value << shift;
            *high &= !((0xf - value) << shift);
            digits += 1;
        }
        if digits < MIN_DIGITS { Err(bad()) } else { Ok(Self { first, last, digits }) }
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for at in 0..self.digits {
            if [8, 12, 16, 20].contains(&at) {
                f.write_str("-")?;
            }
            let byte = self.first.get(at / 2).copied().unwrap_or_default();
            write!(f, "{:x}", if at % 2 == 0 { byte >> 4 } else { byte & 0xf })?;
        }
        Ok(())
    }
}

/// A message in the inbox. Numbers are exact, while ids are chosen by senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InboxId {
    /// By its number there, written `n17`.
    Number(u64),
    /// By its id, or how that begins.
    Id(IdPrefix),
}

impl FromStr for InboxId {
    type Err = BadMessageName;

    fn from_str(text: &str) -> Result<Self, BadMessageName> {
        let number = text.strip_prefix('n').and_then(|number| number.parse().ok());
        number.map_or_else(|| text.parse().map(Self::Id), |number| Ok(Self::Number(number)))
    }
}

impl fmt::Display for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "n{number}"),
            Self::Id(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a91c0-0b4e-4d8a-9c1e-7f6a5b4c3d2e";

    fn prefix(text: &str) -> IdPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_is_named_by_how_it_begins() {
        let id: MessageId = ID.parse().unwrap();
        for text in ["3f2a", "3F2A9", "3f2a91c0-", "3f2a91c00b4e", ID, &ID.replace('-', "")] {
            assert!(prefix(text).matches(&id), "{text}");
            let whole = text.len() >= 32;
            assert_eq!(prefix(text).whole(), whole.then_some(id), "{text}");
        }
        for text in ["3f2b", "3f2a90", "ffff", "0000"] {
            assert!(!prefix(text).matches(&id), "{text}");
        }
        assert_eq!(prefix(ID), id.into());
        assert_eq!(prefix("3F2A91C00B4E4").to_string(), "3f2a91c0-0b4e-4");
        assert_eq!(prefix(ID).to_string(), ID);
    }

    #[test]
    fn the_range_of_a_prefix_is_all_that_begins_so() {
        let (first, last) = (prefix("abcde"), prefix("abcde"));
        assert_eq!(first.range().0[..4], [0xab, 0xcd, 0xe0, 0]);
        assert_eq!(last.range().1[..4], [0xab, 0xcd, 0xef, 0xff]);
    }

    #[test]
    fn what_names_no_message_is_refused() {
        for text in ["", "abc", "a-b-c", "xyzq", "3f2a 91", &"a".repeat(33), "n17"] {
            let refused = text.parse::<IdPrefix>().unwrap_err().to_string();
            assert!(refused.contains("at least 4 hex digits"), "{refused}");
        }
        let long = "é".repeat(100_000).parse::<IdPrefix>().unwrap_err();
        assert_eq!(long.text.chars().count(), 64);
    }

    #[test]
    fn the_inbox_is_also_numbered() {
        assert_eq!("n17".parse(), Ok(InboxId::Number(17)));
        assert_eq!("3f2a".parse(), Ok(InboxId::Id(prefix("3f2a"))));
        for text in ["n17", "3f2a91c0-0"] {
            assert_eq!(text.parse::<InboxId>().unwrap().to_string(), text);
        }
        for text in ["17", "n", "n-1", "n99999999999999999999", "nabcd"] {
            assert!(text.parse::<InboxId>().is_err(), "{text}");
        }
    }
}
