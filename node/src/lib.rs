//! A node of the Peer Communication Protocol v1.1, for embedding and for the binary `peer`.

pub mod api;
pub mod cli;
pub mod config;
mod error;
mod handle;
pub mod keystore;
pub mod model;
pub mod paths;
mod private_file;
pub mod telemetry;
pub mod trust_file;

pub use error::NodeError;
pub use handle::Handle;
