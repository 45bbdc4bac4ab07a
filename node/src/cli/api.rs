//! `peer api`

use std::path::PathBuf;

use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::api::{Client, Token};
use crate::paths::DataDir;

/// Show how programs and browsers reach the local API over TCP
///
/// Over the socket in the data directory nothing is needed. A loopback port is opened by `peer run
/// --api 127.0.0.1:4780`, or `listen` under `[api]` in the configuration; there requests carry the
/// header `Authorization: Bearer <token>`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the token; whoever has it can do all that this node's operator can
    Token,
    /// Print the address for a browser, with the token in its fragment, which browsers keep to themselves
    Url,
}

#[derive(Debug, Serialize)]
struct ShownToken {
    token: String,
    path: PathBuf,
}

#[derive(Debug, Serialize)]
struct ShownUrl {
    url: String,
    address: String,
}

pub(super) async fn execute(
    args: &Args,
    dir: &DataDir,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    match args.what {
        What::Token => {
            dir.create()?;
            let path = dir.api_token();
            let token = Token::load_or_create(&path)?.as_str().to_owned();
            output.show(&ShownToken { token, path }, |shown| shown.token.clone())?;
        }
        What::Url => {
            let Some(address) = client.api().await?.listen else {
                let detail = "the node's local API does not listen on TCP";
                let next = "start the node with `peer run --api 127.0.0.1:4780`, or set `listen` under \
                            `[api]` in its configuration";
                return Err(CliError::new("api_off", detail, next));
            };
            let token = Token::load_or_create(&dir.api_token())?;
            let url = format!("http://{address}/#token={}", token.as_str());
            output.show(&ShownUrl { url, address }, |shown| shown.url.clone())?;
        }
    }
    Ok(Exit::Ok)
}
