//! Verifying with a table of multiples of the key, for keys that sign much.
//!
//! The equation is the one of strict verification, `R = S·B − k·A`, put together of the library's own
//! additions of points: every multiple that a digit of S or k asks for is in a table, so that hardly
//! anything is doubled. What is public may take a time of its own: nothing here is secret.

use std::sync::OnceLock;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};

use super::{BadSignature, PublicKey, Signature};

/// Digits of a scalar, of one byte each, from −127 to 128.
const DIGITS: usize = 32;
/// Digits that share a row of the table; the price of a smaller table is so many doublings of the sum
/// less one, times eight.
const PER_ROW: usize = 2;
/// Multiples in a row.
const IN_ROW: usize = 128;

/// The table of one key: 320 KiB. Made in 0.3 ms; with it a verification takes half the time.
pub struct KeyTable {
    key: [u8; 32],
    /// Of the key's negative.
    multiples: Multiples,
}

impl KeyTable {
    /// Bytes that a table takes.
    pub const LEN: usize = DIGITS / PER_ROW * IN_ROW * size_of::<EdwardsPoint>();

    /// The table of `key`.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        Self { key: *key.as_bytes(), multiples: Multiples::of(-key.point()) }
    }

    /// As [`PublicKey::verify`]: what the one accepts, the other does.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        static BASE: OnceLock<Multiples> = OnceLock::new();
        let (r, s) = signature.split_first_chunk::<32>().ok_or(BadSignature)?;
        let s: [u8; 32] = s.try_into().map_err(|_| BadSignature)?;
        // S has one spelling.
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)).ok_or(BadSignature)?;
        let hash = Sha512::new().chain_update(r).chain_update(self.key).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let base = BASE.get_or_init(|| Multiples::of(ED25519_BASEPOINT_POINT));
        let expected = sum((base, &s), (&self.multiples, &k));
        // Spellings are compared, so that R has only one. The key is not of small order: that is
        // seen to where it is parsed.
        let held = expected.compress().as_bytes() == r && !expected.is_small_order();
        if held { Ok(()) } else { Err(BadSignature) }
    }
}

impl std::fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyTable({})", data_encoding::HEXLOWER.encode(&self.key))
    }
}

/// Row `i` holds the multiples 1 to 128 of `2^(8·PER_ROW·i)` times a point.
struct Multiples(Vec<EdwardsPoint>);

impl Multiples {
    fn of(point: EdwardsPoint) -> Self {
        let mut multiples = Vec::with_capacity(DIGITS / PER_ROW * IN_ROW);
        let mut unit = point;
        for _ in 0..DIGITS / PER_ROW {
            let mut next = unit;
            for _ in 0..IN_ROW {
                multiples.push(next);
                next += unit;
            }
            unit = (0..PER_ROW).fold(unit, |unit, _| times_256(&unit));
        }
        Self(multiples)
    }

    fn rows(&self) -> impl Iterator<Item = &[EdwardsPoint]> {
        self.0.chunks_exact(IN_ROW)
    }
}

/// `a·A + b·B`, with the tables of both points.
fn sum((a_table, a): (&Multiples, &Scalar), (b_table, b): (&Multiples, &Scalar)) -> EdwardsPoint {
    let (a, b) = (digits(a), digits(b));
    let mut sum = EdwardsPoint::identity();
    for place in (0..PER_ROW).rev() {
        if place + 1 < PER_ROW {
            sum = times_256(&sum);
        }
        let all = [(a_table, &a), (b_table, &b)];
        for (table, digits) in all {
            for (row, digits) in table.rows().zip(digits.chunks_exact(PER_ROW)) {
                add(&mut sum, row, digits.get(place).copied().unwrap_or_default());
            }
        }
    }
    sum
}

/// Adds so many times the point of a row.
fn add(sum: &mut EdwardsPoint, row: &[EdwardsPoint], digit: i16) {
    let multiple = usize::from(digit.unsigned_abs()).checked_sub(1);
    if let Some(multiple) = multiple.and_then(|place| row.get(place)) {
        if digit > 0 { *sum += multiple } else { *sum -= multiple }
    }
}

/// The digits of a scalar, the lowest first. It is less than 2^253, so that the last one carries nothing.
fn digits(scalar: &Scalar) -> [i16; DIGITS] {
    let mut carry = 0;
    scalar.to_bytes().map(|byte| {
        let digit = i16::from(byte) + carry;
        carry = i16::from(digit > 128);
        digit - (carry << 8)
    })
}

fn times_256(point: &EdwardsPoint) -> EdwardsPoint {
    let times_64 = point.mul_by_cofactor().mul_by_cofactor();
    let times_128 = times_64 + times_64;
    times_128 + times_128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_make_up_the_scalar_and_a_sum_is_that_of_the_library(
            a in any::<[u8; 64]>(),
            b in any::<[u8; 64]>(),
        ) {
            let [a, b] = [a, b].map(|bytes| Scalar::from_bytes_mod_order_wide(&bytes));
            let point = ED25519_BASEPOINT_POINT * Scalar::from(77_u8);
            let (base, other) = (Multiples::of(ED25519_BASEPOINT_POINT), Multiples::of(point));
            let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&a, &point, &b);
            prop_assert_eq!(sum((&base, &b), (&other, &a)), expected);
        }
    }

    #[test]
    fn a_table_takes_as_many_bytes_as_it_says() {
        let Multiples(points) = Multiples::of(ED25519_BASEPOINT_POINT);
        assert_eq!(points.len() * size_of::<EdwardsPoint>(), KeyTable::LEN);
        assert_eq!(KeyTable::LEN, 320 << 10);
    }

    /// The least and the greatest scalars, and those whose digits all carry or just do not.
    #[test]
    fn digits_at_their_ends_add_up() {
        let order_less_one = -Scalar::ONE;
        let bytes = |byte| Scalar::from_bytes_mod_order([byte; 32]);
        let table = Multiples::of(ED25519_BASEPOINT_POINT);
        let all =
            [Scalar::ZERO, Scalar::ONE, order_less_one, bytes(0x80), bytes(0x81), bytes(0x7f)];
        for scalar in all.into_iter().chain((0..=16).map(bytes)) {
            let expected = EdwardsPoint::mul_base(&scalar);
            assert_eq!(sum((&table, &scalar), (&table, &Scalar::ZERO)), expected);
            assert!(digits(&scalar).iter().all(|digit| (-127..=128).contains(digit)));
        }
    }
}
