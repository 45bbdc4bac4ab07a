//! One test for each attack, named for it.

mod challenge;
mod clock;
mod downgrade;
mod keys;
mod low_order;
mod misbinding;
mod mitm;
mod order;
mod reflection;
mod replay;
