//! `scripts/mesh`: a mesh of separate node processes on this machine, in which every node tells every
//! other everything there is to tell.

mod exchange;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use peer_tests::processes::{Agent, Node, Options, eventually};

use self::exchange::Sample;

/// Start a mesh of nodes on loopback, let every pair exchange messages, and print what arrived.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/mesh",
    after_help = "Exit codes: 0 everything arrived and was decrypted; 1 something did not; 2 wrong usage."
)]
struct Args {
    /// How many nodes
    #[arg(default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=32))]
    nodes: u8,
    /// Use QUIC instead of TCP
    #[arg(long)]
    quic: bool,
    /// Use the three-way handshake instead of the six-step one
    #[arg(long)]
    three_way: bool,
    /// Leave the nodes running, and print how to talk to them
    #[arg(long)]
    keep: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

/// The nodes, their agents and the directory they live in.
struct Mesh {
    nodes: Vec<Node>,
    agents: Vec<Agent>,
    root: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let root = match tempfile::Builder::new().prefix("peer-mesh-").tempdir() {
        Ok(root) => root.keep(),
        Err(error) => {
            report::note(&format!("error: no room for the nodes' data: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match run(&args, root.clone()) {
        Ok((mesh, true)) => {
            if args.keep {
                report::kept(&mesh.nodes);
                mesh.agents.into_iter().for_each(Agent::keep);
                mesh.nodes.into_iter().for_each(Node::keep);
            } else {
                let root = mesh.root.clone();
                drop(mesh);
                let _ = std::fs::remove_dir_all(root);
            }
            ExitCode::SUCCESS
        }
        Ok((mesh, false)) => {
            report::note(&format!("the nodes' logs are in {}", mesh.root.display()));
            ExitCode::FAILURE
        }
        Err(error) => {
            report::note(&format!("error: {error}\nthe nodes' logs are in {}", root.display()));
            ExitCode::FAILURE
        }
    }
}

/// Builds the mesh and runs all exchanges; the flag says whether everything went well.
fn run(args: &Args, root: PathBuf) -> Result<(Mesh, bool), String> {
    report::note(&format!("starting {} nodes", args.nodes));
    let mut mesh = Mesh { nodes: Vec::new(), agents: Vec::new(), root };
    for index in 0..args.nodes {
        let node = start(args, &mesh, index)?;
        mesh.agents.push(Agent::attach(&node, "cat")?);
        mesh.nodes.push(node);
    }
    connect_all(&mesh.nodes)?;
    wait_until_ready(&mesh.nodes)?;
    let sample = Sample::write(&mesh.root)?;
    report::note(
        "every session is READY; every pair exchanges talk, file, report, wake, alive, restart",
    );
    let mut rows = Vec::new();
    for from in 0..mesh.nodes.len() {
        for to in (0..mesh.nodes.len()).filter(|to| *to != from) {
            rows.push(exchange::pair(
                &mesh.nodes[from],
                &mesh.nodes[to],
                &mesh.agents[to],
                &sample,
            ));
        }
    }
    report::table(&rows, args.json);
    let fine = rows.iter().all(|row| row.failures.is_empty());
    Ok((mesh, fine))
}

/// The first node is the bootstrap node of all others.
fn start(args: &Args, mesh: &Mesh, index: u8) -> Result<Node, String> {
    let entity = format!("entity_{}", index + 1);
    let mut options = if args.quic {
        Options::quic(&mesh.root, &entity)
    } else {
        Options::tcp(&mesh.root, &entity)
    };
    if args.three_way {
        options = options.arg("--three-way");
    }
    if let Some(first) = mesh.nodes.first() {
        options = options.arg("--bootstrap").arg(&first.address());
    }
    Node::start(options)
}

/// Every node dials those that started before it; to the first it connects by itself.
fn connect_all(nodes: &[Node]) -> Result<(), String> {
    for (index, node) in nodes.iter().enumerate().skip(2) {
        for other in &nodes[1..index] {
            node.run(&["connect", &other.address()])
                .map_err(|error| format!("{} -> {}: {error}", node.entity(), other.entity()))?;
        }
    }
    Ok(())
}

fn wait_until_ready(nodes: &[Node]) -> Result<(), String> {
    for node in nodes {
        for other in nodes.iter().filter(|other| other.entity() != node.entity()) {
            let ready = || node.session(other.entity()).is_some();
            if !eventually(Duration::from_secs(30), ready) {
                return Err(format!("{} has no session with {}", node.entity(), other.entity()));
            }
        }
    }
    Ok(())
}
