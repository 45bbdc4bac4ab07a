//! Keeps strangers from filling the log and the disk under it: of lines from one place of the program few
//! a second are written, and how many were left out is said with the next one.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};

/// Lines of one place at once, and a second.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 2.0;

/// A layer that stops lines of information and worse beyond their rate. Whoever turns on debugging wants
/// to see everything. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Calm(Arc<Mutex<HashMap<Identifier, Place>>>);

/// What one place of the program has logged. There are as many as the program has of them.
#[derive(Debug)]
struct Place {
    tokens: f64,
    seen: Instant,
    left_out: u64,
}

impl Calm {
    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line may be written now.
    fn admit(&self, place: Identifier, now: Instant) -> bool {
        let mut places = self.places();
        let new = Place { tokens: BURST, seen: now, left_out: 0 };
        let place = places.entry(place).or_insert(new);
        let passed = now.saturating_duration_since(place.seen).as_secs_f64();
        place.tokens = passed.mul_add(PER_SECOND, place.tokens).min(BURST);
        place.seen = now;
        if place.tokens < 1.0 {
            place.left_out += 1;
            return false;
        }
        place.tokens -= 1.0;
        true
    }

    /// How many lines were left out since the last one that was written.
    fn left_out(&self, place: &Identifier) -> u64 {
        self.places().get_mut(place).map_or(0, |place| std::mem::take(&mut place.left_out))
    }

    /// Where lines go.
    pub(super) const fn writer(self, json: bool) -> Writer {
        Writer { calm: self, json }
    }
}

impl<S: Subscriber> Layer<S> for Calm {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO || self.admit(metadata.callsite(), Instant::now())
    }
}

/// Standard error, with a word before a line of which others were left out.
#[derive(Debug)]
pub(super) struct Writer {
    calm: Calm,
    json: bool,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = io::Stderr;

    fn make_writer(&'a self) -> io::Stderr {
        io::stderr()
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> io::Stderr {
        let mut out = io::stderr();
        let left_out = self.calm.left_out(&metadata.callsite());
        if left_out > 0 {
            // A log that cannot be written is nothing to log.
            let _ = writeln!(out, "{}", word(left_out, metadata.target(), self.json));
        }
        out
    }
}

fn word(left_out: u64, target: &str, json: bool) -> String {
    const WHAT: &str = "lines like the next one were left out";
    if json {
        let fields = serde_json::json!({ "message": WHAT, "left_out": left_out });
        serde_json::json!({ "level": "WARN", "target": target, "fields": fields }).to_string()
    } else {
        format!("{left_out} {WHAT}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Counts what gets past the layer before it.
    #[derive(Clone, Default)]
    struct Count(Arc<Mutex<Vec<Identifier>>>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().callsite());
        }
    }

    #[test]
    fn a_flood_of_one_line_is_cut_and_other_lines_are_not() {
        let (calm, count) = (Calm::default(), Count::default());
        let log = tracing_subscriber::registry().with(calm.clone()).with(count.clone());
        tracing::subscriber::with_default(log, || {
            for number in 0..1_000 {
                tracing::warn!(number, "flood");
            }
            for _ in 0..50 {
                tracing::warn!("another");
            }
            for _ in 0..300 {
                tracing::debug!("wanted");
            }
        });
        let seen = count.0.lock().unwrap();
        let flood = seen.iter().filter(|place| **place == seen[0]).count();
        assert!((100..110).contains(&flood), "{flood}");
        assert_eq!(seen.len() - flood, 350);
        assert_eq!(calm.left_out(&seen[0]), 1_000 - flood as u64);
        assert_eq!(calm.left_out(&seen[0]), 0);
    }

    #[test]
    fn after_a_pause_it_is_heard_again() {
        let (calm, count) = (Calm::default(), Count::default());
        let log = tracing_subscriber::registry().with(count.clone());
        tracing::subscriber::with_default(log, || tracing::warn!("a place"));
        let place = count.0.lock().unwrap()[0].clone();
        let start = Instant::now();
        let passed = |at| (0..1_000).filter(|_| calm.admit(place.clone(), at)).count();
        assert_eq!(passed(start), 100);
        assert_eq!(passed(start + Duration::from_secs(5)), 10);
        assert_eq!(passed(start + Duration::from_secs(3_600)), 100);
    }

    #[test]
    fn what_was_left_out_is_said_in_the_logs_own_form() {
        assert_eq!(word(7, "peer_node", false), "7 lines like the next one were left out");
        let line: serde_json::Value = serde_json::from_str(&word(7, "peer_node", true)).unwrap();
        assert_eq!(
            (line["level"].as_str(), line["fields"]["left_out"].as_u64()),
            (Some("WARN"), Some(7))
        );
    }
}
