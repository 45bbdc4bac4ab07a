//! A node of the Peer Communication Protocol v1.1, for embedding and for the binary `peer`.
//!
//! Two nodes in one program, a question and its answer:
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_node::config::NodeConfig;
//! use peer_node::model::Content;
//! use peer_node::{Handle, Node, NodeEvent};
//!
//! async fn start(entity: &str) -> Result<Node, Box<dyn std::error::Error>> {
//!     let config = NodeConfig::default().with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse()?]);
//!     let config = config.with_mdns(false).with_upnp(false); // this machine only
//!     Ok(Node::builder().config(config).entity(entity)?.start().await?)
//! }
//!
//! async fn answer_one(bob: Handle) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut messages = bob.subscribe(Some(1)).await?;
//!     let question = messages.recv().await.ok_or("the node stopped")?;
//!     let text = question.content.text.unwrap_or_default().to_uppercase();
//!     Ok(bob.answer(&question.message_id, Content::from_bytes(text.as_bytes()), true).await?)
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (start("alice").await?, start("bob").await?);
//! let address = bob.handle().status().await?.listen[0].parse()?;
//! let mut events = bob.handle().events();
//! alice.handle().connect(address).await?;
//! let ready = |event: &NodeEvent| matches!(event, NodeEvent::SessionReady { .. });
//! while !ready(&events.next().await.ok_or("the node stopped")?) {}
//!
//! let question = Content::from_bytes(b"hello bob");
//! let alice = alice.handle();
//! let asked = alice.talk("bob", question, None, Duration::from_secs(10));
//! let (answer, answered) = tokio::join!(asked, answer_one(bob.handle()));
//! answered?;
//! assert_eq!(answer?.content.text.as_deref(), Some("HELLO BOB"));
//! # Ok(())
//! # }
//! ```

pub mod a2a;
pub mod api;
mod behaviour;
mod builder;
pub mod cli;
pub mod config;
pub mod dashboard;
mod directory;
mod error;
mod event_loop;
mod events;
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod handle;
mod inbox;
pub mod keystore;
mod large;
mod mailbox;
pub mod mcp;
pub mod metrics;
pub mod model;
mod node;
pub mod paths;
mod private_file;
mod process;
mod registry_file;
mod room;
pub mod store;
mod swarm;
pub mod telemetry;
mod transfer;
mod trust;
pub mod trust_file;
mod wake;

pub use builder::NodeBuilder;
pub use error::{NodeError, StartError};
pub use events::{Events, NodeEvent};
pub use handle::Handle;
pub use node::Node;
pub use registry_file::RegistryFileError;
pub use store::{Store, StoreError};
pub use transfer::TransferFailure;
