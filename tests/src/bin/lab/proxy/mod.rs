//! A relay in user space that makes a path bad: delay, jitter, reordering, loss, duplicates. It runs as
//! a process of its own inside a namespace (`lab relay`).

mod tcp;
mod udp;
mod weather;

use std::io;
use std::net::SocketAddr;

pub(crate) use self::weather::Weather;

/// What to relay.
#[derive(Debug, clap::Args)]
pub(crate) struct Relay {
    /// Where to listen, over TCP and over UDP
    pub(crate) listen: SocketAddr,
    /// Where to send it on
    pub(crate) target: SocketAddr,
    #[command(flatten)]
    pub(crate) weather: Weather,
}

impl Relay {
    /// Relays until the process is killed.
    ///
    /// # Errors
    /// If a socket cannot be had.
    pub(crate) fn run(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            tokio::try_join!(
                udp::relay(self.listen, self.target, self.weather),
                tcp::relay(self.listen, self.target, self.weather),
            )
        })?;
        Ok(())
    }
}
