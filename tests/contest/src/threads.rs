//! The shape of a contestant's runtime.

use std::fmt;
use std::io;

use clap::ValueEnum;
use tokio::runtime::{Builder, Runtime};

/// How a process runs its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Threads {
    /// A current-thread runtime.
    One,
    /// A multi-thread runtime with two workers.
    Two,
}

impl Threads {
    /// A runtime of this shape.
    ///
    /// # Errors
    /// If threads or the poller cannot be had.
    pub fn runtime(self) -> io::Result<Runtime> {
        let mut builder = match self {
            Self::One => Builder::new_current_thread(),
            Self::Two => Builder::new_multi_thread(),
        };
        if self == Self::Two {
            builder.worker_threads(2);
        }
        builder.enable_all().build()
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one",
            Self::Two => "two",
        })
    }
}
