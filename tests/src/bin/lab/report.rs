//! What the laboratory prints.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::scenarios::Scenario;

/// Lines of each node's log that a failure shows.
const TAIL: usize = 25;
/// Characters of a note that the table shows.
const WIDTH: usize = 100;

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Everything was as it should be.
    Passed,
    /// Something was not.
    Failed,
    /// It could not be played.
    Skipped,
}

/// A line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    pub(crate) notes: Vec<String>,
}

impl Row {
    /// A line for `scenario`.
    pub(crate) fn new(
        scenario: &Scenario,
        outcome: Outcome,
        took: Duration,
        notes: Vec<String>,
    ) -> Self {
        Self { scenario: scenario.name, outcome, seconds: took.as_secs_f64(), notes }
    }
}

/// Prints what there is to run.
pub(crate) fn list(scenarios: &[Scenario]) {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["SCENARIO", "LENGTH", "SHOWS"]);
    for scenario in scenarios {
        let length = if scenario.short { "short" } else { "long" };
        table.add_row([scenario.name, length, scenario.shows]);
    }
    print(&table.to_string());
}

/// Prints the results.
pub(crate) fn results(rows: &[Row], json: bool) {
    if json {
        print(&serde_json::to_string(rows).unwrap_or_default());
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["SCENARIO", "RESULT", "TIME", "WHAT CAME OF IT"]);
    for row in rows {
        let result = match row.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        let time = format!("{:.1} s", row.seconds);
        let notes: Vec<_> = row.notes.iter().map(|note| short(note)).collect();
        table.add_row([row.scenario, result, &time, &notes.join("\n")]);
    }
    print(&table.to_string());
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    note(&format!(
        "{} passed, {} failed, {} skipped, in {:.0} s",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Skipped),
        rows.iter().map(|row| row.seconds).sum::<f64>()
    ));
}

/// The beginning of a note; a failure has been printed in full already.
fn short(note: &str) -> String {
    let line = note.lines().next().unwrap_or_default();
    let kept: String = line.chars().take(WIDTH).collect();
    if kept.len() < note.len() { format!("{kept} …") } else { kept }
}

/// Prints the end of every log below `root`.
pub(crate) fn logs(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    let mut nodes: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    nodes.sort();
    for node in nodes {
        let Ok(log) = std::fs::read_to_string(node.join("node.log")) else { continue };
        note(&format!("--- the end of {}", node.join("node.log").display()));
        let lines: Vec<_> = log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(TAIL)) {
            note(line);
        }
    }
}

/// Prints a line for people.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a line that was asked for.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
