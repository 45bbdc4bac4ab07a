//! Waking this node's agent for peers that the operator allows, and finding out whether it is there
//! (`docs/PROTOCOL.md` §7.4, §16).
//!
//! [`Runs`] and [`Probes`] decide, without any IO; [`Runner`] has the adapters at work, off the event loop.

mod adapter;
mod call;
mod error;
mod nonce;
mod permission;
mod probes;
mod runner;
mod runs;

pub(crate) use call::Call;
pub(crate) use error::AdapterError;
pub(crate) use nonce::Nonce;
pub(crate) use permission::rule_for;
pub(crate) use probes::{AgentKey, Attached, Probes, Question, Settled};
pub(crate) use runner::{Report, Runner};
pub(crate) use runs::{Action, Runs, Tell, Waiter, WakeUp};
