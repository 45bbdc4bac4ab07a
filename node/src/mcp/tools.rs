//! The tools, one file a concern.

mod files;
mod inbox;
mod life;
mod peers;
mod reading;
mod status;
mod talk;

use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;

use super::Server;
use super::failure::Failed;

/// Longest time that a call may wait, in seconds.
const MAX_WAIT: u32 = 3600;
/// How long a call waits for a peer if it does not say.
const WAIT: u32 = 30;

impl Server {
    /// All of them.
    pub(super) fn tools() -> ToolRouter<Self> {
        Self::talk_tools()
            + Self::life_tools()
            + Self::peer_tools()
            + Self::inbox_tools()
            + Self::file_tools()
            + Self::status_tools()
    }
}

/// A time to wait, in milliseconds.
fn millis(seconds: Option<u32>) -> Result<Option<u64>, Failed> {
    match seconds.unwrap_or(WAIT) {
        seconds @ 1..=MAX_WAIT => Ok(Some(u64::from(seconds) * 1000)),
        seconds => {
            let detail = format!("timeout_seconds is {seconds}: expected 1 to {MAX_WAIT}");
            Err(Failed::invalid(detail))
        }
    }
}

/// Microseconds in milliseconds, for people.
fn in_millis(micros: u64) -> f64 {
    (Duration::from_micros(micros).as_secs_f64() * 1e6).round() / 1e3
}
