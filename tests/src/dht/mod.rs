//! The registry in one process: up to a thousand nodes, real swarms with the registry's behaviour on
//! libp2p's memory transport, some of them killed and replaced, some of them hostile.
//!
//! Keys, places and choices follow from a seed. What runs when does not: the swarms share one
//! thread, but sockets of the memory transport and libp2p's timers have their own order.

mod book;
mod hostile;
mod node;
mod scenario;
mod world;

pub use hostile::Vice;
pub use scenario::{Outcome, Scenario, Tally, run};
