//! What the soak prints.

use std::io::Write as _;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use peer_tests::soak::{Levels, Outcome};

/// A line for people, at once.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What was done, and how the levels of those that stayed went.
pub(crate) fn table(outcome: &Outcome) {
    let account = outcome.account;
    say(&format!(
        "\nmessages: {} accepted, {} heard, {} of which nobody knows whether they were accepted, {} handed over again",
        account.accepted, account.heard, account.unheard, account.again
    ));
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["WHAT", "DONE", "NOT DONE"]);
    for (what, tally) in &outcome.tally {
        table.add_row([(*what).to_owned(), tally.done.to_string(), tally.failed.to_string()]);
    }
    say(&format!("{table}\n"));
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "NODE", "", "RESIDENT", "OWN", "FILES", "THREADS", "TASKS", "SESSIONS", "KNOWN", "CPU",
    ]);
    for (entity, verdict) in &outcome.watched {
        for (when, levels) in [("before", &verdict.before), ("after", &verdict.after)] {
            table.add_row(row(entity, when, levels));
        }
    }
    say(&table.to_string());
    for (entity, verdict) in &outcome.watched {
        let windows = verdict.windows.iter().map(|kib| format!("{:.1}", kib / 1024.0));
        say(&format!(
            "{entity}: own memory {:+.0} KiB an hour without the store's cache, {:+.0} with it, over {} readings; \
             medians of six stretches, with it, in MiB: {}",
            verdict.rest_slope,
            verdict.own_slope,
            verdict.readings,
            windows.collect::<Vec<_>>().join(" ")
        ));
    }
}

fn row(entity: &str, when: &str, levels: &Levels) -> [String; 10] {
    [
        entity.to_owned(),
        when.to_owned(),
        format!("{:.1} MiB", levels.resident / 1024.0),
        format!("{:.1} MiB", levels.own / 1024.0),
        levels.files.to_string(),
        levels.threads.to_string(),
        levels.tasks.to_string(),
        levels.sessions.to_string(),
        levels.known.to_string(),
        format!("{:.1} s", levels.cpu),
    ]
}
