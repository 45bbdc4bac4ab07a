//! The table, and how far the goals are met.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::measure::Results;
use crate::{Args, Contender};

type Number = fn(&Results) -> f64;

const ROWS: [(&str, Number); 8] = [
    ("64 B ask and answer, p50 µs", |it| it.small.p50),
    ("64 B ask and answer, p99 µs", |it| it.small.p99),
    ("1 KiB ask and answer, p50 µs", |it| it.large.p50),
    ("1 KiB ask and answer, p99 µs", |it| it.large.p99),
    ("1 KiB, 64 in flight, messages/s", |it| it.flow),
    ("the same, CPU µs per message here", |it| it.flow_cpu),
    ("256 KiB, 4 in flight, MiB/s", |it| it.bulk_256),
    ("1 MiB, 4 in flight, MiB/s", |it| it.bulk_1024),
];

/// What ours is to be, of which rival's number, at most or at least.
struct Goal {
    name: &'static str,
    rival: Contender,
    number: Number,
    ratio: f64,
    at_most: bool,
}

const GOALS: [Goal; 5] = [
    goal("64 B ask and answer, p50", Contender::RequestResponse, |it| it.small.p50, 0.65, true),
    goal("1 KiB ask and answer, p50", Contender::RequestResponse, |it| it.large.p50, 0.65, true),
    goal("1 KiB, 64 in flight", Contender::RequestResponse, |it| it.flow, 10.0, false),
    goal("256 KiB in bulk", Contender::Raw, |it| it.bulk_256, 0.8, false),
    goal("1 MiB in bulk", Contender::Raw, |it| it.bulk_1024, 0.8, false),
];

const fn goal(
    name: &'static str,
    rival: Contender,
    number: Number,
    ratio: f64,
    at_most: bool,
) -> Goal {
    Goal { name, rival, number, ratio, at_most }
}

/// Prints all medians, and ours against the goals.
pub(crate) fn print(medians: &[(Contender, Results)], args: &Args) {
    println!(
        "{:?}, {:?} thread(s) a process, median of {} rounds, every message acknowledged\n",
        args.transport, args.threads, args.rounds
    );
    let mut table = Table::new();
    table.load_style(NOTHING);
    let names = medians.iter().map(|(contender, _)| contender.name());
    table.set_header(std::iter::once(String::new()).chain(names));
    for (name, number) in ROWS {
        let numbers = medians.iter().map(|(_, results)| format!("{:.1}", number(results)));
        table.add_row(std::iter::once(name.to_owned()).chain(numbers));
    }
    println!("{table}\n");
    let of = |wanted| medians.iter().find(|(contender, _)| *contender == wanted);
    let mut goals = Table::new();
    goals.load_style(NOTHING);
    goals.set_header(["OURS AGAINST", "RIVAL", "RATIO", "GOAL", ""]);
    for goal in GOALS {
        let (Some((_, ours)), Some((rival, theirs))) = (of(Contender::Ours), of(goal.rival)) else {
            continue;
        };
        let ratio = (goal.number)(ours) / (goal.number)(theirs);
        let met = if goal.at_most { ratio <= goal.ratio } else { ratio >= goal.ratio };
        let sign = if goal.at_most { "≤" } else { "≥" };
        goals.add_row([
            goal.name.to_owned(),
            rival.name(),
            format!("{ratio:.2}"),
            format!("{sign} {}", goal.ratio),
            if met { "met" } else { "not met" }.to_owned(),
        ]);
    }
    println!("{goals}");
}
