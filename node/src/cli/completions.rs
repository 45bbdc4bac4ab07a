//! `peer completions`

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;

/// Print a script that completes commands and options in a shell
///
/// bash: `peer completions bash > ~/.local/share/bash-completion/completions/peer`. zsh: a file `_peer` in
/// a directory of `$fpath`. fish: `~/.config/fish/completions/peer.fish`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Serialize)]
struct Script {
    shell: String,
    script: String,
}

pub(super) fn execute(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "peer", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output.show(&Script { shell: args.shell.to_string(), script }, |it| it.script.clone())?;
    Ok(Exit::Ok)
}
