//! Between the mailbox (`docs/PROTOCOL.md` §18), which has a thread of its own, and links: requests and
//! answers, mail that came in, and what waits for those who cannot be reached.

mod outgoing;
mod seam;
mod strangers;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use hashlink::LruCache;
use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Arrival;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{Fingerprint, TrustView as _};
use peer_protocol::link::MailVerdict;
use peer_protocol::mailbox::Opened;
use peer_protocol::message::{Body, Mailbox as Request, MailboxResult, Message};
use peer_protocol::rate_limit::Quota;
use peer_protocol::time::Instant;
use tokio::sync::mpsc;

use self::outgoing::Outgoing;
use self::strangers::Strangers;
use super::EventLoop;
use super::outgoing::ANSWER_LIFETIME;
use crate::config::ServeMailbox;
use crate::directory::peer_of;
use crate::handle::Reply;
use crate::mailbox::{Asker, Input, Mailbox, Output};
use crate::model::MailboxStatus;

/// What the mailbox wants is done so often in a row before the network gets its turn.
const BURST: usize = 16;
/// How long a mailbox node has for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// Most messages that came by mail and are with their links.
const MAX_MAIL: usize = 65_536;

/// The event loop's end of the mailbox.
#[derive(Debug)]
pub(crate) struct MailState {
    mailbox: Mailbox,
    outputs: mpsc::UnboundedReceiver<Output>,
    /// Requests of this node to mailbox nodes.
    asked: HashMap<MessageId, Asked>,
    /// Messages that came by mail, by id: whose they are.
    mail: LruCache<MessageId, PublicKey>,
    outgoing: Outgoing,
    strangers: Strangers,
}

#[derive(Debug)]
struct Asked {
    asker: Asker,
    node: PublicKey,
    deadline: Instant,
}

impl MailState {
    /// With the rate of strangers' tasks.
    pub(crate) fn new(
        (mailbox, outputs): (Mailbox, mpsc::UnboundedReceiver<Output>),
        tasks: Quota,
    ) -> Self {
        Self {
            mailbox,
            outputs,
            asked: HashMap::new(),
            mail: LruCache::new(MAX_MAIL),
            outgoing: Outgoing::default(),
            strangers: Strangers::new(tasks),
        }
    }

    pub(super) const fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// What the mailbox wants next.
    pub(super) async fn next(&mut self) -> Option<Output> {
        self.outputs.recv().await
    }
}

impl EventLoop {
    /// Stays connected to this node's mailbox nodes.
    pub(super) fn keep_mailbox_nodes(&mut self) {
        for address in self.config.mailbox().at.clone() {
            let Some(peer) = peer_of(&address).and_then(|id| self.directory.entry(id)) else {
                continue;
            };
            if address.iter().count() > 1 {
                peer.add_address(address);
            }
            peer.wanted = true;
            peer.redial.keep();
        }
    }

    pub(super) fn on_mailbox_output(&mut self, first: Output) {
        self.on_mail_output(first);
        for _ in 1..BURST {
            let Ok(output) = self.mail.outputs.try_recv() else { return };
            self.on_mail_output(output);
        }
    }

    fn on_mail_output(&mut self, output: Output) {
        match output {
            Output::Reply { to, in_reply_to, answer, share } => {
                self.answer_request(&to, in_reply_to, *answer);
                // The link has it now, within bounds of its own.
                drop(share);
            }
            Output::Ask { asker, node, request } => self.ask_node(asker, node, *request),
            Output::Mail(opened) => self.on_mail(*opened),
            Output::Take(taking) => self.take_mail(*taking),
            Output::Find(peer) => {
                if let Some(id) = secure::peer_id_of(&peer) {
                    if let Some(known) = self.directory.entry(id) {
                        known.wanted = true;
                    }
                    self.find_addresses(id);
                }
            }
            Output::Publish(prekey) => {
                let nodes = self.config.mailbox().at.iter().filter_map(peer_of);
                let nodes = nodes.filter_map(|id| secure::key_of(&id)).collect();
                let now = self.clock.now().instant;
                self.publish_mailboxes(nodes, prekey, now);
            }
            Output::Place(peer) => self.on_mail_place(peer),
            Output::InMailbox { ids, nodes } => self.note_in_mailbox(ids, nodes),
            Output::Receipt { peer, ids, status, code } => {
                self.on_mail_receipt(&peer, &ids, status, code);
            }
        }
    }

    /// Another peer asks this node as a mailbox node.
    pub(super) fn on_mailbox_request(&mut self, from: PeerId, message: &Message, request: Request) {
        let Some(key) = secure::key_of(&from) else { return };
        let fingerprint = Fingerprint::of(&key);
        let serve = match self.config.mailbox().serve {
            ServeMailbox::None => false,
            ServeMailbox::Pinned => self.trust.is_pinned(fingerprint),
            ServeMailbox::Known => self.trust.knows(fingerprint),
            ServeMailbox::All => true,
        };
        let (id, len) = (message.id, message.body.len());
        if let Err(answer) = self.mail.mailbox.request(key, id, (request, len), serve) {
            self.answer_request(&key, id, *answer);
        }
    }

    fn answer_request(&mut self, to: &PublicKey, in_reply_to: MessageId, answer: MailboxResult) {
        let Some(id) = secure::peer_id_of(to) else { return };
        let sent = self.send(id, &Body::from(answer), Some(in_reply_to), ANSWER_LIFETIME);
        if let Err(error) = sent {
            tracing::debug!(peer = %self.directory.name(&id), %error, "cannot answer");
        }
    }

    fn ask_node(&mut self, asker: Asker, node: PublicKey, request: Request) {
        let deadline = self.clock.now().instant + ANSWER_TIME;
        let peer = secure::peer_id_of(&node);
        let sent = peer.map(|id| {
            if let Some(known) = self.directory.entry(id) {
                known.wanted = true;
            }
            self.send(id, &Body::from(request), None, ANSWER_TIME)
        });
        match sent {
            Some(Ok(id)) => drop(self.mail.asked.insert(id, Asked { asker, node, deadline })),
            Some(Err(_)) | None => {
                self.mail.mailbox.tell(Input::Answer { asker, node, answer: None });
            }
        }
    }

    /// A mailbox node has answered.
    pub(super) fn on_mailbox_result(
        &mut self,
        from: PeerId,
        message: &Message,
        result: MailboxResult,
    ) {
        let Some(id) = message.in_reply_to else { return };
        let from = secure::key_of(&from);
        if self.mail.asked.get(&id).is_none_or(|asked| Some(asked.node) != from) {
            tracing::debug!("an answer of a mailbox node that nobody waits for");
            return;
        }
        if let Some(Asked { asker, node, .. }) = self.mail.asked.remove(&id) {
            let answer = Some(Box::new(result));
            self.mail.mailbox.tell(Input::Answer { asker, node, answer });
        }
    }

    /// A request did not reach its mailbox node, or was refused before it was looked at.
    pub(super) fn on_mail_failed(&mut self, id: MessageId) {
        if let Some(Asked { asker, node, .. }) = self.mail.asked.remove(&id) {
            self.mail.mailbox.tell(Input::Answer { asker, node, answer: None });
        }
    }

    pub(super) fn tick_mailbox(&mut self, now: Instant) {
        let late = self.mail.asked.iter().filter(|(_, asked)| asked.deadline <= now);
        let late: Vec<_> = late.map(|(id, _)| *id).collect();
        late.into_iter().for_each(|id| self.on_mail_failed(id));
        self.tick_outgoing_mail(now);
    }

    /// Mail came in, whose signature holds: its sender is judged as in a handshake, and its messages go to
    /// the link with it, which charges them at its rates. Before that nothing is made for a sender.
    fn on_mail(&mut self, opened: Opened) {
        let letter = opened.letter;
        let sender = letter.sender;
        let ids: Vec<_> = letter.messages.iter().map(|message| message.id).collect();
        // A stranger's name is recorded once its key has made a handshake, not for mail, which is free.
        if let Err(error) = self.trust.judge(&letter.sender_id, &sender) {
            tracing::warn!(from = %letter.sender_id, %error, "mail is refused");
            let code = ErrorCode::InvalidSignature;
            self.mail.mailbox.tell(Input::Refused { sender, ids, code });
            return;
        }
        let Some(id) = secure::peer_id_of(&sender) else { return };
        if !self.takes_mail_of(&id, &sender) {
            tracing::debug!(from = %letter.sender_id, "mail of a stranger has to wait");
            ids.iter().for_each(|id| self.on_mail_verdict(&sender, *id, MailVerdict::Later));
            return;
        }
        if let Some(peer) = self.directory.entry(id)
            && peer.entity.is_none()
        {
            peer.entity = Some(letter.sender_id.clone());
        }
        for message in &ids {
            self.mail.mail.insert(*message, sender);
        }
        let secure = &mut self.swarm.behaviour_mut().secure;
        if let Err(error) = secure.take_mail(id, letter.sender_id, letter.messages) {
            tracing::warn!(peer = %self.directory.name(&id), %error, "mail has to wait");
            for id in ids {
                self.on_mail_verdict(&sender, id, MailVerdict::Later);
            }
        }
    }

    /// Whether a link may be made for mail of this key, if there is none: for those on the trust list, and
    /// for so many others.
    fn takes_mail_of(&mut self, id: &PeerId, key: &PublicKey) -> bool {
        let known =
            self.swarm.behaviour().secure.has_link(id) || self.trust.knows(Fingerprint::of(key));
        known || self.mail.strangers.admit(key, self.clock.now().instant)
    }

    /// What a link says of a message that came by mail and is not taken now.
    pub(super) fn on_mail_verdict(&mut self, sender: &PublicKey, id: MessageId, said: MailVerdict) {
        if said != MailVerdict::Later {
            self.mail.mail.remove(&id);
        }
        let sender = *sender;
        self.mail.mailbox.tell(Input::Verdict { sender, id, verdict: said });
    }

    /// A message is the next of its sender. One that came by mail is written with what it changes there;
    /// others are given back.
    pub(super) fn mail_arrives(&mut self, arrival: Box<Arrival>) -> Option<Box<Arrival>> {
        let is_mail = self.mail.mail.get(&arrival.message.id) == Some(&arrival.peer);
        if !is_mail {
            return Some(arrival);
        }
        self.mail.mail.remove(&arrival.message.id);
        self.mail.mailbox.tell(Input::Arriving(arrival));
        None
    }

    /// The agent took messages of `sender`.
    pub(super) fn mail_processed(&mut self, sender: &PublicKey, ids: &[MessageId]) {
        if !self.config.mailbox().at.is_empty() {
            let (sender, ids) = (*sender, ids.to_vec());
            self.mail.mailbox.tell(Input::Processed { sender, ids });
        }
    }

    /// A record was found and verified.
    pub(super) fn learn_mailboxes(&self, record: &Bytes) {
        self.mail.mailbox.tell(Input::Record(record.clone()));
    }

    pub(super) fn mailbox_status(&self, reply: Reply<MailboxStatus>) {
        let mailbox = self.mail.mailbox.clone();
        tokio::spawn(async move {
            let (asked, answer) = tokio::sync::oneshot::channel();
            mailbox.tell(Input::Status(asked));
            drop(reply.send(answer.await.map_err(|_| crate::error::NodeError::Stopped)));
        });
    }

    /// The operator wants mail and receipts to be looked for now.
    pub(super) fn visit_mailbox(&self) {
        self.mail.mailbox.tell(Input::Visit);
    }

    /// Has the thread write what is left.
    pub(super) async fn stop_mailbox(&mut self) {
        let (stopped, done) = tokio::sync::oneshot::channel();
        self.mail.mailbox.tell(Input::Stop(stopped));
        // It may hang in the disk.
        drop(tokio::time::timeout(ANSWER_TIME / 10, done).await);
    }
}
