//! Running nodes as processes, driven from the command line.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Ended, Home};

const ANY: &str = "/ip4/127.0.0.1/tcp/0";

/// A process that is killed when dropped.
struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end; returns exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let errors = std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap();
        (self.child.wait().unwrap().code(), errors)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node, and what it told when it started.
fn node(home: &Home, arguments: &[&str]) -> (Process, Value) {
    let arguments = [&["run", "--json", "--listen", ANY], arguments].concat();
    let mut process = Process::start(home.command(&arguments));
    let line = process.line();
    assert!(!line.is_empty(), "{:?}", process.end());
    (process, serde_json::from_str(&line).unwrap())
}

#[test]
fn a_service_manager_hears_when_the_node_is_ready_and_when_it_stops() {
    let home = Home::new();
    let socket = home.temp.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut bytes = [0; 64];
        let len = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    };
    let mut command = home.command(&["run", "--listen", ANY]);
    command.env("NOTIFY_SOCKET", &socket);
    let process = Process::start(command);
    assert_eq!(heard(), "READY=1");
    assert_eq!(home.peer(&["status"]).code, Some(0), "it answers once it is said to be ready");
    process.signal(Signal::SIGTERM);
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(process.end().0, Some(0));

    // Whoever does not listen any more is told to people.
    let mut command = home.command(&["run", "--listen", ANY]);
    command.env("NOTIFY_SOCKET", home.temp.path().join("nobody"));
    let mut process = Process::start(command);
    assert!(!process.line().is_empty());
    process.signal(Signal::SIGTERM);
    let (code, errors) = process.end();
    assert_eq!(code, Some(0));
    assert!(errors.contains("cannot tell the service manager"), "{errors}");
}

#[test]
fn a_node_runs_without_any_set_up_and_stops_when_told() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let home = Home::new();
        let (process, started) = node(&home, &[]);
        let listen = started["listen"][0].as_str().unwrap();
        let peer_id = started["peer_id"].as_str().unwrap();
        assert!(listen.starts_with("/ip4/127.0.0.1/tcp/") && listen.ends_with(peer_id), "{listen}");
        let status = home.peer(&["status", "--json"]).json();
        for key in ["entity", "fingerprint", "peer_id", "listen"] {
            assert_eq!(status[key], started[key], "{key}");
        }
        assert_eq!(home.peer(&["id", "--json"]).json()["peer_id"], peer_id);
        assert_eq!(home.peer(&["peers", "--json"]).json(), Value::Array(Vec::new()));
        process.signal(signal);
        let (code, errors) = process.end();
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.contains("made a new key"), "{errors}");
        assert!(!home.path("api.sock").exists());
        home.peer(&["status"]).failed(3, &["no node runs on"]);
    }
}

#[test]
fn a_second_node_on_the_same_directory_is_refused() {
    let home = Home::initialised();
    let (process, _) = node(&home, &[]);
    let second = home.peer(&["run", "--listen", ANY]);
    second.failed(8, &["another node", &process.child.id().to_string(), "--data-dir"]);
    assert_eq!(home.peer(&["status"]).code, Some(0), "the first goes on");
}

#[test]
fn a_node_that_was_killed_can_be_started_again() {
    let home = Home::initialised();
    let (process, first) = node(&home, &[]);
    process.signal(Signal::SIGKILL);
    process.end();
    assert!(home.path("api.sock").exists(), "its socket stays behind");
    home.peer(&["status"]).failed(3, &["no node runs on"]);
    let (_process, second) = node(&home, &[]);
    assert_eq!(second["peer_id"], first["peer_id"]);
    assert_eq!(home.peer(&["status"]).code, Some(0));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let home = Home::initialised();
    home.peer(&["run", "--listen", &address]).failed(8, &[&address, "--listen"]);
    assert!(!home.path("api.sock").exists());
}

#[test]
fn two_nodes_talk_and_a_shell_command_is_the_agent() {
    let (alice, bob) = (Home::initialised(), Home::new());
    assert_eq!(bob.peer(&["init", "--entity", "entity_b"]).code, Some(0));
    let (_alice_node, _) = node(&alice, &[]);
    let (bob_node, started) = node(&bob, &[]);
    let address = started["listen"][0].as_str().unwrap();
    let connected = alice.peer(&["connect", address, "--json"]).json();
    assert_eq!((&connected["entity"], &connected["encrypted"]), (&"entity_b".into(), &true.into()));
    assert_eq!(connected["session"]["state"], "READY");

    let listening =
        ["listen", "--exec", "tr a-z A-Z; printf ' %s' $PEER_FROM ${PEER_STATUS-unset}"];
    let mut command = bob.command(&listening);
    command.env("PEER_STATUS", "of another message");
    let agent = Process::start(command);
    let begun = Instant::now();
    while bob.peer(&["status", "--json"]).json()["agents"] == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let answer: Ended = alice.peer(&["talk", "entity_b", "hello"]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (Some(0), "HELLO entity_a unset"),
        "{}",
        answer.err
    );
    assert_eq!(alice.peer(&["alive", "entity_b"]).code, Some(0));
    alice.peer(&["talk", "nobody", "hello"]).failed(4, &["nobody", "peer connect"]);

    let fingerprint = started["fingerprint"].as_str().unwrap();
    let pin: Vec<&str> =
        ["trust", "pin", "entity_b"].into_iter().chain(fingerprint.split(' ')).collect();
    assert_eq!(alice.peer(&pin).code, Some(0));
    assert!(alice.peer(&["trust", "list"]).out.contains("pinned"));

    bob_node.signal(Signal::SIGTERM);
    assert_eq!(bob_node.end().0, Some(0));
    let (code, errors) = agent.end();
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("has stopped"), "{errors}");
    let dead = alice.peer(&["alive", "entity_b", "--timeout", "2s"]);
    assert_eq!(dead.code, Some(4), "{}{}", dead.out, dead.err);
}

/// Ports are shared so that holes can be punched; nodes do not share them.
#[test]
fn two_nodes_do_not_share_a_port() {
    let (one, two) = (Home::initialised(), Home::initialised());
    let (_node, started) = node(&one, &[]);
    let address = started["listen"][0].as_str().unwrap();
    let address = address.split("/p2p/").next().unwrap();
    two.peer(&["run", "--listen", address]).failed(8, &[address, "--listen"]);
}

/// What a log shows of these bytes, in any form that a careless line would have.
fn shown(log: &str, bytes: &[u8]) -> Option<String> {
    let log = log.to_lowercase();
    let (hex, numbers) = (hex::encode(bytes), format!("{bytes:?}"));
    let inner = numbers.trim_matches(['[', ']']);
    let forms = [&STANDARD.encode(bytes), &hex, inner, &String::from_utf8_lossy(bytes)];
    // A line may show the beginning only.
    let begins = |form: &str| form.chars().take(24).collect::<String>().to_lowercase();
    forms.into_iter().map(begins).find(|begin| log.contains(begin))
}

#[track_caller]
fn lacks(log: &str, what: &str, bytes: &[u8]) {
    assert_eq!(shown(log, bytes), None, "the log shows {what}");
}

#[test]
fn what_a_log_shows_is_found_in_any_form() {
    let secret = b"zebra-question-7b1f9e";
    let lines = [
        format!("{:?}", secret),
        format!("{:?}", String::from_utf8_lossy(secret)),
        hex::encode_upper(secret),
        STANDARD.encode(secret),
        format!("body: {:?} and more", secret.to_vec()),
    ];
    for line in lines {
        assert!(shown(&format!("TRACE {line}"), secret).is_some(), "{line}");
    }
    assert_eq!(shown("TRACE nothing", secret), None);
}

#[test]
fn at_trace_level_the_log_shows_no_secret_no_payload_and_no_token() {
    const QUESTION: &str = "zebra-question-7b1f9e";
    const ANSWER: &str = "walrus-answer-93c0d2";
    const REPORT: &str = "ocelot-report-5d88aa";
    const FILE: &str = "lemur-file-c41e07";
    let traced = |home: &Home, entity: &str| {
        let arguments =
            ["--log-format", "json", "run", "--json", "--listen", ANY, "--entity", entity];
        let more = ["--api", "127.0.0.1:0", "--accept-files", "all"];
        let log = std::fs::File::create(home.temp.path().join("log")).unwrap();
        let mut command = home.command(&[&arguments[..], &more[..]].concat());
        command.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process { child, stdout };
        let started: Value = serde_json::from_str(&process.line()).unwrap();
        (process, started)
    };
    let (alice, bob) = (Home::new(), Home::new());
    let (_alice, here) = traced(&alice, "alice");
    let (_bob, there) = traced(&bob, "bob");
    let address = there["listen"][0].as_str().unwrap();
    assert_eq!(alice.peer(&["connect", address]).code, Some(0));
    let answering = bob.command(&["listen", "--exec", &format!("echo {ANSWER}")]);
    let agent = Process::start(answering);
    let asked = alice.peer(&["talk", "bob", QUESTION]);
    assert!(asked.out.contains(ANSWER), "{}{}", asked.out, asked.err);
    let told = ["report", "bob", "half", REPORT];
    let reported = alice.peer(&told);
    assert_eq!(reported.code, Some(0), "{}", reported.err);
    let path = alice.temp.path().join("sent");
    std::fs::write(&path, FILE.repeat(20_000)).unwrap();
    let sent = alice.peer(&["send", "bob", path.to_str().unwrap()]);
    assert_eq!(sent.code, Some(0), "{}", sent.err);

    // Requests over the port, with the right token and without.
    let token =
        alice.peer(&["api", "token", "--json"]).json()["token"].as_str().unwrap().to_owned();
    let api = here["api"].as_str().unwrap();
    for token in [token.as_str(), "wrong-token-0123456789"] {
        let mut stream = std::net::TcpStream::connect(api).unwrap();
        let head = format!(
            "GET /v1/outbox?all=true HTTP/1.1\r\nhost: {api}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        assert_eq!(answer.starts_with("HTTP/1.1 200"), token.len() > 30, "{answer}");
    }
    drop(agent);
    for home in [&alice, &bob] {
        assert_eq!(home.peer(&["status"]).code, Some(0));
        let log = std::fs::read_to_string(home.temp.path().join("log")).unwrap();
        let mut traces = 0;
        for line in log.lines().filter(|line| line.starts_with('{')) {
            let line: Value = serde_json::from_str(line).unwrap();
            traces += usize::from(line["level"] == "TRACE");
        }
        assert!(traces > 100, "it was to be loud: {traces}");
        assert!(log.contains("session ready"));
        for marker in [QUESTION, ANSWER, REPORT, FILE] {
            lacks(&log, "a payload", marker.as_bytes());
        }
        lacks(&log, "a token", b"wrong-token-0123456789");
        let token =
            home.peer(&["api", "token", "--json"]).json()["token"].as_str().unwrap().to_owned();
        lacks(&log, "a token", token.as_bytes());
        let key = std::fs::read_to_string(home.path("key")).unwrap();
        let seed = key.lines().nth(1).unwrap();
        assert_eq!(seed.len(), 64);
        lacks(&log, "the key", &hex::decode(seed).unwrap());
    }
}
