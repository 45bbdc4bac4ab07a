//! A short flood of each kind: honest peers are not shut out, memory stays within bounds, refusing costs the node less
//! than answering, and once it is over everything is as before. How much is left to honest peers meanwhile
//! `scripts/bench flood` measures: here others use the cores.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::process::Command;

use serde_json::Value;

/// Most of the node's processor for each connection, request or frame of an attack, in answers to an honest
/// peer: both are slower in a build for tests, and neither counts the time that other programs have.
const MOST_ANSWERS: f64 = 1.0;

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
        let figure = |name: &str| outcome[name].as_f64().unwrap();
        assert!(figure("rate") > 0.0, "nothing happened: {outcome}");
        assert!(figure("before") > 25.0, "nobody asked: {outcome}");
        let each = figure("cost_us") / figure("answer_us");
        assert!(each <= MOST_ANSWERS, "{each} answers each: {outcome}");
    }
    outcomes
}

#[test]
fn connections_and_handshakes_of_strangers() {
    // Strangers have 86 places, which take some 6 MiB; three times as many would take 17.
    let outcomes = flood("silent,noise-held,stranger-inits,forged-inits", "20");
    assert_eq!(outcomes.len(), 4);
}

/// Each of the strangers may have 64 KiB in a frame of Noise, 256 KiB on each stream, and 16 KiB in each name:
/// together hundreds of mebibytes.
#[test]
fn strangers_who_leave_much_unread() {
    let outcomes = flood("half-noise,hoard,long-names", "28");
    assert_eq!(outcomes.len(), 3);
}

#[test]
fn peers_that_were_let_in() {
    let attacks = "heartbeats,bad-signatures,streams,half-open,slow-writer,huge-frames";
    let outcomes = flood(attacks, "20");
    assert_eq!(outcomes.len(), 6);
}
