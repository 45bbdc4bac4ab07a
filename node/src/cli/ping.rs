//! `peer ping`

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Timeout;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{micros, printable};
use crate::api::{self, Client};
use crate::config::parse_duration;
use crate::model::{Life, Path};

/// Measure the way to a peer: which one it is, and how long there and back
///
/// Each ping is an encrypted heartbeat that the peer's node answers. The way is `direct`,
/// `hole-punched`, `relayed` (through a libp2p relay) or `hops` (carried by other nodes); it may get
/// better while you watch. The exit code is 4 if no ping was answered.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Entity id, peer id, fingerprint, or multiaddress with /p2p/<peer id>
    peer: String,
    /// How many pings
    #[arg(short, long, value_name = "COUNT", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Time from one ping to the next, at least 100ms
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    interval: Duration,
    #[command(flatten)]
    timeout: Timeout,
}

/// Shortest time between two pings: heartbeats are rate limited.
const SHORTEST: Duration = Duration::from_millis(100);

/// All pings and what they amount to.
#[derive(Debug, Default, Serialize)]
struct Pinged {
    peer: String,
    pings: Vec<Ping>,
    sent: u32,
    answered: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    median_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_us: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Ping {
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    if args.interval < SHORTEST {
        let detail =
            format!("an interval of {} ms: expected at least 100", args.interval.as_millis());
        return Err(CliError::new("invalid", detail, "correct it and try again"));
    }
    let ask = api::Alive { timeout_ms: args.timeout.millis(), peer: args.peer.clone() };
    let mut pinged = Pinged { peer: args.peer, ..Pinged::default() };
    for number in 0..args.count {
        let begun = Instant::now();
        let ping = Ping::from(client.alive(&ask).await?);
        if !output.json() {
            output.line(&ping.line(&pinged.peer, number + 1))?;
        }
        pinged.pings.push(ping);
        if number + 1 < args.count {
            tokio::time::sleep(args.interval.saturating_sub(begun.elapsed())).await;
        }
    }
    pinged.sum_up();
    output.show(&pinged, Pinged::summary)?;
    Ok(if pinged.answered > 0 { Exit::Ok } else { Exit::Unreachable })
}

impl From<Life> for Ping {
    fn from(life: Life) -> Self {
        Self {
            round_trip_us: life.round_trip_us.filter(|_| life.alive),
            path: life.path,
            error: life.error,
        }
    }
}

impl Ping {
    fn line(&self, peer: &str, number: u32) -> String {
        let path = self.path.as_ref().map_or_else(String::new, |path| format!(", {path}"));
        let line = match (self.round_trip_us, &self.error) {
            (Some(time), _) => format!("{number}  {peer} answered in {}{path}\n", micros(time)),
            (None, Some(error)) => format!("{number}  no answer: {error}\n"),
            (None, None) => format!("{number}  no answer\n"),
        };
        printable(&line)
    }
}

impl Pinged {
    fn sum_up(&mut self) {
        let mut times: Vec<u64> = self.pings.iter().filter_map(|ping| ping.round_trip_us).collect();
        times.sort_unstable();
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        (self.sent, self.answered) = (count(self.pings.len()), count(times.len()));
        self.min_us = times.first().copied();
        self.median_us = times.get(times.len() / 2).copied();
        self.max_us = times.last().copied();
    }

    fn summary(&self) -> String {
        let Self { sent, answered, .. } = self;
        let mut text = format!("{answered} of {sent} answered");
        if let (Some(min), Some(median), Some(max)) = (self.min_us, self.median_us, self.max_us) {
            let [min, median, max] = [min, median, max].map(micros);
            text.push_str(&format!("; round trip {min} at best, {median} median, {max} at worst"));
        }
        text.push('\n');
        text
    }
}
