//! What the mesh prints.

use std::io::Write as _;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use peer_tests::processes::Node;

use crate::exchange::Row;

/// Prints the table, or JSON.
pub(crate) fn table(rows: &[Row], json: bool) {
    if json {
        print(&serde_json::to_string(rows).unwrap_or_default());
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["FROM", "TO", "HANDSHAKE", "SESSION", "SUITE", "ROUND TRIP", "RESULT"]);
    for row in rows {
        let round_trip = row
            .round_trip_us
            .map_or_else(|| "-".to_owned(), |micros| format!("{:.1} ms", micros as f64 / 1000.0));
        let result =
            if row.failures.is_empty() { "ok".to_owned() } else { row.failures.join("\n") };
        table.add_row([
            &row.from,
            &row.to,
            &row.handshake,
            &row.session,
            &row.suite,
            &round_trip,
            &result,
        ]);
    }
    print(&table.to_string());
    let failed = rows.iter().filter(|row| !row.failures.is_empty()).count();
    if failed > 0 {
        note(&format!("{failed} of {} pairs failed", rows.len()));
    } else {
        note(&format!("all {} pairs: everything arrived and was decrypted", rows.len()));
    }
}

/// How to go on with nodes that were left running.
pub(crate) fn kept(nodes: &[Node]) {
    let program = peer_tests::processes::program();
    for node in nodes {
        let (program, dir) = (program.display(), node.dir().display());
        note(&format!("{}: {program} --data-dir {dir} status", node.entity()));
    }
    let ids: Vec<_> = nodes.iter().map(|node| node.id().to_string()).collect();
    note(&format!("stop them with: kill {}", ids.join(" ")));
}

/// Prints a line for people.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
