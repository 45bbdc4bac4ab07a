//! The binary `peer`: a node and its command line.

use std::process::ExitCode;

/// Keeps pages that it has, for a while, where the system's allocator gives large ones back at once.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    peer_node::cli::main()
}
