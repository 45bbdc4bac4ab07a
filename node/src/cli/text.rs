//! Numbers, times and tables for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use peer_protocol::time::Timestamp;

/// Bytes in the units of [`size`].
const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

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

/// The same with all lines but the first set in, so that no line of what somebody else chose passes for one
/// of ours.
pub(super) fn inset(text: &str, columns: usize) -> String {
    printable(text).replace('\n', &format!("\n{:columns$}", ""))
}

/// A time measured in microseconds: `812 µs`, `3.2 ms`, `1.25 s`.
pub(super) fn micros(micros: u64) -> String {
    let value = Duration::from_micros(micros).as_secs_f64();
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

/// A time span as a step of something takes it: `12 ms`, `2.1 s`, `3 min 5 s`.
pub(super) fn elapsed(millis: u64) -> String {
    if (1000..60_000).contains(&millis) {
        format!("{:.1} s", Duration::from_millis(millis - millis % 100).as_secs_f64())
    } else {
        span(millis)
    }
}

/// A size: `812 B`, `2.0 KiB`, `1.0 MiB`.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// This machine's clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}

/// How long ago something was, by this machine's clock.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    if at > now { "just now".to_owned() } else { format!("{} ago", span(apart(at, now))) }
}

/// How far away something is: `in 6 d 23 h`, `5 min 3 s ago`.
pub(super) fn away(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", span(apart(at, now))) } else { ago(at, now) }
}

/// How far apart two times are, in milliseconds.
pub(super) fn apart(one: Timestamp, other: Timestamp) -> u64 {
    u64::try_from(one.distance(other).as_millis()).unwrap_or(u64::MAX)
}

/// As much of a message's id as stands for it among those of a person.
pub(super) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// A point in time to the millisecond, in UTC: `2023-11-14 22:13:20.123Z`.
pub(super) fn moment(timestamp: Timestamp) -> String {
    let text = time(timestamp);
    format!("{}.{:03}Z", text.trim_end_matches('Z'), timestamp.as_millis() % 1000)
}

/// A point in time, in UTC: `2023-11-14 22:13:20Z`.
pub(crate) fn time(timestamp: Timestamp) -> String {
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
    let line =
        |(name, value): &(&str, String)| format!("{name:width$}  {}\n", inset(value, width + 2));
    pairs.iter().map(line).collect()
}

/// A table that fits the terminal, if there is one.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    painted(header, rows, |_, _| None)
}

/// A table in which the words of one column have colours, where colours are shown.
pub(super) fn painted(
    header: &[&str],
    rows: Vec<Vec<String>>,
    paint: impl Fn(usize, &str) -> Option<Color>,
) -> String {
    let mut table = Table::new();
    // Whether anybody sees it, the output knows better than the table.
    table.enforce_styling().style_text_only();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    for row in rows {
        let cell = |(column, text): (usize, &String)| {
            let cell = Cell::new(printable(text));
            match paint(column, text) {
                Some(color) => cell.fg(color),
                None => cell,
            }
        };
        table.add_row(row.iter().enumerate().map(cell).collect::<Vec<_>>());
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
    fn steps_and_sizes_are_short() {
        assert_eq!(
            [0, 12, 999, 1000, 2_149, 59_999, 60_000, 185_000].map(elapsed),
            ["0 ms", "12 ms", "999 ms", "1.0 s", "2.1 s", "59.9 s", "1 min 0 s", "3 min 5 s"]
        );
        assert_eq!(
            [0, 1023, 1024, 2_100, 1_048_575, 1 << 20, 5 << 30, u64::MAX].map(size),
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "2.0 KiB",
                "1023.9 KiB",
                "1.0 MiB",
                "5.0 GiB",
                "16383.9 PiB"
            ]
        );
        let at = Timestamp::from_millis(1_700_000_000_007);
        assert_eq!(moment(at), "2023-11-14 22:13:20.007Z");
        assert_eq!(away(at + Duration::from_secs(5), at), "in 5 s");
        assert_eq!(away(at, at + Duration::from_secs(65)), "1 min 5 s ago");
    }

    #[test]
    fn pairs_and_tables_are_aligned() {
        let text = pairs(&[("a", "1".to_owned()), ("long", "2".to_owned())]);
        assert_eq!(text, "a     1\nlong  2\n");
        let text = pairs(&[("status", "fine\nfrom  alice".to_owned())]);
        assert_eq!(text, "status  fine\n        from  alice\n");
        let text = table(&["A", "B"], vec![vec!["名前".to_owned(), "\x1bx".to_owned()]]);
        assert_eq!(text, "A     B\n名前  \\u{1b}x");
    }
}
