//! One network namespace: a machine with a network stack of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tool;
use crate::finding::Finding;

/// Names of namespaces begin with this, then the run's process id: two runs never collide, and what a
/// killed run left behind can be told from what is in use.
pub(crate) const PREFIX: &str = "peerlab-";

/// Held while a namespace is made. Who holds it for good makes sure that no more come.
static MAKING: Mutex<()> = Mutex::new(());

/// From now on no namespace can be made while the guard lives.
pub(crate) fn make_no_more() -> MutexGuard<'static, ()> {
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A namespace; its processes are killed and it is removed when dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with a loopback interface.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn new(name: String) -> Result<Self, Finding> {
        let making = make_no_more();
        tool::run("ip", &format!("netns add {name}"))?;
        drop(making);
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        // Addresses serve at once: nobody else could have them.
        namespace.set("net/ipv6/conf/default/accept_dad", 0)?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` on it.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn ip(&self, line: &str) -> Result<String, Finding> {
        tool::run("ip", &format!("-n {} {line}", self.name))
    }

    /// Loads nftables rules into it, all or none.
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn rules(&self, rules: &str) -> Result<(), Finding> {
        let line = format!("netns exec {} nft -f -", self.name);
        tool::run_with("ip", &line, Some(rules)).map(drop)
    }

    /// Sets a value below `/proc/sys`.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn set(&self, key: &str, value: u32) -> Result<(), Finding> {
        let line = format!("netns exec {} tee /proc/sys/{key}", self.name);
        tool::run_with("ip", &line, Some(&value.to_string())).map(drop)
    }

    /// A cable to `other`: the interface `here` at this end, `there` at the other, both up.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn cable(&self, here: &str, other: &Self, there: &str) -> Result<(), Finding> {
        let to = &other.name;
        self.ip(&format!("link add name {here} type veth peer name {there} netns {to}"))?;
        self.ip(&format!("link set dev {here} up"))?;
        other.ip(&format!("link set dev {there} up")).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Kills what runs in a namespace, and removes it.
pub(crate) fn remove(name: &str) {
    // A process may start another between the listing and the killing: twice, then it is over.
    for _ in 0..2 {
        let pids = tool::run("ip", &format!("netns pids {name}")).unwrap_or_default();
        if pids.trim().is_empty() {
            break;
        }
        let pids = pids.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = tool::run("kill", &format!("-KILL {pids}"));
    }
    let _ = tool::run("ip", &format!("netns del {name}"));
}

/// All namespaces of labs, each with the process id of its run.
pub(crate) fn all() -> Vec<(String, u32)> {
    let listed = tool::run("ip", "netns list").unwrap_or_default();
    let ours = |line: &str| {
        let name = line.split_whitespace().next()?;
        Some((name.to_owned(), run_of(name)?))
    };
    listed.lines().filter_map(ours).collect()
}

fn run_of(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_labs_are_ours() {
        assert_eq!(run_of("peerlab-4711-3-alice"), Some(4711));
        assert_eq!(run_of("peerlab-alice"), None);
        assert_eq!(run_of("office-4711-3"), None);
    }
}
