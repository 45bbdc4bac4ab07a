//! What is seen of the victim and of its honest peer, with the time of each reading.

use std::io::BufRead as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::child::Role;
use crate::nodes::Sample;

/// How often the victim is looked at.
const PERIOD: Duration = Duration::from_millis(20);
/// Bytes of a page, and of ticks in a second, as Linux has them everywhere.
const PAGE: u64 = 4096;
const TICKS: f64 = 100.0;

/// A time in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Span {
    fn holds(self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }

    fn seconds(self) -> f64 {
        (self.to - self.from).as_secs_f64()
    }
}

#[derive(Debug, Default)]
struct Readings {
    samples: Mutex<Vec<(Instant, Sample)>>,
    memory: Mutex<Vec<(Instant, u64)>>,
    over: AtomicBool,
}

fn all<T>(readings: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until it is dropped.
pub(crate) struct Gauge {
    victim: u32,
    readings: Arc<Readings>,
    watching: Option<JoinHandle<()>>,
}

impl Gauge {
    pub(crate) fn start(victim: u32, honest: &mut Role) -> Result<Self, Failure> {
        let readings = Arc::new(Readings::default());
        let (told, output) = (Arc::clone(&readings), honest.output()?);
        // It ends with the process that it reads from.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Ok(sample) = serde_json::from_str(&line) {
                    all(&told.samples).push((Instant::now(), sample));
                }
            }
        });
        let seen = Arc::clone(&readings);
        let watching = std::thread::spawn(move || {
            while !seen.over.load(Ordering::Relaxed) {
                if let Some(bytes) = resident(victim) {
                    all(&seen.memory).push((Instant::now(), bytes));
                }
                std::thread::sleep(PERIOD);
            }
        });
        Ok(Self { victim, readings, watching: Some(watching) })
    }

    /// Answers a second.
    pub(crate) fn goodput(&self, span: Span) -> f64 {
        let samples = all(&self.readings.samples);
        let within = samples.iter().filter(|(at, _)| span.holds(*at));
        let answered: u64 = within.map(|(_, sample)| sample.answered).sum();
        answered as f64 / span.seconds()
    }

    /// The longest wait for an answer, in milliseconds.
    pub(crate) fn longest(&self, span: Span) -> f64 {
        let samples = all(&self.readings.samples);
        let within = samples.iter().filter(|(at, _)| span.holds(*at));
        within.map(|(_, sample)| sample.longest_us).max().unwrap_or(0) as f64 / 1e3
    }

    /// Questions that found no answer.
    pub(crate) fn failed(&self, span: Span) -> u64 {
        let samples = all(&self.readings.samples);
        let within = samples.iter().filter(|(at, _)| span.holds(*at));
        within.map(|(_, sample)| sample.failed).sum()
    }

    /// Most resident memory, in bytes.
    pub(crate) fn memory(&self, span: Span) -> u64 {
        let memory = all(&self.readings.memory);
        let within = memory.iter().filter(|(at, _)| span.holds(*at));
        within.map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }

    /// How long after `span` began `least` answers a second came for `window` without a break; `None` if
    /// they never did.
    pub(crate) fn recovered(&self, span: Span, window: Duration, least: f64) -> Option<Duration> {
        let mut from = span.from;
        while from + window <= span.to {
            if self.goodput(Span { from, to: from + window }) >= least {
                return Some(from - span.from);
            }
            from += PERIOD;
        }
        None
    }

    /// Seconds of processor time that the victim has used.
    pub(crate) fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.victim));
        let stat = stat.unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields = after_name.split_whitespace().skip(11).take(2);
        fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.readings.over.store(true, Ordering::Relaxed);
        if let Some(watching) = self.watching.take() {
            // It has nothing to report.
            let _ = watching.join();
        }
    }
}

fn resident(process: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}
