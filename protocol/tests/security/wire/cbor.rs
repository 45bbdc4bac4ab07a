//! The little CBOR that the protocol uses, written and read by hand.

/// A CBOR item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Uint(u64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Map),
    Bool(bool),
}

/// A map with text keys, in the order of its encoding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Map(pub(crate) Vec<(String, Item)>);

impl Item {
    pub(crate) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts(texts: &[&str]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(*text)).collect())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("not a byte string: {other:?}"),
        }
    }

    pub(crate) fn as_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(number) => head(out, 0, *number),
            Self::Bytes(bytes) => {
                head(out, 2, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(out, 3, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Self::List(items) => {
                head(out, 4, items.len() as u64);
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Map(map) => out.extend_from_slice(&map.encode()),
            Self::Bool(value) => out.push(0xf4 + u8::from(*value)),
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// Reads one item; panics at whatever the protocol does not use.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let item = take_item(&mut rest);
        assert!(rest.is_empty(), "bytes follow the item");
        item
    }
}

impl Map {
    pub(crate) fn get(&self, key: &str) -> &Item {
        self.find(key).unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Item> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, item)| item)
    }

    pub(crate) fn set(&mut self, key: &str, item: Item) {
        self.remove(key);
        self.0.push((key.to_owned(), item));
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The deterministic encoding: entries sorted by their encoded keys.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut sorted = self.clone();
        sorted.0.sort_by_key(|(key, _)| Item::text(key.as_str()).to_vec());
        sorted.encode_unsorted()
    }

    /// The entries in whatever order they stand.
    pub(crate) fn encode_unsorted(&self) -> Vec<u8> {
        let mut out = Vec::new();
        head(&mut out, 5, self.0.len() as u64);
        for (key, item) in &self.0 {
            Item::text(key.as_str()).encode(&mut out);
            item.encode(&mut out);
        }
        out
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        match Item::parse(bytes) {
            Item::Map(map) => map,
            other => panic!("not a map: {other:?}"),
        }
    }
}

impl<const N: usize> From<[(&str, Item); N]> for Map {
    fn from(entries: [(&str, Item); N]) -> Self {
        Self(entries.map(|(key, item)| (key.to_owned(), item)).into())
    }
}

fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let bytes = argument.to_be_bytes();
    let (info, len) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | info);
    out.extend_from_slice(&bytes[8 - len..]);
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(len);
    *rest = after;
    taken
}

fn take_head(rest: &mut &[u8]) -> (u8, u64) {
    let first = take(rest, 1)[0];
    let len = match first & 0x1f {
        info @ 0..=23 => return (first >> 5, u64::from(info)),
        info @ 24..=27 => 1 << (info - 24),
        other => panic!("head {other}"),
    };
    let argument = take(rest, len).iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    (first >> 5, argument)
}

fn take_item(rest: &mut &[u8]) -> Item {
    let (major, argument) = take_head(rest);
    let len = argument as usize;
    match major {
        0 => Item::Uint(argument),
        2 => Item::bytes(take(rest, len)),
        3 => Item::text(String::from_utf8(take(rest, len).to_vec()).unwrap()),
        4 => Item::List((0..len).map(|_| take_item(rest)).collect()),
        5 => Item::Map(Map((0..len)
            .map(|_| (take_item(rest).as_text().to_owned(), take_item(rest)))
            .collect())),
        7 => Item::Bool(argument == 21),
        other => panic!("major type {other}"),
    }
}
