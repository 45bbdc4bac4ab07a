//! What is said over standard input and output.
//!
//! ```text
//! record = u32 len ‖ u8 kind ‖ u32 stream ‖ len bytes of body          (big-endian)
//! ```
//!
//! | kind, in | stream | body | |
//! |---|---|---|---|
//! | 0 dial | 0 | an address that ends in `/p2p/<peer id>` | |
//! | 1 open | its name from now on, below 2^31 | peer id, a space, the protocol's name | |
//! | 2 data | its name | at most 64 KiB | |
//! | 3 finish | its name | empty | nothing more is written |
//! | 4 drop | its name | empty | neither read nor written any more |
//! | 5 disconnect | 0 | peer id | |
//!
//! | kind, out | stream | body | |
//! |---|---|---|---|
//! | 16 listening | 0 | an address | |
//! | 17 connected | 0 | peer id | each connection |
//! | 18 disconnected | 0 | peer id | the last connection |
//! | 19 unreachable | 0 | why | dialling failed |
//! | 20 opened | its name | empty | |
//! | 21 refused | its name | why | it cannot be opened |
//! | 22 incoming | its name from now on, from 2^31 | peer id, a space, the protocol's name | |
//! | 23 data | its name | at most 64 KiB | |
//! | 24 finished | its name | empty | the peer writes nothing more |
//! | 25 broken | its name | why | the peer or the connection ended it |

use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::Failure;
use crate::streams::{Open, ToStream};

const MAX_BODY: usize = 64 << 10;

/// What the swarm is asked for.
#[derive(Debug)]
pub(crate) enum ToSwarm {
    Dial(Multiaddr),
    Open { id: u32, peer: PeerId, protocol: StreamProtocol },
    Disconnect(PeerId),
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    Listening(Multiaddr),
    Connected(PeerId),
    Disconnected(PeerId),
    Unreachable(String),
    Opened { id: u32 },
    Refused { id: u32, why: String },
    Incoming { id: u32, peer: PeerId, protocol: StreamProtocol },
    Data { id: u32, bytes: Vec<u8> },
    Finished { id: u32 },
    Broken { id: u32, why: String },
}

impl Event {
    fn record(self) -> (u8, u32, Vec<u8>) {
        match self {
            Self::Listening(address) => (16, 0, address.to_string().into_bytes()),
            Self::Connected(peer) => (17, 0, peer.to_string().into_bytes()),
            Self::Disconnected(peer) => (18, 0, peer.to_string().into_bytes()),
            Self::Unreachable(why) => (19, 0, why.into_bytes()),
            Self::Opened { id } => (20, id, Vec::new()),
            Self::Refused { id, why } => (21, id, why.into_bytes()),
            Self::Incoming { id, peer, protocol } => {
                (22, id, format!("{peer} {protocol}").into_bytes())
            }
            Self::Data { id, bytes } => (23, id, bytes),
            Self::Finished { id } => (24, id, Vec::new()),
            Self::Broken { id, why } => (25, id, why.into_bytes()),
        }
    }
}

/// Writes events to standard output. Fails if that is closed.
pub(crate) async fn write(mut events: Receiver<Event>) -> Result<(), Failure> {
    let mut output = tokio::io::stdout();
    while let Some(event) = events.recv().await {
        let (kind, stream, body) = event.record();
        let mut record = Vec::with_capacity(9 + body.len());
        record.extend_from_slice(&u32::try_from(body.len())?.to_be_bytes());
        record.push(kind);
        record.extend_from_slice(&stream.to_be_bytes());
        record.extend_from_slice(&body);
        output.write_all(&record).await?;
        output.flush().await?;
    }
    Ok(())
}

/// Reads commands from standard input until it ends. Fails if one is none.
pub(crate) async fn read(swarm: Sender<ToSwarm>, open: Open) -> Result<(), Failure> {
    let mut input = tokio::io::stdin();
    loop {
        let len = match input.read_u32().await {
            Ok(len) => usize::try_from(len)?,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (kind, stream) = (input.read_u8().await?, input.read_u32().await?);
        if len > MAX_BODY {
            return Err(format!("a record of {len} bytes").into());
        }
        let mut body = vec![0; len];
        input.read_exact(&mut body).await?;
        match kind {
            0 => swarm.send(ToSwarm::Dial(String::from_utf8(body)?.parse()?)).await?,
            1 => {
                let text = String::from_utf8(body)?;
                let (peer, name) = text.split_once(' ').ok_or("no peer id and protocol")?;
                let protocol = StreamProtocol::try_from_owned(name.to_owned())?;
                swarm.send(ToSwarm::Open { id: stream, peer: peer.parse()?, protocol }).await?;
            }
            2 => open.pass(stream, ToStream::Data(body)).await,
            3 => open.pass(stream, ToStream::Finish).await,
            4 => open.end(stream),
            5 => swarm.send(ToSwarm::Disconnect(String::from_utf8(body)?.parse()?)).await?,
            _ => return Err(format!("a record of kind {kind}").into()),
        }
    }
}
