//! What the mailbox (`docs/PROTOCOL.md` §18) has to do with the outbox and with what comes in.

use peer_behaviours::secure::key_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Arrival, Step, Write};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::mailbox::{MailStatus, Settlement};
use peer_protocol::message::ReceiptStatus;
use peer_protocol::time::Timestamp;

use super::Submitted;
use super::arriving::Arriving;
use super::naming::peer_id_of;
use crate::event_loop::EventLoop;
use crate::room::Share;
use crate::store::Durable;

impl EventLoop {
    /// Those for whom messages wait that no link takes.
    pub(in crate::event_loop) fn unattached(&self) -> Vec<PublicKey> {
        let attached = |key: &&PublicKey| self.delivery.attached.contains(&peer_id_of(key));
        self.delivery.outbox.peers().filter(|key| !attached(key)).copied().collect()
    }

    /// The mailbox takes what waits for `peer`, in place of a link.
    pub(in crate::event_loop) fn attach_mail(&mut self, peer: PublicKey) {
        self.delivery.outbox.attach(peer);
        self.pump();
    }

    /// The mailbox takes nothing more for `peer`.
    pub(in crate::event_loop) fn detach_mail(&mut self, peer: &PublicKey) {
        self.delivery.outbox.detach(peer);
    }

    /// When the time of a message is over.
    pub(in crate::event_loop) fn expires(&self, id: MessageId) -> Option<Timestamp> {
        self.delivery.outbox.expires(id)
    }

    /// Messages lie at so many mailbox nodes of their receiver.
    pub(in crate::event_loop) fn note_in_mailbox(&mut self, ids: Vec<MessageId>, nodes: u8) {
        self.note(ids, &Step::InMailbox { nodes });
    }

    /// A receiver has signed what became of messages.
    pub(in crate::event_loop) fn on_mail_receipt(
        &mut self,
        peer: &PublicKey,
        ids: &[MessageId],
        status: MailStatus,
        code: Option<ErrorCode>,
    ) {
        let now = self.clock.now();
        let outbox = &mut self.delivery.outbox;
        match status {
            MailStatus::Delivered => outbox.acknowledged(peer, ids, ReceiptStatus::Delivered, now),
            MailStatus::Processed => outbox.acknowledged(peer, ids, ReceiptStatus::Processed, now),
            MailStatus::Refused => {
                let code = code.unwrap_or(ErrorCode::InvalidState);
                for id in ids {
                    let detail = "refused when it was fetched from the mailbox".to_owned();
                    outbox.refused(peer, *id, code, detail, now);
                }
            }
        }
        self.pump();
    }

    /// A message that came by mail is the next of its sender: it is written together with what that
    /// changes in the mailbox, or not at all.
    pub(in crate::event_loop) fn on_mail_ordered(
        &mut self,
        arrival: Box<Arrival>,
        settlement: Settlement,
    ) {
        let from = peer_id_of(&arrival.peer);
        let (share, len) = (Share::of(&arrival.peer), arrival.message.body.len());
        self.inbox.room().keep(share, 1, len);
        let changes = settlement.changes.clone();
        let content = self.claim_content(&arrival);
        let mut arriving = Arriving::by_mail(from, &arrival, settlement);
        arriving.claims = content.is_some();
        let write = Durable::Mail(Write::Arrive(*arrival), changes, content);
        match self.delivery.submitter.submit(vec![write]) {
            Ok(ticket) => {
                let then = Submitted::Arrival(Box::new(arriving));
                self.delivery.submitted.insert(ticket, then);
            }
            Err(refused) => {
                tracing::debug!(%refused, "a message cannot be written");
                self.on_arrived(vec![(arriving, None)]);
            }
        }
    }

    /// The agent took messages of these peers: those who sent some by mail are told there as well.
    pub(super) fn taken_from(&mut self, peer: &libp2p::PeerId, ids: &[MessageId]) {
        if let Some(key) = key_of(peer) {
            self.mail_processed(&key, ids);
        }
    }
}
