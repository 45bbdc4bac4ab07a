//! Whether a message costs more with many peers.

use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::Failure;
use crate::process::{Role, Server, taken};
use crate::swarms::Kind;

/// Peers at once.
const PEERS: [u32; 4] = [1, 10, 100, 1000];

/// Until everybody who is busy has as much under way as it may have.
const FILLING: Duration = Duration::from_secs(2);

/// Until one peer has made the table of the server's key that all of them use.
const ALONE: Duration = Duration::from_millis(500);

/// One figure.
#[derive(Debug, Clone, Copy)]
struct Figure {
    /// Messages a second.
    rate: f64,
    /// Microseconds of processor time for each: the server's, and its peers'.
    server: f64,
    peers: f64,
}

impl Figure {
    /// As a part of a table; `first` is of one peer.
    fn row(self, first: Self) -> [String; 5] {
        [
            format!("{:.0}/s", self.rate),
            format!("{:.2}", self.rate / first.rate),
            format!("{:.2} µs", self.server),
            format!("{:.2}", first.server / self.server),
            format!("{:.2} µs", self.peers),
        ]
    }
}

/// Reports of 1 KiB, signed, sealed, acknowledged; 64 under way from each busy peer.
pub(crate) fn growth(seconds: f64) -> Result<(), Failure> {
    let mut table = Table::new();
    let part = ["", "TO ONE", "CPU EACH", "TO ONE", "PEERS' CPU"];
    let [mut all, mut one] = [part; 2];
    (all[0], one[0]) = ("ALL BUSY", "ONE BUSY");
    table.load_style(NOTHING).set_header(["PEERS"].into_iter().chain(all).chain(one));
    let mut first: Option<(Figure, Figure)> = None;
    for count in PEERS {
        let server = Server::own(Kind::Ours)?;
        let (mut crowd, took) = Role::crowd(Kind::Ours, &server.address(), 0, count)?;
        eprintln!("{count} sessions in {took:.1} s");
        crowd.tell("busy 1")?;
        std::thread::sleep(ALONE);
        let all = figure(&server, &mut crowd, count, seconds)?;
        std::thread::sleep(Duration::from_secs(1));
        let one = figure(&server, &mut crowd, 1, seconds)?;
        let (first_all, first_one) = *first.get_or_insert((all, one));
        let parts = all.row(first_all).into_iter().chain(one.row(first_one));
        table.add_row(std::iter::once(count.to_string()).chain(parts));
    }
    println!(
        "{table}\nto one: to one peer; of CPU its inverse, which is what the server could take if its peers, all in one \
         thread, were as fast; goal: within 0.8 and 1.2"
    );
    Ok(())
}

fn figure(server: &Server, crowd: &mut Role, busy: u32, seconds: f64) -> Result<Figure, Failure> {
    // Streams are opened and buffers filled first; of a thousand peers each has 64 messages to sign.
    crowd.tell(&format!("busy {busy}"))?;
    std::thread::sleep(Duration::from_secs_f64(seconds / 4.0).max(FILLING));
    crowd.tell(&format!("busy {busy}"))?;
    let cpu = |crowd: &Role| -> Result<_, Failure> {
        Ok((taken(server.pid())?.cpu, taken(crowd.pid())?.cpu))
    };
    let before = cpu(crowd)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    crowd.tell("still")?;
    let line = crowd.line()?;
    let after = cpu(crowd)?;
    let mut words = line.split(' ').map(str::parse::<f64>);
    let (Some(Ok(count)), Some(Ok(took))) = (words.next(), words.next()) else {
        return Err(format!("it said {line:?}").into());
    };
    let each = |cpu: f64| cpu * 1e6 / count.max(1.0);
    let (server, peers) = (each(after.0 - before.0), each(after.1 - before.1));
    Ok(Figure { rate: count / took, server, peers })
}
