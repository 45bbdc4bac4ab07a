//! Records of the disk as people see them.

use super::attempts::Attempt;
use super::naming::peer_id_of;
use peer_protocol::delivery::Step;
use peer_protocol::message::MessageKind;

use crate::event_loop::EventLoop;
use crate::model::{Delivery, Direction, InboxLine, IncomingKind, OutboxLine, Trace, TraceStep};
use crate::store::{self, Found, IncomingRecord, OutgoingRecord};

impl EventLoop {
    pub(super) fn outbox_line(&self, record: &OutgoingRecord) -> OutboxLine {
        let id = peer_id_of(&record.peer);
        let status = Delivery::from(record.status.clone());
        OutboxLine {
            message_id: record.id.to_string(),
            peer: self.entity_of(&id),
            peer_id: id.to_string(),
            kind: kind_of(record.kind),
            size: self.spooled_size(record),
            waits_for: self.waits_for(&id, record.id, &status).map(|reason| reason.to_string()),
            status,
            created: record.created,
            expires: record.expires,
            attempts: match self.delivery.attempts.of(&record.id) {
                Some(attempt) => attempt.count,
                None => record.may_be_sent.into(),
            },
            number: record.number,
        }
    }

    pub(super) fn inbox_line(&self, record: &IncomingRecord) -> InboxLine {
        let id = peer_id_of(&record.peer);
        InboxLine {
            number: record.number,
            message_id: record.id.to_string(),
            from: self.entity_of(&id),
            from_peer_id: id.to_string(),
            kind: kind_of(record.kind),
            name: record.name.clone(),
            size: self.stored_size(record),
            received_at: record.at,
            handed: self.inbox.was_handed(record.number),
        }
    }

    pub(super) fn trace_of(&self, trace: store::Trace) -> Trace {
        let step = |(at, step)| TraceStep { at, step };
        let mut steps: Vec<_> = trace.steps.into_iter().map(step).collect();
        match trace.message {
            Found::Outgoing(record) => {
                let attempt = self.delivery.attempts.of(&record.id).filter(|it| it.count > 0);
                if let Some(Attempt { count, last }) = attempt {
                    steps.push(TraceStep { at: last, step: Step::Transmitted { attempt: count } });
                    steps.sort_by_key(|step| step.at);
                }
                let line = self.outbox_line(&record);
                Trace {
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
                    steps,
                }
            }
            Found::Incoming(record) => {
                let line = self.inbox_line(&record);
                let taken = record.taken.is_some();
                Trace {
                    message_id: line.message_id,
                    direction: Direction::Received,
                    peer: line.from,
                    peer_id: line.from_peer_id,
                    kind: line.kind,
                    size: line.size,
                    status: if taken { Delivery::Processed } else { Delivery::Delivered },
                    created: line.received_at,
                    expires: None,
                    number: record.order.map(|order| order.number),
                    inbox_number: Some(line.number),
                    waits_for: None,
                    steps,
                }
            }
        }
    }
}

/// What a message is to whoever gets it. Others than these are never ordered.
const fn kind_of(kind: MessageKind) -> IncomingKind {
    match kind {
        MessageKind::Task => IncomingKind::Task,
        MessageKind::TaskResult => IncomingKind::Answer,
        _ => IncomingKind::StatusReport,
    }
}
