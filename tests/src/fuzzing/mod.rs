//! The bodies of the fuzz targets under `tests/fuzz`, as plain functions: a fuzzer calls them with
//! bytes of its own making, and a test calls them with the committed corpora.
//!
//! None of them returns anything. What must not happen panics.

mod cbor;
mod decoders;
mod delivery;
mod edits;
mod guards;
mod handshakes;
mod hops;
mod legacy;
mod legacy_sessions;
mod mailboxes;
mod naive_cbor;
mod names;
#[cfg(feature = "nodes")]
mod nodes;
mod pair;
mod registry;
mod requests;
mod seeds;
mod sessions;
mod streams;
mod transfers;

pub use cbor::cbor;
pub use decoders::{batch, body, envelope, trust_store};
pub use delivery::delivery;
pub use edits::handshake_edits;
pub use guards::guards;
pub use handshakes::{handshake, handshake_body, links};
pub use hops::hop;
pub use legacy::{legacy_message, legacy_value};
pub use legacy_sessions::legacy_session;
pub use mailboxes::mailbox;
pub use names::names;
#[cfg(feature = "nodes")]
pub use nodes::{api, frames, operator, store, words};
pub use registry::registry;
pub use requests::request;
pub use seeds::seeds;
pub use sessions::session;
pub use streams::stream;
pub use transfers::transfer;

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Each has a file of its name under `tests/fuzz/fuzz_targets`, and a corpus of its name
/// under `tests/fuzz/corpus`.
pub const TARGETS: [Target; 22] = [
    ("batch", batch),
    ("body", body),
    ("cbor", cbor),
    ("delivery", delivery),
    ("envelope", envelope),
    ("guards", guards),
    ("handshake", handshake),
    ("handshake_edits", handshake_edits),
    ("handshake_body", handshake_body),
    ("hop", hop),
    ("legacy_message", legacy_message),
    ("legacy_session", legacy_session),
    ("legacy_value", legacy_value),
    ("links", links),
    ("mailbox", mailbox),
    ("names", names),
    ("registry", registry),
    ("request", request),
    ("session", session),
    ("stream", stream),
    ("transfer", transfer),
    ("trust_store", trust_store),
];

/// Those that need a whole node, in the same way.
#[cfg(feature = "nodes")]
pub const NODE_TARGETS: [Target; 5] =
    [("api", api), ("frames", frames), ("operator", operator), ("store", store), ("words", words)];
