//! A short flood of each kind: honest peers are not shut out, memory stays within bounds that hold only if every
//! limit on it does, and once it is over everything is as before. How much is left to honest peers meanwhile
//! `scripts/bench flood` measures: here others use the cores.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::process::Command;

use serde_json::Value;

/// Runs attacks one after the other on one node that may have so many MiB of data, with bounds that hold
/// on a busy machine too.
fn flood(attacks: &str, most_memory: &str) -> Vec<Value> {
    let ran = Command::new(env!("CARGO_BIN_EXE_flood"))
        .args(["--only", attacks, "--same", "--unpinned", "--json", "--seconds", "1.5"])
        .args(["--place", "loopback"])
        .args(["--rate", "50", "--least-goodput", "0.05", "--most-recovery", "5000"])
        .args(["--most-memory", most_memory, "--memory-limit", "160"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let complained = String::from_utf8_lossy(&ran.stderr);
    let outcomes: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(ran.status.success(), "{complained}{said}");
    for outcome in &outcomes {
        println!("{outcome}");
        assert!(outcome["rate"].as_f64().unwrap() > 0.0, "nothing happened: {outcome}");
        assert!(outcome["before"].as_f64().unwrap() > 25.0, "nobody asked: {outcome}");
    }
    outcomes
}

#[test]
fn connections_and_handshakes_of_strangers() {
    // Strangers have 256 places, which take some 17 MiB; twice as many would take 33.
    let outcomes = flood("silent,noise-held,stranger-inits,forged-inits", "28");
    assert_eq!(outcomes.len(), 4);
}

/// Each of 256 strangers may have 64 KiB in a frame of Noise, 256 KiB on each stream, and 16 KiB in each name:
/// together hundreds of mebibytes.
#[test]
fn strangers_who_leave_much_unread() {
    let outcomes = flood("half-noise,hoard,long-names", "40");
    assert_eq!(outcomes.len(), 3);
}

#[test]
fn peers_that_were_let_in() {
    let attacks = "heartbeats,bad-signatures,streams,half-open,slow-writer,huge-frames";
    let outcomes = flood(attacks, "24");
    assert_eq!(outcomes.len(), 6);
}
