//! `peer mcp`

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::api::Client;
use crate::config::{McpSettings, Settings};
use crate::mcp::{Files, Server, stdio};
use crate::paths::DataDir;

/// Give a language model the node's tools, over the Model Context Protocol
///
/// An MCP host (Claude Code, Claude Desktop, Cursor, VS Code …) starts this and speaks with it over standard
/// input and output; it ends when the host does. It starts without a node, too: a tool then says that none
/// runs, and works once one does. Logs go to standard error. Host configuration:
/// {"mcpServers": {"peer": {"command": "peer", "args": ["mcp"]}}}
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A directory whose files the model may send to peers; repeat it, or separate several by commas [default:
    /// `files` in `[mcp]` of the configuration, or none]
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    files: Option<Vec<PathBuf>>,
}

pub(super) async fn execute(
    args: Args,
    dir: &DataDir,
    client: Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let mcp = args.files.map(|files| McpSettings { files: Some(files) });
    let config = super::configuration(dir, Settings { mcp, ..Settings::default() })?;
    let files = Files::below(config.mcp_files(), dir)?;
    if io::stdin().is_terminal() {
        output.note("waiting for an MCP host on standard input; see `peer mcp --help` for how to set one up");
    }
    stdio::serve(Server::new(client, files)).await.map_err(|error| {
        CliError::new("mcp", error.to_string(), "see the host's log, and `peer mcp --help`")
    })?;
    Ok(Exit::Ok)
}
