//! `peer listen`

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::acks::Acks;
use super::delivery::{kind, shown};
use super::error::CliError;
use super::exec::{Program, Ran};
use super::exit::Exit;
use super::inbox::details;
use super::output::Output;
use super::text::{inset, micros, printable, time};
use super::trust::level;
use crate::api::{Awake, Client, ClientError, Reply};
use crate::config::parse_duration;
use crate::model::{InboxId, Incoming, IncomingKind};
use crate::paths::DataDir;

/// Print incoming messages as they come, or let a program answer them
///
/// While this runs the node counts as having an agent. With --json each message is one line of JSON.
///
/// A message is acknowledged once its line is written, and then leaves the inbox (`peer inbox`); what was
/// not acknowledged when this ends, in whatever way, is handed over again when it is started next.
///
/// When it was started to wake the agent (PEER_WAKE_NONCE is set), attaching is the proof that the agent is
/// awake.
///
/// With --exec each message runs `sh -c CMD`: the content on standard input, the rest in PEER_FROM,
/// PEER_FROM_PEER_ID, PEER_TRUST, PEER_KIND (task, status_report, wake_up, answer, file), PEER_MESSAGE_ID,
/// PEER_INBOX_NUMBER, PEER_ENCRYPTED, PEER_RECEIVED_AT, PEER_CONTENT_TYPE, PEER_NAME, PEER_STATUS,
/// PEER_NEXT_ACTION, PEER_CONVERSATION, PEER_IN_REPLY_TO, PEER_DONE, PEER_FILE, PEER_FILE_SIZE,
/// PEER_FILE_DIGEST and PEER_WAKE_NONCE: a CMD that succeeds gives that back, which proves that the agent is
/// awake; so does `peer awake`, for one that takes longer. A message is acknowledged once CMD has succeeded. What CMD prints (at most 64 MiB)
/// answers a task; if it fails, the answer says so, with the end of its standard error, and the task is done
/// with. Any other message stays in the inbox if CMD fails, and is not tried again before the next start.
/// Example: peer listen --exec 'tr a-z A-Z'
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Run this shell command for each message; its output answers a task
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// End after the first message; with 1 if it is one that CMD failed to deal with, and that stays
    #[arg(long)]
    once: bool,
    /// Acknowledge nothing: all stays in the inbox, but what --exec answers
    #[arg(long)]
    no_ack: bool,
    /// Most programs at once
    #[arg(long, value_name = "COUNT", default_value_t = 4, requires = "exec",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// How long a program may take: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", requires = "exec",
          value_parser = parse_duration)]
    timeout: Duration,
}

/// Where an agent that was woken finds its nonce.
const WAKE_NONCE: &str = "PEER_WAKE_NONCE";

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
    let nonce = std::env::var(WAKE_NONCE).ok().filter(|nonce| !nonce.is_empty());
    attend(args, dir, client, nonce, output).await
}

/// Says that this agent is awake.
async fn prove(client: &Client, nonce: String, output: &mut Output) {
    if let Err(error) = client.awake(&Awake { nonce }).await {
        let text = format!("the proof of being awake was not taken: {error}");
        output.note(&printable(&text));
    }
}

/// Listens; `nonce` is what this agent was woken with.
pub(super) async fn attend(
    args: &Args,
    dir: &DataDir,
    client: &Client,
    nonce: Option<String>,
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
    if let Some(nonce) = nonce {
        prove(client, nonce, output).await;
    }
    let mut acks = Acks::new(client.clone(), args.no_ack);
    let mut running: JoinSet<Handled> = JoinSet::new();
    let mut taken: u64 = 0;
    let ended = loop {
        let room = running.len() < usize::from(args.parallel) && !(args.once && taken > 0);
        tokio::select! {
            message = messages.next(), if room && acks.has_room() => {
                let message = match message {
                    Ok(message) => message,
                    Err(error) => break Err(error.into()),
                };
                taken += 1;
                let written = output.show(&message, |message| describe(message, program.is_some()));
                if let Err(error) = written {
                    break Err(error);
                }
                if let Some(program) = &program {
                    running.spawn(handle(program.clone(), client.clone(), message));
                    continue;
                }
                acks.add(&message);
                if args.once {
                    break Ok(Exit::Ok);
                }
            }
            Some(handled) = running.join_next(), if !running.is_empty() => {
                // A task that is lost was lost by its panic, which has been told by then.
                let mut settled = false;
                if let Ok(handled) = handled {
                    settled = handled.is_settled();
                    if settled {
                        acks.add(&handled.message);
                    }
                    tell(&handled, output);
                }
                if args.once {
                    break Ok(if settled { Exit::Ok } else { Exit::Failed });
                }
            }
            acknowledged = acks.ended(), if acks.is_running() => {
                if let Err(error) = acknowledged {
                    not_acknowledged(&error, output);
                }
            }
            _ = interrupt.recv() => break Ok(Exit::Ok),
            _ = terminate.recv() => break Ok(Exit::Ok),
        }
    };
    if let Err(error) = acks.finish().await {
        not_acknowledged(&error, output);
    }
    ended
}

fn not_acknowledged(error: &ClientError, output: &mut Output) {
    let text = format!("some messages could not be acknowledged, and will come again: {error}");
    output.note(&printable(&text));
}

impl Handled {
    /// Whether the message need not come again: a program has dealt with it, its sender was told that it
    /// could not be dealt with, or nobody waits for the answer any more.
    fn is_settled(&self) -> bool {
        match (&self.answered, self.message.kind) {
            (Ok(()), IncomingKind::Task) => true,
            (Ok(()), _) => self.ran.done,
            (Err(ClientError::Failed(failure)), _) => failure.kind == "no_such_task",
            (Err(_), _) => false,
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
        if let Some(nonce) = message.wake_nonce.clone().filter(|_| ran.done) {
            // It was given back before if the program did so itself, or attaching was the proof.
            let _ = client.awake(&Awake { nonce }).await;
        }
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
    let stays = if handled.is_settled() || message.inbox_number.is_none() {
        ""
    } else {
        "\nit stays in the inbox, and is handed over again when `peer listen` is started next"
    };
    output.note(&printable(&format!(
        "{} {}: {end}{stays}",
        message.kind.as_str(),
        message.message_id
    )));
}

fn describe(message: &Incoming, brief: bool) -> String {
    let trust = message.trust.map_or("not on record", level);
    let secrecy = if message.encrypted { "" } else { ", NOT ENCRYPTED" };
    let number = message.inbox_number.map(|number| format!(" {}", InboxId::Number(number)));
    let mut text = format!(
        "{} {} from {} ({trust}{secrecy}) {}{}\n",
        time(message.received_at),
        kind(message.kind),
        message.from,
        message.message_id,
        number.unwrap_or_default()
    );
    for (name, value) in details(message) {
        text.push_str(&format!("  {name}: {}\n", inset(&value, 4)));
    }
    if !brief {
        text.push_str(&shown(&message.content));
    }
    printable(&text)
}
