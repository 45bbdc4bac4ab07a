//! What strangers do to a real node: garbage, oversized frames, wrong keys. The peer gets an error
//! code; the node and its other peers go on.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use peer_protocol::envelope::{Envelope, EnvelopeKind};
use peer_protocol::limits::MAX_ENVELOPE_LEN;
use peer_tests::processes::{Agent, Node, Options};
use tempfile::TempDir;

/// Sends any bytes as they are, and reads one frame.
#[derive(Clone, Copy, Default)]
struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> io::Result<Vec<u8>> {
        Err(io::Error::other("only sends"))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        io.read_exact(&mut len).await?;
        let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
        io.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await?;
        io.flush().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()> {
        Err(io::Error::other("only sends"))
    }
}

/// A stranger sends `requests` one after the other, and reports what comes back for each.
async fn stranger(address: &str, requests: Vec<Vec<u8>>) -> Vec<Option<Vec<u8>>> {
    let protocol = StreamProtocol::new("/peer/1.1.0");
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| {
            let config =
                request_response::Config::default().with_request_timeout(Duration::from_secs(5));
            request_response::Behaviour::<Raw>::new([(protocol, ProtocolSupport::Outbound)], config)
        })
        .unwrap()
        .build();
    let address: Multiaddr = address.parse().unwrap();
    let peer = match address.iter().last() {
        Some(libp2p::multiaddr::Protocol::P2p(peer)) => peer,
        _ => panic!("{address} names no peer"),
    };
    swarm.dial(address).unwrap();
    let mut answers = Vec::new();
    for request in requests {
        swarm.behaviour_mut().send_request(&peer, request);
        let answer = loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(request_response::Event::Message {
                    message: Message::Response { response, .. },
                    ..
                }) => break Some(response),
                SwarmEvent::Behaviour(request_response::Event::OutboundFailure { .. }) => {
                    break None;
                }
                _ => {}
            }
        };
        answers.push(answer);
    }
    answers
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(bytes);
    frame
}

/// The error that an answer carries, as text; the wire is CBOR, whose text stands as it is.
fn error_in(answer: Option<&Vec<u8>>) -> String {
    let envelope = Envelope::decode(answer.expect("an answer").clone()).expect("an envelope");
    assert_eq!(envelope.header().kind, EnvelopeKind::Error);
    String::from_utf8_lossy(envelope.payload()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_gets_an_error_code_and_harms_nobody() {
    let root = TempDir::new().unwrap();
    let a = Node::start(Options::tcp(root.path(), "entity_a")).unwrap();
    let b = Node::start(Options::tcp(root.path(), "entity_b")).unwrap();
    let _agent = Agent::attach(&b, "cat").unwrap();
    a.run(&["connect", &b.address()]).unwrap();

    let oversized = vec![0; MAX_ENVELOPE_LEN + 1];
    let requests = vec![
        framed(b"this is no envelope"),
        framed(&[]),
        framed(&oversized),
        // A frame that announces four gigabytes and holds nothing.
        vec![0xff; 4],
        framed(&[0xa1, 0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 0x63, b'9', b'.', b'9']),
    ];
    let answers = stranger(&b.address(), requests).await;
    for index in [0, 1, 4] {
        let error = error_in(answers[index].as_ref());
        assert!(error.contains("INVALID_VERSION"), "{index}: {error}");
    }
    let error = error_in(answers[2].as_ref());
    assert!(error.contains("INVALID_VERSION"), "{error}");
    assert!(error.contains(&(MAX_ENVELOPE_LEN + 1).to_string()), "its size is named: {error}");
    assert!(error.contains(&MAX_ENVELOPE_LEN.to_string()), "the limit is named: {error}");

    let answer = a.run(&["talk", "entity_b", "still there?"]).unwrap();
    assert_eq!(answer["content"]["text"], "still there?");
    assert!(!b.log().contains("panicked"), "{}", b.log());
}

#[test]
fn bytes_that_are_no_libp2p_at_all_harm_nobody() {
    let root = TempDir::new().unwrap();
    let node = Node::start(Options::tcp(root.path(), "entity_a")).unwrap();
    let port = node.address().split('/').nth(4).unwrap().to_owned();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[0xff; 4096], b""] {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        // The node may hang up before everything is written.
        let _ = stream.write_all(bytes);
    }
    assert!(node.status().is_ok());
    assert!(!node.log().contains("panicked"), "{}", node.log());
}

#[test]
fn an_entity_id_with_another_key_is_refused_and_both_fingerprints_are_shown() {
    let root = TempDir::new().unwrap();
    let a = Node::start(Options::tcp(root.path(), "entity_a")).unwrap();
    let b = Node::start(Options::tcp(root.path(), "entity_b")).unwrap();
    a.run(&["connect", &b.address()]).unwrap();
    let other_root = TempDir::new().unwrap();
    let impostor = Node::start(Options::tcp(other_root.path(), "entity_b")).unwrap();
    let refused = a.run(&["connect", &impostor.address()]).unwrap_err();
    assert_eq!(refused.code, Some(6), "{refused}");
    for node in [&b, &impostor] {
        let status = node.status().unwrap();
        let fingerprint = status["fingerprint"].as_str().unwrap();
        assert!(refused.output.contains(fingerprint), "{fingerprint} in {refused}");
    }
    let trusted = a.run(&["trust", "list"]).unwrap();
    assert_eq!(trusted[0]["fingerprint"], b.status().unwrap()["fingerprint"]);
}

#[test]
fn the_wrong_peer_id_at_an_address_is_refused_and_both_are_named() {
    let root = TempDir::new().unwrap();
    let a = Node::start(Options::tcp(root.path(), "entity_a")).unwrap();
    let b = Node::start(Options::tcp(root.path(), "entity_b")).unwrap();
    let own = a.address();
    let wrong = format!(
        "{}/p2p/{}",
        b.address().split("/p2p/").next().unwrap(),
        own.split("/p2p/").nth(1).unwrap()
    );
    let refused = a.run(&["connect", &wrong]).unwrap_err();
    assert!([2, 4].contains(&refused.code.unwrap()), "{refused}");
    let c = Node::start(Options::tcp(root.path(), "entity_c")).unwrap();
    let refused = c.run(&["connect", &wrong]).unwrap_err();
    assert_eq!(refused.code, Some(4), "{refused}");
    assert!(refused.output.contains(b.address().split("/p2p/").nth(1).unwrap()), "{refused}");
}
