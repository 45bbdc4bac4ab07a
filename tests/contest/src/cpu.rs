//! Processor time of a process, as Linux tells it.

use std::fs;
use std::time::Duration;

/// What all threads of process `id` have used, in nanoseconds' resolution; zero where that is not told.
/// Threads that have ended do not count.
pub(crate) fn of(id: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return Duration::ZERO };
    let used = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(used).sum())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn work_shows() {
        let id = std::process::id();
        let before = of(id);
        let begun = Instant::now();
        let mut sum = 0_u64;
        // However busy the machine is, some milliseconds of work come about.
        while begun.elapsed() < Duration::from_secs(20)
            && of(id) < before + Duration::from_millis(5)
        {
            sum = (0..100_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(of(id) >= before + Duration::from_millis(5), "work does not show ({sum})");
    }
}
