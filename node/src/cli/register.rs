//! `peer register`

use super::error::CliError;
use super::exit::Exit;
use super::listing;
use super::output::Output;
use crate::api::{Client, Register};
use crate::model::Registered;

/// Tell the registry what this entity can do and where it is
///
/// The node registers itself whenever it runs, again every hour, and withdraws when it stops in peace. This
/// does it now, and changes what it says: capabilities added or removed here are remembered. Without
/// arguments it registers anew and shows what the registry says.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Something that this entity can do from now on; repeat it, or separate several by commas
    #[arg(value_name = "CAPABILITY", value_delimiter = ',')]
    capabilities: Vec<String>,
    /// Something that it gives up
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    remove: Vec<String>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let ask = Register { add: args.capabilities, remove: args.remove };
    output.note("telling the registry…");
    let registered = client.register(&ask).await?;
    output.show(&registered, describe)?;
    Ok(Exit::Ok)
}

fn describe(registered: &Registered) -> String {
    let Registered { keys, stored, took_ms, .. } = registered;
    let outcome = if *stored == 0 {
        "no other node keeps it yet; it is tried again, and `peer dht` shows how that goes\n"
            .to_owned()
    } else {
        format!("other nodes keep it under {stored} of {keys} keys, after {took_ms} ms\n")
    };
    format!("{}{outcome}", listing::describe(&registered.listing))
}
