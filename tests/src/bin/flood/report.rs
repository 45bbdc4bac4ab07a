//! The table, and what the goals say to it.

use comfy_table::{CellAlignment, Table};

use crate::bout::Outcome;

/// What an attack may do at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goals {
    /// What is left of the goodput of honest peers, at least.
    pub(crate) goodput: f64,
    /// Growth of the victim's memory, in mebibytes.
    pub(crate) memory: f64,
    /// Until honest peers, and new ones, have what they had, in milliseconds.
    pub(crate) recovery: f64,
    /// The log, in bytes.
    pub(crate) log: u64,
    /// Time of the victim's processor for each connection, request or frame, in microseconds.
    pub(crate) cost: f64,
}

impl Goals {
    /// What is missed, in a few words.
    pub(crate) fn missed(&self, outcome: &Outcome) -> Vec<&'static str> {
        let recovery = outcome.recovery_ms.unwrap_or(f64::INFINITY);
        let missed = [
            (!outcome.alive, "it died"),
            (outcome.ratio() < self.goodput, "goodput"),
            (mebibytes(outcome.memory) > self.memory, "memory"),
            (recovery > self.recovery, "recovery"),
            (outcome.newcomer_ms > self.recovery, "newcomer"),
            (outcome.log > self.log, "log"),
            (outcome.cost_us > self.cost, "cost"),
        ];
        missed.into_iter().filter(|(missed, _)| *missed).map(|(_, what)| what).collect()
    }
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Prints all of it.
pub(crate) fn print(outcomes: &[Outcome], goals: &Goals) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "attack", "a second", "before/s", "during/s", "left", "wait ms", "in it ms", "lost", "MiB",
        "back ms", "new ms", "core", "µs each", "log", "",
    ]);
    for outcome in outcomes {
        let missed = goals.missed(outcome);
        table.add_row([
            outcome.attack.clone(),
            format!("{:.0}", outcome.rate),
            format!("{:.0}", outcome.before),
            format!("{:.0}", outcome.during),
            format!("{:.2}", outcome.ratio()),
            format!("{:.0}", outcome.wait_before_ms),
            format!("{:.0}", outcome.wait_during_ms),
            outcome.failed.to_string(),
            format!("{:.1}", mebibytes(outcome.memory)),
            outcome.recovery_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms:.0}")),
            format!("{:.0}", outcome.newcomer_ms),
            format!("{:.2}", outcome.processor),
            format!("{:.0}", outcome.cost_us),
            outcome.log.to_string(),
            if missed.is_empty() { "ok".to_owned() } else { missed.join(", ") },
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
