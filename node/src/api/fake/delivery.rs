//! What the fake keeps: an outbox, an inbox, a trace. It obeys the rules of a real node, without a disk.

use peer_protocol::delivery::{Status, Step};
use peer_protocol::error::ErrorCode;
use peer_protocol::time::Timestamp;

use super::{Fake, Memory, PEER_ID, entity, judge};
use crate::error::NodeError;
use crate::handle::DeliveryCommand;
use crate::model::{
    Acknowledged, Content, Delivery, Direction, IdPrefix, InboxFilter, InboxId, InboxLine,
    Incoming, IncomingKind, OutboxFilter, OutboxLine, OutboxMessage, Page, Retried, Trace,
    TraceStep,
};

/// To entity_b, which cannot be reached.
pub(crate) const QUEUED: &str = "3f2a91c0-0b4e-4d8a-9c1e-7f6a5b4c3d2e";
/// Behind it.
pub(crate) const BEHIND: &str = "3f2a7b11-2c3d-4e5f-8a9b-0c1d2e3f4a5b";
/// May have been sent.
pub(crate) const SENT: &str = "9d00aa10-5555-4555-9555-555555555555";
/// Arrived.
pub(crate) const DELIVERED: &str = "c0ffee00-1111-4111-8111-111111111111";
/// Refused for good.
pub(crate) const FAILED: &str = "badc0de0-2222-4222-9222-222222222222";
/// When the fake's messages were accepted.
pub(crate) const CREATED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) fn outbox() -> Vec<OutboxLine> {
    let line = |id: &str, peer: &str, status, number, waits_for: Option<&str>| OutboxLine {
        message_id: id.to_owned(),
        peer: entity(peer),
        peer_id: PEER_ID.to_owned(),
        kind: if number % 2 == 0 { IncomingKind::StatusReport } else { IncomingKind::Task },
        size: 2_100,
        status,
        created: CREATED,
        // Far enough away for any clock that runs this.
        expires: Timestamp::from_millis(32_503_680_000_000),
        attempts: u32::from(waits_for.is_none()),
        number,
        waits_for: waits_for.map(str::to_owned),
    };
    let refused = Delivery::Failed {
        code: ErrorCode::InvalidState,
        detail: "not \u{1b}[31mtaken here".to_owned(),
    };
    let unreachable = Some("no connection: connection refused");
    vec![
        line(DELIVERED, "entity_c", Delivery::Delivered, 4, None),
        line(FAILED, "entity_c", refused, 5, None),
        line(QUEUED, "entity_b", Delivery::Queued, 7, unreachable),
        line(BEHIND, "entity_b", Delivery::Queued, 8, Some("behind 1 other")),
        line(SENT, "entity_d", Delivery::Sent, 0, Some("sent, no receipt yet")),
    ]
}

/// A message of the inbox.
pub(crate) fn kept(number: u64, id: &str, text: &str) -> Incoming {
    Incoming { inbox_number: Some(number), durable: true, ..super::task(id, text) }
}

impl Fake {
    pub(super) fn obey_delivery(&self, command: DeliveryCommand) {
        self.look(|memory| match command {
            DeliveryCommand::Outbox(filter, reply) => drop(reply.send(memory.outbox_page(&filter))),
            DeliveryCommand::OutboxMessage(id, reply) => {
                drop(reply.send(memory.sent(&id).map(|line| message(line.clone()))));
            }
            DeliveryCommand::Cancel(id, reply) => drop(reply.send(memory.cancel(&id))),
            DeliveryCommand::Retry(id, reply) => drop(reply.send(memory.unsettled(&id).cloned())),
            DeliveryCommand::RetryPeer(peer, reply) => drop(reply.send(memory.retry_peer(&peer))),
            DeliveryCommand::Inbox(filter, reply) => drop(reply.send(memory.inbox_page(&filter))),
            DeliveryCommand::InboxMessage(id, reply) => drop(reply.send(memory.received(&id))),
            DeliveryCommand::Acknowledge(ids, reply) => {
                drop(reply.send(memory.acknowledge(&ids)));
            }
            DeliveryCommand::Trace(id, reply) => drop(reply.send(memory.trace(&id))),
        });
    }
}

impl Memory {
    fn outbox_page(&self, filter: &OutboxFilter) -> Result<Page<OutboxLine>, NodeError> {
        filter.peer.as_deref().map_or(Ok(()), judge)?;
        let matching = |line: &&OutboxLine| {
            let of_peer = filter.peer.as_ref().is_none_or(|peer| line.peer.as_str() == peer);
            of_peer && (filter.all || !line.status.is_settled())
        };
        let mut lines: Vec<_> = self.outbox.iter().filter(matching).cloned().collect();
        if filter.all {
            lines.reverse();
        }
        let after = filter.after.as_ref();
        let begin = after.map_or(0, |after| 1 + position(&lines, |line| line.message_id == *after));
        Ok(page(lines, begin, filter.limit, |line| line.message_id.clone()))
    }

    fn inbox_page(&self, filter: &InboxFilter) -> Result<Page<InboxLine>, NodeError> {
        filter.from.as_deref().map_or(Ok(()), judge)?;
        let lines = self.inbox.iter().map(|message| InboxLine {
            number: message.inbox_number.unwrap(),
            message_id: message.message_id.clone(),
            from: message.from.clone(),
            from_peer_id: message.from_peer_id.clone(),
            kind: message.kind,
            name: message.content.name.clone(),
            size: message.content.to_bytes().unwrap().len() as u64,
            received_at: message.received_at,
            handed: !self.subscribers.is_empty(),
        });
        let from =
            |line: &InboxLine| filter.from.as_ref().is_none_or(|peer| line.from.as_str() == peer);
        let lines: Vec<_> = lines.filter(from).collect();
        let after = filter.after;
        let begin = after.map_or(0, |after| lines.iter().filter(|it| it.number <= after).count());
        Ok(page(lines, begin, filter.limit, |line| line.number.to_string()))
    }

    fn sent(&self, id: &IdPrefix) -> Result<&OutboxLine, NodeError> {
        only(id, self.outbox.iter(), |line| &line.message_id)
    }

    fn unsettled(&self, id: &IdPrefix) -> Result<&OutboxLine, NodeError> {
        let line = self.sent(id)?;
        if line.status.is_settled() {
            let (message_id, status) = (line.message_id.clone(), line.status.as_str());
            return Err(NodeError::Settled { message_id, status });
        }
        Ok(line)
    }

    fn cancel(&mut self, id: &IdPrefix) -> Result<OutboxLine, NodeError> {
        let id = self.unsettled(id)?.message_id.clone();
        let line = self.outbox.iter_mut().find(|line| line.message_id == id).unwrap();
        let sent = line.status == Delivery::Sent;
        line.status = if sent { Delivery::Unknown } else { Delivery::Cancelled };
        line.waits_for = None;
        Ok(line.clone())
    }

    fn retry_peer(&self, peer: &str) -> Result<Retried, NodeError> {
        judge(peer)?;
        let waits = |line: &&OutboxLine| line.peer.as_str() == peer && !line.status.is_settled();
        let messages = self.outbox.iter().filter(waits).count() as u64;
        Ok(Retried { peer: entity(peer), peer_id: PEER_ID.to_owned(), messages })
    }

    fn received(&self, id: &InboxId) -> Result<Incoming, NodeError> {
        let number = match id {
            InboxId::Id(id) => {
                return only(id, self.inbox.iter(), |message| &message.message_id).cloned();
            }
            InboxId::Number(number) => Some(*number),
        };
        let message = self.inbox.iter().find(|message| message.inbox_number == number);
        message.cloned().ok_or_else(|| NodeError::NoSuchMessage { id: id.to_string() })
    }

    fn acknowledge(&mut self, ids: &[InboxId]) -> Result<Acknowledged, NodeError> {
        self.acknowledgements += 1;
        if self.disk_fails {
            return Err(NodeError::NotKept { reason: "the disk is full".to_owned() });
        }
        let found = ids.iter().map(|id| match self.received(id) {
            Err(NodeError::NoSuchMessage { id }) => Ok(Err(id)),
            Err(error) => Err(error),
            Ok(message) => Ok(Ok(message)),
        });
        let mut done = Acknowledged::default();
        for found in found.collect::<Result<Vec<_>, _>>()? {
            match found {
                Ok(message) => {
                    self.inbox.retain(|other| other.inbox_number != message.inbox_number);
                    self.acknowledged.push(message.inbox_number.unwrap());
                    done.ids.push(message.message_id);
                }
                Err(id) if self.acknowledged.iter().any(|it| format!("n{it}") == id) => {
                    done.already.push(id);
                }
                Err(id) => done.unknown.push(id),
            }
        }
        Ok(done)
    }

    fn trace(&self, id: &IdPrefix) -> Result<Trace, NodeError> {
        let line = self.sent(id)?.clone();
        Ok(Trace {
            message_id: line.message_id,
            direction: Direction::Sent,
            peer: line.peer,
            peer_id: line.peer_id,
            kind: line.kind,
            size: line.size,
            status: line.status,
            created: line.created,
            expires: Some(line.expires),
            number: Some(line.number),
            inbox_number: None,
            waits_for: line.waits_for,
            steps: steps(),
        })
    }
}

fn steps() -> Vec<TraceStep> {
    let steps = [
        (0, Step::Accepted),
        (4, Step::GivenToLink),
        (6, Step::Transmitted { attempt: 1 }),
        (6, Step::Became(Status::Sent)),
        (2_150, Step::Transmitted { attempt: 2 }),
        (2_160, Step::Paced { retry_after_ms: 12_000 }),
        // The clock was set back meanwhile.
        (2_100, Step::InMailbox { nodes: 3 }),
        (185_006, Step::Became(Status::Delivered)),
    ];
    let millis = |ms| CREATED + std::time::Duration::from_millis(ms);
    steps.into_iter().map(|(ms, step)| TraceStep { at: millis(ms), step }).collect()
}

fn message(message: OutboxLine) -> OutboxMessage {
    let kept = !message.status.is_settled();
    OutboxMessage {
        content: kept.then(|| Content::from_bytes(b"line 1\nline 2 \x1b[2J")),
        status: kept.then(|| "half done".to_owned()),
        next_action: None,
        conversation: None,
        in_reply_to: None,
        message,
    }
}

/// The only one whose id begins so.
fn only<'a, T>(
    prefix: &IdPrefix,
    all: impl Iterator<Item = &'a T>,
    id: impl Fn(&'a T) -> &'a String,
) -> Result<&'a T, NodeError> {
    let matches = |it: &&'a T| {
        let digits = |text: &str| text.replace('-', "");
        digits(id(it)).starts_with(&digits(&prefix.to_string()))
    };
    let found: Vec<&T> = all.filter(matches).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(NodeError::NoSuchMessage { id: prefix.to_string() }),
        several => Err(NodeError::Ambiguous {
            prefix: prefix.to_string(),
            candidates: several.iter().map(|it| id(it).clone()).collect(),
        }),
    }
}

fn position<T>(all: &[T], which: impl Fn(&T) -> bool) -> usize {
    all.iter().position(which).unwrap_or(all.len())
}

fn page<T>(all: Vec<T>, begin: usize, limit: usize, place: impl Fn(&T) -> String) -> Page<T> {
    let total = all.len() as u64;
    let more = begin + limit < all.len();
    let items: Vec<T> = all.into_iter().skip(begin).take(limit).collect();
    let next = items.last().filter(|_| more).map(place);
    Page { items, total, next }
}
