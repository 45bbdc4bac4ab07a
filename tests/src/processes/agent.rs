//! An agent that is a shell command behind `peer listen --exec`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Node, eventually, peer};

/// A listening agent; stopped when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    heard: PathBuf,
}

impl Agent {
    /// Attaches an agent to `node` that answers with the output of `command`.
    ///
    /// # Errors
    /// Why it could not be attached.
    pub fn attach(node: &Node, command: &str) -> Result<Self, String> {
        let heard = node.dir().join("heard.jsonl");
        let file = |path: &Path| {
            File::options().create(true).append(true).open(path).map_err(|error| error.to_string())
        };
        let child = peer(node.namespace())
            .args(["--json", "--data-dir"])
            .arg(node.dir())
            .args(["listen", "--parallel", "16", "--exec", command])
            .stdin(Stdio::null())
            .stdout(file(&heard)?)
            .stderr(file(&node.dir().join("agent.log"))?)
            .spawn()
            .map_err(|error| error.to_string())?;
        let agent = Self { child, heard };
        let attached = || node.status().is_ok_and(|status| status["agents"] != 0);
        if eventually(Duration::from_secs(10), attached) {
            Ok(agent)
        } else {
            Err(format!("no agent at {}", node.entity()))
        }
    }

    /// Every message that it has heard.
    #[must_use]
    pub fn heard(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.heard).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Lets it run on after this value is gone.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
