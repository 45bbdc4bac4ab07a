//! `peer send`

mod progress;
mod spool;

use std::path::PathBuf;
use std::time::Duration;

use self::progress::Progress;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{printable, short, size};
use super::{Timeout, transfers};
use crate::api::{self, Client};
use crate::model::{IdPrefix, TransferState, TransferStatus};
use crate::paths::DataDir;

/// How often it is asked how far a transfer is.
const LOOK: Duration = Duration::from_millis(150);

/// Send files to a peer, and wait until it has them
///
/// The node reads the files, and sends them across lost connections and restarts of either side; the
/// command shows how far they are, and ends once the peer has them whole and on disk. Ctrl-C cancels what
/// is not there yet; if the command is killed, the node goes on. The peer decides whose files it takes
/// (`peer run --accept-files`). With --json, one JSON document a line for each step.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Entity id, peer id, fingerprint, or multiaddress with /p2p/<peer id>
    peer: String,
    /// Files; - reads standard input, and takes --name
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The name that the peer is told, of a single file [default: the file's own]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The media type that the peer is told
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Leave it to the node, and do not wait; `peer transfers` shows how it goes
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    timeout: Timeout,
}

pub(super) async fn execute(
    args: Args,
    dir: &DataDir,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let files = files(&args)?;
    let mut sent = Vec::new();
    for file in files {
        let begun = begin(&args, file, dir, client).await;
        match begun {
            Ok(status) => sent.push(status),
            // What was begun already goes on; that is said.
            Err(error) if sent.is_empty() => return Err(error),
            Err(error) => {
                output.note(&format!("{} of the files are on their way", sent.len()));
                return Err(error);
            }
        }
    }
    if args.detach {
        for status in &sent {
            output.show(status, describe_detached)?;
        }
        return Ok(Exit::Ok);
    }
    follow(sent, client, output).await
}

/// A file, or standard input.
enum Source {
    Path(PathBuf),
    Input,
}

fn files(args: &Args) -> Result<Vec<Source>, CliError> {
    if args.name.is_some() && args.files.len() > 1 {
        return Err(misuse("--name is for a single file", "send them one by one"));
    }
    let source = |file: &String| {
        if file != "-" {
            let path = std::path::absolute(file);
            return path.map(Source::Path).map_err(|error| CliError::system("cannot send", &error));
        }
        if args.name.is_none() {
            return Err(misuse(
                "standard input has no name",
                "give it one: `peer send <peer> - --name <name>`",
            ));
        }
        Ok(Source::Input)
    };
    args.files.iter().map(source).collect()
}

fn misuse(detail: &str, next: &str) -> CliError {
    CliError::new("usage", detail, next)
}

async fn begin(
    args: &Args,
    source: Source,
    dir: &DataDir,
    client: &Client,
) -> Result<TransferStatus, CliError> {
    let (path, spooled) = match source {
        Source::Path(path) => (path, false),
        // Nobody reads gigabytes for a node that does not run.
        Source::Input => {
            client.status().await?;
            (spool::standard_input(dir).await?, true)
        }
    };
    let ask = api::Send {
        peer: args.peer.clone(),
        path: path.clone(),
        root: None,
        name: args.name.clone(),
        content_type: args.content_type.clone(),
        spooled,
        timeout_ms: args.timeout.millis(),
    };
    let sent = client.send_file(&ask).await;
    if sent.is_err() && spooled {
        // The node did not take it.
        let _ = std::fs::remove_file(&path);
    }
    Ok(sent?)
}

/// Shows how far transfers are until all are over, or somebody interrupts.
async fn follow(
    sent: Vec<TransferStatus>,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let mut progress = Progress::new(output.json());
    let mut ids = Vec::new();
    for status in &sent {
        let id: IdPrefix = status.id.parse().map_err(|_| garbled())?;
        ids.push(id);
        progress.add(status);
    }
    let mut last = sent;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let mut open = false;
        for (status, id) in last.iter_mut().zip(&ids) {
            if status.state.is_over() {
                continue;
            }
            *status = client.transfer(id).await?;
            open |= !status.state.is_over();
            progress.tell(status, output)?;
        }
        if !open {
            break;
        }
        tokio::select! {
            _ = &mut interrupted => {
                progress.end();
                return cancel(&last, &ids, client, output).await;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    progress.end();
    conclude(&last, output)
}

async fn cancel(
    last: &[TransferStatus],
    ids: &[IdPrefix],
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    for (_, id) in last.iter().zip(ids).filter(|(status, _)| !status.state.is_over()) {
        // It may have come to its end a moment ago.
        let _ = client.cancel_transfer(id).await;
    }
    output.note("cancelled; `peer transfers retry <id>` sends it again");
    Ok(Exit::Failed)
}

/// The end of it for the exit code: the first failure counts.
fn conclude(last: &[TransferStatus], output: &mut Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Ok;
    for status in last.iter().filter(|status| status.state != TransferState::Complete) {
        let failure = transfers::failure(status);
        if exit == Exit::Ok {
            exit = Exit::of_kind(&failure.kind);
        }
        output.failure(&failure);
    }
    Ok(exit)
}

fn describe_detached(status: &TransferStatus) -> String {
    let name = printable(status.name.as_deref().unwrap_or("-"));
    let (peer, size) = (&status.peer, size(status.size));
    format!("{name} ({size}) goes to {peer}: `peer transfers show {}`", short(&status.id))
}

fn garbled() -> CliError {
    CliError::new(
        "garbled",
        "the node names the transfer by something that is no id",
        "check that command and node are of the same version: `peer status`",
    )
}
