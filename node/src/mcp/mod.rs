//! The Model Context Protocol: a node's requests as tools for language models, by `rmcp`.
//!
//! One [`Server`] over the local API serves both ways in: [`stdio::serve`] is `peer mcp`, a process that an
//! MCP host starts and that needs no node to start; [`http::router`] is `/mcp` on the node, stateless, to be
//! mounted behind the API's guard. A call asks the node anew, so that one that was restarted is found again.
//!
//! What peers wrote is data. It stands in fields called `peer_wrote` and nowhere else, and characters that
//! control terminals or cannot be seen are written as escapes in everything that a model gets.

mod call;
mod content;
mod failure;
mod files;
pub mod http;
mod server;
pub mod stdio;
#[cfg(test)]
mod tests;
mod tools;
mod visible;

pub use files::{BadDirectory, Files};
pub use server::Server;
