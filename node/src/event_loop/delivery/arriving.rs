//! Ordered messages that come in: written, acknowledged, handed over.

use std::collections::HashMap;
use std::sync::Arc;

use libp2p::PeerId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Arrival, Write};
use peer_protocol::id::MessageId;
use peer_protocol::mailbox::Settlement;
use peer_protocol::message::{Body, Message};
use peer_protocol::time::Timestamp;

use super::Submitted;
use super::contents::names_transfer;
use super::taking::{Taken, Taking};
use crate::event_loop::EventLoop;
use crate::gateway::{Outward, not_passed_on};
use crate::inbox::Kept;
use crate::model::{Content, Incoming, IncomingKind};
use crate::room::Share;
use crate::store::{Arrived, Durable, Written};

/// A message that is being written.
pub(super) struct Arriving {
    from: PeerId,
    peer: PublicKey,
    message: Message,
    at: Timestamp,
    /// What goes with it if it came by mail.
    mail: Option<Box<Settlement>>,
    /// Whether its content came ahead of it, and is kept from now on.
    pub(super) claims: bool,
}

impl Arriving {
    fn of(from: PeerId, arrival: &Arrival) -> Self {
        let Arrival { peer, message, at, .. } = arrival;
        Self { from, peer: *peer, message: message.clone(), at: *at, mail: None, claims: false }
    }

    /// Whose share of the inbox it takes.
    pub(super) fn share(&self) -> Share {
        Share::of(&self.peer)
    }

    /// Bytes of its body.
    pub(super) fn len(&self) -> usize {
        self.message.body.len()
    }

    pub(super) fn by_mail(from: PeerId, arrival: &Arrival, settlement: Settlement) -> Self {
        Self { mail: Some(Box::new(settlement)), ..Self::of(from, arrival) }
    }
}

impl EventLoop {
    /// A message is the next of its sender.
    pub(in crate::event_loop) fn on_ordered(&mut self, from: PeerId, arrival: Arrival) {
        let Arrival { peer, message, .. } = &arrival;
        let mut arriving = Arriving::of(from, &arrival);
        let content = self.claim_content(&arrival);
        arriving.claims = content.is_some();
        let (share, len, id) = (Share::of(peer), message.body.len(), message.id);
        self.inbox.room().keep(share, 1, len);
        let peer = *peer;
        let write = match content {
            Some(row) => Durable::Content(Write::Arrive(arrival), row),
            None => Write::Arrive(arrival).into(),
        };
        match self.delivery.submitter.submit(vec![write]) {
            Ok(ticket) => {
                let then = Submitted::Arrival(Box::new(arriving));
                self.delivery.submitted.insert(ticket, then);
            }
            Err(refused) => {
                tracing::debug!(%refused, "a message cannot be written");
                self.inbox.room().let_go(share, len);
                if arriving.claims {
                    self.transfers.service().unclaim(&peer, id);
                }
                self.swarm.behaviour_mut().secure.not_stored(&from, vec![id]);
            }
        }
    }

    /// Messages are on disk, or not.
    pub(super) fn on_arrived(&mut self, arrived: Vec<(Arriving, Option<Written>)>) {
        let mut stored: HashMap<PeerId, Vec<MessageId>> = HashMap::new();
        let mut failed: HashMap<PeerId, Vec<MessageId>> = HashMap::new();
        let mut answered = Vec::new();
        for (arriving, written) in arrived {
            let Arriving { from, peer, message, at, mail, claims } = arriving;
            if let Some(settlement) = mail {
                self.mail_written(settlement, written);
            }
            let (id, len) = (message.id, message.body.len());
            if claims {
                let service = self.transfers.service();
                match written {
                    Some(Written::Stored(_)) => service.claimed(&peer, id),
                    Some(Written::Done | Written::Stale) => service.unclaim(&peer, id),
                    // It may be on disk although that failed.
                    None => service.doubt(&peer, id),
                }
            }
            match written {
                Some(Written::Stored(number)) => {
                    stored.entry(from).or_default().push(id);
                    let arrived = Arrived { number, peer, message, at };
                    answered.extend(self.present(from, &arrived));
                }
                Some(Written::Done) => {
                    self.inbox.room().let_go(Share::of(&peer), len);
                    stored.entry(from).or_default().push(id);
                    // It is known, or answers nothing: nobody will ask for its content.
                    self.transfers.service().withdrawn_message(&peer, id);
                }
                Some(Written::Stale) | None => {
                    self.inbox.room().let_go(Share::of(&peer), len);
                    failed.entry(from).or_default().push(id);
                }
            }
        }
        let secure = &mut self.swarm.behaviour_mut().secure;
        for (peer, ids) in stored {
            secure.stored(&peer, ids);
        }
        for (peer, ids) in failed {
            secure.not_stored(&peer, ids);
        }
        if !answered.is_empty() {
            self.take(Taking { messages: answered, reply: None });
        }
    }

    /// Gives a message that is on disk to whoever it is for. An answer that its caller got is taken.
    fn present(&mut self, from: PeerId, arrived: &Arrived) -> Option<Taken> {
        let Arrived { number, peer, message, .. } = arrived;
        if self.give_long_answer(from, arrived) {
            return None;
        }
        if self.give_answer(from, message, None) {
            self.inbox.claimed(*number);
            let len = message.body.len();
            return Some(Taken { peer: *peer, id: message.id, number: *number, len });
        }
        let passed = message
            .decode()
            .map_or(Outward::Other, |body| self.pass_outward(from, message.id, &body));
        if passed != Outward::Other {
            // It is taken once it is answered; until then no agent is to answer it.
            self.inbox.not_for_agents(*number);
            self.delivery.tasks.insert(message.id, *peer);
            if let Outward::Refused(reason) = passed {
                self.refuse_outward(message.id, not_passed_on(&reason));
            }
            return None;
        }
        let kept = self.kept(arrived)?;
        if kept.incoming.kind == IncomingKind::Task {
            self.delivery.tasks.insert(message.id, *peer);
        }
        self.announce(&kept.incoming, kept.len as u64);
        self.inbox.stored(&kept);
        None
    }

    /// A message of the disk, as listeners get it.
    pub(super) fn kept(&self, arrived: &Arrived) -> Option<Kept> {
        let incoming = Arc::new(self.incoming_of(arrived)?);
        let Arrived { number, message, .. } = arrived;
        Some(Kept { number: *number, id: message.id, len: message.body.len(), incoming })
    }

    /// A message of the disk, as agents see it. None if it is not for them but to be passed on, or if its
    /// body makes no sense, which the link has checked.
    pub(super) fn incoming_of(&self, arrived: &Arrived) -> Option<Incoming> {
        let Arrived { number, peer, message, at } = arrived;
        if self.is_to_forward(message) {
            return None;
        }
        let from = super::naming::peer_id_of(peer);
        let body = message.decode().ok()?;
        let (kind, content) = match &body {
            Body::Task(task) => (IncomingKind::Task, content_of(&task.content, &task.content_type)),
            Body::StatusReport(report) => {
                (IncomingKind::StatusReport, content_of(&report.content, &report.content_type))
            }
            Body::TaskResult(result) => {
                (IncomingKind::Answer, content_of(&result.content, &result.content_type))
            }
            _ => return None,
        };
        let content = if names_transfer(&body) {
            self.long_content(peer, message.id, content)
        } else {
            content
        };
        let incoming = Incoming {
            inbox_number: Some(*number),
            durable: true,
            received_at: *at,
            in_reply_to: message.in_reply_to.map(|id| id.to_string()),
            ..self.incoming(from, message, kind, content)
        };
        Some(match body {
            Body::Task(task) => Incoming {
                content: Content { name: task.name, ..incoming.content },
                conversation: task.conversation,
                ..incoming
            },
            Body::StatusReport(report) => Incoming {
                status: Some(report.status),
                next_action: report.next_action,
                ..incoming
            },
            Body::TaskResult(result) => Incoming {
                done: Some(result.outcome == peer_protocol::message::TaskOutcome::Done),
                ..incoming
            },
            _ => return None,
        })
    }

    /// Reads what listeners need.
    pub(super) fn load_inbox(&mut self) {
        for wanted in self.inbox.wanted() {
            self.read(
                move |store| {
                    let most = if wanted.late { 1 } else { LOADED };
                    store.inbox(wanted.from, most, LOADED_BYTES)
                },
                move |this, found| match found {
                    Ok(arrived) => {
                        let bytes: usize = arrived.iter().map(|it| it.message.body.len()).sum();
                        // It was cut short, or it might have been.
                        let more = arrived.len() >= LOADED || bytes >= LOADED_BYTES / 2;
                        let kept = arrived.iter().filter_map(|it| this.kept(it)).collect();
                        let read = arrived.last().map_or(wanted.from, |last| last.number + 1);
                        this.inbox.loaded(&wanted, kept, if more { read } else { wanted.to });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the inbox cannot be read");
                        this.inbox.not_loaded(&wanted);
                    }
                },
            );
        }
    }
}

/// Most messages that are read for a listener at once.
pub(super) const LOADED: usize = 128;
/// Most bytes of them; a larger one comes alone.
pub(super) const LOADED_BYTES: usize = 2 << 20;

fn content_of(bytes: &[u8], content_type: &str) -> Content {
    Content { content_type: Some(content_type.to_owned()), ..Content::from_bytes(bytes) }
}
