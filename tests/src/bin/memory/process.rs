//! Servers and crowds as processes, and what they take.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use peer_node::trust_file::TrustFile;
use peer_protocol::identity::TrustStore;
use peer_protocol::time::Timestamp;
use peer_tests::processes::{Node, Options};

use crate::Failure;
use crate::swarms::{self, Kind};

/// What a process takes now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// KiB of resident memory.
    pub(crate) resident: f64,
    /// The part of it that is no file's.
    pub(crate) own: f64,
    /// Seconds of processor time so far.
    pub(crate) cpu: f64,
}

/// Of a process by its id.
pub(crate) fn taken(pid: u32) -> Result<Taken, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok());
    let missing = || format!("process {pid} says nothing of its memory");
    Ok(Taken {
        resident: field("VmRSS:").ok_or_else(missing)?,
        own: field("RssAnon:").ok_or_else(missing)?,
        // A hundred ticks a second, whatever the kernel's own.
        cpu: ticks.sum::<f64>() / 100.0,
    })
}

/// Something that peers connect to; ends when dropped.
pub(crate) enum Server {
    /// A whole node.
    Node(Box<Node>),
    /// One of this program's own.
    Own(Role, String),
}

impl Server {
    /// A whole node below `root`, with room for so many connections, and no limits on how often its peers
    /// may do things. The first `known` peers of crowds are pinned: of strangers' handshakes a node admits
    /// 1,200 a minute.
    pub(crate) fn node(root: &Path, name: &str, room: u32, known: u32) -> Result<Self, Failure> {
        let options = Options::tcp(root, name).arg("--dht").arg("server");
        std::fs::create_dir_all(&options.dir)?;
        let rates = ["rate.task", "rate.heartbeat", "trusted_rate.task", "trusted_rate.heartbeat"]
            .map(|class| format!("[{class}]\nper_minute = 1000000\nburst = 1000000\n"));
        std::fs::write(options.dir.join("config.toml"), rates.concat())?;
        let mut trust = TrustStore::default();
        for number in 0..known {
            let identity = swarms::identity(number)?;
            let (entity, fingerprint) = (identity.entity().clone(), identity.fingerprint());
            trust.pin(entity, fingerprint, Timestamp::default());
        }
        TrustFile::save(&options.dir.join("trust.json"), &trust)?;
        let options = options.arg("--max-connections").arg(&room.to_string());
        Ok(Self::Node(Box::new(Node::start(options)?)))
    }

    /// A server without the rest of a node.
    pub(crate) fn own(kind: Kind) -> Result<Self, Failure> {
        let mut role = Role::start(&["serve", name(kind)])?;
        let address = role.line()?;
        Ok(Self::Own(role, address))
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Node(node) => node.id(),
            Self::Own(role, _) => role.child.id(),
        }
    }

    pub(crate) fn address(&self) -> String {
        match self {
            Self::Node(node) => node.address(),
            Self::Own(_, address) => address.clone(),
        }
    }
}

/// What `clap` calls it.
pub(crate) const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "ours",
        Kind::Like => "like",
        Kind::Bare => "bare",
    }
}

/// This program in another role; killed when dropped.
pub(crate) struct Role {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Role {
    pub(crate) fn start(args: &[&str]) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = child.stdout.take().ok_or("no output")?;
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// So many peers from number `first` on, connected and ready; and how many seconds that took.
    pub(crate) fn crowd(
        kind: Kind,
        to: &str,
        first: u32,
        count: u32,
    ) -> Result<(Self, f64), Failure> {
        let (first, count) = (first.to_string(), count.to_string());
        let args =
            ["crowd", "--kind", name(kind), "--to", to, "--first", &first, "--count", &count];
        let mut role = Self::start(&args)?;
        let line = role.line()?;
        let seconds = line.strip_prefix("ready ").ok_or_else(|| format!("it said {line:?}"))?;
        Ok((role, seconds.parse()?))
    }

    /// The next thing that it says.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a part of the measurement ended before its time".into());
        }
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.input, "{line}")?;
        Ok(self.input.flush()?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
