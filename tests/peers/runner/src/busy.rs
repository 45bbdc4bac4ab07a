//! How busy the machine was with other things, as Linux tells it in hundredths of a second.

use std::fs;

/// Ticks since the machine started: all of them, those that it worked, and those of these processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Busy {
    all: u64,
    worked: u64,
    own: u64,
}

impl Busy {
    /// Now; `None` where that is not told. `drivers` are processes whose children count too.
    pub(crate) fn now(drivers: impl Iterator<Item = u32>) -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u64> = numbers(stat.lines().next()?);
        // user, nice, system, idle, waiting for the disk, interrupts, soft interrupts, stolen; what follows is in `user`.
        let all: u64 = ticks.iter().take(8).sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        let own = drivers.flat_map(|id| [vec![id], children(id)].concat()).map(used).sum();
        Some(Self { all, worked: all - idle, own })
    }

    /// Which part of the machine's time others took since `before`.
    pub(crate) fn others_since(self, before: Self) -> f64 {
        let worked = self.worked.saturating_sub(before.worked);
        let others = worked.saturating_sub(self.own.saturating_sub(before.own));
        others as f64 / self.all.saturating_sub(before.all).max(1) as f64
    }
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn children(id: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// What a process has used, in its own code and in the kernel.
fn used(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum()
}
