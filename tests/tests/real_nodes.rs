//! Separate processes on real sockets: both transports, both handshakes, death and return, renewal
//! under load.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::{Duration, Instant};

use peer_tests::processes::{Agent, Node, Options, eventually};
use tempfile::TempDir;

/// Two nodes, an echoing agent at the second, and a session between them.
fn pair(adjust: impl Fn(&TempDir, &str) -> Options) -> (TempDir, Node, Node, Agent) {
    let root = TempDir::new().unwrap();
    let a = Node::start(adjust(&root, "entity_a")).unwrap();
    let b = Node::start(adjust(&root, "entity_b")).unwrap();
    let agent = Agent::attach(&b, "cat").unwrap();
    a.run(&["connect", &b.address()]).unwrap();
    (root, a, b, agent)
}

fn talks(from: &Node, to: &str, text: &str) -> bool {
    let answer = from.run(&["talk", to, text, "--timeout", "5s"]);
    answer.is_ok_and(|answer| answer["content"]["text"] == text)
}

#[test]
fn a_message_and_its_answer_over_tcp() {
    let (_root, a, b, agent) = pair(|root, name| Options::tcp(root.path(), name));
    assert!(talks(&a, "entity_b", "over TCP"));
    assert_eq!(agent.heard()[0]["from"], "entity_a");
    assert_eq!(agent.heard()[0]["encrypted"], true);
    let (at_a, at_b) = (a.session("entity_b").unwrap(), b.session("entity_a").unwrap());
    assert_eq!(at_a["id"], at_b["id"]);
    assert_eq!((&at_a["initiator"], &at_b["initiator"]), (&true.into(), &false.into()));
}

#[test]
fn a_message_and_its_answer_over_quic() {
    let (_root, a, b, _agent) = pair(|root, name| Options::quic(root.path(), name));
    assert!(b.address().contains("/quic-v1/"));
    assert!(talks(&a, "entity_b", "over QUIC"));
}

#[test]
fn the_three_way_handshake_and_the_second_suite() {
    let (_root, a, _b, _agent) = pair(|root, name| {
        Options::tcp(root.path(), name).arg("--three-way").arg("--suites").arg("ChaCha20-Poly1305")
    });
    assert!(talks(&a, "entity_b", "three messages"));
    let session = a.session("entity_b").unwrap();
    assert_eq!(
        (&session["handshake"], &session["suite"]),
        (&"three-way".into(), &"ChaCha20-Poly1305".into())
    );
}

#[test]
fn the_log_shows_six_steps_with_their_states() {
    let (_root, a, b, _agent) = pair(|root, name| Options::tcp(root.path(), name));
    for log in [a.log(), b.log()] {
        let mut rest = log.as_str();
        for (step, state) in [
            ("handshake_init", "HANDSHAKE_INIT_SENT"),
            ("handshake_init_ack", "HANDSHAKE_ACK_RECEIVED"),
            ("challenge_response", "CHALLENGE_SENT"),
            ("session_established", "SESSION_ESTABLISHED"),
            ("session_confirm", "SESSION_CONFIRMED"),
            ("ready", "READY"),
        ] {
            let line = format!("step={step} state={state}");
            let at = rest.find(&line).unwrap_or_else(|| panic!("no `{line}` in order in:\n{log}"));
            rest = &rest[at + line.len()..];
        }
    }
}

/// A node dies without a word and comes back; the other one talks to it within five seconds.
fn returns_within_five_seconds(options: fn(&TempDir, &str) -> Options) {
    let (_root, a, mut b, agent) = pair(options);
    assert!(talks(&a, "entity_b", "before"));
    b.kill();
    drop(agent);
    b.restart().unwrap();
    let _agent = Agent::attach(&b, "cat").unwrap();
    let begun = Instant::now();
    assert!(eventually(Duration::from_secs(5), || talks(&a, "entity_b", "after")), "{}", a.log());
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}\n{}", begun.elapsed(), a.log());
}

#[test]
fn a_killed_node_is_talked_to_again_over_tcp() {
    returns_within_five_seconds(|root, name| Options::tcp(root.path(), name));
}

#[test]
fn a_killed_node_is_talked_to_again_over_quic() {
    returns_within_five_seconds(|root, name| Options::quic(root.path(), name));
}

#[test]
fn the_node_that_dialled_may_die_too() {
    let (_root, mut a, b, _agent) = pair(|root, name| Options::tcp(root.path(), name));
    a.kill();
    a.restart().unwrap();
    // The restarted node knows nobody; the other one finds its own way back to it.
    assert!(eventually(Duration::from_secs(5), || b.session("entity_a").is_some()), "{}", b.log());
    assert!(eventually(Duration::from_secs(5), || talks(&a, "entity_b", "again")), "{}", a.log());
}

/// Sessions live three seconds; four callers talk without pause for ten. Every question is answered.
#[test]
fn sessions_are_renewed_under_load_and_nothing_is_lost() {
    let root = TempDir::new().unwrap();
    let options = |name: &str| Options::tcp(root.path(), name).arg("--session-lifetime").arg("3s");
    let a = Node::start(options("entity_a")).unwrap();
    let b = Node::start(options("entity_b")).unwrap();
    let _agent = Agent::attach(&b, "cat").unwrap();
    for (node, other) in [(&a, &b), (&b, &a)] {
        let status = other.status().unwrap();
        let fingerprint = status["fingerprint"].as_str().unwrap().to_owned();
        node.run(&["trust", "pin", other.entity(), &fingerprint]).unwrap();
    }
    a.run(&["connect", &b.address()]).unwrap();
    let first = a.session("entity_b").unwrap()["id"].clone();
    let end = Instant::now() + Duration::from_secs(10);
    let answered: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let a = &a;
                scope.spawn(move || {
                    let mut count = 0;
                    while Instant::now() < end {
                        let text = format!("caller {caller}, question {count}");
                        assert!(talks(a, "entity_b", &text), "{text} was lost\n{}", a.log());
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    let ready = a.log().matches("session ready").count();
    assert!(ready >= 3, "{ready} sessions in ten seconds");
    assert_ne!(a.session("entity_b").unwrap()["id"], first);
    println!("{answered} questions answered over {ready} sessions");
}

#[test]
fn a_dead_node_is_told_dead_at_once() {
    let (_root, a, mut b, _agent) = pair(|root, name| Options::tcp(root.path(), name));
    assert_eq!(a.run(&["alive", "entity_b"]).unwrap()["alive"], true);
    b.kill();
    let begun = Instant::now();
    let dead = a.run(&["alive", "entity_b"]).unwrap_err();
    assert_eq!(dead.code, Some(4), "{dead}");
    assert!(dead.output.contains("\"alive\":false"), "{dead}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
