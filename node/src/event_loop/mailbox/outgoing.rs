//! What waits for peers that cannot be reached, until it lies in their mailboxes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::limits::MAX_ITEM_TTL;
use peer_protocol::mailbox::{Unsettled, Waiting};
use peer_protocol::message::Message;
use peer_protocol::time::Instant;

use crate::event_loop::EventLoop;
use crate::mailbox::{Input, Settled};

/// How often what waits is looked at; what comes in between goes together.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is asked where somebody's mailbox is.
const ASK: Duration = Duration::from_secs(10);

/// Receivers that are away.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Since when, and when it was last asked where their mailboxes are.
    away: HashMap<PublicKey, (Instant, Option<Instant>)>,
    /// Those whose mailboxes take what waits for them.
    handed: HashMap<PublicKey, Handed>,
    looked: Instant,
}

/// What the mailbox takes for one receiver.
#[derive(Debug, Default)]
struct Handed {
    stream: Option<StreamId>,
    messages: BTreeMap<u64, Unsettled>,
    numbers: HashMap<MessageId, u64>,
    /// Whether there is more than was told.
    changed: bool,
}

impl Outgoing {
    /// The mailbox takes messages for `peer`. Whether that is news.
    pub(super) fn attach(&mut self, peer: PublicKey) -> bool {
        use std::collections::hash_map::Entry;
        match self.handed.entry(peer) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Handed::default());
                true
            }
        }
    }

    /// It takes none any more. Whether it did.
    pub(super) fn detach(&mut self, peer: &PublicKey) -> bool {
        self.away.remove(peer);
        self.handed.remove(peer).is_some()
    }
}

impl EventLoop {
    /// Whether the mailbox takes what waits for `peer`.
    pub(in crate::event_loop) fn is_mailed(&self, peer: &PublicKey) -> bool {
        self.mail.outgoing.handed.contains_key(peer)
    }

    /// The outbox hands over messages to `peer`, in their order and with their numbers.
    pub(in crate::event_loop) fn mail_handed(&mut self, peer: &PublicKey, messages: &[Message]) {
        let latest = self.clock.now().timestamp + MAX_ITEM_TTL;
        for message in messages {
            let Some(order) = message.order else { continue };
            let expires = self.expires(message.id).unwrap_or(latest);
            let Some(handed) = self.mail.outgoing.handed.get_mut(peer) else { return };
            if handed.stream.replace(order.stream) != Some(order.stream) {
                handed.messages.clear();
                handed.numbers.clear();
            }
            handed.numbers.insert(message.id, order.number);
            let message = Message { order: None, ..message.clone() };
            let one = Unsettled { number: order.number, message, expires };
            handed.messages.insert(order.number, one);
            handed.changed = true;
        }
    }

    /// Messages to `peer` are settled; `taken` says whether it has them.
    pub(in crate::event_loop) fn mail_settled(
        &mut self,
        peer: &PublicKey,
        ids: &[MessageId],
        taken: bool,
    ) {
        if let Some(handed) = self.mail.outgoing.handed.get_mut(peer) {
            for number in ids.iter().filter_map(|id| handed.numbers.remove(id)) {
                handed.messages.remove(&number);
            }
        }
        if self.mail.mailbox.has_put() {
            let (peer, ids) = (*peer, ids.to_vec());
            self.mail.mailbox.tell(Input::Settled(Settled { peer, ids, taken }));
        }
    }

    /// Has what waits for peers that were out of reach for long enough put into their mailboxes.
    pub(super) fn tick_outgoing_mail(&mut self, now: Instant) {
        if self.stopping || now.since(self.mail.outgoing.looked) < LOOK {
            return;
        }
        self.mail.outgoing.looked = now;
        let after = self.config.mailbox().after;
        let waiting = self.unattached();
        self.mail.outgoing.away.retain(|peer, _| waiting.contains(peer));
        for peer in waiting {
            let Some(id) = secure::peer_id_of(&peer) else { continue };
            if self.is_reached(&id) || self.is_legacy(&id) {
                self.mail.outgoing.away.remove(&peer);
                continue;
            }
            let outgoing = &mut self.mail.outgoing;
            if let Some(handed) = outgoing.handed.get_mut(&peer) {
                if let (true, Some(stream)) = (std::mem::take(&mut handed.changed), handed.stream) {
                    let messages = handed.messages.values().cloned().collect();
                    let waiting = Waiting { stream, messages };
                    self.mail.mailbox.tell(Input::Waiting { peer, waiting });
                }
                continue;
            }
            let (since, asked) = outgoing.away.entry(peer).or_insert((now, None));
            let ask = asked.is_none_or(|at| now.since(at) >= ASK);
            if now.since(*since) >= after && ask {
                *asked = Some(now);
                self.mail.mailbox.tell(Input::Where(peer));
            }
        }
    }

    /// Whether messages get to a peer by themselves.
    pub(super) fn is_reached(&self, id: &PeerId) -> bool {
        let peer = self.directory.get(id);
        let connected = peer.is_some_and(crate::directory::Peer::is_connected);
        connected || self.routes.contains_key(id)
    }
}
