//! `peer man`

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man;
use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;

/// Print the manual page, or write one for each command to a directory
///
/// `peer man | man -l -` shows it. `peer man ~/.local/share/man/man1` writes peer.1, peer-talk.1 and so on,
/// for `man peer-talk`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write them; it is made if it is not there
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Page {
    page: String,
}

#[derive(Debug, Serialize)]
struct Written {
    dir: PathBuf,
    pages: Vec<String>,
}

pub(super) fn execute(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut command = super::Cli::command();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        manual(command).render(&mut page)?;
        let page = String::from_utf8_lossy(&page).into_owned();
        output.show(&Page { page }, |it| it.page.clone())?;
        return Ok(Exit::Ok);
    };
    command.build();
    let mut pages = Vec::new();
    let written = std::fs::create_dir_all(dir).and_then(|()| write(command, dir, &mut pages));
    written.map_err(|error| {
        let doing = format!("cannot write manual pages to {}", dir.display());
        CliError::system(&doing, &error)
    })?;
    pages.sort_unstable();
    output.show(&Written { dir: dir.clone(), pages }, describe)?;
    Ok(Exit::Ok)
}

/// A page for the command, and for each below it.
fn write(command: clap::Command, dir: &Path, pages: &mut Vec<String>) -> io::Result<()> {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        write(below.clone(), dir, pages)?;
    }
    let page = manual(command);
    page.generate_to(dir)?;
    pages.push(page.get_filename());
    Ok(())
}

/// Of a command below `peer`, clap knows neither program nor version.
fn manual(command: clap::Command) -> Man {
    Man::new(command).source(concat!("peer ", env!("CARGO_PKG_VERSION")))
}

fn describe(written: &Written) -> String {
    format!("{} pages in {}", written.pages.len(), written.dir.display())
}
