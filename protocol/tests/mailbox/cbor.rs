//! CBOR written by hand, so that the vectors do not depend on the crate.

pub(crate) fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, len) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | info], &bytes[8 - len..]].concat()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [&head(3, text.len() as u64)[..], text.as_bytes()].concat()
}

pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&head(2, bytes.len() as u64)[..], bytes].concat()
}

pub(crate) fn number(number: u64) -> Vec<u8> {
    head(0, number)
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A map in deterministic order: entries sorted by their encoded keys.
pub(crate) fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut entries: Vec<_> = entries.iter().map(|(key, value)| (text(key), value)).collect();
    entries.sort();
    let mut out = head(5, entries.len() as u64);
    entries.iter().for_each(|(key, value)| out.extend([&key[..], value].concat()));
    out
}
