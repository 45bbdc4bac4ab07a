//! What callers ask of the inbox: lists, one message, acknowledging.

use super::outbox::{id_of, unreadable};
use super::taking::{Taken, Taking};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::handle::Reply;
use crate::model::{Acknowledged, InboxFilter, InboxId, InboxLine, Incoming, Page};
use crate::store::{Filter, Found, IncomingRecord, Store, StoreError};

impl EventLoop {
    pub(super) fn list_inbox(&mut self, filter: &InboxFilter, reply: Reply<Page<InboxLine>>) {
        let peer = match self.key_named(filter.from.as_deref()) {
            Ok(peer) => peer,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let filter = Filter { peer, settled: false, after: filter.after, most: filter.limit };
        self.read(
            move |store| store.incoming(&filter),
            move |this, found| {
                let page = found.map_err(|error| unreadable(&error)).map(|page| {
                    let last = page.items.last().filter(|_| page.more);
                    let next = last.map(|last| last.number.to_string());
                    let items = page.items.iter().map(|record| this.inbox_line(record)).collect();
                    Page { items, total: page.total, next }
                });
                drop(reply.send(page));
            },
        );
    }

    pub(super) fn show_incoming(&mut self, id: InboxId, reply: Reply<Incoming>) {
        self.read(
            move |store| match one(store, id)? {
                Ok(record) => Ok(store.incoming_message(record.number)?.ok_or_else(|| none(id))),
                Err(error) => Ok(Err(error)),
            },
            move |this, found| {
                let shown = found.map_err(|error| unreadable(&error)).and_then(|found| found);
                let shown = shown.and_then(|it| this.incoming_of(&it).ok_or_else(|| none(id)));
                drop(reply.send(shown));
            },
        );
    }

    /// The agent took messages.
    pub(super) fn acknowledge(&mut self, ids: Vec<InboxId>, reply: Reply<Acknowledged>) {
        self.agent_seen = Some(self.clock.now().instant);
        self.read(
            move |store| {
                let mut found = Vec::new();
                for id in ids {
                    match one(store, id)? {
                        Ok(record) => found.push((id, Some(record))),
                        Err(NodeError::NoSuchMessage { .. }) => found.push((id, None)),
                        Err(error) => return Ok(Err(error)),
                    }
                }
                Ok(Ok(found))
            },
            move |this, found| match found
                .map_err(|error| unreadable(&error))
                .and_then(|found| found)
            {
                Ok(found) => this.take_found(found, reply),
                Err(error) => drop(reply.send(Err(error))),
            },
        );
    }

    fn take_found(
        &mut self,
        found: Vec<(InboxId, Option<IncomingRecord>)>,
        reply: Reply<Acknowledged>,
    ) {
        let mut acknowledged = Acknowledged::default();
        let mut messages: Vec<Taken> = Vec::new();
        for (id, record) in found {
            let Some(record) = record else {
                acknowledged.unknown.push(id.to_string());
                continue;
            };
            let twice = messages.iter().any(|taken| taken.number == record.number);
            if record.taken.is_some() || twice {
                acknowledged.already.push(record.id.to_string());
                continue;
            }
            acknowledged.ids.push(record.id.to_string());
            let len = usize::try_from(record.len).unwrap_or(usize::MAX);
            messages.push(Taken { peer: record.peer, id: record.id, number: record.number, len });
        }
        if messages.is_empty() {
            return drop(reply.send(Ok(acknowledged)));
        }
        self.take(Taking { messages, reply: Some((reply, acknowledged)) });
    }
}

/// The message that came in and that `id` stands for.
fn one(store: &Store, id: InboxId) -> Result<Result<IncomingRecord, NodeError>, StoreError> {
    let prefix = match id {
        InboxId::Number(number) => return Ok(store.numbered(number)?.ok_or_else(|| none(id))),
        InboxId::Id(prefix) => prefix,
    };
    let (first, last) = prefix.range();
    let mut found: Vec<_> = store.find(first, last, 64)?;
    found.retain(|it| matches!(it, Found::Incoming(_)));
    let candidates: Vec<_> = found.iter().take(8).map(|it| id_of(it).to_string()).collect();
    Ok(match (found.pop(), found.is_empty()) {
        (Some(Found::Incoming(record)), true) => Ok(record),
        (None | Some(Found::Outgoing(_)), _) => Err(none(id)),
        (Some(Found::Incoming(_)), false) => {
            Err(NodeError::Ambiguous { prefix: prefix.to_string(), candidates })
        }
    })
}

fn none(id: InboxId) -> NodeError {
    NodeError::NoSuchMessage { id: id.to_string() }
}
