//! `peer top`

mod keys;
mod screen;
mod snapshot;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use self::keys::Keys;
use self::screen::Screen;
use self::snapshot::Snapshot;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::api::Client;
use crate::config::parse_duration;

/// Watch the running node: peers, sessions, queues, transfers, rate limits
///
/// Keys: Tab or the left and right arrows change the view, up and down move through it, ? shows all keys,
/// q quits. Where standard output is no terminal it prints the state once.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the state once, and end
    #[arg(long)]
    once: bool,
    /// How often the state is read
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    every: Duration,
}

/// Reading more often would show the reading more than the node.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let first = Snapshot::read(client, None).await?;
    if args.once || output.json() || !std::io::stdout().is_terminal() {
        output.show(&first, view::plain)?;
        return Ok(Exit::Ok);
    }
    let color = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let failed = |error: std::io::Error| CliError::system("cannot use the terminal", &error);
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let screen = Screen::new(first, color);
    let ended = watch(screen, &mut terminal, client, args.every.max(SHORTEST)).await;
    ratatui::restore();
    ended.map(|()| Exit::Ok)
}

/// Shows the node until somebody quits.
async fn watch(
    mut screen: Screen,
    terminal: &mut DefaultTerminal,
    client: &Client,
    every: Duration,
) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::system("cannot use the terminal", &error);
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut keys = Keys::start().map_err(failed)?;
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    loop {
        terminal.draw(|frame| view::draw(frame, &mut screen)).map_err(failed)?;
        tokio::select! {
            _ = tick.tick() => {
                // What was last known stays on the screen while the node is away.
                match Snapshot::read(client, Some(screen.snapshot())).await {
                    Ok(snapshot) => screen.show(snapshot),
                    Err(error) => screen.fail(&error),
                }
            }
            key = keys.next() => match key {
                Some(key) if screen.press(key) => {}
                _ => return Ok(()),
            },
            _ = terminated.recv() => return Ok(()),
        }
    }
}
