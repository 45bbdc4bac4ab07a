//! Answers to ordered tasks. Whom to answer is known in memory, or from the disk.

use super::naming::peer_id_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::message::{Message, MessageKind};

use super::accepting::{Accepting, Ahead, Answering};
use super::contents::Draft;
use super::taking::{Taken, Taking};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::outgoing::body_error;
use crate::handle::Reply;
use crate::store::Found;

impl EventLoop {
    /// Answers a task that is on disk.
    pub(in crate::event_loop) fn answer_kept(
        &mut self,
        task: MessageId,
        draft: Draft,
        reply: Reply<()>,
    ) {
        // Of several answers at once the first counts.
        if !self.delivery.answering.insert(task) {
            return drop(reply.send(Err(no_such_task(task))));
        }
        if let Some(asker) = self.delivery.tasks.remove(&task) {
            return self.make_answer(task, asker, draft, reply);
        }
        self.read(
            move |store| store.find(task.as_bytes(), task.as_bytes(), 8),
            move |this, found| match found {
                Ok(found) => match found.iter().find_map(open_task) {
                    Some(asker) => this.make_answer(task, asker, draft, reply),
                    None => {
                        this.delivery.answering.remove(&task);
                        drop(reply.send(Err(no_such_task(task))));
                    }
                },
                Err(error) => {
                    this.delivery.answering.remove(&task);
                    let reason = error.to_string();
                    drop(reply.send(Err(NodeError::NotKept { reason })));
                }
            },
        );
    }

    fn make_answer(&mut self, task: MessageId, asker: PublicKey, draft: Draft, reply: Reply<()>) {
        let to = peer_id_of(&asker);
        // Someone who asked in order may be away since the node was started.
        self.directory.entry(to);
        if self.goes_ahead(&to, &draft) {
            return self.spool(to, draft, move |this, spooled| {
                this.send_answer(task, asker, spooled, Ahead::Content, reply);
            });
        }
        let made = draft.body().and_then(|body| {
            let message = Message::new(&mut self.rng, &body, Some(task));
            message.map_err(|error| body_error(&error))
        });
        self.send_answer(task, asker, made, Ahead::Nothing, reply);
    }

    fn send_answer(
        &mut self,
        task: MessageId,
        asker: PublicKey,
        made: Result<Message, NodeError>,
        ahead: Ahead,
        reply: Reply<()>,
    ) {
        let to = peer_id_of(&asker);
        let message = match made {
            Ok(message) => message,
            Err(error) => {
                self.delivery.answering.remove(&task);
                self.delivery.tasks.insert(task, asker);
                return drop(reply.send(Err(error)));
            }
        };
        let id = message.id;
        let then = Accepting::Answer(Box::new(Answering { task, asker, reply }));
        if let Err(refused) = self.accept(to, message, None, ahead, then)
            && let (error, Accepting::Answer(answering)) = *refused
        {
            self.content_not_accepted(&to, id);
            let Answering { task, asker, reply } = *answering;
            self.delivery.answering.remove(&task);
            self.delivery.tasks.insert(task, asker);
            drop(reply.send(Err(error)));
        }
    }

    /// An answer is on disk: its task need not be handed over again.
    pub(super) fn take_task(&mut self, asker: PublicKey, task: MessageId) {
        self.read(
            move |store| store.find(task.as_bytes(), task.as_bytes(), 8),
            move |this, found| {
                let waits = |found: Found| match found {
                    Found::Incoming(it) if it.peer == asker && it.taken.is_none() => Some(it),
                    Found::Incoming(_) | Found::Outgoing(_) => None,
                };
                let record = found.unwrap_or_default().into_iter().find_map(waits);
                if let Some(record) = record {
                    let (peer, id, number) = (record.peer, record.id, record.number);
                    let len = usize::try_from(record.len).unwrap_or(usize::MAX);
                    let messages = vec![Taken { peer, id, number, len }];
                    this.take(Taking { messages, reply: None });
                }
            },
        );
    }
}

fn no_such_task(task: MessageId) -> NodeError {
    NodeError::NoSuchTask { message_id: task.to_string() }
}

/// Who asked, if it is a task that was not answered.
fn open_task(found: &Found) -> Option<PublicKey> {
    match found {
        Found::Incoming(record) if record.kind == MessageKind::Task && !record.answered => {
            Some(record.peer)
        }
        Found::Incoming(_) | Found::Outgoing(_) => None,
    }
}
