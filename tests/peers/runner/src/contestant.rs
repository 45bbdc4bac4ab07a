//! Who takes part, and how each is started.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;
use peer_contest::{Failure, Threads};

use crate::Args;

/// A contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// Sealed, signed, ordered, acknowledged messages; cryptography by AWS-LC.
    Ours,
    /// The same in Rust alone.
    OursPure,
    /// libp2p request–response.
    RequestResponse,
    /// The same, with lazy negotiation.
    RequestResponseLazy,
    /// One libp2p stream.
    Raw,
    /// iroh, a stream for each call.
    IrohCalls,
    /// iroh, one stream for all.
    IrohStream,
    /// gRPC with mutual TLS, a call for each message.
    GrpcCalls,
    /// The same, one call that streams both ways.
    GrpcStream,
}

/// The transport of what is built on libp2p.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// TCP, Noise, Yamux.
    Tcp,
    /// QUIC.
    Quic,
}

impl Contestant {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ours,
        Self::OursPure,
        Self::RequestResponse,
        Self::RequestResponseLazy,
        Self::Raw,
        Self::IrohCalls,
        Self::IrohStream,
        Self::GrpcCalls,
        Self::GrpcStream,
    ];

    /// The program that drives it.
    pub(crate) fn command(self, args: &Args, threads: Threads) -> Result<Command, Failure> {
        let (program, shape) = match self {
            Self::Ours => ("speed-fast", "ours"),
            Self::OursPure => ("speed-pure", "ours"),
            Self::RequestResponse => ("speed-fast", "request-response"),
            Self::RequestResponseLazy => ("speed-fast", "request-response-lazy"),
            Self::Raw => ("speed-fast", "raw"),
            Self::IrohCalls => ("peers-iroh", "calls"),
            Self::IrohStream => ("peers-iroh", "stream"),
            Self::GrpcCalls => ("peers-grpc", "calls"),
            Self::GrpcStream => ("peers-grpc", "stream"),
        };
        let path: PathBuf = args.programs.join(program);
        if !path.is_file() {
            return Err(format!("{} is not built", path.display()).into());
        }
        let mut command = Command::new(path);
        command.args(["--drive", shape, "--threads", &threads.to_string()]);
        if program.starts_with("speed") {
            let transport = match args.transport {
                Transport::Tcp => "tcp",
                Transport::Quic => "quic",
            };
            command.args(["--transport", transport]);
        }
        Ok(command)
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.pad(value.get_name()),
            None => Ok(()),
        }
    }
}
