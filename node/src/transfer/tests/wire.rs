//! The wire: what links and the event loop do, as far as transfers see it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::message::{Body, Chunk, Message};

use super::{PATIENCE, Side};
use crate::transfer::{Fate, Key, Output, Received, Stage};

/// What a test does to a message on its way.
pub(super) enum Tap {
    Pass(Message),
    /// It never arrives, and nobody knows.
    Lose,
}

type Tapped = Box<dyn FnMut(Message) -> Tap + Send>;

/// Two sides and what was carried between them.
pub(super) struct Wire {
    pub(super) alice: Side,
    pub(super) bob: Side,
    /// Bytes of pieces that were carried to bob, by offset.
    pub(super) carried: HashMap<u64, u64>,
    pub(super) received: Vec<Received>,
    pub(super) contents: Vec<(MessageId, Stage)>,
    /// What is on its way to bob goes through here.
    pub(super) tap: Option<Tapped>,
    /// How often bob asked to wait.
    pub(super) paced: usize,
    seen: HashSet<MessageId>,
}

impl Wire {
    pub(super) fn between(alice: Side, bob: Side) -> Self {
        Self {
            alice,
            bob,
            carried: HashMap::new(),
            received: Vec::new(),
            contents: Vec::new(),
            tap: None,
            paced: 0,
            seen: HashSet::new(),
        }
    }

    /// Bytes of pieces that were carried.
    pub(super) fn bytes(&self) -> u64 {
        self.carried.values().sum()
    }

    /// Carries on until `done`.
    pub(super) async fn until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let carried = async {
            while !done(self) {
                let a = &mut self.alice.run.as_mut().unwrap().outputs;
                let b = &mut self.bob.run.as_mut().unwrap().outputs;
                let (output, from_alice) = tokio::select! {
                    Some(output) = a.recv() => (output, true),
                    Some(output) = b.recv() => (output, false),
                    () = tokio::time::sleep(Duration::from_millis(5)) => continue,
                };
                self.carry(output, from_alice).await;
            }
        };
        if tokio::time::timeout(PATIENCE, carried).await.is_err() {
            panic!("it does not come: {:#?}", self.alice.transfers().list());
        }
    }

    /// Carries on until a transfer of alice is over.
    pub(super) async fn over(&mut self, id: &str) {
        self.until(|wire| wire.alice.show(id).state.is_over()).await;
        // What the receiver still has to do.
        let _ = tokio::time::timeout(Duration::from_millis(100), self.forever()).await;
    }

    pub(super) async fn forever(&mut self) {
        self.until(|_| false).await;
    }

    async fn carry(&mut self, output: Output, from_alice: bool) {
        match output {
            Output::Send { transfer, message, .. } => {
                self.deliver(transfer, message, from_alice).await;
            }
            Output::Received(received) => {
                let side = if from_alice { &self.alice } else { &self.bob };
                if received.purpose == peer_protocol::message::Purpose::File {
                    side.transfers().announced(&received.key);
                }
                self.received.push(received);
            }
            Output::ContentSent { id, stage, .. } => {
                let id = MessageId::from_bytes(*id.as_bytes()).unwrap();
                self.contents.push((id, stage));
            }
        }
    }

    async fn deliver(&mut self, transfer: Option<Key>, message: Message, from_alice: bool) {
        let id = message.id;
        let tapped = match &mut self.tap {
            Some(tap) if from_alice => tap(message),
            _ => Tap::Pass(message),
        };
        let fate = match tapped {
            Tap::Lose => Fate::Lost,
            Tap::Pass(message) => self.hand_over(&message, from_alice).await,
        };
        let from = if from_alice { &self.alice } else { &self.bob };
        if let Some(key) = transfer {
            from.transfers().settled(&key, id, fate);
        }
    }

    async fn hand_over(&mut self, message: &Message, from_alice: bool) -> Fate {
        let (from, to) =
            if from_alice { (&self.alice, &self.bob) } else { (&self.bob, &self.alice) };
        let body = message.decode().unwrap();
        match body {
            Body::ChunkAck(ack) => {
                to.transfers().on_ack(&from.key, message.in_reply_to, ack);
                Fate::Arrived
            }
            Body::Chunk(chunk) => loop {
                // The link hands a message over once, however often it comes.
                if self.seen.contains(&message.id) {
                    return Fate::Arrived;
                }
                match to.intake().admit(&from.key, message) {
                    Ok(()) => {
                        self.seen.insert(message.id);
                        if from_alice && !chunk.data.is_empty() {
                            *self.carried.entry(chunk.offset).or_default() +=
                                chunk.data.len() as u64;
                        }
                        if from_alice && chunk.cancel.is_some() {
                            to.transfers().withdrawn(&from.key, chunk.transfer);
                        }
                        if chunk.offer.is_some() {
                            let (transfer, entity) = (chunk.transfer, from.entity.clone());
                            to.transfers()
                                .on_offer(from.peer, &from.key, entity, transfer, message.id);
                        }
                        return Fate::Arrived;
                    }
                    Err(report) if report.code == ErrorCode::RateLimited => {
                        self.paced += 1;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(report) => {
                        return Fate::Refused { code: report.code, detail: report.detail };
                    }
                }
            },
            other => panic!("{other:?}"),
        }
    }
}

/// A chunk with a change, as another message would carry it.
pub(super) fn changed(message: &Message, change: impl FnOnce(&mut Chunk<'_>)) -> Message {
    let Ok(Body::Chunk(mut chunk)) = message.decode() else { panic!("no chunk") };
    change(&mut chunk);
    let body = Body::Chunk(chunk).encode().unwrap();
    Message { body: body.into(), ..message.clone() }
}
