use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn refused(bytes: &[u8]) -> CborError {
    check(bytes).expect_err("these bytes must be refused")
}

#[test]
fn shortest_forms_only() {
    assert_eq!(check(&[0x17]), Ok(()));
    assert_eq!(check(&[0x18, 0x18]), Ok(()));
    for long in [
        &[0x18, 0x17][..],
        &[0x19, 0x00, 0xff],
        &[0x1a, 0x00, 0x00, 0xff, 0xff],
        &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[0x58, 0x01, 0x00],
    ] {
        assert!(matches!(refused(long), CborError::NotDeterministic { .. }), "{long:x?}");
    }
}

#[test]
fn indefinite_lengths_tags_floats_and_null_are_refused() {
    assert!(matches!(refused(&[0x5f, 0xff]), CborError::NotDeterministic { .. }));
    assert!(matches!(refused(&[0x9f, 0xff]), CborError::NotDeterministic { .. }));
    // Tags 20 and 21 have the arguments of false and true.
    for other in [
        &[0xc0, 0x00][..],
        &[0xd4],
        &[0xd5, 0x00],
        &[0xf6],
        &[0xf9, 0, 0],
        &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert!(matches!(refused(other), CborError::Unsupported { .. }), "{other:x?}");
    }
}

#[test]
fn map_keys_are_sorted_unique_text() {
    assert_eq!(check(&[0xa2, 0x61, b'a', 0, 0x61, b'b', 0]), Ok(()));
    let sorted = CborError::NotDeterministic { what: "map keys out of order or repeated" };
    assert_eq!(refused(&[0xa2, 0x61, b'b', 0, 0x61, b'a', 0]), sorted);
    assert_eq!(refused(&[0xa2, 0x61, b'a', 0, 0x61, b'a', 0]), sorted);
    assert!(matches!(refused(&[0xa1, 0x00, 0x00]), CborError::Unsupported { .. }));
}

#[test]
fn sizes_are_checked_before_they_are_believed() {
    assert_eq!(
        refused(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        CborError::Truncated
    );
    assert_eq!(refused(&[0x9a, 0xff, 0xff, 0xff, 0xff]), CborError::TooManyEntries);
    assert_eq!(refused(&[0xba, 0xff, 0xff, 0xff, 0xff]), CborError::TooManyEntries);
    assert_eq!(refused(&[0x81; 64]), CborError::TooDeep);
    assert_eq!(refused(&[0x00, 0x00]), CborError::Trailing { len: 1 });
    assert_eq!(refused(&[]), CborError::Truncated);
    assert!(matches!(refused(&[0x62, 0xff, 0xfe]), CborError::NotDeterministic { .. }));
}

/// Whatever a type can ask for. Keys of one letter are in order as they stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Everything<'a> {
    #[serde(borrow, with = "serde_bytes")]
    b: Cow<'a, [u8]>,
    c: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<OneOf>,
    i: i64,
    l: Vec<u16>,
    m: BTreeMap<String, u8>,
    n: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    s: Vec<Self>,
    t: String,
}

impl Everything<'_> {
    /// Whether the map's keys stand as they are encoded: a change of a byte makes longer ones.
    fn is_in_order(&self) -> bool {
        self.m.keys().all(|key| key.len() == 1) && self.s.iter().all(Self::is_in_order)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum OneOf {
    One(u8),
    Other(String),
}

fn everything() -> impl Strategy<Value = Everything<'static>> {
    let one_of = prop_oneof![any::<u8>().prop_map(OneOf::One), ".{0,3}".prop_map(OneOf::Other)];
    let parts = (
        proptest::collection::vec(any::<u8>(), 0..40),
        any::<(bool, i64, u64)>(),
        proptest::option::of(one_of),
        proptest::collection::vec(any::<u16>(), 0..4),
        proptest::collection::btree_map("[a-z]", any::<u8>(), 0..3),
        ".{0,30}",
    );
    let flat = parts.prop_map(|(bytes, (c, i, n), e, l, m, t)| Everything {
        b: bytes.into(),
        c,
        e,
        i,
        l,
        m,
        n,
        s: Vec::new(),
        t,
    });
    // Each level is two of CBOR, of which there are eight.
    flat.prop_recursive(2, 8, 2, |inner| {
        let several = proptest::collection::vec(inner, 1..3);
        several.prop_map(|s| Everything { s, ..Everything::default() })
    })
}

#[test]
fn each_kind_of_item_is_taken_for_itself_only() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Of<T> {
        #[expect(dead_code, reason = "it is only decoded")]
        a: T,
    }

    fn takes<T: for<'de> Deserialize<'de> + std::fmt::Debug>(value: &[u8]) -> bool {
        let bytes = [&[0xa1, 0x61, b'a'], value].concat();
        assert_eq!(check(&bytes), Ok(()));
        match decode::<Of<T>>(&bytes) {
            Ok(_) => true,
            Err(CborError::Shape { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }

    let items: [&[u8]; 7] = [
        &[0x05],
        &[0x24],
        &[0x41, b'x'],
        &[0x61, b'x'],
        &[0x81, 0x05],
        &[0xa1, 0x61, b'k', 0x05],
        &[0xf5],
    ];
    let taken_by = |takes: fn(&[u8]) -> bool| items.map(|item| u8::from(takes(item)));
    assert_eq!(taken_by(takes::<u8>), [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(taken_by(takes::<i64>), [1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(taken_by(takes::<serde_bytes::ByteBuf>), [0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(taken_by(takes::<String>), [0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(taken_by(takes::<Vec<u8>>), [0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(taken_by(takes::<BTreeMap<String, u8>>), [0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(taken_by(takes::<bool>), [0, 0, 0, 0, 0, 0, 1]);
    assert!(!takes::<(u8, u8)>(&[0x83, 1, 2, 3]), "a part that nobody asked for");
    assert!(!takes::<OneOf>(&[0xa2, 0x63, b'O', b'n', b'e', 1, 0x63, b'T', b'w', b'o', 1]));
    assert!(!takes::<OneOf>(&[0xa0]) && !takes::<OneOf>(&[0x63, b'O', b'n', b'e']));
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Nest(Vec<Nest>);

/// Also by a type that holds itself, and however much lies side by side.
#[test]
fn what_is_nested_is_read_as_deep_as_it_may_be() {
    let nested = |levels: usize| {
        let mut bytes = vec![0x81; levels - 1];
        bytes.push(0x80);
        bytes
    };
    for levels in 1..40 {
        let read = decode::<Nest>(&nested(levels)).map(drop);
        assert_eq!(read, check(&nested(levels)), "{levels} levels");
        assert_eq!(read.is_ok(), levels <= MAX_CBOR_DEPTH, "{levels} levels");
    }
    for levels in [MAX_CBOR_DEPTH - 1, MAX_CBOR_DEPTH] {
        let many = [vec![0x94], nested(levels).repeat(20)].concat();
        assert_eq!(decode::<Nest>(&many).is_ok(), levels < MAX_CBOR_DEPTH);
    }
}

#[test]
fn what_is_found_where_something_else_belongs_is_named() {
    let said = |found: &str, wanted: &str| {
        Some(CborError::Shape { detail: format!("{found} where {wanted} belongs") })
    };
    for (bytes, found) in [
        (&[0x01][..], "an integer"),
        (&[0x20], "an integer"),
        (&[0x41, 0x00], "bytes"),
        (&[0x80], "an array"),
        (&[0xa0], "a map"),
        (&[0xf5], "a simple value"),
    ] {
        assert_eq!(decode::<String>(bytes).err(), said(found, "text"));
    }
    assert_eq!(decode::<u64>(&[0x61, b'a']).err(), said("text", "an integer"));
}

/// One of several without content is text (`text_enum!`), and has no second encoding as a map.
#[test]
fn one_of_several_without_content_is_no_map() {
    #[derive(Debug, Deserialize)]
    enum Several {
        One,
        Two(u64),
    }
    assert!(matches!(decode::<Several>(&[0xa1, 0x63, b'T', b'w', b'o', 7]), Ok(Several::Two(7))));
    for bytes in [&[0xa1, 0x63, b'O', b'n', b'e', 0][..], &[0x63, b'O', b'n', b'e'], &[0xa0]] {
        assert!(matches!(decode::<Several>(bytes), Err(CborError::Shape { .. })), "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(value in everything()) {
        let bytes = encode(&value);
        prop_assert_eq!(check(&bytes), Ok(()));
        prop_assert_eq!(decode::<Everything<'_>>(&bytes), Ok(value));
    }

    /// One pass finds all that the check finds, and calls it the same.
    #[test]
    fn a_value_has_one_encoding_only(
        value in everything(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..3),
    ) {
        let mut bytes = encode(&value);
        for (place, byte, change) in changes {
            let place = place.index(bytes.len());
            match change {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => bytes.truncate(place + 1),
            }
        }
        match (check(&bytes), decode::<Everything<'_>>(&bytes)) {
            (Ok(()), Ok(value)) if value.is_in_order() => prop_assert_eq!(encode(&value), bytes),
            (Ok(()), Ok(_)) => {}
            (Ok(()), Err(CborError::Shape { .. })) => {}
            (Ok(()), Err(error)) => prop_assert!(false, "{error}"),
            (Err(error), decoded) => prop_assert_eq!(decoded, Err(error)),
        }
    }

    #[test]
    fn heads_are_shortest_and_lengths_agree(major in 0_u8..2, argument: u64) {
        let mut out = Vec::new();
        push_head(&mut out, major, argument);
        prop_assert_eq!(out.len(), head_len(argument));
        prop_assert_eq!(check(&out), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = check(&bytes);
    }
}
