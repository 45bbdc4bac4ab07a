//! `peer listen`

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::error::CliError;
use super::exec::{Program, Ran};
use super::exit::Exit;
use super::output::Output;
use super::text::{micros, printable, time};
use super::trust::level;
use crate::api::{Client, ClientError, Reply};
use crate::config::parse_duration;
use crate::model::{Content, Incoming, IncomingKind};
use crate::paths::DataDir;

/// Print incoming messages as they come, or let a program answer them
///
/// While this runs the node counts as having an agent. With --json each message is one line of JSON.
///
/// With --exec each message runs `sh -c CMD`: the content on standard input, the rest in PEER_FROM,
/// PEER_FROM_PEER_ID, PEER_TRUST, PEER_KIND (task, status_report, wake_up), PEER_MESSAGE_ID,
/// PEER_ENCRYPTED, PEER_RECEIVED_AT, PEER_CONTENT_TYPE, PEER_NAME, PEER_STATUS, PEER_NEXT_ACTION and
/// PEER_CONVERSATION. What CMD prints (at most 1 MiB) answers a task; if it fails, the answer says so,
/// with the end of its standard error. Example: peer listen --exec 'tr a-z A-Z'
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Run this shell command for each message; its output answers a task
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// End after the first message
    #[arg(long)]
    once: bool,
    /// Most programs at once
    #[arg(long, value_name = "COUNT", default_value_t = 4, requires = "exec",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// How long a program may take: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", requires = "exec",
          value_parser = parse_duration)]
    timeout: Duration,
}

/// A message that a program has dealt with.
struct Handled {
    message: Incoming,
    ran: Ran,
    took: Duration,
    answered: Result<(), ClientError>,
}

pub(super) async fn execute(
    args: &Args,
    dir: &DataDir,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let signals = |error| CliError::system("cannot watch for signals", &error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let program = args.exec.clone().map(|command| Program {
        command,
        timeout: args.timeout,
        data_dir: dir.root().to_owned(),
    });
    let mut messages = client.messages(args.once.then_some(1)).await?;
    if !output.json() {
        output.note("listening; stop with Ctrl-C");
    }
    let mut running: JoinSet<Handled> = JoinSet::new();
    let mut taken: u64 = 0;
    loop {
        let room = running.len() < usize::from(args.parallel) && !(args.once && taken > 0);
        tokio::select! {
            message = messages.next(), if room => {
                let message = message?;
                taken += 1;
                output.show(&message, |message| describe(message, program.is_some()))?;
                if let Some(program) = &program {
                    running.spawn(handle(program.clone(), client.clone(), message));
                } else if args.once {
                    return Ok(Exit::Ok);
                }
            }
            Some(handled) = running.join_next(), if !running.is_empty() => {
                // A task that is lost was lost by its panic, which has been told by then.
                if let Ok(handled) = handled {
                    tell(&handled, output);
                }
                if args.once {
                    return Ok(Exit::Ok);
                }
            }
            _ = interrupt.recv() => return Ok(Exit::Ok),
            _ = terminate.recv() => return Ok(Exit::Ok),
        }
    }
}

async fn handle(program: Program, client: Client, message: Incoming) -> Handled {
    let begun = Instant::now();
    let ran = program.run(&message).await;
    let took = begun.elapsed();
    let answered = if message.kind == IncomingKind::Task {
        let (message_id, content) = (message.message_id.clone(), ran.content.clone());
        client.answer(&Reply { message_id, content, done: ran.done }).await
    } else {
        Ok(())
    };
    Handled { message, ran, took, answered }
}

fn tell(handled: &Handled, output: &mut Output) {
    let Handled { message, ran, took, answered } = handled;
    let took = micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let end = match (answered, ran.done) {
        (Err(error), _) => format!("not answered: {error}"),
        (Ok(()), true) => format!("done in {took}"),
        (Ok(()), false) => {
            let why = ran.content.text.as_deref().unwrap_or_default();
            format!("failed in {took}: {why}")
        }
    };
    output.note(&printable(&format!("{} {}: {end}", message.kind.as_str(), message.message_id)));
}

fn describe(message: &Incoming, brief: bool) -> String {
    let trust = message.trust.map_or("not on record", level);
    let secrecy = if message.encrypted { "" } else { ", NOT ENCRYPTED" };
    let what = match message.kind {
        IncomingKind::Task => "task",
        IncomingKind::StatusReport => "report",
        IncomingKind::WakeUp => "wake-up",
        IncomingKind::Answer => "answer",
        IncomingKind::File => "file",
    };
    let mut text = format!(
        "{} {what} from {} ({trust}{secrecy}) {}\n",
        time(message.received_at),
        message.from,
        message.message_id
    );
    for (name, value) in [
        ("status", &message.status),
        ("next", &message.next_action),
        ("conversation", &message.conversation),
        ("file", &message.content.name),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    }
    if !brief {
        text.push_str(&shown(&message.content));
    }
    printable(&text)
}

/// Content, indented, so that it cannot pass for the head of another message.
fn shown(content: &Content) -> String {
    match (&content.text, content.to_bytes()) {
        (Some(text), _) => text.lines().map(|line| format!("  {line}\n")).collect(),
        (None, Ok(bytes)) => {
            format!("  <{} bytes of {}>\n", bytes.len(), content.media_type())
        }
        (None, Err(_)) => "  <broken content>\n".to_owned(),
    }
}
