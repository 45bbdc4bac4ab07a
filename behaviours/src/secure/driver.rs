//! One task per peer: it owns the link, its timer and all its cryptography, and talks to the
//! behaviour through bounded channels.

use std::sync::Arc;

use libp2p_core::PeerId;
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::link::{Event, ExchangeId, Link, RequestId, SendFailure, Transmit};
use peer_protocol::message::Message;
use peer_protocol::rate_limit::RateLimited;
use peer_protocol::time::Instant;
use tokio::sync::{mpsc, watch};

use super::routed::Routed;
use crate::clock::Clock;

/// What the behaviour tells a link.
pub(super) enum Input {
    Request(ExchangeId, Result<Envelope, EnvelopeError>),
    Refuse(ExchangeId, Envelope, RateLimited),
    /// A request that came over hops. Its sender signed it; when, remains to be seen.
    Routed(ExchangeId, Envelope),
    Answer(RequestId, Vec<u8>),
    /// An answer that came over hops.
    RoutedAnswer(RequestId, Vec<u8>),
    Failed(RequestId),
    Open,
    Send(Message, Instant),
    Close(String),
}

/// What a link tells the behaviour.
pub(super) enum Output {
    Transmit(Transmit),
    Event(Event),
    /// An answer that came over hops is not the peer's, or not for this request.
    Misled,
}

/// Whether the peer can be reached. Each new connection after none has an epoch of its own, so that
/// a short loss is not overlooked. `moved` counts how often one way took the place of another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) epoch: u64,
    pub(super) moved: u64,
    pub(super) connected: bool,
}

pub(super) struct Driver {
    pub(super) peer: PeerId,
    pub(super) link: Link,
    pub(super) routed: Routed,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) reach: watch::Receiver<Reach>,
    pub(super) outputs: mpsc::Sender<(PeerId, Output)>,
}

impl Driver {
    /// Runs until the behaviour drops its end.
    pub(super) async fn run(mut self) {
        let mut reach = Reach::default();
        loop {
            let now = self.clock.now();
            let due = self.link.poll_timeout(now.instant);
            tokio::select! {
                biased;
                changed = self.reach.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let latest = *self.reach.borrow_and_update();
                    self.reached(reach, latest);
                    reach = latest;
                }
                () = sleep_until(due, now.instant) => self.link.handle_timeout(self.clock.now()),
                input = self.inputs.recv() => {
                    let Some(input) = input else { return };
                    if let Some(output) = self.handle(input)
                        && self.outputs.send((self.peer, output)).await.is_err()
                    {
                        return;
                    }
                }
            }
            if self.drain().await.is_err() {
                return;
            }
        }
    }

    fn reached(&mut self, before: Reach, after: Reach) {
        let now = self.clock.now();
        if before.connected && (!after.connected || before.epoch != after.epoch) {
            self.link.disconnected(now);
        }
        if after.connected && (!before.connected || before.epoch != after.epoch) {
            self.link.connected(now);
        } else if after.connected && before.moved != after.moved {
            // What was under way on the old way fails by itself; a handshake goes on.
            self.link.connected(now);
        }
    }

    fn handle(&mut self, input: Input) -> Option<Output> {
        let now = self.clock.now();
        match input {
            Input::Request(exchange, Ok(envelope)) => {
                self.link.handle_envelope(exchange, envelope, now);
            }
            Input::Request(exchange, Err(error)) => self.link.refuse_garbage(exchange, &error, now),
            Input::Refuse(exchange, envelope, limited) => {
                self.link.refuse_for_now(exchange, &envelope, limited, now);
            }
            Input::Routed(exchange, envelope) => {
                if self.routed.admit(&envelope, now.timestamp) {
                    self.link.handle_envelope(exchange, envelope, now);
                } else {
                    return Some(Output::Transmit(Transmit::Drop { exchange }));
                }
            }
            Input::RoutedAnswer(id, bytes) => {
                match self.routed.check_answer(bytes, now.timestamp) {
                    Some(bytes) => self.link.handle_answer(id, bytes, now),
                    None => {
                        self.link.handle_failure(id, now);
                        return Some(Output::Misled);
                    }
                }
            }
            Input::Answer(id, bytes) => self.link.handle_answer(id, bytes, now),
            Input::Failed(id) => self.link.handle_failure(id, now),
            Input::Open => self.link.open(now),
            Input::Close(reason) => self.link.close(&reason, now),
            Input::Send(message, deadline) => {
                let id = message.id;
                return self
                    .link
                    .send(message, deadline, now)
                    .err()
                    .map(|full| Event::Failed { id, why: SendFailure::QueueFull(full) })
                    .map(Output::Event);
            }
        }
        None
    }

    /// Hands over everything that the link has to say. A full channel makes this link wait, and only
    /// this one.
    async fn drain(&mut self) -> Result<(), mpsc::error::SendError<(PeerId, Output)>> {
        loop {
            if let Some(transmit) = self.link.poll_transmit() {
                self.outputs.send((self.peer, Output::Transmit(transmit))).await?;
            } else if let Some(event) = self.link.poll_event() {
                self.outputs.send((self.peer, Output::Event(event))).await?;
            } else {
                return Ok(());
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>, now: Instant) {
    match due {
        Some(due) => tokio::time::sleep(due.since(now)).await,
        None => std::future::pending().await,
    }
}
