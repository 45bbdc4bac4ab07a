//! Durations as people write them: `500ms`, `30s`, `30m`, `24h`, `7d`.

use std::time::Duration;

use thiserror::Error;

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a duration is a whole number and a unit: 500ms, 30s, 10m, 24h or 7d")]
pub struct BadDuration;

/// Parses a duration.
///
/// # Errors
/// [`BadDuration`] if number or unit are missing or unknown, or the time is over a year.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(BadDuration)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| BadDuration)?;
    let millis_per_unit = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(BadDuration),
    };
    number
        .checked_mul(millis_per_unit)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= Duration::from_secs(366 * 24 * 3600))
        .ok_or(BadDuration)
}

/// The shortest text that [`parse_duration`] reads back (whole milliseconds).
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, millis_per_unit) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis > 0 && millis.is_multiple_of(millis_per_unit) {
            return format!("{}{unit}", millis / millis_per_unit);
        }
    }
    format!("{millis}ms")
}
