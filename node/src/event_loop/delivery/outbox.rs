//! What callers ask of the outbox: lists, one message, its way, cancelling, trying again.

use super::naming::peer_id_of;
use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::message::{Body, Message};
use peer_protocol::time::Timestamp;

use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::handle::{DeliveryCommand, Reply};
use crate::model::{
    Content, Delivery, IdPrefix, OutboxFilter, OutboxLine, OutboxMessage, Page, Retried,
    StoredContent, Trace,
};
use crate::store::{Filter, Found, OutboxPlace, OutgoingRecord, StoreError};

/// Messages that begin so which are named where one is not enough.
const CANDIDATES: usize = 8;

impl EventLoop {
    pub(in crate::event_loop) fn on_delivery_command(&mut self, command: DeliveryCommand) {
        match command {
            DeliveryCommand::Outbox(filter, reply) => self.list_outbox(&filter, reply),
            DeliveryCommand::OutboxMessage(id, reply) => self.show_outgoing(id, reply),
            DeliveryCommand::Cancel(id, reply) => self.cancel(id, reply),
            DeliveryCommand::Retry(id, reply) => self.retry(id, reply),
            DeliveryCommand::RetryPeer(peer, reply) => {
                drop(reply.send(self.retry_peer(&peer)));
            }
            DeliveryCommand::Inbox(filter, reply) => self.list_inbox(&filter, reply),
            DeliveryCommand::InboxMessage(id, reply) => self.show_incoming(id, reply),
            DeliveryCommand::Acknowledge(ids, reply) => self.acknowledge(ids, reply),
            DeliveryCommand::Trace(id, reply) => self.trace(id, reply),
        }
    }

    fn list_outbox(&mut self, filter: &OutboxFilter, reply: Reply<Page<OutboxLine>>) {
        let peer = match self.key_named(filter.peer.as_deref()) {
            Ok(peer) => peer,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let after = match filter.after.as_deref().map(place) {
            None => None,
            Some(Some(place)) => Some(place),
            Some(None) => {
                let detail = "`after` is not what a page named as `next`".to_owned();
                return drop(reply.send(Err(NodeError::Invalid { detail })));
            }
        };
        let filter = Filter { peer, settled: filter.all, after, most: filter.limit };
        self.read(
            move |store| store.outgoing(&filter),
            move |this, found| {
                let page = found.map_err(|error| unreadable(&error)).map(|page| {
                    let next = page.items.last().filter(|_| page.more).map(|last| {
                        let peer = hex::encode(last.peer.as_bytes());
                        format!("{}-{}-{peer}", last.created.as_millis(), last.number)
                    });
                    let items = page.items.iter().map(|record| this.outbox_line(record)).collect();
                    Page { items, total: page.total, next }
                });
                drop(reply.send(page));
            },
        );
    }

    fn show_outgoing(&mut self, id: IdPrefix, reply: Reply<OutboxMessage>) {
        self.with_outgoing(id, reply, |this, record, reply| {
            let (peer, number) = (record.peer, record.number);
            this.read(
                move |store| store.outgoing_message(&peer, number),
                move |this, found| {
                    let line = this.outbox_line(&record);
                    let in_reply_to = record.in_reply_to.map(|id| id.to_string());
                    let shown = found.map_err(|error| unreadable(&error)).map(|message| {
                        let shown = OutboxMessage {
                            message: line,
                            content: None,
                            status: None,
                            next_action: None,
                            conversation: None,
                            in_reply_to,
                        };
                        let stored = this.transfers.service().spooled(&record.peer, record.id);
                        with_body(shown, message.as_ref(), stored.as_ref())
                    });
                    drop(reply.send(shown));
                },
            );
        });
    }

    fn cancel(&mut self, id: IdPrefix, reply: Reply<OutboxLine>) {
        self.with_outgoing(id, reply, |this, record, reply| {
            if let Some(error) = settled(&record) {
                return drop(reply.send(Err(error)));
            }
            // It is answered when that is on disk, and says then what became of the message.
            this.delivery.cancelling.entry(record.id).or_default().push(reply);
            let now = this.clock.now();
            if !this.delivery.outbox.cancel(record.id, now)
                && this.delivery.outbox.status(record.id).is_none()
            {
                this.cancelled(record.id);
            }
            this.pump();
        });
    }

    /// A message is settled: whoever cancelled it hears how.
    pub(super) fn cancelled(&mut self, id: MessageId) {
        let Some(replies) = self.delivery.cancelling.remove(&id) else { return };
        self.read(
            move |store| store.find(id.as_bytes(), id.as_bytes(), CANDIDATES),
            move |this, found| {
                let outcome = match found {
                    Ok(found) => match found.iter().find_map(outgoing) {
                        Some(record) => Ok(this.outbox_line(record)),
                        None => Err(NodeError::NoSuchMessage { id: id.to_string() }),
                    },
                    Err(error) => Err(unreadable(&error)),
                };
                for reply in replies {
                    drop(reply.send(outcome.clone()));
                }
            },
        );
    }

    fn retry(&mut self, id: IdPrefix, reply: Reply<OutboxLine>) {
        self.with_outgoing(id, reply, |this, record, reply| {
            if let Some(error) = settled(&record) {
                return drop(reply.send(Err(error)));
            }
            this.reach_now(peer_id_of(&record.peer));
            drop(reply.send(Ok(this.outbox_line(&record))));
        });
    }

    fn retry_peer(&mut self, name: &str) -> Result<Retried, NodeError> {
        let id: PeerId = self.resolve(name)?;
        let waiting = key_of(&id).map_or(0, |key| self.delivery.outbox.waiting(&key).0);
        self.reach_now(id);
        Ok(Retried {
            peer: self.entity_of(&id),
            peer_id: id.to_string(),
            messages: u64::try_from(waiting).unwrap_or(u64::MAX),
        })
    }

    fn trace(&mut self, id: IdPrefix, reply: Reply<Trace>) {
        self.with_one(
            id,
            reply,
            |_| true,
            |this, found, reply| {
                this.read(
                    move |store| store.trace(found),
                    move |this, trace| {
                        let trace = trace
                            .map_err(|error| unreadable(&error))
                            .map(|trace| this.trace_of(trace));
                        drop(reply.send(trace));
                    },
                );
            },
        );
    }

    /// Goes on with the message of this entity that `id` stands for.
    fn with_outgoing<T: Send + 'static>(
        &mut self,
        id: IdPrefix,
        reply: Reply<T>,
        then: impl FnOnce(&mut Self, OutgoingRecord, Reply<T>) + Send + 'static,
    ) {
        self.with_one(
            id,
            reply,
            |it| outgoing(it).is_some(),
            |this, found, reply| {
                if let Found::Outgoing(record) = found {
                    then(this, record, reply);
                }
            },
        );
    }

    /// Goes on with the one message that `id` stands for, of those that are `wanted`.
    pub(super) fn with_one<T: Send + 'static>(
        &mut self,
        id: IdPrefix,
        reply: Reply<T>,
        wanted: impl Fn(&Found) -> bool + Send + 'static,
        then: impl FnOnce(&mut Self, Found, Reply<T>) + Send + 'static,
    ) {
        self.read(
            move |store| {
                let (first, last) = id.range();
                store.find(first, last, CANDIDATES)
            },
            move |this, found| match found
                .map_err(|error| unreadable(&error))
                .and_then(|all| one(id, all, wanted))
            {
                Ok(found) => then(this, found, reply),
                Err(error) => drop(reply.send(Err(error))),
            },
        );
    }

    /// The key of the peer that a filter names.
    pub(super) fn key_named(&mut self, name: Option<&str>) -> Result<Option<PublicKey>, NodeError> {
        let Some(name) = name else { return Ok(None) };
        let id = self.resolve(name)?;
        key_of(&id).map(Some).ok_or_else(|| NodeError::UnknownPeer { peer: name.to_owned() })
    }
}

pub(super) fn outgoing(found: &Found) -> Option<&OutgoingRecord> {
    match found {
        Found::Outgoing(record) => Some(record),
        Found::Incoming(_) => None,
    }
}

pub(super) fn id_of(found: &Found) -> MessageId {
    match found {
        Found::Outgoing(record) => record.id,
        Found::Incoming(record) => record.id,
    }
}

fn one(
    prefix: IdPrefix,
    found: Vec<Found>,
    wanted: impl Fn(&Found) -> bool,
) -> Result<Found, NodeError> {
    let mut found: Vec<_> = found.into_iter().filter(wanted).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            let candidates = found.iter().chain([&last]).map(|it| id_of(it).to_string()).collect();
            Err(NodeError::Ambiguous { prefix: prefix.to_string(), candidates })
        }
        (None, _) => Err(NodeError::NoSuchMessage { id: prefix.to_string() }),
    }
}

fn settled(record: &OutgoingRecord) -> Option<NodeError> {
    record.status.is_settled().then(|| NodeError::Settled {
        message_id: record.id.to_string(),
        status: Delivery::from(record.status.clone()).as_str(),
    })
}

pub(super) fn unreadable(error: &StoreError) -> NodeError {
    NodeError::NotKept { reason: error.to_string() }
}

/// The place that a page names as `next`.
fn place(text: &str) -> Option<OutboxPlace> {
    let mut parts = text.splitn(3, '-');
    let created = Timestamp::from_millis(parts.next()?.parse().ok()?);
    let number = parts.next()?.parse().ok()?;
    let peer = hex::decode(parts.next()?).ok()?.try_into().ok()?;
    Some(OutboxPlace { created, peer, number })
}

fn with_body(
    shown: OutboxMessage,
    message: Option<&Message>,
    stored: Option<&StoredContent>,
) -> OutboxMessage {
    let content = |bytes: &[u8], content_type: String| {
        let content = match stored {
            Some(stored) => Content { stored: Some(stored.clone()), ..Content::default() },
            None => Content::from_bytes(bytes),
        };
        Some(Content { content_type: Some(content_type), ..content })
    };
    match message.and_then(|message| message.decode().ok()) {
        Some(Body::Task(task)) => OutboxMessage {
            content: content(&task.content, task.content_type)
                .map(|content| Content { name: task.name, ..content }),
            conversation: task.conversation,
            ..shown
        },
        Some(Body::StatusReport(report)) => OutboxMessage {
            content: content(&report.content, report.content_type),
            status: Some(report.status),
            next_action: report.next_action,
            ..shown
        },
        Some(Body::TaskResult(result)) => {
            OutboxMessage { content: content(&result.content, result.content_type), ..shown }
        }
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_lists_read_back_and_nothing_else_does() {
        let peer = [7; 32];
        let text = format!("1700000000000-12-{}", hex::encode(peer));
        let created = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(place(&text), Some(OutboxPlace { created, peer, number: 12 }));
        for bad in ["", "1", "1-2", "1-2-zz", "x-2-00", &text[1..text.len() - 2], "1-2-3-4"] {
            assert!(place(bad).is_none() || bad.starts_with("700"), "{bad}");
        }
    }
}
