//! Nodes in between that are not honest.

use std::io;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p_core::upgrade::Version;
use libp2p_core::{Multiaddr, PeerId};
use libp2p_identity::Keypair;
use libp2p_request_response::{self as request_response, Event, Message, ProtocolSupport};
use libp2p_swarm::{StreamProtocol, SwarmEvent};
use peer_protocol::link;
use peer_protocol::routing::{Outcome, Packet};

use crate::common::{custom, listen};
use crate::node::{Node, Saw, deliveries};

/// Whatever stands on the stream.
#[derive(Clone, Default)]
pub(crate) struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, p: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_request(p, io).await
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
        p: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write_request(p, io, bytes).await
    }
}

pub(crate) type RawBehaviour = request_response::Behaviour<Raw>;

pub(crate) fn raw() -> RawBehaviour {
    raw_on(peer_behaviours::routing::PROTOCOL)
}

pub(crate) fn raw_on(protocol: StreamProtocol) -> RawBehaviour {
    let config = request_response::Config::default();
    RawBehaviour::with_codec(Raw, [(protocol, ProtocolSupport::Full)], config)
}

/// What a liar does with what it is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Changes a bit of the envelope and hands it on.
    TamperWithRequests,
    /// Hands packets on, and changes a bit of the answers.
    TamperWithAnswers,
    /// Never answers.
    Drop,
    /// Answers with bytes that are no outcome.
    Garbage,
    /// Answers every request with the first answer it ever carried.
    Repeat,
}

/// Carries for anybody, to whoever is at `next`, in its own way.
async fn liar(lie: Lie, next: Multiaddr, next_id: PeerId) -> Multiaddr {
    let keypair = Keypair::generate_ed25519();
    let mut swarm = custom(&keypair, Version::V1Lazy, raw());
    let address = listen(&mut swarm).await;
    swarm.dial(next).unwrap();
    tokio::spawn(async move {
        let mut waiting = std::collections::HashMap::new();
        let mut held = Vec::new();
        let mut first: Option<Vec<u8>> = None;
        loop {
            let SwarmEvent::Behaviour(Event::Message { message, .. }) =
                swarm.select_next_some().await
            else {
                continue;
            };
            let behaviour = swarm.behaviour_mut();
            match message {
                Message::Request { request, channel, .. } => {
                    let mut packet = Packet::decode(&request).unwrap();
                    packet.header.hop_limit -= 1;
                    match (lie, &first) {
                        (Lie::Drop, _) => held.push(channel),
                        (Lie::Garbage, _) => {
                            drop(behaviour.send_response(channel, b"no outcome at all".to_vec()));
                        }
                        (Lie::Repeat, Some(answer)) => {
                            drop(behaviour.send_response(channel, answer.clone()));
                        }
                        _ => {
                            if lie == Lie::TamperWithRequests {
                                packet.envelope = flipped(&packet.envelope).into();
                            }
                            let id = behaviour.send_request(&next_id, packet.encode());
                            waiting.insert(id, channel);
                        }
                    }
                }
                Message::Response { request_id, response } => {
                    let Some(channel) = waiting.remove(&request_id) else { continue };
                    let outcome = match Outcome::decode(&response).unwrap() {
                        Outcome::Answered { hops, envelope } => {
                            let envelope = if lie == Lie::TamperWithAnswers {
                                flipped(&envelope).into()
                            } else {
                                envelope
                            };
                            Outcome::Answered { hops: hops + 1, envelope }
                        }
                        refused => refused,
                    };
                    let bytes = outcome.encode();
                    if matches!(outcome, Outcome::Answered { .. }) {
                        first.get_or_insert(bytes.clone());
                    }
                    drop(behaviour.send_response(channel, bytes));
                }
            }
        }
    });
    address
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bytes
}

/// With an honest way beside the liar, messages get through and nothing is delivered twice. Without
/// one, nothing gets through, and nothing false does.
async fn check(lie: Lie) {
    let mut a = Node::new("entity_a").await;
    let mut b = Node::new("entity_b").await;
    let address = liar(lie, b.address.clone(), b.id).await;
    a.connect(&address).await;

    // Only the liar is there.
    let alone = a.send(b.id, "alone with a liar");
    // What must not happen leaves nothing to wait for but time.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let saw = a.rest();
    let settled = |saw: &Saw| matches!(saw, Saw::Link(link::Event::Receipts { .. }));
    assert!(!saw.iter().any(settled), "{saw:?}");
    let misled = saw.iter().any(|saw| matches!(saw, Saw::Misled));
    assert_eq!(misled, lie == Lie::Repeat, "{saw:?}");

    // An honest one comes.
    let honest = Node::new("entity_c").await;
    b.connect(&honest.address).await;
    a.connect(&honest.address).await;
    let started = Instant::now();
    a.receipt(alone).await;
    let second = a.send(b.id, "with an honest one");
    a.receipt(second).await;
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    let saw = b.rest();
    for message in [alone, second] {
        assert_eq!(deliveries(&saw, message), 1);
    }
    assert!(honest.stats().await.carried > 0);
}

#[tokio::test]
async fn a_carrier_that_changes_requests_is_passed_by() {
    check(Lie::TamperWithRequests).await;
}

#[tokio::test]
async fn a_carrier_that_changes_answers_is_passed_by() {
    check(Lie::TamperWithAnswers).await;
}

#[tokio::test]
async fn a_carrier_that_drops_everything_is_passed_by() {
    check(Lie::Drop).await;
}

#[tokio::test]
async fn a_carrier_that_answers_with_garbage_is_passed_by() {
    check(Lie::Garbage).await;
}

#[tokio::test]
async fn a_carrier_that_repeats_an_old_answer_is_found_out_and_passed_by() {
    check(Lie::Repeat).await;
}
