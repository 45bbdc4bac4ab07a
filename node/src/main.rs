//! The binary `peer`: a node and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    peer_node::cli::main()
}
