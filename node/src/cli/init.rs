//! `peer init`

use std::io;
use std::path::PathBuf;

use peer_protocol::identity::EntityId;
use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::id::Id;
use super::output::Output;
use crate::config::{Settings, template};
use crate::keystore::{self, KeyError};
use crate::paths::DataDir;
use crate::private_file;

/// Make a key and a configuration file
///
/// Writes `key` (mode 0600) and `config.toml`, which shows every setting with its default, to the data
/// directory. A key is never overwritten: if there is one, this says so and exits with code 7. A
/// configuration file that is there is kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name that peers know this entity by [default: derived from the key]
    #[arg(long, value_name = "NAME")]
    entity: Option<EntityId>,
    /// Print the configuration file instead, and make nothing
    #[arg(long)]
    print_config: bool,
}

#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    id: Id,
    data_dir: PathBuf,
    key: PathBuf,
    config: PathBuf,
    config_written: bool,
}

#[derive(Debug, Serialize)]
struct Printed {
    config: String,
}

pub(super) fn execute(args: &Args, dir: &DataDir, output: &mut Output) -> Result<Exit, CliError> {
    if args.print_config {
        let printed = Printed { config: template(args.entity.as_ref()) };
        output.show(&printed, |printed| printed.config.clone())?;
        return Ok(Exit::Ok);
    }
    let (key, config) = (dir.key(), dir.config());
    dir.create()?;
    if key.try_exists().unwrap_or(true) {
        return Err(KeyError::Exists { path: key }.into());
    }
    let config_written =
        match private_file::create(&config, template(args.entity.as_ref()).as_bytes()) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => {
                let detail =
                    format!("cannot write the configuration {}: {error}", config.display());
                let next = "make room, or repair the permissions of the data directory";
                return Err(CliError::new("config", detail, next));
            }
        };
    // Read back, so that a kept file that will not do is told now and not at the first start.
    let settings = super::configuration(dir, Settings::default())?;
    if let Some(entity) = &args.entity
        && settings.entity() != Some(entity)
    {
        let detail = format!(
            "{} or PEER_ENTITY sets another entity than {entity}, and is not changed",
            config.display()
        );
        return Err(CliError::new("config", detail, "set `entity` there, then `peer init`"));
    }
    let id = Id::of(keystore::generate(&key)?, &settings)?;
    let made = Made { id, data_dir: dir.root().to_owned(), key, config, config_written };
    output.show(&made, describe)?;
    Ok(Exit::Ok)
}

fn describe(made: &Made) -> String {
    let kept = if made.config_written { "" } else { " (kept as it was)" };
    format!(
        "{}key       {}\nconfig    {}{kept}\nnext: start the node with `peer run`\n",
        made.id.describe(),
        made.key.display(),
        made.config.display(),
    )
}
