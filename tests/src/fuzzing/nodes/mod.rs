//! Targets that need a whole node: requests of its clients, what its operator writes, what its disk holds.

mod config;
mod requests;
mod store;

pub use config::{operator, words};
pub use requests::api;
pub use store::store;

pub(super) fn seeds(target: &str) -> Option<Vec<Vec<u8>>> {
    Some(match target {
        "api" => requests::seeds(),
        "operator" => config::seeds(),
        "store" => store::seeds(),
        "words" => config::words_seeds(),
        _ => return None,
    })
}
