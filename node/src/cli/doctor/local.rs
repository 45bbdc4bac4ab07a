//! What can be seen without asking anybody: files, disk, clock.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::statvfs::statvfs;
use peer_protocol::identity::Fingerprint;

use super::Finding;
use crate::cli::configuration;
use crate::cli::error::CliError;
use crate::config::{NodeConfig, Settings};
use crate::keystore::{self, KeyError};
use crate::model::{Failure, Status};
use crate::paths::DataDir;
use crate::registry_file::RegistryFile;
use crate::store::Store;
use crate::trust_file::TrustFile;

/// Free bytes below which the node will soon be unable to save anything.
const NO_ROOM: u64 = 16 << 20;
/// Free bytes below which it is time to make room.
const LITTLE_ROOM: u64 = 256 << 20;
/// No clock that is right shows an earlier time, in seconds since the Unix epoch (2026-01-01).
const PAST: u64 = 1_767_225_600;

/// Looks at everything local. While a node runs its store is not opened: the node has it.
pub(super) fn examine(dir: &DataDir, running: bool) -> Vec<Finding> {
    let mut findings = vec![directory(dir), disk(dir), clock()];
    findings.push(key(dir));
    let config = match configuration(dir, Settings::default()) {
        Ok(config) => {
            findings.push(Finding::ok("configuration", described(&config)));
            config
        }
        Err(error) => {
            findings.push(failed("configuration", error));
            NodeConfig::default()
        }
    };
    findings.push(match TrustFile::load(&dir.trust(), config.trust_policy()) {
        Ok(file) => {
            let (_, store) = file.into_parts();
            Finding::ok("trust list", format!("{} entities", store.iter().count()))
        }
        Err(error) => failed("trust list", error.into()),
    });
    if !running {
        findings.push(store(dir));
    }
    if let Some(path) = config.registry_file() {
        findings.push(match RegistryFile::read(path) {
            Ok(file) => Finding::ok("registry file", format!("{} entities", file.len())),
            Err(error) => Finding::wrong("registry file", error.to_string(), error.next_step()),
        });
    }
    findings
}

pub(super) fn version(status: &Status) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    if status.version == own {
        Finding::ok("node", format!("runs, version {own}"))
    } else {
        let detail =
            format!("runs version {}, and this command is of version {own}", status.version);
        Finding::warning("node", detail, "restart the node, so that it runs the new version")
    }
}

fn directory(dir: &DataDir) -> Finding {
    let root = dir.root();
    match std::fs::metadata(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let detail = format!("{} is not there yet", root.display());
            Finding::warning("data directory", detail, "make it: `peer init`, or `peer run`")
        }
        Err(error) => {
            let detail = format!("{}: {error}", root.display());
            Finding::wrong("data directory", detail, "repair its permissions")
        }
        Ok(metadata) if metadata.mode() & 0o022 != 0 => {
            let detail = format!("others may change {}", root.display());
            Finding::wrong("data directory", detail, format!("`chmod 700 {}`", root.display()))
        }
        Ok(_) => Finding::ok("data directory", root.display().to_string()),
    }
}

/// Room on the disk of the data directory, or of the nearest directory above that is there.
fn disk(dir: &DataDir) -> Finding {
    let Some(status) = dir.root().ancestors().find_map(|path| statvfs(path).ok()) else {
        return Finding::warning("disk", "its free room cannot be told", "check it yourself");
    };
    let free = status.blocks_available().saturating_mul(status.fragment_size());
    let detail = format!("{} MiB free", free >> 20);
    if free < NO_ROOM {
        Finding::wrong("disk", detail, "make room: the node cannot save anything")
    } else if free < LITTLE_ROOM {
        Finding::warning("disk", detail, "make room soon")
    } else {
        Finding::ok("disk", detail)
    }
}

/// Whether the clock is obviously wrong; peers tell more.
fn clock() -> Finding {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    if since.is_ok_and(|since| since.as_secs() >= PAST) {
        Finding::ok("clock", "is set")
    } else {
        let fix = "set it, best with a time service: peers refuse messages from another time";
        Finding::wrong("clock", "shows a time long past", fix)
    }
}

fn key(dir: &DataDir) -> Finding {
    use peer_protocol::crypto::Authenticator as _;
    match keystore::load(&dir.key()) {
        Ok(key) => {
            Finding::ok("key", format!("fingerprint {}", Fingerprint::of(&key.public_key())))
        }
        Err(error @ KeyError::Missing { .. }) => {
            Finding::warning("key", error.to_string(), error.next_step())
        }
        Err(error) => Finding::wrong("key", error.to_string(), error.next_step()),
    }
}

fn store(dir: &DataDir) -> Finding {
    let path = dir.store();
    if !path.exists() {
        return Finding::ok("store", "none yet; the node makes one");
    }
    match Store::open(&path).and_then(|store| store.load()) {
        Ok(loaded) => {
            let (records, peers) = (loaded.records.len(), loaded.peers.len());
            Finding::ok("store", format!("{records} record keys, {peers} peers remembered"))
        }
        Err(error) => Finding::wrong("store", error.to_string(), error.next_step()),
    }
}

fn described(config: &NodeConfig) -> String {
    let count = config.bootstrap().len();
    let listen = config.listen().len();
    format!("valid; without flags: {listen} addresses to listen on, {count} to bootstrap from")
}

fn failed(check: &'static str, error: CliError) -> Finding {
    match error {
        CliError::Failure(failure) => {
            let Failure { detail, next, .. } = *failure;
            Finding::wrong(check, detail, next)
        }
        CliError::PipeClosed => Finding::ok(check, ""),
    }
}
