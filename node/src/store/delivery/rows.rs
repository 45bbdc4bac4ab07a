//! What rows hold, and their bytes.

use peer_protocol::delivery::{Order, Position, Status, Step};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::message::{Message, MessageKind};
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::bytes::{Broken, Put, Take};

/// Numbers that are never given twice, and what was committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Transactions so far.
    pub(super) commits: u64,
    /// The next inbox number.
    pub(super) inbox: u64,
    pub(super) settled: u64,
    pub(super) trail: u64,
}

impl Counters {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::default();
        put.number(self.commits).number(self.inbox).number(self.settled).number(self.trail).done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut take = Take(bytes);
        let counters = Self {
            commits: take.number()?,
            inbox: take.number()?,
            settled: take.number()?,
            trail: take.number()?,
        };
        take.end().map(|()| counters)
    }
}

/// How many messages wait, and the bytes of their bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// How many.
    pub messages: u64,
    /// Their bodies, in bytes.
    pub bytes: u64,
}

impl Waiting {
    pub(super) const fn add(&mut self, len: u64) {
        self.messages += 1;
        self.bytes += len;
    }

    pub(super) const fn subtract(&mut self, len: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(len);
    }
}

/// What is known of a receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) stream: Option<StreamId>,
    /// The next number.
    pub(super) next: u64,
    /// What is not settled.
    pub(super) waiting: Waiting,
}

impl Stream {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::default();
        put.maybe_id(self.stream.as_ref().map(StreamId::as_bytes)).number(self.next);
        put.number(self.waiting.messages).number(self.waiting.bytes).done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut take = Take(bytes);
        let row = Self {
            stream: take.maybe_id(StreamId::from_bytes)?,
            next: take.number()?,
            waiting: Waiting { messages: take.number()?, bytes: take.number()? },
        };
        take.end().map(|()| row)
    }
}

/// What is known of a sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: Position,
    /// How many messages came so far.
    pub(super) arrivals: u64,
    /// What no agent took yet.
    pub(super) waiting: Waiting,
}

impl Place {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::default();
        let Position { stream, next, dead } = &self.position;
        put.maybe_id(stream.as_ref().map(StreamId::as_bytes)).number(*next).number(self.arrivals);
        put.number(self.waiting.messages).number(self.waiting.bytes);
        for dead in dead {
            put.bytes(dead.as_bytes());
        }
        put.done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut take = Take(bytes);
        let stream = take.maybe_id(StreamId::from_bytes)?;
        let (next, arrivals) = (take.number()?, take.number()?);
        let waiting = Waiting { messages: take.number()?, bytes: take.number()? };
        let mut dead = Vec::new();
        while take.end().is_err() {
            dead.push(take.id(StreamId::from_bytes)?);
        }
        Ok(Self { position: Position { stream, next, dead }, arrivals, waiting })
    }
}

/// What messages have in common on their way out and in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: MessageId,
    pub(super) kind: MessageKind,
    pub(super) in_reply_to: Option<MessageId>,
    /// The body, in bytes.
    pub(super) len: u64,
}

impl Head {
    pub(super) fn of(message: &Message) -> Self {
        let Message { id, kind, in_reply_to, order: _, body } = message;
        let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Self { id: *id, kind: *kind, in_reply_to: *in_reply_to, len }
    }

    pub(super) fn message(&self, order: Option<Order>, body: &[u8]) -> Message {
        let body = body.to_vec().into();
        Message { id: self.id, kind: self.kind, in_reply_to: self.in_reply_to, order, body }
    }

    fn put(&self, put: &mut Put) {
        put.bytes(self.id.as_bytes()).text(self.kind.as_str());
        put.maybe_id(self.in_reply_to.as_ref().map(MessageId::as_bytes)).number(self.len);
    }

    fn take(take: &mut Take<'_>) -> Result<Self, Broken> {
        Ok(Self {
            id: take.id(MessageId::from_bytes)?,
            kind: MessageKind::named(take.text()?).ok_or(Broken)?,
            in_reply_to: take.maybe_id(MessageId::from_bytes)?,
            len: take.number()?,
        })
    }
}

/// A message of this entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) head: Head,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) status: Status,
    /// Whether it may have been sent.
    pub(super) may_be_sent: bool,
    pub(super) sent: Option<Timestamp>,
    /// When it expired, failed, was cancelled or became unknown.
    pub(super) ended: Option<Timestamp>,
    pub(super) delivered: Option<Timestamp>,
    pub(super) processed: Option<Timestamp>,
}

impl Sent {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::default();
        self.head.put(&mut put);
        put.time(self.created).time(self.expires).byte(self.may_be_sent.into());
        put.maybe_time(self.sent).maybe_time(self.ended);
        put.maybe_time(self.delivered).maybe_time(self.processed);
        match &self.status {
            Status::Queued => put.byte(0),
            Status::Sent => put.byte(1),
            Status::Delivered => put.byte(2),
            Status::Processed => put.byte(3),
            Status::Expired => put.byte(4),
            Status::Unknown => put.byte(5),
            Status::Failed { code, detail } => put.byte(6).text(code.as_str()).text(detail),
            Status::Cancelled => put.byte(7),
        }
        .done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut take = Take(bytes);
        let head = Head::take(&mut take)?;
        let (created, expires, may_be_sent) = (take.time()?, take.time()?, take.byte()? == 1);
        let (sent, ended) = (take.maybe_time()?, take.maybe_time()?);
        let (delivered, processed) = (take.maybe_time()?, take.maybe_time()?);
        let status = match take.byte()? {
            0 => Status::Queued,
            1 => Status::Sent,
            2 => Status::Delivered,
            3 => Status::Processed,
            4 => Status::Expired,
            5 => Status::Unknown,
            6 => {
                let code: ErrorCode = take.text()?.parse().map_err(|_| Broken)?;
                Status::Failed { code, detail: take.text()?.to_owned() }
            }
            7 => Status::Cancelled,
            _ => return Err(Broken),
        };
        take.end()?;
        Ok(Self { head, created, expires, status, may_be_sent, sent, ended, delivered, processed })
    }

    /// Takes on a status, unless that would go back. Returns whether anything changed.
    pub(super) fn become_status(&mut self, status: Status, at: Timestamp) -> bool {
        if !self.status.may_become(&status) {
            return false;
        }
        match status {
            Status::Queued => {}
            Status::Sent => self.sent = Some(at),
            Status::Delivered => self.delivered = Some(at),
            Status::Processed => self.processed = Some(at),
            Status::Expired | Status::Unknown | Status::Failed { .. } | Status::Cancelled => {
                self.ended = Some(at);
            }
        }
        self.may_be_sent |= !matches!(status, Status::Queued | Status::Expired | Status::Cancelled);
        self.status = status;
        true
    }
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) peer: [u8; 32],
    pub(super) head: Head,
    pub(super) order: Option<Order>,
    pub(super) at: Timestamp,
    pub(super) taken: Option<Timestamp>,
    /// Whether its sender knows that it was taken.
    pub(super) told: bool,
    /// Whether an answer to it was accepted.
    pub(super) answered: bool,
}

impl Received {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::default();
        put.bytes(&self.peer);
        self.head.put(&mut put);
        put.maybe_id(self.order.as_ref().map(|order| order.stream.as_bytes()));
        if let Some(order) = &self.order {
            put.number(order.number).byte(order.after.is_some().into());
            put.number(order.after.unwrap_or_default());
        }
        put.time(self.at).maybe_time(self.taken);
        put.byte(self.told.into()).byte(self.answered.into()).done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut take = Take(bytes);
        let (peer, head) = (take.array()?, Head::take(&mut take)?);
        let order = match take.maybe_id(StreamId::from_bytes)? {
            Some(stream) => {
                let (number, is_some) = (take.number()?, take.byte()? == 1);
                let after = Some(take.number()?).filter(|_| is_some);
                Some(Order { after, number, stream })
            }
            None => None,
        };
        let (at, taken) = (take.time()?, take.maybe_time()?);
        let (told, answered) = (take.byte()? == 1, take.byte()? == 1);
        take.end()?;
        Ok(Self { peer, head, order, at, taken, told, answered })
    }
}

/// A step of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrailStep {
    pub(super) id: MessageId,
    pub(super) at: Timestamp,
    pub(super) step: Step,
}
