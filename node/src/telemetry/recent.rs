//! The last lines of the log, for whoever looks at the running node.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Most lines that are kept, and most bytes of each; what is longer is cut.
pub(crate) const MAX_LINES: usize = 1000;
const MAX_LINE_LEN: usize = 1024;

static RECENT: Recent = Recent(Mutex::new(VecDeque::new()));

struct Recent(Mutex<VecDeque<String>>);

impl Recent {
    fn push(&self, line: &str) {
        let line = line.trim_end();
        let end = (0..=MAX_LINE_LEN.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while lines.len() >= MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line.get(..end.unwrap_or_default()).unwrap_or_default().to_owned());
    }

    fn last(&self, count: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }
}

/// The last `count` lines, the newest last.
pub(crate) fn last(count: usize) -> Vec<String> {
    RECENT.last(count)
}

/// Takes lines down: what this program's own crates say, which never say what messages say, and warnings
/// of others.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Line).with_filter(filter_fn(
        |event| {
            let own = event.target().starts_with("peer");
            *event.level() <= if own { Level::DEBUG } else { Level::WARN }
        },
    ))
}

/// One line; it comes whole.
struct Line;

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        RECENT.push(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "peer_node::x", peer = "bob", "hello");
            tracing::trace!(target: "peer_node::x", "too much");
            tracing::info!(target: "libp2p_swarm", "not ours");
            tracing::warn!(target: "libp2p_swarm", "a warning");
        });
        let lines = last(10);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("hello") && lines[0].contains("peer=\"bob\""), "{lines:?}");
        assert!(lines[1].contains("a warning") && !lines[1].contains('\n'), "{lines:?}");

        let recent = Recent(Mutex::default());
        for number in 0..MAX_LINES + 5 {
            recent.push(&format!("{number} {}\n", "é".repeat(MAX_LINE_LEN)));
        }
        let lines = recent.last(usize::MAX);
        assert_eq!(lines.len(), MAX_LINES);
        assert!(lines[0].starts_with("5 ") && lines[0].len() <= MAX_LINE_LEN);
        assert_eq!(recent.last(1), lines[MAX_LINES - 1..]);
    }
}
