//! A node of the Peer Communication Protocol v1.1, for embedding and for the binary `peer`.

pub mod api;
mod behaviour;
pub mod cli;
pub mod config;
mod directory;
mod error;
mod event_loop;
mod handle;
mod inbox;
pub mod keystore;
pub mod model;
mod node;
pub mod paths;
mod private_file;
mod swarm;
pub mod telemetry;
mod trust;
pub mod trust_file;

pub use error::NodeError;
pub use handle::Handle;
pub use node::{Node, StartError};
