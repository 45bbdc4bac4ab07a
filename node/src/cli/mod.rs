//! The command line: one file a command.

mod acks;
mod alive;
mod api;
mod awake;
mod completions;
mod connect;
mod content;
mod delivery;
mod dht;
mod discover;
mod doctor;
mod error;
mod exec;
mod exit;
mod id;
mod inbox;
mod init;
mod listen;
mod listing;
mod lookup;
mod mailbox;
mod man;
mod mcp;
mod netcheck;
mod notify;
mod outbox;
mod output;
mod peers;
mod ping;
mod register;
mod report;
mod restart;
mod run;
mod send;
mod status;
mod talk;
#[cfg(test)]
mod tests;
mod text;
mod top;
mod trace;
mod transfers;
mod trust;
mod wake;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::api::Client;
use crate::config::{Layer, NodeConfig, Origin, Settings, format_duration, parse_duration};
use crate::paths::DataDir;
use crate::telemetry::Telemetry;
use error::CliError;
use exit::Exit;
use output::Output;
pub(crate) use text::time;

/// A node of the Peer Communication Protocol: lets agents find each other, prove who they are, and
/// exchange encrypted messages.
#[derive(Debug, Parser)]
#[command(name = "peer", version, after_help = exit::TABLE, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Where the node keeps configuration, key, trust list, what it remembers, and socket [default:
    /// the user's own, such as ~/.local/share/peer]
    #[arg(long, global = true, env = "PEER_DATA_DIR", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Print JSON instead of text, failures included: one document, or, where a command says so, one a line
    #[arg(long, global = true)]
    json: bool,
    /// Log more, on standard error: -v each handshake step and its state, -vv everything; `RUST_LOG`
    /// overrides it
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// When to use colours; `auto` obeys `NO_COLOR`
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    /// Log as text, or as JSON, one object a line
    #[arg(long, global = true, env = "PEER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text,
          value_name = "FORMAT")]
    log_format: LogFormat,
    /// The same as `--log-format json`
    #[arg(long, global = true, hide = true)]
    log_json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Run(Box<run::Args>),
    Id(id::Args),
    Status(status::Args),
    Peers(peers::Args),
    Connect(connect::Args),
    Talk(talk::Args),
    Report(report::Args),
    Send(send::Args),
    Transfers(transfers::Args),
    Wake(wake::Args),
    Awake(awake::Args),
    Alive(alive::Args),
    Restart(restart::Args),
    Trust(trust::Args),
    Listen(listen::Args),
    Inbox(inbox::Args),
    Outbox(outbox::Args),
    Trace(trace::Args),
    Top(top::Args),
    Register(register::Args),
    Lookup(lookup::Args),
    Discover(discover::Args),
    Dht(dht::Args),
    Mailbox(mailbox::Args),
    Api(api::Args),
    Ping(ping::Args),
    Netcheck(netcheck::Args),
    Doctor(doctor::Args),
    Mcp(mcp::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// How long a command is silent.
const MOMENT: Duration = Duration::from_secs(3);

/// A peer, and how long to wait for it.
#[derive(Debug, Args)]
struct PeerArgs {
    /// Entity id, peer id, fingerprint, or multiaddress with /p2p/<peer id>
    peer: String,
    #[command(flatten)]
    timeout: Timeout,
}

#[derive(Debug, Args)]
struct Timeout {
    /// How long to wait: 500ms, 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
}

impl Timeout {
    fn millis(&self) -> Option<u64> {
        millis(self.timeout)
    }
}

fn millis(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}

/// Waits for an answer, and says so on the side if it does not come at once.
async fn patiently<T>(
    output: &mut Output,
    timeout: Duration,
    request: impl Future<Output = T>,
) -> T {
    tokio::pin!(request);
    tokio::select! {
        done = &mut request => return done,
        () = tokio::time::sleep(MOMENT) => {}
    }
    let waiting = format_duration(timeout);
    output.note(&format!("no answer yet; waiting up to {waiting} (`peer peers` shows why)"));
    request.await
}

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args_os().any(|it| it == "--json") => {
            let text = error.render().to_string();
            let detail = text.strip_prefix("error: ").unwrap_or(&text).trim();
            let next = "see `peer --help`, or the command's own";
            return conclude(
                Err(CliError::new("usage", detail, next)),
                &mut Output::standard(true),
            )
            .into();
        }
        Err(error) => {
            // Help goes to standard output, misuse to standard error; nobody else can be told.
            let _ = error.print();
            return (if error.use_stderr() { Exit::Usage } else { Exit::Ok }).into();
        }
    };
    match cli.global.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
    .write_global();
    Telemetry {
        verbosity: cli.global.verbose,
        json: cli.global.log_json || cli.global.log_format == LogFormat::Json,
        color: AutoStream::choice(&std::io::stderr()) != ColorChoice::Never,
    }
    .start();
    let mut output = Output::standard(cli.global.json);
    let runtime = if matches!(cli.command, Command::Run(_)) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let exit = match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(execute(cli, &mut output));
            // Reading standard input or a name lookup may still block a thread: do not wait for it.
            runtime.shutdown_background();
            exit
        }
        Err(error) => conclude(Err(CliError::system("cannot start", &error)), &mut output),
    };
    exit.into()
}

/// Executes a command, and tells its failure if it fails.
async fn execute(cli: Cli, output: &mut Output) -> Exit {
    let ended = dispatch(cli, output).await;
    conclude(ended, output)
}

fn conclude(ended: Result<Exit, CliError>, output: &mut Output) -> Exit {
    match ended {
        Ok(exit) => exit,
        Err(CliError::PipeClosed) => Exit::Ok,
        Err(CliError::Failure(failure)) => {
            output.failure(&failure);
            Exit::of_kind(&failure.kind)
        }
    }
}

async fn dispatch(cli: Cli, output: &mut Output) -> Result<Exit, CliError> {
    // Whoever builds a package may have no home, and what packages need of this is no node's.
    let nowhere = matches!(cli.command, Command::Completions(_) | Command::Man(_));
    let nowhere = nowhere.then(|| PathBuf::from("."));
    let dir = DataDir::resolve(cli.global.data_dir.or(nowhere))?;
    let client = Client::new(&dir);
    match cli.command {
        Command::Init(args) => init::execute(&args, &dir, output),
        Command::Run(args) => run::execute(*args, &dir, output).await,
        Command::Id(args) => id::execute(&args, &dir, output),
        Command::Status(args) => status::execute(&args, &client, output).await,
        Command::Peers(args) => peers::execute(&args, &client, output).await,
        Command::Connect(args) => connect::execute(args, &client, output).await,
        Command::Talk(args) => talk::execute(args, &client, output).await,
        Command::Report(args) => report::execute(args, &client, output).await,
        Command::Send(args) => send::execute(args, &dir, &client, output).await,
        Command::Transfers(args) => transfers::execute(args, &client, output).await,
        Command::Wake(args) => wake::execute(args, &client, output).await,
        Command::Awake(args) => awake::execute(args, &client, output).await,
        Command::Alive(args) => alive::execute(args, &client, output).await,
        Command::Restart(args) => restart::execute(args, &client, output).await,
        Command::Trust(args) => trust::execute(args, &client, output).await,
        Command::Listen(args) => listen::execute(&args, &dir, &client, output).await,
        Command::Inbox(args) => inbox::execute(args, &client, output).await,
        Command::Outbox(args) => outbox::execute(args, &client, output).await,
        Command::Trace(args) => trace::execute(&args, &client, output).await,
        Command::Top(args) => top::execute(args, &client, output).await,
        Command::Register(args) => register::execute(args, &client, output).await,
        Command::Lookup(args) => lookup::execute(args, &client, output).await,
        Command::Discover(args) => discover::execute(args, &client, output).await,
        Command::Dht(args) => dht::execute(&args, &client, output).await,
        Command::Mailbox(args) => mailbox::execute(&args, &client, output).await,
        Command::Api(args) => api::execute(&args, &dir, &client, output).await,
        Command::Ping(args) => ping::execute(args, &client, output).await,
        Command::Netcheck(args) => netcheck::execute(&args, &client, output).await,
        Command::Doctor(args) => doctor::execute(&args, &dir, &client, output).await,
        Command::Mcp(args) => mcp::execute(args, &dir, client, output).await,
        Command::Completions(args) => completions::execute(&args, output),
        Command::Man(args) => man::execute(&args, output),
    }
}

/// The configuration of `dir`, under the environment and `flags`.
fn configuration(dir: &DataDir, flags: Settings) -> Result<NodeConfig, CliError> {
    let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let environment = Settings::from_environment(variable)?;
    let mut layers: Vec<Layer> = Layer::read(&dir.config())?.into_iter().collect();
    layers.push(Layer::new(Origin::Environment, environment));
    layers.push(Layer::new(Origin::Flags, flags));
    Ok(NodeConfig::from_layers(&layers)?)
}
