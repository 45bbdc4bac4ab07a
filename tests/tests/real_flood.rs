//! A short flood of each kind: honest peers are not shut out, memory stays within bounds that hold only if every
//! limit on it does, an attack costs the node little, and once it is over everything is as before. How much is left to
//! honest peers meanwhile `scripts/bench flood` measures: here others use the cores.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::process::Command;

use serde_json::Value;

/// An attack, and how much of the node's processor each of its connections, requests or frames may take, as
/// a part of what an answer to an honest peer takes: both are slower in a build for tests, and neither
/// counts the time that other programs have.
type Attack = (&'static str, f64);

/// Runs attacks one after the other on one node that may have so many MiB of data, with bounds that hold
/// on a busy machine too.
fn flood(attacks: &[Attack], transport: &str, most_memory: &str) {
    let names: Vec<&str> = attacks.iter().map(|(name, _)| *name).collect();
    let ran = Command::new(env!("CARGO_BIN_EXE_flood"))
        .args(["--only", &names.join(","), "--same", "--unpinned", "--json", "--seconds", "1.2"])
        .args(["--place", "loopback", "--transport", transport])
        .args(["--rate", "50", "--least-goodput", "0.05", "--most-recovery", "5000"])
        .args(["--most-memory", most_memory, "--memory-limit", "160"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{complained}{said}");
    let outcomes: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(outcomes.len(), attacks.len());
    for outcome in &outcomes {
        println!("{outcome}");
        let figure = |name: &str| outcome[name].as_f64().unwrap();
        assert!(figure("rate") > 0.0, "nothing happened: {outcome}");
        assert!(figure("before") > 25.0, "nobody asked: {outcome}");
        let name = outcome["attack"].as_str().unwrap().split(',').next().unwrap();
        let (_, most) = attacks.iter().find(|(attack, _)| *attack == name).unwrap();
        let cost = figure("cost_us") / figure("answer_us");
        println!("{name}: {cost:.3} answers each");
        assert!(cost <= *most, "{cost} answers each: {outcome}");
    }
}

#[test]
fn connections_and_handshakes_of_strangers() {
    // Strangers have 128 places, which take some 9 MiB; twice as many would take 17.
    let attacks =
        [("silent", 9.0), ("noise-held", 9.0), ("stranger-inits", 9.0), ("forged-inits", 9.0)];
    flood(&attacks, "tcp", "20");
}

/// Each of the strangers may have 64 KiB in a frame of Noise, 256 KiB on each stream, and 16 KiB in each name:
/// together hundreds of mebibytes.
#[test]
fn strangers_who_leave_much_unread() {
    flood(&[("half-noise", 9.0), ("hoard", 9.0), ("long-names", 9.0)], "tcp", "24");
}

/// The same over QUIC, where each has a window of a mebibyte.
#[test]
fn strangers_over_quic() {
    flood(&[("hoard", 9.0), ("long-names", 9.0)], "quic", "24");
}

#[test]
fn peers_that_were_let_in() {
    let attacks = [
        ("heartbeats", 9.0),
        ("bad-signatures", 9.0),
        ("streams", 9.0),
        ("half-open", 9.0),
        ("slow-writer", 9.0),
        ("huge-frames", 9.0),
    ];
    flood(&attacks, "tcp", "24");
}
