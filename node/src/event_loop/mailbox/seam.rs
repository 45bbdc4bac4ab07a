//! Where mail meets the outbox, the inbox and the store.

use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::mailbox::Settlement;

use crate::event_loop::EventLoop;
use crate::mailbox::{Input, Taking};
use crate::store::Written;

impl EventLoop {
    /// Writes a message that came by mail, together with what it changes there.
    pub(super) fn take_mail(&mut self, taking: Taking) {
        let Taking { arrival, settlement } = taking;
        self.on_mail_ordered(arrival, settlement);
    }

    /// What came of writing it.
    pub(in crate::event_loop) fn mail_written(
        &self,
        settlement: Box<Settlement>,
        written: Option<Written>,
    ) {
        self.mail.mailbox.tell(match written {
            Some(Written::Stored(_) | Written::Done) => Input::Committed(settlement),
            Some(Written::Stale) | None => Input::NotCommitted(settlement),
        });
    }

    /// It is known where the mailbox of `peer` is: if it is still away, what waits for it goes there.
    pub(super) fn on_mail_place(&mut self, peer: PublicKey) {
        let Some(id) = secure::peer_id_of(&peer) else { return };
        if self.stopping || self.is_reached(&id) || !self.unattached().contains(&peer) {
            return;
        }
        if self.mail.outgoing.attach(peer) {
            tracing::debug!(peer = %self.directory.name(&id), "its mailbox takes what waits");
            self.attach_mail(peer);
        }
    }

    /// A link with `peer` takes messages from now on.
    pub(in crate::event_loop) fn end_mail(&mut self, peer: &PublicKey) {
        if self.mail.outgoing.detach(peer) {
            self.mail.mailbox.tell(Input::Reached(*peer));
            self.detach_mail(peer);
            self.pump();
        }
    }
}
