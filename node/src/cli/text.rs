//! Numbers, times and tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use peer_protocol::time::Timestamp;

/// Text without anything that could control a terminal or disguise what it says: control characters
/// but line feed and tab, and marks that change the direction of writing, are shown as escapes.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let disguise = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if disguise || (c.is_control() && !matches!(c, '\n' | '\t')) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A time measured in microseconds: `812 µs`, `3.2 ms`, `1.25 s`.
pub(super) fn micros(micros: u64) -> String {
    let value = std::time::Duration::from_micros(micros).as_secs_f64();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", value * 1e3),
        _ => format!("{value:.2} s"),
    }
}

/// A time span in its two greatest units: `2 h 3 min`.
pub(super) fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A point in time, in UTC: `2023-11-14 22:13:20Z`.
pub(super) fn time(timestamp: Timestamp) -> String {
    let seconds = timestamp.as_millis() / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a date, by 400-year eras that begin in March (Howard Hinnant's algorithm).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Lines of a name and a value, the values aligned.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {}\n", printable(value));
    pairs.iter().map(line).collect()
}

/// A table that fits the terminal, if there is one.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_control_a_terminal_is_escaped() {
        assert_eq!(printable("a\tb\nエンティティ"), "a\tb\nエンティティ");
        assert_eq!(printable("\x1b[2Jx\r\u{202e}y\u{9b}"), "\\u{1b}[2Jx\\u{d}\\u{202e}y\\u{9b}");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            [812, 3_210, 999_999, 1_250_000].map(micros),
            ["812 µs", "3.2 ms", "1000.0 ms", "1.25 s"]
        );
        assert_eq!(
            [5, 59_000, 65_000, 7_384_000, 90_000_000].map(span),
            ["5 ms", "59 s", "1 min 5 s", "2 h 3 min", "1 d 1 h"]
        );
        for (millis, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400_000, "2000-02-29 00:00:00Z"),
            (1_700_000_000_000, "2023-11-14 22:13:20Z"),
            (4_107_542_399_999, "2100-02-28 23:59:59Z"),
            (4_107_542_400_000, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(time(Timestamp::from_millis(millis)), text);
        }
    }

    #[test]
    fn pairs_and_tables_are_aligned() {
        let text = pairs(&[("a", "1".to_owned()), ("long", "2".to_owned())]);
        assert_eq!(text, "a     1\nlong  2\n");
        let text = table(&["A", "B"], vec![vec!["名前".to_owned(), "\x1bx".to_owned()]]);
        assert_eq!(text, "A     B\n名前  \\u{1b}x");
    }
}
