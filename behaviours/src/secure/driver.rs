//! One task per peer: it owns the link, its timer, its session streams and all its cryptography, and
//! talks to the behaviour through bounded channels.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_swarm::{ConnectionId, Stream};
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::link::{Event, ExchangeId, Link, RequestId, SendFailure, Transmit};
use peer_protocol::message::Message;
use peer_protocol::rate_limit::RateLimited;
use peer_protocol::time::{Instant, Now};
use tokio::sync::watch;

use super::alarm::Alarm;
use super::awake::Awake;
use super::durable::Durable;
use super::inputs::Inputs;
use super::outputs::{AT_ONCE, Gone, OutputSender};
use super::routed::Routed;
use super::stream::{News, Opener, Streams, Wish};
use crate::clock::Clock;

/// How often the behaviour hears that a connection carries frames.
const HEARD: Duration = Duration::from_millis(500);

/// What the behaviour tells a link. Many may wait, so that what is large and seldom is boxed.
pub(super) enum Input {
    Request(ExchangeId, Box<Result<Envelope, EnvelopeError>>),
    Refuse(ExchangeId, Box<Envelope>, RateLimited),
    /// A request that came over hops. Its sender signed it; when, remains to be seen.
    Routed(ExchangeId, Box<Envelope>),
    Answer(RequestId, Vec<u8>),
    /// An answer that came over hops.
    RoutedAnswer(RequestId, Vec<u8>),
    Failed(RequestId),
    Open,
    Send(Message, Instant),
    Close(String),
    /// A session stream.
    Stream(Opener, ConnectionId, Box<Stream>),
    /// The stream that was asked for cannot be had; whether there is another way at once.
    NoStream(bool),
}

/// What a link tells the behaviour.
pub(super) enum Output {
    Transmit(Transmit),
    Event(Event),
    /// An answer that came over hops is not the peer's, or not for this request.
    Misled,
    /// A session stream is wanted.
    WantsStream,
    /// Frames come over this connection.
    Heard(ConnectionId),
    /// Requests on this connection's stream go unanswered.
    Unanswered(ConnectionId),
    /// The peer refuses session streams on this connection.
    Refused(ConnectionId),
}

/// Whether the peer can be reached. Each new connection after none has an epoch of its own, so that
/// a short loss is not overlooked. `moved` counts how often one way took the place of another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) epoch: u64,
    pub(super) moved: u64,
    pub(super) connected: bool,
}

/// The task.
pub(super) struct Driver {
    pub(super) peer: PeerId,
    pub(super) reach: watch::Receiver<Reach>,
    pub(super) outputs: OutputSender,
    pub(super) awake: Awake,
    /// Boxed, because a future holds what it was given beside what it made of it.
    pub(super) work: Box<Work>,
}

/// What the task works with.
pub(super) struct Work {
    link: Link,
    routed: Routed,
    clock: Arc<dyn Clock>,
    inputs: Inputs,
    durable: Durable,
    streams: Streams,
    wish: Wish,
    /// A frame has just been dealt with; before the next one the connection's task has its turn.
    gives_way: bool,
    /// When the behaviour last heard of a connection, and of which.
    heard: Option<(ConnectionId, Instant)>,
    /// What the behaviour is to be told besides what the link says. Emptied after every turn.
    outputs: VecDeque<Output>,
}

impl Driver {
    /// Runs until the behaviour drops its end.
    pub(super) async fn run(self) {
        let Self { peer, reach: mut reachable, outputs, awake, mut work } = self;
        let mut reach = Reach::default();
        let mut alarm = Alarm::default();
        loop {
            let now = work.clock.now().instant;
            let due = work.next_timeout(now);
            tokio::select! {
                biased;
                changed = reachable.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let latest = *reachable.borrow_and_update();
                    work.reached(reach, latest);
                    reach = latest;
                }
                () = alarm.wait(due, now) => work.handle_timeout(),
                worked = poll_fn(|cx| work.poll(cx)) => {
                    if worked.is_err() {
                        return;
                    }
                    awake.note();
                }
            }
            loop {
                let told: Vec<_> =
                    std::iter::from_fn(|| work.next_output()).take(AT_ONCE).collect();
                if told.is_empty() {
                    break;
                }
                if outputs.send(peer, told).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Work {
    pub(super) fn new(
        link: Link,
        routed: Routed,
        clock: Arc<dyn Clock>,
        inputs: Inputs,
        durable: Durable,
        streams: Streams,
    ) -> Self {
        let (wish, outputs) = (Wish::default(), VecDeque::new());
        let (gives_way, heard) = (false, None);
        Self { link, routed, clock, inputs, durable, streams, wish, gives_way, heard, outputs }
    }

    fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let streams = self.streams.next_timeout();
        [self.link.poll_timeout(now), streams].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        self.streams.handle_timeout(now.instant);
        self.link.handle_timeout(now);
    }

    fn reached(&mut self, before: Reach, after: Reach) {
        let now = self.clock.now();
        self.wish.reset();
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

    /// Takes in what there is, in turns: some of what the behaviour says, then a frame. A frame is opened
    /// and answered within some ten microseconds, in which nothing else runs on this thread: so that the
    /// peer can work on the answer meanwhile, it goes out before the next frame is dealt with.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut worked = false;
        let now = self.clock.now();
        // All that waits is taken in before anything goes out, so that it goes out together.
        if let Poll::Ready(inputs) = self.inputs.poll(cx) {
            if inputs.is_empty() {
                return Poll::Ready(Err(Gone));
            }
            inputs.into_iter().for_each(|input| self.handle(input, now));
            worked = true;
        }
        while let Poll::Ready(word) = self.durable.poll(cx) {
            word.tell(&mut self.link, self.clock.now());
            worked = true;
        }
        if worked {
            self.link.flush(self.clock.now());
            // It goes out now; what comes in can wait for the next turn.
            self.pass_on();
        }
        let now = self.clock.now().instant;
        if self.gives_way {
            self.streams.write(cx);
            // What inputs brought about is told first.
            if !worked {
                self.gives_way = false;
                cx.waker().wake_by_ref();
            }
        } else if let Poll::Ready(news) = self.streams.poll(cx, now) {
            self.hear(news);
            self.pass_on();
            self.streams.write(cx);
            self.gives_way = true;
            worked = true;
        }
        if worked { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Request(exchange, envelope) => match *envelope {
                Ok(envelope) => self.link.handle_envelope(exchange, envelope, now),
                Err(error) => self.link.refuse_garbage(exchange, &error, now),
            },
            Input::Refuse(exchange, envelope, limited) => {
                self.link.refuse_for_now(exchange, &envelope, limited, now);
            }
            Input::Routed(exchange, envelope) => {
                if self.routed.admit(&envelope, now.timestamp) {
                    self.link.handle_envelope(exchange, *envelope, now);
                } else {
                    let drop = Transmit::Drop { exchange };
                    self.outputs.push_back(Output::Transmit(drop));
                }
            }
            Input::RoutedAnswer(id, bytes) => {
                match self.routed.check_answer(bytes, now.timestamp) {
                    Some(bytes) => self.link.handle_answer(id, bytes, now),
                    None => {
                        self.link.handle_failure(id, now);
                        self.outputs.push_back(Output::Misled);
                    }
                }
            }
            Input::Answer(id, bytes) => self.link.handle_answer(id, bytes, now),
            Input::Failed(id) => self.link.handle_failure(id, now),
            Input::Open => self.link.open(now),
            Input::Close(reason) => self.link.close(&reason, now),
            Input::Send(message, deadline) => self.queue(message, deadline),
            Input::Stream(opener, connection, stream) if self.link.has_session() => {
                if opener == Opener::Own {
                    self.wish.answered();
                }
                self.streams.add(opener, connection, *stream);
            }
            Input::Stream(Opener::Peer, ..) => {}
            Input::Stream(Opener::Own, ..) => self.wish.failed(false, now.instant),
            Input::NoStream(another_way) => self.wish.failed(another_way, now.instant),
        }
    }

    fn queue(&mut self, message: Message, deadline: Instant) {
        let id = message.id;
        if let Err(full) = self.link.queue(message, deadline) {
            let why = SendFailure::QueueFull(full);
            self.outputs.push_back(Output::Event(Event::Failed { id, why }));
        }
    }

    /// Streams bring something.
    fn hear(&mut self, news: News) {
        let now = self.clock.now();
        match news {
            News::Asked(connection, exchange, envelope) => {
                self.note(connection, now.instant);
                match envelope {
                    Ok(envelope) => self.link.handle_envelope(exchange, envelope, now),
                    Err(error) => self.link.refuse_garbage(exchange, &error, now),
                }
            }
            News::Answered(connection, id, bytes) => {
                self.note(connection, now.instant);
                self.link.handle_answer(id, bytes, now);
            }
            News::Failed(id) => self.link.handle_failure(id, now),
            News::Refused(connection) => self.outputs.push_back(Output::Refused(connection)),
            News::Usable => self.wish.fulfilled(),
            News::Lost(was_of_use) => self.wish.failed(was_of_use, now.instant),
        }
    }

    /// The behaviour learns now and then which connections are alive.
    fn note(&mut self, connection: ConnectionId, now: Instant) {
        let known = |(of, at): (ConnectionId, Instant)| of == connection && now.since(at) < HEARD;
        if !self.heard.is_some_and(known) {
            self.heard = Some((connection, now));
            self.outputs.push_back(Output::Heard(connection));
        }
    }

    /// Gives the link's transmits to the streams, as far as they are for them.
    fn pass_on(&mut self) {
        while let Some(transmit) = self.link.poll_transmit() {
            let rest = match transmit {
                Transmit::Request { id, envelope } if self.link.is_sealed(id) => {
                    let now = self.clock.now().instant;
                    match self.streams.ask(id, envelope, now) {
                        Ok(()) => continue,
                        Err(envelope) => {
                            if !self.streams.is_usable() && self.wish.arises(now) {
                                self.outputs.push_back(Output::WantsStream);
                            }
                            Transmit::Request { id, envelope }
                        }
                    }
                }
                step @ Transmit::Request { .. } => step,
                Transmit::Answer { exchange, envelope } => {
                    match self.streams.answer(exchange, Some(envelope)) {
                        Ok(()) => continue,
                        Err(envelope) => {
                            let envelope = envelope.unwrap_or_default();
                            Transmit::Answer { exchange, envelope }
                        }
                    }
                }
                Transmit::Drop { exchange } => match self.streams.answer(exchange, None) {
                    Ok(()) => continue,
                    Err(_) => Transmit::Drop { exchange },
                },
            };
            self.outputs.push_back(Output::Transmit(rest));
        }
    }

    /// What the behaviour is to be told, until there is nothing.
    fn next_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.pass_on();
        }
        self.outputs.pop_front().or_else(|| {
            let mut event = self.link.poll_event()?;
            while event == Event::ResumeWanted {
                self.durable.ask();
                event = self.link.poll_event()?;
            }
            match event {
                // Whatever it is told about a connection, it has to know before it is told to act.
                Event::Unresponsive => {
                    let silent = self.streams.silent().map(Output::Unanswered);
                    self.outputs.extend(silent);
                    self.outputs.push_back(Output::Event(event));
                    return self.outputs.pop_front();
                }
                Event::SessionReady(_) => self.durable.session_ready(),
                Event::SessionEnded { .. } if !self.link.has_session() => self.streams.retire(),
                _ => {}
            }
            Some(Output::Event(event))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::durable::Notice;
    use super::*;

    #[test]
    fn what_each_idle_peer_holds_is_small() {
        // What is beside the boxed work in the task, and the channel's first block.
        assert!(size_of::<Input>() <= 128, "{}", size_of::<Input>());
        assert!(size_of::<Notice>() <= 32, "{}", size_of::<Notice>());
        assert!(size_of::<Driver>() <= 128, "{}", size_of::<Driver>());
        assert!(size_of::<Work>() <= 5 << 10, "{}", size_of::<Work>());
    }
}
