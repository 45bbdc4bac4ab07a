//! Tables.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use peer_contest::Workload;

use crate::contestant::Contestant;
use crate::goals::goal;
use crate::results::{Results, number};
use crate::shapes::Entrant;

const fn title(workload: Workload) -> &'static str {
    match workload {
        Workload::Ask64 => "64 B asked and answered, one after the other",
        Workload::Ask1k => "1 KiB asked and answered, one after the other",
        Workload::Flow1k => "1 KiB, 64 in flight, each acknowledged",
        Workload::Bulk256k => "256 KiB, 4 in flight, each acknowledged",
        Workload::Bulk1m => "1 MiB, 4 in flight, each acknowledged",
        Workload::Connect => "connected, 64 B asked and answered, closed; one after the other",
    }
}

/// A contestant a line: its numbers, and ours as a part or multiple of them.
pub(crate) fn table(workload: Workload, entrants: &[Entrant], results: &Results) -> String {
    let number = number(workload);
    let mut table = Table::new();
    table.load_style(NOTHING);
    let asks = matches!(workload, Workload::Ask64 | Workload::Ask1k);
    let with = if asks { "p99 µs" } else { "" };
    table.set_header([
        "",
        "threads",
        number.name,
        "min–max",
        with,
        "CPU µs",
        "ours",
        "ours-pure",
        "goal",
        "",
    ]);
    let median = |who| results.spread(who, workload, |it| number.of(it)).map(|it| it.median);
    for entrant in entrants {
        let who = entrant.contestant;
        let Some(spread) = results.spread(who, workload, |it| number.of(it)) else { continue };
        let of = |pick: fn(&peer_contest::Measured) -> f64| {
            results.spread(who, workload, pick).map_or_else(String::new, |it| shown(it.median))
        };
        let ratio = |ours| median(ours).map(|ours: f64| ours / spread.median);
        let ratio_shown =
            |ours| ratio(ours).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let is_ours = matches!(who, Contestant::Ours | Contestant::OursPure);
        let goal = goal(workload, who);
        let sign = if number.is_cost { "≤" } else { "≥" };
        let verdict = match (goal, ratio(Contestant::Ours)) {
            (Some(goal), Some(ratio)) if ratio <= goal && number.is_cost => "met",
            (Some(goal), Some(ratio)) if ratio >= goal && !number.is_cost => "met",
            (Some(_), Some(_)) => "not met",
            _ => "",
        };
        table.add_row([
            who.to_string(),
            entrant.threads(workload).map_or_else(String::new, |it| it.to_string()),
            shown(spread.median),
            format!("{}–{}", shown(spread.least), shown(spread.most)),
            if asks { of(|it| it.p99_us) } else { String::new() },
            of(|it| it.cpu_us),
            if is_ours { String::new() } else { ratio_shown(Contestant::Ours) },
            if is_ours { String::new() } else { ratio_shown(Contestant::OursPure) },
            goal.map_or_else(String::new, |goal| format!("{sign} {goal}")),
            verdict.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(6) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}\n{table}", title(workload));
    text
}

/// Three digits that count, or whole numbers.
fn shown(number: f64) -> String {
    match number {
        _ if number >= 100.0 => format!("{number:.0}"),
        _ if number >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
