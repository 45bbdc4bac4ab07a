//! Two links, and a carrier in the hands of the test.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::link::{Event, ExchangeId, Link, LinkConfig, RequestId, Transmit};
use peer_protocol::message::{Body, Message, MessageKind, Task};
use peer_protocol::time::Now;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_core::Rng as _;

use super::Node;
use crate::wire::{Item, Keys, Letter, Map, sealed_letter, transcript, x25519};

/// Links of `entity_a` and `entity_b`, connected.
pub(crate) struct Ends {
    pub(crate) links: [Link; 2],
    pub(crate) signing: [SigningKey; 2],
    pub(crate) now: Now,
    pub(crate) kind: HandshakeKind,
    /// The messages of the first handshake.
    pub(crate) steps: Vec<Vec<u8>>,
    exchanges: u64,
}

const NAMES: [&str; 2] = ["entity_a", "entity_b"];

impl Ends {
    pub(crate) fn new(kind: HandshakeKind) -> Self {
        let nodes = [Node::new(NAMES[0], 1), Node::new(NAMES[1], 2)];
        let now = nodes[0].now;
        let link = |side: usize| {
            let node = &nodes[side];
            let config = LinkConfig {
                preferred: kind,
                answer_hold: Duration::ZERO,
                ..LinkConfig::new(node.config.clone())
            };
            let rng = Box::new(StdRng::seed_from_u64(side as u64));
            let trust = Arc::new(node.trust.clone());
            Link::new(Arc::new(config), trust, nodes[1 - side].key(), rng)
        };
        let mut links = [link(0), link(1)];
        links.iter_mut().for_each(|link| link.connected(now));
        let signing = nodes.map(|node| node.signing);
        Self { links, signing, now, kind, steps: Vec::new(), exchanges: 0 }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.links.iter_mut().for_each(|link| link.handle_timeout(self.now));
    }

    /// The next request that `side` wants to send.
    #[track_caller]
    pub(crate) fn request(&mut self, side: usize) -> (RequestId, Vec<u8>) {
        match self.links[side].poll_transmit() {
            Some(Transmit::Request { id, envelope }) => (id, envelope),
            other => panic!("not a request: {other:?}"),
        }
    }

    /// Hands a request to `side`; its answer, if it gives one.
    #[track_caller]
    pub(crate) fn ask(&mut self, side: usize, bytes: &[u8]) -> Option<Vec<u8>> {
        let exchange = ExchangeId(self.exchanges);
        self.exchanges += 1;
        self.links[side].handle_request(exchange, bytes.to_vec(), self.now);
        self.links[side].handle_timeout(self.now);
        match self.links[side].poll_transmit() {
            Some(Transmit::Answer { envelope, .. }) => Some(envelope),
            Some(Transmit::Drop { .. }) => None,
            other => panic!("neither answered nor dropped: {other:?}"),
        }
    }

    /// Hands a request to `side` that is refused; the code, and the detail.
    #[track_caller]
    pub(crate) fn refused(&mut self, side: usize, bytes: &[u8]) -> (String, String) {
        let answer = self.ask(side, bytes).expect("an answer");
        let letter = Letter::parse(&answer);
        assert_eq!(letter.get("msg_type"), &Item::text("error"));
        let body = letter.body();
        (body.get("code").as_text().to_owned(), body.get("detail").as_text().to_owned())
    }

    /// Carries requests of `side` and their answers, at most `most` of them.
    pub(crate) fn carry(&mut self, side: usize, most: usize) {
        for _ in 0..most {
            let Some(Transmit::Request { id, envelope }) = self.links[side].poll_transmit() else {
                return;
            };
            let answer = self.ask(1 - side, &envelope);
            self.steps.push(envelope);
            match answer {
                Some(answer) => {
                    self.steps.push(answer.clone());
                    self.links[side].handle_answer(id, answer, self.now);
                }
                None => self.links[side].handle_failure(id, self.now),
            }
        }
    }

    /// Links with a session that `entity_a` began.
    pub(crate) fn ready(kind: HandshakeKind) -> Self {
        let mut ends = Self::new(kind);
        ends.links[0].open(ends.now);
        ends.carry(0, 10);
        for side in 0..2 {
            let events = ends.events(side);
            assert!(events.iter().any(|event| matches!(event, Event::SessionReady(_))));
        }
        ends
    }

    pub(crate) fn events(&mut self, side: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.links[side].poll_event()).collect()
    }

    /// How many messages `side` was handed over.
    pub(crate) fn received(&mut self, side: usize) -> usize {
        let events = self.events(side);
        events.iter().filter(|event| matches!(event, Event::Message(_))).count()
    }

    pub(crate) fn send(&mut self, side: usize) {
        let task = Task { content_type: "text/plain".to_owned(), ..Task::default() };
        let rng = &mut StdRng::seed_from_u64(side as u64 + 10);
        let message = Message::new(rng, &Body::from(task), None).unwrap();
        let deadline = self.now.instant + Duration::from_secs(60);
        self.links[side].send(message, deadline, self.now).unwrap();
    }

    /// The keys that the first two messages settle, from what `entity_a` drew.
    pub(crate) fn keys(&self) -> Keys {
        let mut private = [0; 32];
        StdRng::seed_from_u64(0).fill_bytes(&mut private);
        let mut ack = Letter::parse(&self.steps[1]);
        let shared = x25519(&private, ack.body().get("ephemeral_key").as_bytes());
        let second = match self.kind {
            HandshakeKind::SixStep => self.steps[1].clone(),
            HandshakeKind::ThreeWay => {
                ack.set_in_body("mac", Item::bytes([0; 32]));
                ack.unsigned()
            }
        };
        Keys::derive(shared, &transcript(&[&self.steps[0], &second]))
    }

    /// The session's id, as the messages of the handshake tell it.
    pub(crate) fn session_id(&self) -> Vec<u8> {
        let letters = self.steps.iter().map(|step| Letter::parse(step));
        let ids = letters.filter_map(|letter| letter.0.find("session_id").cloned());
        ids.map(|id| id.as_bytes().to_vec()).next().expect("a session id")
    }

    /// A correct record of `side`, made by hand, that carries one heartbeat.
    pub(crate) fn record(&self, side: usize, sequence: u64) -> Letter {
        self.record_of(side, sequence, sequence as u8)
    }

    /// A correct record of `side`, made by hand, that carries heartbeat `number`.
    pub(crate) fn record_of(&self, side: usize, sequence: u64, number: u8) -> Letter {
        let mut id = [number; 16];
        (id[6], id[8]) = (0x40, 0x80);
        let plaintext = Item::List(vec![Item::Map(Map::from([
            ("id", Item::bytes(id)),
            ("type", Item::text(MessageKind::Heartbeat.as_str())),
            ("body", Item::bytes(Map::default().encode())),
        ]))]);
        let header = Map::from([
            ("sender_id", Item::text(NAMES[side])),
            ("recipient_id", Item::text(NAMES[1 - side])),
            ("session_id", Item::bytes(self.session_id())),
            ("timestamp", Item::Uint(self.now.timestamp.as_millis())),
            ("nonce", Item::bytes([sequence as u8 | 0x80; 16])),
        ]);
        let keys = self.keys();
        sealed_letter(header, "AES-256-GCM", keys.of(side), sequence, &plaintext.to_vec())
    }
}
