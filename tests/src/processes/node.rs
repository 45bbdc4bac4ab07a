//! One node process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::command::{self, CommandFailed};
use super::{eventually, peer};

/// How a node is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its entity id.
    pub entity: String,
    /// Its data directory; key, trust list and log live there across restarts.
    pub dir: PathBuf,
    /// Where it listens.
    pub listen: Vec<String>,
    /// More arguments of `peer run`.
    pub args: Vec<String>,
    /// The network namespace it runs in, or none for the machine's own.
    pub namespace: Option<String>,
    /// Its files become no larger than so many KiB, as on a disk that is full then.
    pub full_at: Option<u64>,
}

impl Options {
    /// A node called `entity` below `root`, on a TCP port of 127.0.0.1 that the system chooses.
    #[must_use]
    pub fn tcp(root: &Path, entity: &str) -> Self {
        Self {
            entity: entity.to_owned(),
            dir: root.join(entity),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            args: Vec::new(),
            namespace: None,
            full_at: None,
        }
    }

    /// The same over QUIC.
    #[must_use]
    pub fn quic(root: &Path, entity: &str) -> Self {
        Self { listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()], ..Self::tcp(root, entity) }
    }

    /// With one more argument of `peer run`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Inside a network namespace that exists.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }
}

/// What a node exits with if an address is in use.
const IN_USE: i32 = 8;

/// A running node; killed when dropped.
#[derive(Debug)]
pub struct Node {
    options: Options,
    child: Child,
}

impl Node {
    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// What it said if it did not come up.
    pub fn start(options: Options) -> Result<Self, String> {
        std::fs::create_dir_all(&options.dir).map_err(|error| error.to_string())?;
        let child = spawn(&options)?;
        let mut node = Self { options, child };
        let up = eventually(Duration::from_secs(20), || {
            node.status().is_ok() || !matches!(node.child.try_wait(), Ok(None))
        });
        if up && node.status().is_ok() {
            node.settle_ports();
            Ok(node)
        } else {
            Err(format!("{} did not come up:\n{}", node.options.entity, node.log()))
        }
    }

    /// Kills it with SIGKILL: no goodbye to anyone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after a kill, on the same ports. Meanwhile the system may have given one of them to a
    /// connection of somebody else; then it is tried again.
    ///
    /// # Errors
    /// What it said if it did not come up.
    pub fn restart(&mut self) -> Result<(), String> {
        self.child = spawn(&self.options)?;
        let up = eventually(Duration::from_secs(60), || {
            if self.status().is_ok() {
                return true;
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some_and(|it| it.code() == Some(IN_USE)) {
                std::thread::sleep(Duration::from_millis(500));
                if let Ok(child) = spawn(&self.options) {
                    self.child = child;
                }
            }
            false
        });
        if up { Ok(()) } else { Err(self.log()) }
    }

    /// The next start listens here, and nowhere else.
    pub fn move_to(&mut self, listen: &str) {
        self.options.listen = vec![listen.to_owned()];
    }

    /// Runs a command against it.
    ///
    /// # Errors
    /// [`CommandFailed`] with exit code and output.
    pub fn run(&self, args: &[&str]) -> Result<Value, CommandFailed> {
        command::run(self.namespace(), &self.options.dir, args)
    }

    /// `peer status`.
    ///
    /// # Errors
    /// [`CommandFailed`] if it does not answer.
    pub fn status(&self) -> Result<Value, CommandFailed> {
        self.run(&["status"])
    }

    /// Its entity id.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.options.entity
    }

    /// Its data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// The network namespace it runs in, if not the machine's own.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.options.namespace.as_deref()
    }

    /// How it is started; changes count from the next restart on.
    pub const fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its first address, with its peer id.
    #[must_use]
    pub fn address(&self) -> String {
        let status = self.status().unwrap_or_default();
        status["listen"][0].as_str().unwrap_or_default().to_owned()
    }

    /// Its peers, as `peer peers` tells them.
    #[must_use]
    pub fn peers(&self) -> Vec<Value> {
        let peers = self.run(&["peers"]).unwrap_or_default();
        peers.as_array().cloned().unwrap_or_default()
    }

    /// The session with `entity`, if it is ready.
    #[must_use]
    pub fn session(&self, entity: &str) -> Option<Value> {
        let peer = self.peers().into_iter().find(|peer| peer["entity"] == entity)?;
        let state = peer["session"]["state"].as_str()?.to_owned();
        matches!(state.as_str(), "READY" | "ACTIVE").then(|| peer["session"].clone())
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.options.dir.join("node.log")).unwrap_or_default()
    }

    /// Lets it run on after this value is gone.
    pub fn keep(self) {
        std::mem::forget(self);
    }

    /// From now on the ports are those that the system chose, so that a restart finds them again.
    fn settle_ports(&mut self) {
        let open = |address: &String| address.contains("/tcp/0") || address.contains("/udp/0");
        if !self.options.listen.iter().any(open) {
            return;
        }
        let status = self.status().unwrap_or_default();
        let listen = status["listen"].as_array().cloned().unwrap_or_default();
        let bare = |address: &Value| {
            let address = address.as_str()?;
            Some(address.split("/p2p/").next().unwrap_or(address).to_owned())
        };
        self.options.listen = listen.iter().filter_map(bare).collect();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(options: &Options) -> Result<Child, String> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(options.dir.join("node.log"))
        .map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = match options.full_at {
        Some(kib) => limited(kib),
        None => peer(options.namespace.as_deref()),
    };
    // Tests never multicast on the machine's interfaces; arguments may turn it on inside a namespace.
    command.env("PEER_MDNS", "off").env("PEER_UPNP", "off");
    command.args(["-v", "--data-dir"]).arg(&options.dir);
    command.args(["run", "--entity", &options.entity]);
    for address in &options.listen {
        command.args(["--listen", address]);
    }
    command.args(&options.args).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| error.to_string())
}

/// `peer` under a limit on the length of its files. The shell becomes `peer`.
fn limited(kib: u64) -> Command {
    let mut command = Command::new("bash");
    // A write beyond the limit is an error, and no deadly signal.
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(super::program());
    command
}
