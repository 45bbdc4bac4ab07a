//! Links over a simulated carrier, on a virtual clock, with every decision drawn from one seed.
//!
//! A [`World`] has nodes, a road between any two of them, and [`Weather`] on the roads. It keeps the
//! carrier's half of the contract of [`peer_protocol::link`] and checks the link's half all the time:
//! timers that let the clock advance, one answer for each exchange, bounded queues, and a
//! [`ledger`](Ledger) in which each message is handed over at most once and ends exactly once.

pub mod arena;
mod carrier;
mod chance;
pub mod durable;
pub mod hops;
mod ledger;
mod node;
mod roads;
mod seeds;
mod storm;
mod trace;
mod weather;
mod world;

pub use chance::Chance;
pub use ledger::{Ledger, Life, Record};
pub use node::Node;
pub use seeds::{for_each_seed, for_each_seed_of};
pub use storm::{Storm, check_agreement, mixed_terms};
pub use weather::{Weather, flip_a_bit};
pub use world::{Rules, World};
