//! Playing scenarios, one after the other, each in a network of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::build::Build;
use crate::clean;
use crate::finding::Finding;
use crate::interrupt;
use crate::network::PREFIX;
use crate::report::{self, Outcome, Row};
use crate::scenarios::{self, Scenario};
use crate::stage::Stage;

/// What to play.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
pub(crate) struct Args {
    /// Scenarios, by name
    #[arg(value_name = "NAME", group = "which")]
    names: Vec<String>,
    /// All of them
    #[arg(long, group = "which")]
    all: bool,
    /// The short ones
    #[arg(long, group = "which")]
    short: bool,
    /// Keep the logs of what passed too, and say where they are
    #[arg(long)]
    keep: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The scenarios that are meant.
    ///
    /// # Errors
    /// The exit code if there is none of a given name.
    pub(crate) fn chosen(&self) -> Result<Vec<&'static Scenario>, ExitCode> {
        if self.names.is_empty() {
            return Ok(scenarios::ALL.iter().filter(|s| self.all || s.short).collect());
        }
        let named = |name: &String| scenarios::named(name).ok_or_else(|| unknown(name));
        self.names.iter().map(named).collect()
    }
}

/// Says that no scenario is called `name`.
pub(crate) fn unknown(name: &str) -> ExitCode {
    report::note(&format!("error: no scenario is called '{name}'; `scripts/lab list` prints them"));
    ExitCode::from(2)
}

/// Plays them all and prints the table.
pub(crate) fn all(chosen: &[&'static Scenario], args: &Args, require: bool) -> ExitCode {
    let build = Build::ask();
    let mut rows = Vec::new();
    for (index, scenario) in chosen.iter().enumerate() {
        report::note(&format!("[{}/{}] {} …", index + 1, chosen.len(), scenario.name));
        rows.push(one(scenario, &build, index, args.keep));
    }
    report::results(&rows, args.json);
    let ended = |outcome| rows.iter().any(|row| row.outcome == outcome);
    // Logs of failures stay; an empty directory does not.
    let _ = std::fs::remove_dir(clean::root(std::process::id()));
    if ended(Outcome::Failed) || (require && ended(Outcome::Skipped)) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn one(scenario: &'static Scenario, build: &Build, index: usize, keep: bool) -> Row {
    let begun = Instant::now();
    if let Some(missing) = scenario.needs.iter().find(|need| !build.has(need)) {
        let why = Finding::Missing(missing).to_string();
        return Row::new(scenario, Outcome::Skipped, begun.elapsed(), vec![why]);
    }
    let (prefix, root) = place(scenario, index);
    let (notes, result) = match Stage::new(prefix, root.clone()) {
        Ok(stage) => {
            let result = watched(scenario, &stage);
            (stage.notes(), result)
        }
        Err(finding) => (Vec::new(), Err(finding)),
    };
    interrupt::pass();
    let (outcome, notes) = concluded(scenario, &root, notes, result, keep);
    Row::new(scenario, outcome, begun.elapsed(), notes)
}

/// Where a scenario of this run lives: the beginning of its namespaces' names, and its directory.
pub(crate) fn place(scenario: &Scenario, index: usize) -> (String, PathBuf) {
    let run = std::process::id();
    (format!("{PREFIX}{run}-{index}-"), clean::root(run).join(scenario.name))
}

/// Plays it; a panic is a finding like any other, and the network goes as it does otherwise.
pub(crate) fn watched(scenario: &Scenario, stage: &Stage) -> Result<(), Finding> {
    catch_unwind(AssertUnwindSafe(|| (scenario.play)(stage))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Finding::Panicked(text.unwrap_or_default()))
    })
}

fn concluded(
    scenario: &Scenario,
    root: &std::path::Path,
    mut notes: Vec<String>,
    result: Result<(), Finding>,
    keep: bool,
) -> (Outcome, Vec<String>) {
    match result {
        Ok(()) => {
            if keep {
                notes.push(format!("logs: {}", root.display()));
            } else {
                let _ = std::fs::remove_dir_all(root);
            }
            (Outcome::Passed, notes)
        }
        Err(finding) => {
            report::note(&format!("{}: {finding}", scenario.name));
            report::logs(root);
            notes.push(finding.to_string());
            notes.push(format!("logs: {}", root.display()));
            (Outcome::Failed, notes)
        }
    }
}
