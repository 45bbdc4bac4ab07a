//! What the fuzz targets of `tests/` reach and programs do not: streams, as strangers would fill them. It is
//! no part of the API.

use bytes::Bytes;
use futures::{AsyncRead, StreamExt as _};
use libp2p_request_response::Codec as _;
use libp2p_swarm::StreamProtocol;
use peer_protocol::envelope::Envelope;
use peer_protocol::legacy::Message;
use peer_protocol::routing::{Outcome, Packet};
use peer_protocol::stream::Head;

use crate::budget::Budget;
use crate::reachability::probe::wire;
use crate::registry::saved;
use crate::secure::stream::reader::{Sender, frames};
use crate::{legacy, routing, secure};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/fuzzing");

/// An envelope that comes as a request on `/peer/1.1.0`.
pub async fn request(io: &mut (impl AsyncRead + Unpin + Send)) -> Option<Envelope> {
    let mut codec = secure::codec::Codec::new();
    match codec.read_request(&PROTOCOL, io).await.ok()? {
        secure::codec::Request::Incoming(envelope) => envelope.ok(),
        secure::codec::Request::Outgoing(_) => None,
    }
}

/// What comes there as an answer.
pub async fn answer(io: &mut (impl AsyncRead + Unpin + Send)) -> Option<Vec<u8>> {
    let mut codec = secure::codec::Codec::new();
    codec.read_response(&PROTOCOL, io).await.ok()
}

/// A packet that comes on `/peer/1.1.0/hop`.
pub async fn packet(io: &mut (impl AsyncRead + Unpin + Send)) -> Option<Packet> {
    let mut codec = routing::codec::Codec::default();
    match codec.read_request(&PROTOCOL, io).await.ok()? {
        routing::codec::Request::Incoming(packet) => packet.ok(),
        routing::codec::Request::Outgoing(_) => None,
    }
}

/// An outcome that comes there, though nothing was asked.
pub async fn outcome(io: &mut (impl AsyncRead + Unpin + Send)) -> Option<Outcome> {
    let mut codec = routing::codec::Codec::default();
    match codec.read_response(&PROTOCOL, io).await.ok()? {
        routing::codec::Response::Incoming(outcome) => outcome.ok(),
        routing::codec::Response::Outgoing(_) => None,
    }
}

/// A message that comes as a request on `/peer/1.0.0`.
pub async fn legacy_request(io: &mut (impl AsyncRead + Unpin + Send)) -> Option<Message> {
    let mut codec = legacy::codec::Codec::default();
    match codec.read_request(&PROTOCOL, io).await.ok()? {
        legacy::codec::Request::Incoming(message) => message.ok().map(|message| *message),
        legacy::codec::Request::Outgoing(_) => None,
    }
}

/// The frames on a session stream from the side that asks, or from the other one, until the stream ends or
/// breaks the rules.
pub async fn session_stream(
    io: impl AsyncRead + Unpin + Send + 'static,
    asks: bool,
) -> Vec<(Head, Vec<u8>)> {
    let sender = if asks { Sender::Asks } else { Sender::Answers };
    let read = frames(io, sender, Budget::default());
    let frames = read.take_while(|frame| std::future::ready(frame.is_ok()));
    frames
        .filter_map(async |frame| frame.ok().map(|frame| (frame.head, frame.body)))
        .collect()
        .await
}

/// A provider as it lies on disk, written again.
#[must_use]
pub fn provider(bytes: &[u8]) -> Option<Bytes> {
    saved::decode(&Bytes::copy_from_slice(bytes)).map(|provider| saved::encode(&provider))
}

/// Whether a message of AutoNAT comes.
pub async fn autonat(io: &mut (impl AsyncRead + Unpin + Send)) -> bool {
    wire::read::<wire::Envelope>(io).await.is_ok()
}
