//! A session between two nodes.

use std::borrow::Cow;

use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::message::{Body, Message, Task};
use peer_protocol::session::{Opened, Session, SessionError};
use rand_core::Rng as _;

use super::{Node, Recorder, Refusal, Run};
use crate::wire::{Item, Keys, Letter, Map, sealed_letter};

/// Two nodes with a session; one record has gone each way.
pub(crate) struct Established {
    pub(crate) kind: HandshakeKind,
    pub(crate) nodes: [Node; 2],
    pub(crate) sessions: [Session; 2],
    pub(crate) keys: Keys,
    pub(crate) sent: Vec<Vec<u8>>,
}

impl Established {
    pub(crate) fn new(kind: HandshakeKind) -> Self {
        Run::new(kind).finish()
    }

    /// The same nodes with all they remember, before another handshake.
    pub(crate) fn again(self) -> Run {
        Run::between(self.kind, self.nodes)
    }

    pub(crate) fn seal(&mut self, side: usize, text: &str) -> Vec<u8> {
        let node = &mut self.nodes[side];
        let message = task(&mut node.rng, text);
        let identity = &node.config.identity;
        self.sessions[side].seal(&[message], identity, &mut node.rng, node.now).unwrap().bytes
    }

    /// The texts that a record brings.
    pub(crate) fn receive(&mut self, side: usize, bytes: &[u8]) -> Result<Vec<String>, Refusal> {
        let envelope = Envelope::decode(bytes.to_vec())?;
        let node = &self.nodes[side];
        let record = self.sessions[side].open(envelope, &node.config.identity, node.now)?;
        let opened = self.sessions[side].accept(record, node.now)?;
        Ok(texts(&opened))
    }

    #[track_caller]
    pub(crate) fn refuses(&mut self, side: usize, bytes: &[u8]) -> SessionError {
        self.receive(side, bytes).expect_err("this must be refused").session()
    }

    /// A record of `side` made by hand, correct unless `change` spoils it before it is sealed.
    pub(crate) fn record(
        &mut self,
        side: usize,
        sequence: u64,
        change: impl FnOnce(&mut Map),
    ) -> Letter {
        let node = &mut self.nodes[side];
        let message = task(&mut node.rng, "by hand");
        let plaintext = Item::List(vec![Item::Map(Map::from([
            ("id", Item::bytes(message.id.as_bytes())),
            ("type", Item::text(message.kind.as_str())),
            ("body", Item::bytes(&message.body)),
        ]))]);
        let mut nonce = [0; 16];
        node.rng.fill_bytes(&mut nonce);
        let mut header = Map::from([
            ("sender_id", Item::text(node.entity().as_str())),
            ("session_id", Item::bytes(self.sessions[side].id().as_bytes())),
            ("timestamp", Item::Uint(node.now.timestamp.as_millis())),
            ("nonce", Item::bytes(nonce)),
            ("recipient_id", Item::text(self.nodes[1 - side].entity().as_str())),
        ]);
        change(&mut header);
        let suite = self.sessions[side].suite();
        sealed_letter(header, suite, self.keys.of(side), sequence, &plaintext.to_vec())
    }
}

fn task(rng: &mut Recorder, text: &str) -> Message {
    let content = Cow::Borrowed(text.as_bytes());
    let task = Task { content, content_type: "text/plain".to_owned(), ..Task::default() };
    Message::new(rng, &Body::from(task), None).unwrap()
}

fn texts(opened: &Opened) -> Vec<String> {
    let text = |message: &Message| match message.decode().unwrap() {
        Body::Task(task) => String::from_utf8(task.content.into_owned()).unwrap(),
        other => panic!("not a task: {other:?}"),
    };
    opened.messages.iter().map(|message| text(message.as_ref().unwrap())).collect()
}
