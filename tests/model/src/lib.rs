//! Both handshakes of `docs/PROTOCOL.md` §3 and §4, and the first records of §5, as symbolic terms, searched
//! exhaustively for attacks within bounds.

pub mod advance;
pub mod chart;
pub mod check;
pub mod config;
pub mod expect;
pub mod knowledge;
pub mod message;
pub mod model;
pub mod property;
pub mod receive;
pub mod run;
pub mod search;
pub mod term;
pub mod unify;
pub mod variant;
pub mod wire;
pub mod write;
