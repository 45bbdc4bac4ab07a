//! Sizes as people write them: `65536`, `64KiB`, `16MiB`, `2GiB`, `1TiB`.

use thiserror::Error;

/// The text is no size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a size is a whole number and a unit: 65536, 64KiB, 16MiB, 2GiB or 1TiB")]
pub struct BadSize;

const UNITS: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Parses a size, in bytes if it has no unit.
///
/// # Errors
/// [`BadSize`] if the number is missing or too large, or the unit is unknown.
pub fn parse_size(text: &str) -> Result<u64, BadSize> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| BadSize)?;
    let unit = unit.trim();
    let known = UNITS.into_iter().find(|(name, _)| *name == unit).map(|(_, bytes)| bytes);
    let bytes = known.or((unit.is_empty() || unit == "B").then_some(1)).ok_or(BadSize)?;
    number.checked_mul(bytes).ok_or(BadSize)
}

/// The shortest text that [`parse_size`] reads back.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let whole = |(_, unit): &(&str, u64)| bytes > 0 && bytes.is_multiple_of(*unit);
    match UNITS.iter().find(|unit| whole(unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in
            [("0", 0), ("65535", 65_535), ("64KiB", 65_536), ("3MiB", 3 << 20), ("2TiB", 2 << 40)]
        {
            assert_eq!(parse_size(text), Ok(bytes));
            assert_eq!(format_size(bytes), text);
        }
        assert_eq!(parse_size(" 5 B "), Ok(5));
        for bad in ["", "MiB", "5 MB", "-1", "1.5GiB", "99999999999TiB"] {
            assert_eq!(parse_size(bad), Err(BadSize), "{bad}");
        }
    }
}
