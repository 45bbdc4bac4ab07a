//! The obvious reader of deterministic CBOR: reads a value, writes it again by the rules, compares.

use std::collections::BTreeMap;

/// A value of the kinds that the protocol uses.
enum Item {
    Unsigned(u64),
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    /// By the key's encoding, which is the order of RFC 8949 §4.2.1.
    Map(BTreeMap<Vec<u8>, Self>),
    Bool(bool),
}

/// Whether `bytes` are the deterministic encoding of one value, nested no deeper than `depth`, of
/// which no part has more than `entries` entries.
pub(super) fn is_deterministic(bytes: &[u8], depth: usize, entries: u64) -> bool {
    let mut rest = bytes;
    let Some(item) = read(&mut rest, depth, entries) else { return false };
    let mut again = Vec::new();
    write(&item, &mut again);
    rest.is_empty() && again == bytes
}

fn read(rest: &mut &[u8], depth: usize, entries: u64) -> Option<Item> {
    let depth = depth.checked_sub(1)?;
    let (major, argument) = head(rest)?;
    Some(match major {
        0 => Item::Unsigned(argument),
        1 => Item::Negative(argument),
        2 => Item::Bytes(take(rest, argument)?.to_vec()),
        3 => Item::Text(String::from_utf8(take(rest, argument)?.to_vec()).ok()?),
        4 if argument <= entries => {
            let mut items = Vec::new();
            for _ in 0..argument {
                items.push(read(rest, depth, entries)?);
            }
            Item::Array(items)
        }
        5 if argument <= entries => {
            let mut items = BTreeMap::new();
            for _ in 0..argument {
                let key = read(rest, depth, entries)?;
                let Item::Text(_) = key else { return None };
                let mut encoded = Vec::new();
                write(&key, &mut encoded);
                items.insert(encoded, read(rest, depth, entries)?);
            }
            // A repeated key leaves fewer entries than were announced, and so other bytes.
            Item::Map(items)
        }
        7 if argument == 20 || argument == 21 => Item::Bool(argument == 21),
        _ => return None,
    })
}

fn head(rest: &mut &[u8]) -> Option<(u8, u64)> {
    let first = *take(rest, 1)?.first()?;
    let len = match first & 0x1f {
        info @ 0..=23 => return Some((first >> 5, u64::from(info))),
        info @ 24..=27 => 1 << (info - 24),
        _ => return None,
    };
    let bytes = take(rest, len)?;
    // A longer form than necessary is written again in the shortest one, and so differs.
    Some((first >> 5, bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))))
        .filter(|(major, _)| *major != 7)
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = left;
    Some(taken)
}

fn write(item: &Item, out: &mut Vec<u8>) {
    match item {
        Item::Unsigned(number) => write_head(0, *number, out),
        Item::Negative(number) => write_head(1, *number, out),
        Item::Bytes(bytes) => {
            write_head(2, bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Item::Text(text) => {
            write_head(3, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Item::Array(items) => {
            write_head(4, items.len() as u64, out);
            items.iter().for_each(|item| write(item, out));
        }
        Item::Map(items) => {
            write_head(5, items.len() as u64, out);
            for (key, item) in items {
                out.extend_from_slice(key);
                write(item, out);
            }
        }
        Item::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
    }
}

fn write_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let (info, len) = match argument {
        0..=23 => (u8::try_from(argument).unwrap_or(0), 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | info);
    out.extend_from_slice(&bytes[8 - len..]);
}
