//! Faults of the machine that a node is on: a disk that fills up while it runs.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use peer_tests::processes::{CommandFailed, Node, Options, eventually};
use serde_json::Value;

/// Set inside the mount namespace: where the small disk is.
const DISK: &str = "FAULTS_DISK";

/// Whether the test goes on here, with a disk of so many MiB at the path. Otherwise it has run in a mount
/// namespace of its own, or was skipped where that is not allowed.
fn on_a_small_disk(test: &str, mib: u64) -> Option<std::path::PathBuf> {
    if let Some(disk) = std::env::var_os(DISK) {
        return Some(disk.into());
    }
    let allowed = Command::new("unshare").args(["-m", "true"]).output();
    if !allowed.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: a small disk takes root");
        return None;
    }
    let disk = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={mib}m none \"${DISK}\" && exec \"$@\"");
    let inside = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(DISK, disk.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout);
    let complained = String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "{said}");
    None
}

/// Fills the disk until nothing more fits.
fn fill(path: &Path) {
    let mut ballast = File::create(path).unwrap();
    while ballast.write_all(&[7; 4096]).is_ok() {}
}

fn report(from: &Node, number: usize, content: &str) -> Result<Value, CommandFailed> {
    from.run(&["report", "entity_b", &number.to_string(), content, "--wait", "queued"])
}

#[test]
fn a_disk_that_fills_up_costs_nothing_that_was_accepted_and_no_restart() {
    let name = "a_disk_that_fills_up_costs_nothing_that_was_accepted_and_no_restart";
    let Some(disk) = on_a_small_disk(name, 32) else { return };
    let root = tempfile::tempdir().unwrap();
    let generous = |root: &Path, entity: &str| {
        let options = Options::tcp(root, entity);
        std::fs::create_dir_all(&options.dir).unwrap();
        let config = "[rate.task]\nper_minute = 1000000\nburst = 100000\n";
        std::fs::write(options.dir.join("config.toml"), config).unwrap();
        options
    };
    let mut b = Node::start(generous(root.path(), "entity_b")).unwrap();
    let a = Node::start(generous(&disk, "entity_a")).unwrap();
    a.run(&["connect", &b.address()]).unwrap();
    report(&a, 0, "the first").unwrap();
    let told = || b.run(&["inbox", "list"]).unwrap_or_default()["total"] == 1;
    assert!(eventually(Duration::from_secs(10), told));
    b.kill();

    let ballast = disk.join("ballast");
    fill(&ballast);
    let content = "x".repeat(20_000);
    let mut accepted = vec![0];
    let mut try_some = |numbers: std::ops::Range<usize>| {
        let mut refused = None;
        for number in numbers {
            match report(&a, number, &content) {
                Ok(_) => accepted.push(number),
                Err(error) => refused = Some(error),
            }
            if refused.is_some() {
                break;
            }
        }
        refused
    };
    let refused = try_some(1..500).expect("nothing more fits");
    for part in ["not_kept", "make room"] {
        assert!(refused.output.contains(part), "{part}: {refused}");
    }
    // It lives, and says what is wrong.
    let (code, doctor) = match a.run(&["doctor"]) {
        Ok(findings) => (Some(0), findings.to_string()),
        Err(failed) => (failed.code, failed.output),
    };
    assert_eq!(code, Some(1), "{doctor}");
    assert!(doctor.contains("store"), "{doctor}");

    std::fs::remove_file(&ballast).unwrap();
    let again = eventually(Duration::from_secs(20), || try_some(1_000..1_001).is_none());
    assert!(again, "there is room again: {}", a.log());
    assert!(try_some(1_001..1_006).is_none());
    b.restart().unwrap();
    let arrived = || b.run(&["inbox", "list", "--limit", "1000"]).unwrap_or_default();
    let all = eventually(Duration::from_secs(30), || arrived()["total"] == accepted.len());
    assert!(all, "{} accepted, {}", accepted.len(), arrived());
    let mut statuses = Vec::new();
    for line in arrived()["items"].as_array().unwrap() {
        let shown = b.run(&["inbox", "show", line["message_id"].as_str().unwrap()]).unwrap();
        statuses.push(shown["status"].as_str().unwrap().parse::<usize>().unwrap());
    }
    assert_eq!(statuses, accepted);
}
