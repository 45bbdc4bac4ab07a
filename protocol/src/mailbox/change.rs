//! What has to be on disk before something is told to anybody.

use std::fmt;

use zeroize::Zeroizing;

/// One row to write or to delete, in the one table that the mailbox has. Those of one transaction are
/// applied in order, all or none.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The row's key; its first byte says what it is.
    pub key: Vec<u8>,
    /// Its value; `None` deletes it.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

/// A row as it is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl Change {
    /// Whether the rows of `key` hold bodies, which are read one by one when they are asked for and not
    /// when the node starts.
    #[must_use]
    pub fn is_body(key: &[u8]) -> bool {
        key.first() == Some(&Tag::Body.byte())
    }

    /// Whether the rows of `key` hold private halves of prekeys. They stand together, and nothing else
    /// between [`Change::secrets`].
    #[must_use]
    pub fn is_secret(key: &[u8]) -> bool {
        key.first() == Some(&Tag::Secret.byte())
    }

    /// The keys between which all private halves stand: from the first on, without the last.
    #[must_use]
    pub fn secrets() -> [Vec<u8>; 2] {
        let tag = Tag::Secret.byte();
        [vec![tag], vec![tag.saturating_add(1)]]
    }

    /// The key of the row with the body of number `number`.
    #[must_use]
    pub fn body_key(number: u64) -> Vec<u8> {
        Tag::Body.key(&[&number.to_be_bytes()])
    }

    pub(super) fn write(tag: Tag, key: &[&[u8]], value: Vec<u8>) -> Self {
        Self { key: tag.key(key), value: Some(Zeroizing::new(value)) }
    }

    pub(super) fn delete(tag: Tag, key: &[&[u8]]) -> Self {
        Self { key: tag.key(key), value: None }
    }
}

impl fmt::Debug for Change {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("key", &data_encoding::HEXLOWER.encode(&self.key))
            .field("value_len", &self.value.as_ref().map(|value| value.len()))
            .finish()
    }
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// A box: its owner.
    Box,
    /// A prekey that is to be handed out: its owner and its id.
    Prekey,
    /// An owner's last-resort prekey.
    LastResort,
    /// What is known of an item: its number.
    Item,
    /// What is known of a receipt: its number.
    Receipt,
    /// The bytes of an item or a receipt: its number.
    Body,
    /// The number that the next item or receipt gets.
    Next,
    /// The private half of an own prekey: its id.
    Secret,
    /// An own item that is done with and is still to be settled: node and number.
    Done,
    /// A receipt that is owed to mailbox nodes: its number.
    Owed,
    /// What was put for a receiver at a node: both.
    Post,
}

impl Tag {
    const ALL: [Self; 11] = [
        Self::Box,
        Self::Prekey,
        Self::LastResort,
        Self::Item,
        Self::Receipt,
        Self::Body,
        Self::Next,
        Self::Secret,
        Self::Done,
        Self::Owed,
        Self::Post,
    ];

    const fn byte(self) -> u8 {
        match self {
            Self::Box => b'b',
            Self::Prekey => b'p',
            Self::LastResort => b'l',
            Self::Item => b'i',
            Self::Receipt => b'r',
            Self::Body => b'x',
            Self::Next => b'n',
            Self::Secret => b'k',
            Self::Done => b'd',
            Self::Owed => b'o',
            Self::Post => b's',
        }
    }

    /// The row's key with these parts.
    pub(super) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        [&[self.byte()], parts.concat().as_slice()].concat()
    }

    /// What the row of this key is, and the rest of its key.
    pub(super) fn of(key: &[u8]) -> Option<(Self, &[u8])> {
        let (first, rest) = key.split_first()?;
        Self::ALL.into_iter().find(|tag| tag.byte() == *first).map(|tag| (tag, rest))
    }
}
