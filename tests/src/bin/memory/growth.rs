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

/// One figure: messages a second, and the server's microseconds of processor time for each.
type Figure = (f64, f64);

/// Reports of 1 KiB, signed, sealed, acknowledged; 64 under way from each busy peer.
pub(crate) fn growth(seconds: f64) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "PEERS",
        "ALL BUSY",
        "CPU EACH",
        "TO ONE PEER",
        "ONE BUSY",
        "CPU EACH",
        "TO ONE PEER",
    ]);
    let mut first: Option<(Figure, Figure)> = None;
    for count in PEERS {
        let server = Server::own(Kind::Ours)?;
        let (mut crowd, took) = Role::crowd(Kind::Ours, &server.address(), 0, count)?;
        eprintln!("{count} sessions in {took:.1} s");
        let all = figure(&server, &mut crowd, count, seconds)?;
        std::thread::sleep(Duration::from_secs(1));
        let one = figure(&server, &mut crowd, 1, seconds)?;
        let (first_all, first_one) = *first.get_or_insert((all, one));
        table.add_row([
            count.to_string(),
            format!("{:.0}/s", all.0),
            format!("{:.2} µs", all.1),
            format!("{:.2}", all.0 / first_all.0),
            format!("{:.0}/s", one.0),
            format!("{:.2} µs", one.1),
            format!("{:.2}", one.0 / first_one.0),
        ]);
    }
    println!("{table}\ngoal: within 0.8 and 1.2 of one peer");
    Ok(())
}

fn figure(server: &Server, crowd: &mut Role, busy: u32, seconds: f64) -> Result<Figure, Failure> {
    // Streams are opened and buffers filled first; of a thousand peers each has 64 messages to sign.
    crowd.tell(&format!("busy {busy}"))?;
    std::thread::sleep(Duration::from_secs_f64(seconds / 4.0).max(FILLING));
    crowd.tell(&format!("busy {busy}"))?;
    let before = taken(server.pid())?.cpu;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    crowd.tell("still")?;
    let line = crowd.line()?;
    let cpu = taken(server.pid())?.cpu - before;
    let mut words = line.split(' ').map(str::parse::<f64>);
    let (Some(Ok(count)), Some(Ok(took))) = (words.next(), words.next()) else {
        return Err(format!("it said {line:?}").into());
    };
    Ok((count / took, cpu * 1e6 / count.max(1.0)))
}
