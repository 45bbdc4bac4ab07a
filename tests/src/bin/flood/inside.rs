//! A network namespace of our own, with public addresses that lead nowhere else.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::Failure;

/// Set in the namespace.
const MARK: &str = "FLOOD_INSIDE";
/// 127.0.0.0/8 is there by itself; of 45.0.0.0/8 every address is this machine's too.
const SCRIPT: &str = "ulimit -n 65536 2>/dev/null; ip link set lo up && ip addr add 45.0.0.1/8 dev lo \
                      && exec \"$@\"";

/// Whether this process is in the namespace.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Begins again in a namespace, where that is allowed; returns only where it is not.
pub(crate) fn enter() -> Result<(), Failure> {
    let allowed = Command::new("unshare").args(["-n", "ip", "link", "set", "lo", "up"]).output();
    if !allowed.is_ok_and(|tried| tried.status.success()) {
        return Ok(());
    }
    let failed = Command::new("unshare")
        .args(["-n", "sh", "-c", SCRIPT, "sh"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .exec();
    Err(failed.into())
}
