//! One libp2p stream, at its best: frames written together, and acknowledged by a byte each.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{ReadyUpgrade, Version};
use libp2p::identity::Keypair;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, Stream,
    SubstreamProtocol, SwarmEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm};
use peer_contest::{ACKNOWLEDGE, BUFFER, ECHO, HEAD_LEN, Responder, push};
use tokio::task::JoinHandle;

use crate::Failure;
use crate::transport::{Link, connect, listen, swarm};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/speed/raw/1");

/// Hands streams over.
#[derive(Debug, Default)]
struct Handler {
    opens: bool,
    streams: VecDeque<Stream>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Stream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Stream>> {
        if let Some(stream) = self.streams.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if std::mem::take(&mut self.opens) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.streams.push_back(protocol),
            _ => {}
        }
    }
}

/// Opens a stream on each connection that it dialled.
#[derive(Debug, Default)]
struct Streams(VecDeque<Stream>);

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Stream;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler { opens: true, ..Handler::default() })
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, stream: Stream) {
        self.0.push_back(stream);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Stream, Infallible>> {
        match self.0.pop_front() {
            Some(stream) => Poll::Ready(ToSwarm::GenerateEvent(stream)),
            None => Poll::Pending,
        }
    }
}

async fn stream(swarm: &mut Swarm<Streams>) -> Stream {
    loop {
        if let SwarmEvent::Behaviour(stream) = swarm.select_next_some().await {
            return stream;
        }
    }
}

/// Answers on all streams that come.
pub(crate) async fn serve(link: Link) -> Result<(), Failure> {
    let key = Keypair::generate_ed25519();
    let mut swarm = swarm(key, link, Version::V1Lazy, Streams::default())?;
    listen(&mut swarm, link).await?;
    loop {
        let stream = stream(&mut swarm).await;
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: Stream) -> Result<(), Failure> {
    let mut responder = Responder::default();
    loop {
        let read = stream.read(responder.space()).await?;
        if read == 0 {
            return Ok(());
        }
        let answers = responder.answers(read)?;
        if !answers.is_empty() {
            stream.write_all(answers).await?;
            stream.flush().await?;
        }
    }
}

/// The side that asks.
pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
    swarm: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl Client {
    pub(crate) async fn new(link: Link, address: Multiaddr) -> Result<Self, Failure> {
        let key = Keypair::generate_ed25519();
        let mut swarm = swarm(key, link, Version::V1Lazy, Streams::default())?;
        connect(&mut swarm, address).await?;
        let stream = stream(&mut swarm).await;
        let swarm = tokio::spawn(async move { while swarm.next().await.is_some() {} });
        Ok(Self { stream, buffer: vec![0; BUFFER], swarm })
    }
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let mut frame = Vec::with_capacity(HEAD_LEN + payload.len());
        push(&mut frame, ECHO, payload)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let mut have = 0;
        while have < frame.len() {
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err("the stream ended".into());
            }
            have += read;
        }
        Ok(())
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let (mut sent, mut acknowledged) = (0, 0);
        let mut frames = Vec::new();
        while acknowledged < count {
            frames.clear();
            while sent < count && sent - acknowledged < window {
                push(&mut frames, ACKNOWLEDGE, payload)?;
                sent += 1;
            }
            self.stream.write_all(&frames).await?;
            self.stream.flush().await?;
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err("the stream ended".into());
            }
            acknowledged += read;
        }
        Ok(())
    }
}
