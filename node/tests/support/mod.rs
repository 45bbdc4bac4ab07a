//! A data directory of its own, the binary run on it, and the trust list of a peer that a test plays.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod trust;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) struct Home {
    pub(crate) temp: tempfile::TempDir,
}

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "one document: {}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// It failed with `code`, said what and what next, and showed no innards.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(self.err.starts_with("error: ") && self.err.contains("\nnext: "), "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "{part:?} in {}", self.err);
        }
        for innard in ["panicked", "backtrace", ".rs:", "Err(", "\x1b"] {
            assert!(!self.err.contains(innard), "{innard:?} in {}", self.err);
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn initialised() -> Self {
        let home = Self::new();
        assert_eq!(home.peer(&["init", "--entity", "entity_a"]).code, Some(0));
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join("data").join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        command.env_clear().env("HOME", self.temp.path()).env("RUST_BACKTRACE", "1");
        // Tests never multicast on the machine's interfaces.
        command.env("PEER_MDNS", "off").env("PEER_UPNP", "off");
        command.arg("--data-dir").arg(self.path("")).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn peer(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }
}
