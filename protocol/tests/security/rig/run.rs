//! A handshake, message by message.

use std::time::Duration;

use peer_protocol::handshake::{Expected, Handshake, HandshakeError, HandshakeKind, Phase};
use peer_protocol::session::Session;

use super::{Established, Node, Refusal, steps};
use crate::wire::{Item, Keys, Letter, transcript, x25519};

/// A handshake between `nodes[0]`, which begins, and `nodes[1]`.
pub(crate) struct Run {
    pub(crate) kind: HandshakeKind,
    pub(crate) nodes: [Node; 2],
    /// Whom each side expects.
    pub(crate) expected: [Expected; 2],
    /// All messages made so far; the last one is not delivered yet.
    pub(crate) sent: Vec<Vec<u8>>,
    machines: [Option<Handshake>; 2],
    sessions: [Option<Session>; 2],
}

impl Run {
    /// A handshake that has not begun, between entities that know only each other's names.
    pub(crate) fn new(kind: HandshakeKind) -> Self {
        Self::between(kind, [Node::new("entity_a", 1), Node::new("entity_b", 2)])
    }

    pub(crate) fn between(kind: HandshakeKind, mut nodes: [Node; 2]) -> Self {
        nodes.iter_mut().for_each(|node| node.rng.drawn.clear());
        let named = Expected { entity: Some(nodes[1].entity()), key: None };
        Self {
            kind,
            expected: [named, Expected::default()],
            nodes,
            sent: Vec::new(),
            machines: [None, None],
            sessions: [None, None],
        }
    }

    /// A handshake with `made` messages, the last not delivered.
    pub(crate) fn at(kind: HandshakeKind, made: usize) -> Self {
        Self::new(kind).to(made)
    }

    pub(crate) fn to(mut self, made: usize) -> Self {
        while self.sent.len() < made {
            self.step();
        }
        self
    }

    /// Whose turn it is: 0 or 1.
    pub(crate) const fn receiver(&self) -> usize {
        self.sent.len() % 2
    }

    pub(crate) const fn sender(&self) -> usize {
        1 - self.receiver()
    }

    /// The message that is not delivered yet.
    pub(crate) fn pending(&self) -> Vec<u8> {
        self.sent.last().unwrap().clone()
    }

    pub(crate) fn phase(&self, side: usize) -> Option<Phase> {
        self.machines[side].as_ref().map(Handshake::phase)
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.nodes.iter_mut().for_each(|node| node.pass(time));
    }

    /// Delivers the pending message, or makes the first one.
    pub(crate) fn step(&mut self) {
        if self.sent.is_empty() {
            let expected = self.expected[0].clone();
            let (machine, e1) = self.nodes[0].begin(self.kind, expected);
            self.machines[0] = Some(machine);
            self.sent.push(e1);
        } else {
            let pending = self.pending();
            self.give(self.receiver(), &pending).expect("an honest message is accepted");
        }
    }

    /// Gives any bytes to one side, which goes on with them if it accepts them.
    pub(crate) fn give(&mut self, side: usize, bytes: &[u8]) -> Result<(), Refusal> {
        let node = &mut self.nodes[side];
        if let Some(machine) = &mut self.machines[side] {
            let progress = node.go_on(machine, bytes)?;
            self.sent.extend(progress.reply);
            self.sessions[side] = progress.session.or(self.sessions[side].take());
        } else {
            let (machine, reply) = node.answer(bytes, &self.expected[side])?;
            self.machines[side] = Some(machine);
            self.sent.push(reply);
        }
        Ok(())
    }

    /// Gives bytes that must be refused, and must leave no trace.
    #[track_caller]
    pub(crate) fn refused(&mut self, side: usize, bytes: &[u8]) -> Refusal {
        let before = (self.phase(side), self.nodes[side].replay.len(), self.sent.len());
        let store = self.nodes[side].trust.snapshot();
        let refusal = self.give(side, bytes).expect_err("this must be refused");
        assert_eq!((self.phase(side), self.nodes[side].replay.len(), self.sent.len()), before);
        assert_eq!(self.nodes[side].trust.snapshot(), store);
        refusal
    }

    /// Gives bytes that must be refused to whose turn it is.
    #[track_caller]
    pub(crate) fn refuses(&mut self, bytes: &[u8]) -> HandshakeError {
        self.refused(self.receiver(), bytes).handshake()
    }

    /// The pending message with a change, signed by its sender all the same.
    pub(crate) fn forged(&self, change: impl FnOnce(&mut Letter)) -> Vec<u8> {
        let mut letter = Letter::parse(&self.pending());
        change(&mut letter);
        letter.signed(&self.nodes[self.sender()].signing)
    }

    /// The pending message with a change and its old signature.
    pub(crate) fn tampered(&self, change: impl FnOnce(&mut Letter)) -> Vec<u8> {
        let mut letter = Letter::parse(&self.pending());
        change(&mut letter);
        letter.encode()
    }

    /// The keys that the second message settles, computed from what both sides drew.
    pub(crate) fn keys(&self) -> Keys {
        let private: [u8; 32] = self.nodes[0].rng.drawn[0].as_slice().try_into().unwrap();
        let ack = Letter::parse(&self.sent[1]);
        let shared = x25519(&private, ack.body().get("ephemeral_key").as_bytes());
        let second = match self.kind {
            HandshakeKind::SixStep => self.sent[1].clone(),
            HandshakeKind::ThreeWay => {
                let mut blank = ack;
                blank.set_in_body("mac", Item::bytes([0; 32]));
                blank.unsigned()
            }
        };
        Keys::derive(shared, &transcript(&[&self.sent[0], &second]))
    }

    /// Brings the handshake to its end: both sides have the same session.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Established {
        while self.sent.len() < steps(self.kind) || self.sessions.iter().any(Option::is_none) {
            self.step();
        }
        let keys = self.keys();
        let Self { kind, nodes, sent, sessions, .. } = self;
        let sessions = sessions.map(Option::unwrap);
        let mut established = Established { kind, nodes, sessions, keys, sent };
        for side in 0..2 {
            let record = established.seal(side, "still here");
            assert_eq!(established.receive(1 - side, &record), Ok(vec!["still here".to_owned()]));
        }
        established
    }
}
