//! `peer trust`

use clap::Subcommand;
use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel};

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{printable, table, time};
use crate::api::{self, Client};
use crate::model::TrustLine;

/// List whom this node trusts, pin a key, or revoke one
///
/// An entity is `pinned` once the operator has compared its fingerprint, `seen` if it was trusted on
/// first use, `revoked` if trust was withdrawn. An entity that turns up with another key than the one
/// on record is refused.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List known entities
    List,
    /// Trust an entity under a key whose fingerprint you have compared
    Pin {
        /// The entity's id
        entity: EntityId,
        /// Its fingerprint, as `peer id` prints it there; quotes are not needed
        #[arg(required = true, num_args = 1..=8)]
        fingerprint: Vec<String>,
    },
    /// Withdraw trust from a key, and close its sessions
    Revoke {
        /// An entity id or a fingerprint; quotes are not needed
        #[arg(required = true, num_args = 1..=8)]
        who: Vec<String>,
    },
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    match args.command {
        Command::List => {
            output.show(&client.trust().await?, |lines| describe(lines))?;
        }
        Command::Pin { entity, fingerprint } => {
            let fingerprint = parse(&fingerprint.join(" "))?;
            let line = client.pin(&api::Pin { entity, fingerprint }).await?;
            output.show(&line, |line| describe(std::slice::from_ref(line)))?;
        }
        Command::Revoke { who } => {
            let lines = client.revoke(&api::Revoke { who: who.join(" ") }).await?;
            output.show(&lines, |lines| describe(lines))?;
        }
    }
    Ok(Exit::Ok)
}

fn parse(fingerprint: &str) -> Result<Fingerprint, CliError> {
    fingerprint.parse().map_err(|error| {
        let detail = format!("{:?}: {error}", printable(fingerprint));
        CliError::new("invalid", detail, "copy all 8 groups that `peer id` prints there")
    })
}

fn describe(lines: &[TrustLine]) -> String {
    if lines.is_empty() {
        return "nobody is known yet".to_owned();
    }
    let row = |line: &TrustLine| {
        vec![
            line.entity.to_string(),
            level(line.level).to_owned(),
            time(line.last_seen),
            line.fingerprint.to_string(),
        ]
    };
    table(&["ENTITY", "TRUST", "LAST SEEN", "FINGERPRINT"], lines.iter().map(row).collect())
}

/// A trust level in a word.
pub(super) const fn level(level: TrustLevel) -> &'static str {
    match level {
        TrustLevel::Pinned => "pinned",
        TrustLevel::Seen => "seen",
        TrustLevel::Revoked => "revoked",
    }
}
