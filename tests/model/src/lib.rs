//! Both handshakes of `docs/PROTOCOL.md` §3 and §4, and the first records of §5, as symbolic terms, searched
//! exhaustively for attacks within bounds. `README.md` beside this crate says what is modelled, what is
//! not, and what was found.
//!
//! - [`term`], [`unify`], [`knowledge`]: the algebra, and what an attacker can make of what it saw.
//! - [`wire`], [`message`]: what travels, and what covers what.
//! - [`run`], [`mod@write`], [`expect`], [`receive`], [`advance`]: what honest agents send, take and do.
//! - [`config`], [`variant`]: who runs what, and what is broken on purpose.
//! - [`property`], [`check`], [`search`], [`chart`]: what must hold, and how an attack is shown.
//!
//! # Why an own search
//!
//! A general explicit-state checker such as `stateright` asks for the successors of a state as a finite
//! list of actions. Here an attacker can send infinitely many messages, and the art is in the few that
//! differ: a step is the solution of a constraint (can the attacker make *any* message of this form from what
//! it saw?), and it leaves open what nobody has checked yet. That is [`knowledge::Knowledge::solve`], and it
//! is nearly all there is; what such a checker would add is a queue and a set of states. Its set holds 64-bit
//! hashes, while this one holds states, so that none is lost to a collision; and terms need one table
//! that states share, which its immutable models do not have. `stateright` 0.31 (MIT) would also bring
//! some forty crates, an HTTP server among them, where this crate has no dependency.

pub mod advance;
pub mod chart;
pub mod check;
pub mod config;
pub mod expect;
pub mod hash;
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
