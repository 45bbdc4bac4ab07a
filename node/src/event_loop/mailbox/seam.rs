//! Where mail meets the outbox, the inbox and the store.

use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::mailbox::MailStatus;

use crate::event_loop::EventLoop;
use crate::mailbox::{Input, Taking};

impl EventLoop {
    /// Writes a message that came by mail, together with what it changes there.
    pub(super) fn take_mail(&mut self, taking: Taking) {
        let Taking { arrival, settlement } = taking;
        // Nothing is stored yet: it stays at its mailbox node.
        if let Some(id) = secure::peer_id_of(&arrival.peer) {
            self.swarm.behaviour_mut().secure.not_stored(&id, vec![arrival.message.id]);
        }
        self.mail.mailbox.tell(Input::NotCommitted(Box::new(settlement)));
    }

    /// Messages of this node lie at so many mailbox nodes of their receiver.
    pub(super) fn lies_in_mailbox(&mut self, peer: &PublicKey, ids: &[MessageId], nodes: u8) {
        let peer = secure::peer_id_of(peer).map(|id| self.directory.name(&id));
        tracing::debug!(peer, messages = ids.len(), nodes, "in its mailbox");
    }

    /// A receiver has signed what became of messages of this node.
    pub(super) fn mail_receipt(
        &mut self,
        peer: &PublicKey,
        ids: Vec<MessageId>,
        status: MailStatus,
        code: Option<ErrorCode>,
    ) {
        let taken = status != MailStatus::Refused;
        self.mail_settled(peer, &ids, taken);
        let peer = secure::peer_id_of(peer).map(|id| self.directory.name(&id));
        tracing::debug!(peer, messages = ids.len(), ?status, ?code, "a receipt by mail");
    }
}
