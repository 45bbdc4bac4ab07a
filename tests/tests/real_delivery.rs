//! Two nodes that are killed again and again while messages go from one to the other. In full:
//! `scripts/bench kills`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::Duration;

use peer_tests::processes::kills::{self, Plan};
use peer_tests::processes::{Node, Options, eventually};

#[test]
fn nothing_is_lost_repeated_or_reordered_by_kills() {
    let root = tempfile::tempdir().unwrap();
    let seed = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let limit = Duration::from_secs(100);
    let outcome = kills::run(root.path(), Plan { messages: 1_000, kills: 4, seed, limit });
    let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("{outcome:?}");
    // Each kill costs at most what was asked at that moment.
    assert!(outcome.accepted >= 1_000 - 4 * 17, "{outcome:?}");
}

/// The sender's disk fills up: callers are told, and what was accepted before arrives.
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let generous = |entity: &str| {
        let options = Options::tcp(root.path(), entity);
        std::fs::create_dir_all(&options.dir).unwrap();
        let config = "[rate.task]\nper_minute = 1000000\nburst = 100000\n";
        std::fs::write(options.dir.join("config.toml"), config).unwrap();
        options
    };
    let mut b = Node::start(generous("entity_b")).unwrap();
    let mut a = Node::start(Options { full_at: Some(4_096), ..generous("entity_a") }).unwrap();
    a.run(&["connect", &b.address()]).unwrap();
    a.run(&["report", "entity_b", "0"]).unwrap();
    b.kill();
    let content = "x".repeat(50_000);
    let mut accepted = vec![0];
    let refused = (1..200).find_map(|number| {
        let status = number.to_string();
        let asked = ["report", "entity_b", &status, &content, "--wait", "queued"];
        match a.run(&asked) {
            Ok(_) => accepted.push(number),
            Err(error) => return Some(error),
        }
        None
    });
    let refused = refused.expect("4 MiB are full by then");
    for part in ["not_kept", "messages cannot be kept", "make room"] {
        assert!(refused.output.contains(part), "{part}: {refused}");
    }
    assert!(accepted.len() > 10, "{}", accepted.len());
    let listed = a.run(&["outbox", "list"]).expect("what there is can be read");
    assert_eq!(listed["total"], accepted.len() - 1);
    // There is room again.
    a.kill();
    a.options_mut().full_at = None;
    a.restart().unwrap();
    b.restart().unwrap();
    let arrived = || b.run(&["inbox", "list", "--limit", "1000"]).unwrap_or_default();
    let all = eventually(Duration::from_secs(30), || arrived()["total"] == accepted.len());
    assert!(all, "{}", arrived());
    let mut statuses = Vec::new();
    for line in arrived()["items"].as_array().unwrap() {
        let shown = b.run(&["inbox", "show", line["message_id"].as_str().unwrap()]).unwrap();
        statuses.push(shown["status"].as_str().unwrap().parse::<u32>().unwrap());
    }
    assert_eq!(statuses, accepted);
}
