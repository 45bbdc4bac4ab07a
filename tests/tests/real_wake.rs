//! Agents that are killed, hang or never come, behind real nodes: what is said of them is true, and those that
//! may be woken are.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use peer_node::NodeError;
use peer_node::api::{Alive, Client, Restart, Wake};
use peer_node::config::NodeConfig;
use peer_node::model::{AgentState, Life, WakeResult, Woken};
use peer_node::paths::DataDir;
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::identity::Fingerprint;
use peer_tests::processes::{Node, Options, eventually, program};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How often an agent is killed.
const KILLS: usize = 100;
/// Within this time 95 of 100 killed agents are to be awake again.
const WAKE_TIME: Duration = Duration::from_secs(2);

/// How long a thousand wake-ups may take.
const LONG: Duration = Duration::from_secs(60);

/// `asker` wants `sleeper`'s agent woken.
struct Pair {
    root: TempDir,
    asker: Node,
    sleeper: Node,
    runtime: Runtime,
}

/// A script that becomes the agent, and notes each start.
const LISTEN: &str = r#"echo $$ >> "$DIR/starts"; exec "$PEER" listen --exec cat"#;

impl Pair {
    /// `sleeper` allows what `rule` says; `agent` is the script that the rule's command runs.
    fn start(rule: &str, agent: &str) -> Self {
        let root = TempDir::new().unwrap();
        let options = Options::tcp(root.path(), "sleeper");
        std::fs::create_dir_all(&options.dir).unwrap();
        let path = root.path().join("agent");
        let head =
            format!("#!/bin/sh\nDIR='{}' PEER='{}'", root.path().display(), program().display());
        std::fs::write(&path, format!("{head}\n{agent}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = format!(
            "[[wake]]\nadapter = \"command\"\ncommand = [\"{}\"]\nmax_per_hour = 10000\n{rule}\n",
            path.display()
        );
        std::fs::write(options.dir.join("config.toml"), config).unwrap();
        let sleeper = Node::start(options).unwrap();
        let asker = Node::start(Options::tcp(root.path(), "asker")).unwrap();
        asker.run(&["connect", &sleeper.address()]).unwrap();
        Self { root, asker, sleeper, runtime: Runtime::new().unwrap() }
    }

    /// The same, and `sleeper` has compared `asker`'s fingerprint.
    fn pinned(rule: &str, agent: &str) -> Self {
        let pair = Self::start(&format!("peers = [\"asker\"]\n{rule}"), agent);
        let status = pair.asker.status().unwrap();
        let fingerprint = status["fingerprint"].as_str().unwrap();
        pair.sleeper.run(&["trust", "pin", "asker", fingerprint]).unwrap();
        pair
    }

    fn client(&self) -> Client {
        client(&self.asker)
    }

    fn alive(&self) -> Life {
        self.runtime.block_on(alive(&self.client()))
    }

    fn wake(&self) -> Woken {
        self.runtime.block_on(wake(&self.client(), "go on"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The processes that were started as agents, in order.
    fn starts(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.path("starts")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for pid in self.starts() {
            // Some have ended by themselves.
            let _ = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).output();
        }
    }
}

fn client(node: &Node) -> Client {
    Client::new(&DataDir::resolve(Some(node.dir().to_owned())).unwrap())
}

async fn alive(client: &Client) -> Life {
    let ask = Alive { peer: "sleeper".to_owned(), timeout_ms: Some(20_000) };
    client.alive(&ask).await.unwrap()
}

async fn wake(client: &Client, reason: &str) -> Woken {
    let reason = Some(reason.to_owned());
    let ask = Wake { peer: "sleeper".to_owned(), reason, timeout_ms: Some(60_000) };
    client.wake(&ask).await.unwrap()
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "kill -s {name} {pid}");
}

/// Whether a process is gone, or a corpse.
fn is_dead(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    state.is_empty() || state.starts_with(['Z', 'X'])
}

/// A look at the agent: from when to when, and whether it was said to live.
type Look = (Instant, Instant, bool);

async fn look_on(client: Client, over: Arc<AtomicBool>) -> Vec<Look> {
    let mut looks = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let agent = alive(&client).await.agent;
        looks.push((begun, Instant::now(), agent));
    }
    looks
}

#[test]
fn killed_agents_are_woken_and_none_is_said_to_live() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let pair = Pair::pinned("cooldown = \"0s\"\ntimeout = \"15s\"", LISTEN);
    let client = pair.client();
    assert_eq!(pair.wake().outcome, WakeResult::Awake);
    let over = Arc::new(AtomicBool::new(false));
    let looking = pair.runtime.spawn(look_on(client.clone(), Arc::clone(&over)));
    let (mut took, mut dead) = (Vec::new(), Vec::new());
    for round in 0..KILLS {
        std::thread::sleep(Duration::from_millis(rng.random_range(0..100)));
        let agent = *pair.starts().last().unwrap();
        signal("KILL", agent);
        while !is_dead(agent) {
            std::thread::yield_now();
        }
        let begun = Instant::now();
        let life = pair.alive();
        assert!(!life.agent, "round {round}: {life:?}");
        let ask = Restart {
            peer: "sleeper".to_owned(),
            reason: Some("you were killed".to_owned()),
            attempts: Some(5),
            timeout_ms: Some(20_000),
        };
        let restarting = Instant::now();
        let restarted = pair.runtime.block_on(client.restart(&ask)).unwrap();
        took.push(restarting.elapsed());
        dead.push((begun, restarting));
        let last = restarted.attempts.last().map(|made| made.outcome);
        assert_eq!((restarted.ok, last), (true, Some(WakeResult::Awake)), "{restarted:?}");
        assert!(!is_dead(*pair.starts().last().unwrap()), "round {round}");
    }
    over.store(true, Ordering::SeqCst);
    let looks = pair.runtime.block_on(looking).unwrap();
    // Looks that lie wholly within a time in which it is certain that no agent was there.
    let within =
        |(from, to): &(Instant, Instant), (begun, ended, _): &Look| begun >= from && ended <= to;
    let certain = looks.iter().filter(|look| dead.iter().any(|span| within(span, look)));
    let wrong = certain.clone().filter(|(.., agent)| *agent).count();
    took.sort_unstable();
    let quick = took.iter().filter(|took| **took <= WAKE_TIME).count();
    println!(
        "{KILLS} of {KILLS} woken; {quick} within 2 s; median {:?}, 95th {:?}, slowest {:?}; {} looks, {} of \
         them at the dead, {wrong} wrong",
        took[KILLS / 2],
        took[KILLS * 95 / 100],
        took[KILLS - 1],
        looks.len(),
        certain.count()
    );
    assert_eq!(wrong, 0);
    assert_eq!(pair.starts().len(), KILLS + 1, "each was started once");
    assert!(quick * 100 >= 95 * KILLS, "{took:?}");
}

#[test]
fn an_agent_that_hangs_is_noticed_and_replaced() {
    let pair = Pair::pinned("cooldown = \"0s\"", LISTEN);
    assert_eq!(pair.wake().outcome, WakeResult::Awake);
    assert!(pair.alive().agent);
    let hung = pair.starts()[0];
    signal("STOP", hung);
    let life = pair.alive();
    assert_eq!((life.agent, life.agent_state), (false, Some(AgentState::Unresponsive)));
    let restarted = pair.asker.run(&["restart", "sleeper"]).unwrap();
    assert_eq!(restarted["attempts"][0]["outcome"], "awake", "{restarted}");
    assert_eq!(restarted["before"]["agent_state"], "unresponsive");
    assert_eq!(pair.starts().len(), 2);
    assert!(eventually(Duration::from_secs(5), || is_dead(hung)), "the one that hangs is killed");
    assert!(pair.alive().agent);
}

#[test]
fn a_thousand_wake_ups_at_once_start_one_process() {
    // The node that asks is a part of this program: a local API has fewer connections.
    let key = Ed25519Authenticator::from_seed(&[7; 32]);
    let fingerprint = Fingerprint::of(&key.public_key());
    let pair = Pair::start(&format!("peers = [\"{fingerprint}\"]"), LISTEN);
    pair.sleeper.run(&["trust", "pin", "many", &fingerprint.to_string()]).unwrap();
    let address = pair.sleeper.address().parse().unwrap();
    let outcomes = pair.runtime.block_on(async {
        let config = NodeConfig::default()
            .with_entity("many".parse().unwrap())
            .with_listen(Vec::new())
            .with_mdns(false)
            .with_upnp(false);
        let node = peer_node::Node::builder().config(config).key(key).start().await.unwrap();
        let handle = node.handle();
        handle.connect(address).await.unwrap();
        let all = (0..1000).map(|number| {
            let handle = handle.clone();
            let reason = format!("number {number}");
            tokio::spawn(async move {
                loop {
                    match handle.wake("sleeper", reason.clone(), LONG).await {
                        // A thousand at once are more than one link takes.
                        Err(NodeError::QueueFull { .. }) => {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        woken => return woken.unwrap().outcome,
                    }
                }
            })
        });
        let mut outcomes = Vec::new();
        for one in all.collect::<Vec<_>>() {
            outcomes.push(one.await.unwrap());
        }
        handle.shutdown().await;
        outcomes
    });
    let awake = outcomes.iter().filter(|outcome| **outcome == WakeResult::Awake).count();
    println!("{awake} of 1000 were told that it is awake; {} processes", pair.starts().len());
    assert_eq!((awake, pair.starts().len()), (1000, 1), "{outcomes:?}");
}

#[test]
fn who_is_not_allowed_starts_nothing() {
    // The name is in the rule, but nobody has compared the key: it might be anybody's.
    let pair = Pair::start("peers = [\"asker\"]", LISTEN);
    for _ in 0..5 {
        let woken = pair.wake();
        assert_eq!((woken.woken, woken.outcome), (false, WakeResult::Refused));
    }
    let refused = pair.asker.run(&["restart", "sleeper"]).unwrap_err();
    assert_eq!(refused.code, Some(6), "{refused}");
    assert!(pair.starts().is_empty());
    // An agent that attaches by itself is told all the same.
    let mut agent = Command::new(program());
    agent.arg("--data-dir").arg(pair.sleeper.dir()).args(["--json", "listen", "--once"]);
    let output = agent.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"kind\":\"wake_up\""));
    assert!(pair.starts().is_empty());
}

#[test]
fn what_gives_no_proof_is_no_agent_and_is_stopped() {
    let pair = Pair::pinned("timeout = \"1s\"", r#"echo $$ >> "$DIR/starts"; sleep 60"#);
    let woken = pair.wake();
    assert_eq!(woken.outcome, WakeResult::NoAgent);
    assert!(woken.detail.contains("not proved within 1s"), "{}", woken.detail);
    assert!(!pair.alive().agent);
    assert!(eventually(Duration::from_secs(5), || is_dead(pair.starts()[0])));
}

#[test]
fn a_nonce_counts_once_and_only_its_own() {
    let agent = r#"echo $$ >> "$DIR/starts"; echo "$PEER_WAKE_NONCE" > "$DIR/nonce"; sleep 60"#;
    let pair = Pair::pinned("timeout = \"10s\"", agent);
    let client = pair.client();
    let waking = pair.runtime.spawn(async move { wake(&client, "go on").await });
    let nonce =
        || std::fs::read_to_string(pair.path("nonce")).unwrap_or_default().trim().to_owned();
    assert!(eventually(Duration::from_secs(10), || nonce().len() == 32));
    let nonce = nonce();
    for (wrong, code) in [("0123456789abcdef0123456789abcdef", 1), ("", 2), ("; rm -rf", 2)] {
        assert_eq!(pair.sleeper.run(&["awake", wrong]).unwrap_err().code, Some(code), "{wrong}");
    }
    let elsewhere = pair.asker.run(&["awake", &nonce]).unwrap_err();
    assert!(elsewhere.output.contains("no_such_wake"), "{elsewhere}");
    let awoken = pair.sleeper.run(&["awake", &nonce]).unwrap();
    assert_eq!((&awoken["rule"], &awoken["asked"][0]), (&1.into(), &"asker".into()));
    assert_eq!(pair.runtime.block_on(waking).unwrap().outcome, WakeResult::Awake);
    assert!(pair.sleeper.run(&["awake", &nonce]).is_err(), "it counts once");
    // At work, though it does not listen: it is not disturbed.
    assert!(!is_dead(pair.starts()[0]));
}

#[test]
fn nothing_that_a_peer_says_changes_what_runs() {
    let agent = r#"
tr '\0' '\n' < /proc/$$/cmdline >> "$DIR/argv"; tr '\0' '\n' < /proc/$$/environ | cut -d= -f1 | sort > "$DIR/names"
printf '%s' "$PEER_WAKE_REASON" > "$DIR/reason"; cat > "$DIR/json"; echo $$ >> "$DIR/starts"; exec "$PEER" awake"#;
    let pair = Pair::pinned("cooldown = \"0s\"", agent);
    let client = pair.client();
    let mut names = String::new();
    let hostile = [
        "go on",
        "; rm -rf \"$DIR\"/starts",
        "$(touch \"$DIR\"/pwned)",
        "`touch pwned`\n\ntouch pwned\n",
        "a\0b\x1b[2J\x1b]0;x\x07",
        "--help",
    ];
    let longest = "x".repeat(4096);
    for (round, reason) in hostile.into_iter().chain([longest.as_str()]).enumerate() {
        let woken = pair.runtime.block_on(wake(&client, reason));
        assert_eq!(woken.outcome, WakeResult::Awake, "{reason:?}: {}", woken.detail);
        assert_eq!(pair.starts().len(), round + 1);
        let argv = std::fs::read_to_string(pair.path("argv")).unwrap();
        let own = format!("/bin/sh\n{}\n", pair.path("agent").display());
        assert_eq!(argv, own.repeat(round + 1), "{reason:?}");
        let told = std::fs::read_to_string(pair.path("reason")).unwrap();
        assert!(told.len() <= 1024 && !told.chars().any(char::is_control), "{told:?}");
        let json = std::fs::read(pair.path("json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((&json["reason"], &json["from"]), (&reason.into(), &"asker".into()));
        let found = std::fs::read_to_string(pair.path("names")).unwrap();
        if names.is_empty() {
            names.clone_from(&found);
        }
        assert_eq!(found, names, "{reason:?}");
        assert!(!pair.path("pwned").exists() && !Path::new("pwned").exists());
    }
    let too_long = Wake {
        peer: "sleeper".to_owned(),
        reason: Some("x".repeat(65_536)),
        timeout_ms: Some(20_000),
    };
    let refused = pair.runtime.block_on(client.wake(&too_long)).unwrap_err();
    assert!(refused.to_string().contains("65536 bytes"), "{refused}");
    assert_eq!(pair.starts().len(), 7);
}

#[test]
fn a_client_that_cannot_be_asked_is_not_said_to_live() {
    let pair = Pair::pinned("", LISTEN);
    let mut stream = UnixStream::connect(socket(&pair.sleeper)).unwrap();
    stream.write_all(b"GET /v1/messages HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let life = pair.alive();
    assert_eq!((life.agent, life.agent_state), (false, Some(AgentState::Unknown)));
    drop(stream);
    assert_eq!(pair.alive().agent_state, Some(AgentState::Absent));
}

fn socket(node: &Node) -> PathBuf {
    let dir = DataDir::resolve(Some(node.dir().to_owned())).unwrap();
    let socket = dir.socket();
    assert!(Path::new(&socket).exists());
    socket
}
