//! wip
use peer_model::{config, search, variant};
use std::io::Write as _;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let variant = args.get(1).and_then(|n| variant::Variant::named(n)).unwrap_or(&variant::SOUND);
    let mut out = std::io::stdout().lock();
    for c in config::ALL.iter().filter(|c| args.first().is_none_or(|n| n == c.name || n == "all")) {
        let (m, o) = search::search(c, variant, None);
        let _ = writeln!(out, "{:20} states {:8} steps {:8} depth {:3} done {} terms {} {:?} {:?}", c.name, o.states, o.steps, o.depth, o.completed, m.terms.len(), o.took,
          o.attacks.iter().map(|a| (a.violation.property.name(), a.events.len())).collect::<Vec<_>>());
    }
}
