//! The nine states and the four: the tables, and real handshakes in each of them.

mod at_once;
mod stages;
mod table;
