//! A shell beside a scenario's network.

use std::process::{Command, ExitCode};

use crate::scenarios::Scenario;
use crate::stage::Stage;
use crate::{clean, play, report};

/// Plays `scenario`, leaves everything up, and opens a shell. Everything goes when the shell ends.
pub(crate) fn open(scenario: &'static Scenario) -> ExitCode {
    let (prefix, root) = play::place(scenario, 0);
    let stage = match Stage::new(prefix, root) {
        Ok(stage) => stage,
        Err(finding) => {
            report::note(&format!("error: {finding}"));
            return ExitCode::FAILURE;
        }
    };
    match play::watched(scenario, &stage) {
        Ok(()) => report::note(&format!("{} passed; everything is still up", scenario.name)),
        Err(finding) => report::note(&format!("{}: {finding}", scenario.name)),
    }
    describe(&stage);
    // An interactive shell is a process group of its own: its Ctrl-C does not end this program.
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    let ended = Command::new(&shell).env("PS1", format!("lab {}> ", scenario.name)).status();
    if let Err(error) = ended {
        report::note(&format!("error: cannot start {shell}: {error}"));
    }
    drop(stage);
    let _ = std::fs::remove_dir_all(clean::root(std::process::id()));
    ExitCode::SUCCESS
}

fn describe(stage: &Stage) {
    let program = peer_tests::processes::program();
    for actor in stage.actors() {
        let namespace = actor.host().namespace().name();
        report::note(&format!("\n{}: {}", actor.name(), actor.address()));
        report::note(&format!("  a shell on its host:  ip netns exec {namespace} $SHELL"));
        let dir = stage.root().join(actor.name());
        report::note(&format!(
            "  its node:             {} --data-dir {} status",
            program.display(),
            dir.display()
        ));
    }
    report::note("\nleave this shell to remove everything");
}
