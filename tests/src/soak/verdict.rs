//! What may grow, and what may not.

use super::fit;
use super::samples::Levels;

/// What is a failure.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most KiB an hour by which memory may grow, if the run is long enough to tell.
    pub kib_per_hour: Option<f64>,
    /// Most KiB by which the median of the last third may lie above that of the second.
    pub kib_at_last: f64,
}

/// How the levels of one node went.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// At rest, after the warm-up.
    pub before: Levels,
    /// At rest, in the end.
    pub after: Levels,
    /// By how many KiB an hour its own memory grew without the store's cache: the median of the slopes of all
    /// pairs of readings. This is what is judged.
    pub rest_slope: f64,
    /// The same with the cache.
    pub own_slope: f64,
    /// Medians of its own memory, with the cache, over equal stretches of time, in KiB.
    pub windows: Vec<f64>,
    /// Readings.
    pub readings: usize,
    /// What is wrong.
    pub findings: Vec<String>,
}

impl Verdict {
    pub(super) fn new(during: &[Levels], before: Levels, after: Levels, bounds: Bounds) -> Self {
        let own: Vec<_> = during.iter().map(|levels| (levels.at, levels.own)).collect();
        let rest: Vec<_> = during.iter().map(|levels| (levels.at, levels.rest())).collect();
        let mut verdict = Self {
            own_slope: fit::slope(&own),
            rest_slope: fit::slope(&rest),
            windows: fit::windows(&own, 6),
            readings: during.len(),
            findings: Vec::new(),
            before,
            after,
        };
        verdict.findings = verdict.judge(&fit::windows(&rest, 3), bounds);
        verdict
    }

    fn judge(&self, thirds: &[f64], bounds: Bounds) -> Vec<String> {
        let mut findings = Vec::new();
        let mut back = |what: &str, before: f64, after: f64| {
            if after > before {
                findings.push(format!("{after} {what} instead of {before} at rest"));
            }
        };
        back("descriptors", self.before.files, self.after.files);
        back("threads", self.before.threads, self.after.threads);
        if let Some(most) = bounds.kib_per_hour
            && self.rest_slope > most
        {
            findings.push(format!("memory grows by {:.0} KiB an hour", self.rest_slope));
        }
        let [_, second, last] = thirds else {
            findings.push(format!("{} readings are too few", self.readings));
            return findings;
        };
        if last - second > bounds.kib_at_last {
            findings.push(format!("memory grew from {second:.0} to {last:.0} KiB"));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(own: fn(f64) -> f64, files: f64, threads: f64) -> Vec<String> {
        let level = |at: f64, files, threads| Levels {
            at,
            own: own(at),
            files,
            threads,
            ..Levels::default()
        };
        let during: Vec<_> = (0..300).map(|at| level(f64::from(at) * 10.0, 90.0, 90.0)).collect();
        let bounds = Bounds { kib_per_hour: Some(1024.0), kib_at_last: 4096.0 };
        Verdict::new(&during, level(0.0, 20.0, 8.0), level(3000.0, files, threads), bounds).findings
    }

    #[test]
    fn what_does_not_come_back_is_found() {
        assert_eq!(verdict(|_| 20_000.0, 20.0, 8.0), Vec::<String>::new());
        assert!(verdict(|_| 20_000.0, 21.0, 8.0)[0].contains("descriptors"));
        assert!(verdict(|_| 20_000.0, 20.0, 9.0)[0].contains("threads"));
        assert_eq!(verdict(|at| 20_000.0 + at * 0.25, 20.0, 8.0), Vec::<String>::new());
        assert!(verdict(|at| 20_000.0 + at * 0.3, 20.0, 8.0)[0].contains("KiB an hour"));
        let jump = |at: f64| if at < 2_000.0 { 20_000.0 } else { 25_000.0 };
        assert!(verdict(jump, 20.0, 8.0).iter().any(|it| it.contains("memory grew")));
    }
}
