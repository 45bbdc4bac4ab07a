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
