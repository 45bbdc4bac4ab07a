use super::*;
use proptest::prelude::*;

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
