//! The nine states and the four: the tables, and real handshakes in each of them.

mod stages;
mod table;
