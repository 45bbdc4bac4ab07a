//! What is measured between two processes on loopback, the same for us and for rivals.
//!
//! A contestant is a program with two faces. One serves: it prints where it is reached on a line, and
//! answers until it is killed. The other starts the first as its child, and obeys lines on its standard
//! input:
//!
//! ```text
//! round WORKLOAD MILLISECONDS
//! ```
//!
//! Each round connects anew, warms up, measures for about that long, and prints a line of JSON
//! ([`Measured`]). So a parent can have many contestants take turns. What goes wrong ends the program.

mod cpu;
mod drive;
mod frames;
mod measure;
mod measured;
mod threads;
mod workload;

pub use drive::drive;
pub use frames::{ACKNOWLEDGE, BUFFER, ECHO, HEAD_LEN, Responder, push};
pub use measure::{Client, Dial};
pub use measured::Measured;
pub use threads::Threads;
pub use workload::Workload;

/// What went wrong: told to a person, never decided upon.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
