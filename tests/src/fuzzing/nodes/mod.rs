//! Targets that need a whole node: requests of its clients, what its operator writes, what
//! its disk holds, what strangers put on its streams.

mod config;
mod frames;
mod requests;
mod store;

pub use config::{operator, words};
pub use frames::frames;
pub use requests::api;
pub use store::store;

pub(super) fn seeds(target: &str) -> Option<Vec<Vec<u8>>> {
    Some(match target {
        "api" => requests::seeds(),
        "frames" => frames::seeds(),
        "operator" => config::seeds(),
        "store" => store::seeds(),
        "words" => config::words_seeds(),
        _ => return None,
    })
}
