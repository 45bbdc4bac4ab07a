//! Tasks for the gateway that lie on disk (`docs/PROTOCOL.md` §13.9). They are for peers of version 1.0, and
//! never for the agent here.

use peer_protocol::message::{Body, Message};

use super::arriving::{LOADED, LOADED_BYTES};
use super::taking::{Taken, Taking};
use crate::event_loop::EventLoop;
use crate::model::{Content, ToForward};

/// What the sender of a task is told that was being passed on when this node stopped.
const INTERRUPTED: &str =
    "it was under way when this gateway restarted; what became of it is unknown";

impl EventLoop {
    /// Whether a message is for somebody behind this gateway.
    pub(super) fn is_to_forward(&self, message: &Message) -> bool {
        self.passing.is_some()
            && matches!(
                message.decode(),
                Ok(Body::Task(task)) if task.content_type == ToForward::CONTENT_TYPE
            )
    }

    /// After a restart: answers the tasks that were being passed on.
    pub(in crate::event_loop) fn end_interrupted(&self) {
        if self.passing.is_some() {
            self.end_interrupted_from(0, self.inbox.head());
        }
    }

    /// The same for those with numbers from `from` on and below `head`: what came since is passed on.
    fn end_interrupted_from(&self, from: u64, head: u64) {
        self.read(
            move |store| {
                let arrived = store.inbox(from, LOADED, LOADED_BYTES)?;
                let with_row = arrived.into_iter().map(|it| Ok((store.numbered(it.number)?, it)));
                with_row.collect::<Result<Vec<_>, _>>()
            },
            move |this, found| {
                let found = match found {
                    Ok(found) => found,
                    Err(error) => {
                        tracing::warn!(%error, "the inbox cannot be read for what was passed on");
                        return;
                    }
                };
                let next = found.last().map(|(_, last)| last.number + 1);
                for (row, arrived) in found {
                    let (number, peer, message) = (arrived.number, arrived.peer, arrived.message);
                    if number >= head || !this.is_to_forward(&message) {
                        continue;
                    }
                    let (id, len) = (message.id, message.body.len());
                    if row.is_some_and(|row| row.answered) {
                        // Only that could not be taken down any more.
                        let messages = vec![Taken { peer, id, number, len }];
                        this.take(Taking { messages, reply: None });
                    } else {
                        this.refuse_outward(id, Content::from_bytes(INTERRUPTED.as_bytes()));
                    }
                }
                if let Some(next) = next.filter(|next| *next < head) {
                    this.end_interrupted_from(next, head);
                }
            },
        );
    }
}
