//! One task per peer: it owns the link, its timer and all its cryptography, and talks to the
//! behaviour through bounded channels.

use std::sync::Arc;

use libp2p_core::PeerId;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::identity::EntityId;
use peer_protocol::legacy::{Message, MessageError};
use peer_protocol::link::{ExchangeId, RequestId, Transmit};
use peer_protocol::message::ErrorReport;
use peer_protocol::time::Instant;
use tokio::sync::{mpsc, watch};

use super::event::{EventKind, Outgoing};
use super::link::{Link, Way};
use crate::clock::Clock;

/// What the behaviour tells a link.
pub(super) enum Input {
    Request(ExchangeId, Way, Result<Box<Message>, MessageError>),
    Refuse(ExchangeId, Option<EntityId>, ErrorReport),
    Answer(RequestId, Vec<u8>),
    /// A request failed, perhaps after it had arrived.
    Failed(RequestId),
    /// A request could not be sent.
    Unsent(RequestId),
    /// A request was refused, though not by the peer's signature.
    Refused(RequestId, ErrorReport),
    /// Whoever waits for the answer to a request of the peer has gone.
    Gone(ExchangeId),
    Open,
    Send(Outgoing, Instant),
    Close,
    /// From now on nothing goes to this peer, for this reason.
    Bar(ErrorCode, &'static str),
}

/// What a link tells the behaviour.
pub(super) enum Output {
    Transmit(Transmit),
    /// The peer was offered a session: its next message may name it.
    Offered(SessionId),
    Event(EventKind),
}

/// Whether the peer can be reached. Each new connection after none has an epoch of its own, so that
/// a short loss is not overlooked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) epoch: u64,
    pub(super) connected: bool,
}

pub(super) struct Driver {
    pub(super) peer: PeerId,
    pub(super) link: Link,
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
            let due = self.link.poll_timeout();
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
                () = sleep_until(due, self.clock.now().instant) => {
                    self.link.handle_timeout(self.clock.now());
                }
                input = self.inputs.recv() => {
                    let Some(input) = input else { return };
                    self.handle(input);
                }
            }
            if self.drain().await.is_err() {
                return;
            }
        }
    }

    fn reached(&mut self, before: Reach, after: Reach) {
        let now = self.clock.now();
        let other = before.epoch != after.epoch;
        if before.connected && (!after.connected || other) {
            self.link.disconnected(now);
        }
        if after.connected && (!before.connected || other) {
            self.link.connected(now);
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Request(exchange, way, message) => {
                self.link.handle_request(exchange, way, message, now);
            }
            Input::Refuse(exchange, to, report) => {
                self.link.refuse(exchange, to.as_ref(), &report, now);
            }
            Input::Answer(id, bytes) => self.link.handle_answer(id, &bytes, now),
            Input::Failed(id) => self.link.handle_failure(id, true, now),
            Input::Unsent(id) => self.link.handle_failure(id, false, now),
            Input::Refused(id, report) => self.link.handle_refusal(id, report, now),
            Input::Gone(exchange) => self.link.hung_up(exchange),
            Input::Open => self.link.open(now),
            Input::Send(message, deadline) => self.link.send(message, deadline, now),
            Input::Close => self.link.close(),
            Input::Bar(code, detail) => self.link.bar(code, detail),
        }
    }

    /// Hands over everything that the link has to say. A full channel makes this link wait, and only
    /// this one.
    async fn drain(&mut self) -> Result<(), mpsc::error::SendError<(PeerId, Output)>> {
        loop {
            if let Some(session) = self.link.poll_offered() {
                self.outputs.send((self.peer, Output::Offered(session))).await?;
            } else if let Some(transmit) = self.link.poll_transmit() {
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
