//! A version 1.0 peer written by hand: bytes on `/peer/1.0.0`, and the messages of the protocol crate.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p_core::PeerId;
use libp2p_request_response::{
    self as request_response, Event, Message as Direction, ProtocolSupport, ResponseChannel,
};
use libp2p_swarm::{StreamProtocol, Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_protocol::identity::Identity;
use peer_protocol::legacy::{
    Initiator, Message, NonceMemory, Object, PeerCheck, Responder, Session, Value,
};
use rand::rngs::StdRng;

use crate::support::{Trust, identity, now};

/// Frames as they are, with no limit: whatever is written goes out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    /// The whole of what is written, length and all; what is read has no length any more.
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    io.read_exact(&mut len).await?;
    let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// `bytes` behind their length.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The peer.
pub(crate) struct Raw {
    pub(crate) swarm: Swarm<request_response::Behaviour<Codec>>,
    pub(crate) me: Identity,
    pub(crate) rng: StdRng,
    pub(crate) trust: Trust,
}

impl Raw {
    pub(crate) async fn new(name: &str) -> Self {
        let mut me = None;
        let mut swarm = Swarm::new_ephemeral_tokio(|keypair| {
            me = Some(identity(name, keypair));
            let config =
                request_response::Config::default().with_request_timeout(Duration::from_secs(5));
            let protocol = StreamProtocol::new("/peer/1.0.0");
            request_response::Behaviour::new([(protocol, ProtocolSupport::Full)], config)
        });
        swarm.listen().with_memory_addr_external().await;
        let rng = rand::make_rng();
        Self { swarm, me: me.unwrap(), rng, trust: Trust::default() }
    }

    /// Asks, and waits for the answer; an error if the request fails.
    pub(crate) async fn ask(&mut self, peer: PeerId, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let id = self.swarm.behaviour_mut().send_request(&peer, bytes);
        loop {
            let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await else {
                continue;
            };
            match event {
                Event::Message {
                    message: Direction::Response { request_id, response }, ..
                } if request_id == id => return Ok(response),
                Event::OutboundFailure { request_id, error, .. } if request_id == id => {
                    return Err(error.to_string());
                }
                _ => {}
            }
        }
    }

    /// Asks with a message, and gives back the code of the `error` that answers it; `None` if the
    /// answer is empty.
    pub(crate) async fn code(&mut self, peer: PeerId, message: &[u8]) -> Option<String> {
        let answer = self.ask(peer, frame(message)).await.unwrap();
        if answer.is_empty() {
            return None;
        }
        let error = Message::parse(&answer).unwrap();
        assert_eq!(error.content().msg_type, "error");
        error.verify(&peer_behaviours::secure::key_of(&peer).unwrap()).unwrap();
        let payload = &error.content().payload;
        assert!(payload.get("detail").and_then(Value::as_str).is_some());
        payload.get("code").and_then(Value::as_str).map(str::to_owned)
    }

    /// Waits for a request.
    pub(crate) async fn request(&mut self) -> (Message, ResponseChannel<Vec<u8>>) {
        loop {
            if let SwarmEvent::Behaviour(Event::Message {
                message: Direction::Request { request, channel, .. },
                ..
            }) = self.swarm.select_next_some().await
            {
                return (Message::parse(&request).unwrap(), channel);
            }
        }
    }

    /// Answers a request; with nothing, if `message` is `None`.
    pub(crate) fn respond(&mut self, channel: ResponseChannel<Vec<u8>>, message: Option<&Message>) {
        let bytes = frame(&message.map(Message::to_bytes).unwrap_or_default());
        self.swarm.behaviour_mut().send_response(channel, bytes).unwrap();
    }

    /// Waits until the answer is out.
    pub(crate) async fn sent(&mut self) {
        while !matches!(self.swarm.next_behaviour_event().await, Event::ResponseSent { .. }) {}
    }

    /// Opens a session as initiator.
    pub(crate) async fn open(&mut self, peer: PeerId, name: &str) -> Session {
        let name = name.parse().unwrap();
        let (mut initiator, handshake) =
            Initiator::start(&self.me, &name, now(), &mut self.rng).unwrap();
        let ack = self.ask(peer, frame(&handshake.to_bytes())).await.unwrap();
        let ack = Message::parse(&ack).unwrap();
        let check = PeerCheck { trust: &self.trust, expected_key: None };
        let (session, confirm) = initiator.handle_ack(&ack, check, now(), &mut self.rng).unwrap();
        assert_eq!(self.code(peer, &confirm.to_bytes()).await, None);
        session
    }

    /// Takes part in a handshake that the peer begins. A peer that has only just learnt this one's
    /// name begins again.
    pub(crate) async fn accept(&mut self) -> Session {
        let mut nonces = NonceMemory::default();
        let mut responder: Option<Responder> = None;
        loop {
            let (message, channel) = self.request().await;
            if message.content().msg_type == "handshake" {
                let check = PeerCheck { trust: &self.trust, expected_key: None };
                let rng = &mut self.rng;
                let (begun, ack) =
                    Responder::accept(&self.me, &message, check, &mut nonces, now(), rng).unwrap();
                responder = Some(begun);
                self.respond(channel, Some(&ack));
            } else {
                let responder = responder.as_mut().unwrap();
                let session = responder.handle_confirm(&message, &self.trust, now()).unwrap();
                self.respond(channel, None);
                return session;
            }
        }
    }

    pub(crate) fn seal(
        &mut self,
        session: &mut Session,
        msg_type: &str,
        payload: Object,
    ) -> Message {
        session.seal(msg_type, payload, now(), &mut self.rng).unwrap()
    }
}
