//! libp2p's request–response, whose messages are only framed.

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Behaviour, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm};
use peer_tests::framed::Framed;

use crate::Failure;
use crate::transport::{Link, connect, listen, swarm};

/// The first byte of a payload that is answered with one byte; others come back.
const ACKNOWLEDGE: u8 = 1;

fn node(key: Keypair, link: Link, lazy: bool) -> Result<Swarm<Behaviour<Framed>>, Failure> {
    let protocols = [(StreamProtocol::new("/speed/1"), ProtocolSupport::Full)];
    let version = if lazy { Version::V1Lazy } else { Version::V1 };
    swarm(key, link, version, Behaviour::new(protocols, request_response::Config::default()))
}

pub(crate) async fn serve(link: Link, lazy: bool) -> Result<(), Failure> {
    let mut swarm = node(Keypair::generate_ed25519(), link, lazy)?;
    listen(&mut swarm, link).await?;
    loop {
        if let SwarmEvent::Behaviour(Event::Message { message, .. }) =
            swarm.select_next_some().await
            && let Message::Request { request, channel, .. } = message
        {
            let acknowledges = request.first() == Some(&ACKNOWLEDGE);
            let answer = if acknowledges { vec![ACKNOWLEDGE] } else { request };
            let _ = swarm.behaviour_mut().send_response(channel, answer);
        }
    }
}

/// The side that asks.
pub(crate) struct Client {
    swarm: Swarm<Behaviour<Framed>>,
    server: PeerId,
}

impl Client {
    pub(crate) async fn new(link: Link, address: Multiaddr, lazy: bool) -> Result<Self, Failure> {
        let mut swarm = node(Keypair::generate_ed25519(), link, lazy)?;
        let server = connect(&mut swarm, address).await?;
        Ok(Self { swarm, server })
    }

    /// The length of the next answer.
    async fn answer(&mut self) -> Result<usize, Failure> {
        loop {
            let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await else {
                continue;
            };
            match event {
                Event::Message { message: Message::Response { response, .. }, .. } => {
                    return Ok(response.len());
                }
                Event::OutboundFailure { error, .. } => return Err(error.into()),
                _ => {}
            }
        }
    }
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        self.swarm.behaviour_mut().send_request(&self.server, payload.to_vec());
        let len = self.answer().await?;
        if len == payload.len() { Ok(()) } else { Err("not the whole of it".into()) }
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            while sent < count && sent - answered < window {
                let mut request = payload.to_vec();
                if let Some(first) = request.first_mut() {
                    *first = ACKNOWLEDGE;
                }
                self.swarm.behaviour_mut().send_request(&self.server, request);
                sent += 1;
            }
            self.answer().await?;
            answered += 1;
        }
        Ok(())
    }
}
