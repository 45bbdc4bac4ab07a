//! The nodes of a run: two that stay from start to end, and others that come and go.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::old::Old;
use crate::processes::{Node, Options, Proxy, eventually};

/// How long a node may take to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Work, not its limits, is what is tried here.
const RATES: [&str; 6] = ["task", "handshake", "chunk", "discovery", "mailbox", "heartbeat"];

/// The nodes.
pub(super) struct Stage {
    pub(super) root: PathBuf,
    /// `hub` and `mate` first, which stay.
    pub(super) nodes: Vec<Node>,
    /// Where the hub listens: TCP, QUIC, and TCP over a line that can be cut.
    pub(super) ways: [String; 3],
    pub(super) line: Proxy,
    pub(super) gateway: std::net::SocketAddr,
    guests: usize,
}

/// The first of them, who watch.
pub(super) const WATCHED: usize = 2;

impl Stage {
    /// `hub`, `mate` and so many others, each connected to the hub.
    pub(super) fn start(root: &Path, others: usize, old: &Old) -> Result<Self, String> {
        let gateway = free_port()?;
        let hub = options(
            root,
            "hub",
            &format!(
                "[mailbox]\nserve = \"all\"\n[gateway]\nlisten = \"{gateway}\"\n\
                 [[gateway.peer]]\nentity = \"{}\"\npublic_key = \"{}\"\n",
                old.entity(),
                old.key_hex()
            ),
        )?;
        let hub = Node::start(hub)?;
        let ways = addresses(&hub)?;
        let line = Proxy::to(socket(&ways[0])?);
        let over = over(&ways[0], line.port());
        let mut stage = Self {
            root: root.to_owned(),
            nodes: vec![hub],
            ways: [ways[0].clone(), ways[1].clone(), over],
            line,
            gateway,
            guests: 0,
        };
        let wakes = "[[wake]]\nadapter = \"command\"\ncommand = [\"/bin/true\"]\npeers = [\"hub\"]\n\
                     max_per_hour = 36000\ncooldown = \"100ms\"\ntimeout = \"500ms\"\n";
        stage.add("mate", wakes)?;
        let box_at = format!("[mailbox]\nat = [{:?}]\nafter = \"2s\"\nevery = \"5s\"\n", ways[0]);
        for number in 1..=others {
            stage.add(&format!("peer{number}"), &box_at)?;
        }
        let fingerprint = stage.nodes[0].status().map_err(|error| error.to_string())?;
        let fingerprint = fingerprint["fingerprint"].as_str().unwrap_or_default().to_owned();
        let pinned = stage.nodes[1].run(&["trust", "pin", "hub", &fingerprint]);
        pinned.map_err(|error| error.to_string())?;
        Ok(stage)
    }

    /// A node that stays or comes back; every second one is connected to the hub over QUIC.
    fn add(&mut self, entity: &str, config: &str) -> Result<(), String> {
        let way = &self.ways[self.nodes.len() % 2];
        let options = options(&self.root, entity, config)?.arg("--bootstrap").arg(way);
        let node = Node::start(options)?;
        if !meets_hub(&node) {
            return Err(format!("{entity} has no session with the hub:\n{}", node.log()));
        }
        self.nodes.push(node);
        Ok(())
    }

    /// A node that nobody has seen before, with a key and a name of its own.
    pub(super) fn guest(&mut self) -> Result<Node, String> {
        self.guests += 1;
        let entity = format!("guest{}", self.guests);
        let way = &self.ways[if self.guests.is_multiple_of(2) { 1 } else { 2 }];
        Node::start(options(&self.root, &entity, "")?.arg("--bootstrap").arg(way))
    }
}

/// Waits until a node has a session with the hub; whether it has one in time.
pub(super) fn meets_hub(node: &Node) -> bool {
    eventually(PATIENCE, || node.session("hub").is_some())
}

/// Stops a node as its operator would, and waits for its end.
pub(super) fn stop(node: &mut Node) -> Result<(), String> {
    signal(node, "TERM");
    let stat = format!("/proc/{}/stat", node.id());
    // It has ended, and only its parent does not know yet.
    let ended = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "));
    let stopped = eventually(PATIENCE, ended);
    node.kill();
    if stopped { Ok(()) } else { Err(format!("{} did not stop", node.entity())) }
}

/// Sends a signal by its name.
pub(super) fn signal(node: &Node, name: &str) {
    // What does not come is noticed by what does not follow.
    let _ = Command::new("kill").args(["-s", name, &node.id().to_string()]).status();
}

fn options(root: &Path, entity: &str, config: &str) -> Result<Options, String> {
    let mut options = Options::tcp(root, entity);
    options.listen.push("/ip4/127.0.0.1/udp/0/quic-v1".to_owned());
    std::fs::create_dir_all(&options.dir).map_err(|error| error.to_string())?;
    let rates = RATES.map(|class| {
        format!("[rate.{class}]\nper_minute = 1000000\nburst = 100000\n")
            + &format!("[trusted_rate.{class}]\nper_minute = 1000000\nburst = 100000\n")
    });
    let config = format!("{config}{}", rates.concat());
    std::fs::write(options.dir.join("config.toml"), config).map_err(|error| error.to_string())?;
    let arguments = "--dht server --session-lifetime 60s --accept-files all --capability soak";
    Ok(arguments.split(' ').fold(options, |options, argument| options.arg(argument)))
}

/// Where a node listens, TCP first.
fn addresses(node: &Node) -> Result<[String; 2], String> {
    let status = node.status().map_err(|error| error.to_string())?;
    let listen = status["listen"].as_array().cloned().unwrap_or_default();
    let find = |what: &str| {
        let mut found = listen.iter().filter_map(|address| address.as_str());
        found.find(|address| address.contains(what)).map(str::to_owned)
    };
    let missing = || format!("{} does not listen: {status}", node.entity());
    Ok([find("/tcp/").ok_or_else(missing)?, find("/quic-v1").ok_or_else(missing)?])
}

/// The socket of `/ip4/A/tcp/P/p2p/…`.
fn socket(address: &str) -> Result<std::net::SocketAddr, String> {
    let parts: Vec<_> = address.split('/').collect();
    let [_, _, ip, _, port, ..] = parts.as_slice() else {
        return Err(format!("{address} is no TCP address"));
    };
    format!("{ip}:{port}").parse().map_err(|_| format!("{address} is no TCP address"))
}

/// The same address on another port.
fn over(address: &str, port: u16) -> String {
    let peer = address.split("/p2p/").nth(1).unwrap_or_default();
    format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}")
}

fn free_port() -> Result<std::net::SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}
