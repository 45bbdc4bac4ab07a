use proptest::prelude::*;

use super::super::freshness::Version;
use super::*;

fn aged(last_seen: u64, ttl: u64) -> Record {
    let identity = identity("entity_a", 1);
    let mut record = record_of(&identity, Timestamp::from_millis(last_seen));
    record.ttl = Duration::from_secs(ttl);
    record
}

#[test]
fn a_record_is_fresh_from_a_minute_ahead_until_its_life_is_over() {
    let start = NOW.as_millis();
    for (last_seen, ttl, now, fresh) in [
        (start, 10, start, true),
        (start, 10, start + 9_999, true),
        (start, 10, start + 10_000, false),
        (start + 60_000, 10, start, true),
        (start + 60_001, 10, start, false),
        (start, 86_400, start + 86_399_999, true),
        (start, 86_400, start + 86_400_000, false),
        (u64::MAX, 86_400, start, false),
        (0, 0, start, false),
    ] {
        let checked = aged(last_seen, ttl).check_fresh(Timestamp::from_millis(now));
        assert_eq!(checked.is_ok(), fresh, "{last_seen} {ttl} {now}");
    }
    let withdrawal = Record::withdrawal(&identity("a", 1), vec![], NOW);
    assert!(withdrawal.is_withdrawal());
    assert_eq!(withdrawal.deadline(), NOW + RECORD_TTL, "as long as what it withdraws");
}

#[test]
fn a_withdrawal_wins_a_tie() {
    let (live, gone) = (signed("entity_a", 1, NOW), withdrawn("entity_a", 1, NOW));
    assert!(Version::new(NOW, &gone) > Version::new(NOW, &live));
    assert!(Version::new(NOW + Duration::from_millis(1), &live) > Version::new(NOW, &gone));
}

proptest! {
    #[test]
    fn freshness_agrees_with_plain_arithmetic(
        last_seen in 0_i128..400_000_000,
        ttl in 0_i128..86_401,
        now in 0_i128..400_000_000,
    ) {
        let life = if ttl == 0 { 86_400_000 } else { ttl * 1_000 };
        let naive = last_seen - now <= 60_000 && now - last_seen < life;
        let record = aged(last_seen as u64, ttl as u64);
        let checked = record.check_fresh(Timestamp::from_millis(now as u64));
        prop_assert_eq!(checked.is_ok(), naive);
        if let Err(error) = checked {
            let ahead = matches!(error, RegistryError::Future { .. });
            prop_assert_eq!(ahead, last_seen - now > 60_000);
        }
    }

    #[test]
    fn versions_are_ordered_by_time_and_then_backwards_by_bytes(
        one in (0_u64..3, proptest::collection::vec(0_u8..3, 0..4)),
        other in (0_u64..3, proptest::collection::vec(0_u8..3, 0..4)),
    ) {
        let version = |it: &(u64, Vec<u8>)| (Timestamp::from_millis(it.0), it.1.clone());
        let ((t1, b1), (t2, b2)) = (version(&one), version(&other));
        let (left, right) = (Version::new(t1, &b1), Version::new(t2, &b2));
        let naive = if t1 == t2 { b2.cmp(&b1) } else { t1.cmp(&t2) };
        prop_assert_eq!(left.cmp(&right), naive);
        prop_assert_eq!(right.cmp(&left), naive.reverse());
    }
}
