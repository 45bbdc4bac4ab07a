//! Adapters at their work: real programs, a real terminal, a real HTTP server.

mod command;
mod systemd;
mod tmux;
mod webhook;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::identity::Fingerprint;

use super::*;
use crate::config::{WakePeer, WakeRule};
use crate::wake::{Call, Report, Runner};

const NONCE: &str = "00112233445566778899aabbccddeeff";
/// Reasons that a peer might give to have something else run than what the operator wrote.
const HOSTILE: [&str; 9] = [
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "\ntouch pwned\n",
    "a\0b\0touch pwned",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "--help",
    "-- -t other {nonce} %s ${PATH} #{pane_id}",
    "\r\nX-Injected: yes\r\n\r\n",
];

struct Rig {
    dir: tempfile::TempDir,
    runner: Runner,
    timeout: Duration,
}

fn call(reason: &str) -> Call {
    let key = Ed25519Authenticator::from_seed(&[7; 32]).public_key();
    Call {
        nonce: NONCE.parse().unwrap(),
        from: "bob".parse().unwrap(),
        fingerprint: Fingerprint::of(&key),
        reason: reason.to_owned(),
        attempt: 1,
    }
}

impl Rig {
    fn new(adapter: impl FnOnce(&Path) -> Adapter) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rule = WakeRule::new(vec![WakePeer::Pinned], adapter(dir.path()));
        let runner = Runner::new(&[rule], Some(dir.path().join("data")));
        std::fs::create_dir(dir.path().join("data")).unwrap();
        Self { dir, runner, timeout: Duration::from_secs(20) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self, run: u64, reason: &str, replaces: bool) {
        self.runner.start(0, run, call(reason), self.timeout, replaces);
    }

    /// How the next one ended.
    async fn ended(&mut self) -> Result<(), AdapterError> {
        let report = tokio::time::timeout(Duration::from_secs(30), self.runner.next()).await;
        let Report { result, .. } = report.expect("it ends").unwrap();
        result
    }

    /// Waits for a file, and reads it.
    async fn file(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        eventually(|| path.exists()).await;
        std::fs::read(path).unwrap()
    }

    /// Nothing that a reason names was run.
    #[track_caller]
    fn untouched(&self) {
        for name in ["pwned", "data/pwned"] {
            assert!(!self.path(name).exists(), "{name}");
        }
        assert!(!Path::new("pwned").exists());
    }
}

async fn eventually(ask: impl Fn() -> bool) {
    let begun = Instant::now();
    while !ask() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A shell script; it is named by path, and everything after that is its own.
fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Whether a process is there and no corpse.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.starts_with(" Z"))
}
