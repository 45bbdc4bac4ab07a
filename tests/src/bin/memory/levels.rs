//! Idle nodes and idle connections.

use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use peer_tests::processes::{Node, Options};

use crate::process::{Role, Server, name, taken};
use crate::swarms::Kind;
use crate::{Failure, median};

/// Until what connecting took is given back, and what is written later is written.
const SETTLING: Duration = Duration::from_secs(8);

/// A node that does nothing.
pub(crate) fn idle(seconds: u64) -> Result<(), Failure> {
    let root = tempfile::tempdir()?;
    let options = Options::tcp(root.path(), "idle");
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned(), "/ip4/127.0.0.1/udp/0/quic-v1".to_owned()];
    let node = Node::start(Options { listen, ..options })?;
    std::thread::sleep(Duration::from_secs(seconds));
    let taken = taken(node.id())?;
    println!(
        "idle node after {seconds} s: {:.1} MiB resident, {:.1} MiB of it its own (goal: at most 30)",
        taken.resident / 1024.0,
        taken.own / 1024.0
    );
    Ok(())
}

/// What is measured: a whole node, or a server of a kind.
type Contestant = (&'static str, Option<Kind>);

const CONTESTANTS: [Contestant; 4] = [
    ("whole node, session", None),
    ("this protocol, session", Some(Kind::Ours)),
    ("raw libp2p, like behaviours", Some(Kind::Like)),
    ("raw libp2p, request-response", Some(Kind::Bare)),
];

/// KiB a connection, round by round.
pub(crate) fn connections(count: u32, rounds: usize) -> Result<(), Failure> {
    let root = tempfile::tempdir()?;
    let mut figures = vec![Vec::new(); CONTESTANTS.len()];
    for round in 0..rounds {
        for (place, (what, kind)) in CONTESTANTS.iter().enumerate() {
            let server = match kind {
                None => {
                    Server::node(root.path(), &format!("server{round}"), 8 * count.max(128), 0)?
                }
                Some(kind) => Server::own(*kind)?,
            };
            std::thread::sleep(SETTLING / 4);
            let before = taken(server.pid())?.own;
            let kind = kind.unwrap_or(Kind::Ours);
            let (crowd, seconds) = Role::crowd(kind, &server.address(), 0, count)?;
            std::thread::sleep(SETTLING);
            let after = taken(server.pid())?.own;
            let each = (after - before) / f64::from(count);
            eprintln!(
                "round {}: {what} ({}): {each:.1} KiB each; {count} in {seconds:.1} s",
                round + 1,
                name(kind)
            );
            figures[place].push(each);
            drop(crowd);
        }
    }
    let like = median(figures[2].clone());
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "SERVER OF IDLE CONNECTIONS",
        "KiB EACH",
        "RANGE",
        "RATIO",
    ]);
    for ((what, _), figures) in CONTESTANTS.iter().zip(figures) {
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(0.0, f64::max);
        let middle = median(figures);
        table.add_row([
            (*what).to_owned(),
            format!("{middle:.1}"),
            format!("{least:.1} to {most:.1}"),
            format!("{:.2}", middle / like),
        ]);
    }
    println!("{table}\nratio: to raw libp2p with like behaviours; goal: at most 1.3");
    Ok(())
}
