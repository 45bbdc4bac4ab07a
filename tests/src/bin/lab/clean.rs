//! Removing what a run leaves behind.

use std::path::{Path, PathBuf};

use crate::network;
use crate::report;

/// Directories of runs are called this and the run's process id.
const ROOT: &str = "peer-lab-";

/// Where the run with this process id keeps its nodes' data.
pub(crate) fn root(run: u32) -> PathBuf {
    std::env::temp_dir().join(format!("{ROOT}{run}"))
}

/// Removes the namespaces of one run, with all that runs in them; its nodes' data stays.
pub(crate) fn namespaces_of(run: u32) {
    for (name, _) in network::all().into_iter().filter(|(_, owner)| *owner == run) {
        network::remove(&name);
    }
}

/// Removes what ended runs left: namespaces, processes, data.
pub(crate) fn leftovers() {
    let mut removed = 0;
    for (name, run) in network::all() {
        if !is_running(run) {
            network::remove(&name);
            removed += 1;
        }
    }
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if run_of(&path).is_some_and(|run| !is_running(run)) {
            removed += usize::from(std::fs::remove_dir_all(path).is_ok());
        }
    }
    report::print(&format!("removed {removed} namespaces and directories"));
}

fn run_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix(ROOT)?.parse().ok()
}

/// Whether a process with this id is a laboratory: ids are used again.
fn is_running(run: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{run}/comm")).is_ok_and(|name| name.trim() == "lab")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_names_its_run() {
        assert_eq!(run_of(&root(4711)), Some(4711));
        assert_eq!(run_of(Path::new("/tmp/peer-lab-notes")), None);
        assert_eq!(run_of(Path::new("/tmp/4711")), None);
    }

    #[test]
    fn a_test_is_not_a_laboratory() {
        assert!(!is_running(1));
        assert!(!is_running(0));
    }
}
