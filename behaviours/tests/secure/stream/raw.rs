//! A peer that has a session like any other, and session streams of its own making.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p_core::transport::PortUse;
use libp2p_core::upgrade::{ReadyUpgrade, Version};
use libp2p_core::{Endpoint, Multiaddr, PeerId};
use libp2p_identity::Keypair;
use libp2p_swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p_swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    Stream, StreamProtocol, SubstreamProtocol, Swarm, SwarmEvent, ToSwarm,
};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{self, Behaviour, EventKind, GateConfig};
use peer_protocol::link::Event;
use peer_protocol::stream::{FrameId, HEAD_LEN, Head, Kind};

use super::unlimited;
use crate::common::{PATIENCE, behaviour, custom, listen};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/peer/1.1.0/session");

/// Hands streams over; opens as many as it is told.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    wanted: usize,
    streams: VecDeque<Stream>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = ();
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
        if self.wanted > 0 {
            self.wanted -= 1;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, (): ()) {
        self.wanted += 1;
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

#[derive(Debug, Default)]
pub(crate) struct Streams(VecDeque<ToSwarm<Stream, ()>>);

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
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, stream: Stream) {
        self.0.push_back(ToSwarm::GenerateEvent(stream));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Stream, ()>> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Messages on `/peer/1.1.0`, and raw streams.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
pub(crate) struct Both {
    pub(crate) secure: Behaviour,
    pub(crate) streams: Streams,
}

pub(crate) struct Raw {
    pub(crate) swarm: Swarm<Both>,
    pub(crate) keypair: Keypair,
}

impl Raw {
    pub(crate) fn new(name: &str) -> Self {
        let keypair = Keypair::generate_ed25519();
        let secure = behaviour(name, keypair.clone(), GateConfig::default(), unlimited);
        let both = Both { secure: secure.without_streams(), streams: Streams::default() };
        Self { swarm: custom(&keypair, Version::V1Lazy, both), keypair }
    }

    /// Connects to a node, which runs on from here, and opens a session unless told not to.
    pub(crate) async fn meet(&mut self, mut node: Swarm<Behaviour>, session: bool) -> PeerId {
        let (address, peer) = (listen(&mut node).await, *node.local_peer_id());
        tokio::spawn(node.loop_on_next());
        self.swarm.dial(address).unwrap();
        if session {
            self.swarm.behaviour_mut().secure.open(peer).unwrap();
        }
        loop {
            match self.next().await {
                SwarmEvent::Behaviour(BothEvent::Secure(event)) if is_ready(&event) => break,
                SwarmEvent::ConnectionEstablished { .. } if !session => break,
                _ => {}
            }
        }
        peer
    }

    pub(crate) async fn next(&mut self) -> SwarmEvent<BothEvent> {
        tokio::time::timeout(PATIENCE, self.swarm.next_swarm_event()).await.expect("this hangs")
    }

    /// The next stream that is opened, by whomever.
    pub(crate) async fn stream(&mut self) -> Stream {
        loop {
            if let SwarmEvent::Behaviour(BothEvent::Streams(stream)) = self.next().await {
                return stream;
            }
        }
    }

    /// Opens a session stream.
    pub(crate) async fn open(&mut self, peer: PeerId) -> Stream {
        let event =
            ToSwarm::NotifyHandler { peer_id: peer, handler: NotifyHandler::Any, event: () };
        self.swarm.behaviour_mut().streams.0.push_back(event);
        self.stream().await
    }

    /// Does something with streams while the swarm runs.
    pub(crate) async fn run<T>(&mut self, act: impl Future<Output = T>) -> T {
        tokio::pin!(act);
        loop {
            tokio::select! {
                done = tokio::time::timeout(PATIENCE, &mut act) => return done.expect("this hangs"),
                _ = self.swarm.next_swarm_event() => {}
            }
        }
    }
}

fn is_ready(event: &secure::Event) -> bool {
    matches!(event.kind, EventKind::Link(Event::SessionReady(_)))
}

/// A frame's bytes.
pub(crate) fn frame(kind: Kind, id: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    let head = Head { len, kind, id: FrameId(id) };
    [head.encode().as_slice(), body].concat()
}

/// The next frame; an error if the stream ends.
pub(crate) async fn read(stream: &mut Stream) -> io::Result<(Head, Vec<u8>)> {
    let mut head = [0; HEAD_LEN];
    stream.read_exact(&mut head).await?;
    let head = Head::decode(head).unwrap();
    let mut body = vec![0; head.len as usize];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

/// Writes, and lets it go out; that the other side hangs up meanwhile is no matter.
pub(crate) async fn write(stream: &mut Stream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

/// Whether the other side ends the stream, whatever it says before.
pub(crate) async fn ends(stream: &mut Stream) {
    while read(stream).await.is_ok() {}
}
