//! What waits for peers that cannot be reached, until it lies in their mailboxes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::mailbox::{Unsettled, Waiting};
use peer_protocol::message::Message;
use peer_protocol::time::{Instant, Timestamp};

use crate::event_loop::EventLoop;
use crate::mailbox::{Input, Settled};

/// How often what waits is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What was handed to links and is not settled, by receiver.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    peers: HashMap<PublicKey, Handed>,
    looked: Instant,
}

/// What is under way to one receiver.
#[derive(Debug)]
struct Handed {
    stream: StreamId,
    messages: BTreeMap<u64, Unsettled>,
    numbers: HashMap<MessageId, u64>,
    /// Since when it cannot be reached.
    away: Option<Instant>,
    /// Whether the mailbox was told that it is away, and of all that waits.
    told: bool,
    changed: bool,
}

impl EventLoop {
    /// Messages were handed to the link with `peer`, in their order and with their numbers.
    pub(in crate::event_loop) fn mail_handed(
        &mut self,
        peer: &PublicKey,
        messages: &[Message],
        expires: impl Fn(MessageId) -> Timestamp,
    ) {
        for message in messages {
            let Some(order) = message.order else { continue };
            let handed = self.mail.outgoing.peers.entry(*peer).or_insert_with(|| Handed {
                stream: order.stream,
                messages: BTreeMap::new(),
                numbers: HashMap::new(),
                away: None,
                told: false,
                changed: false,
            });
            if handed.stream != order.stream {
                handed.stream = order.stream;
                handed.messages.clear();
                handed.numbers.clear();
            }
            handed.numbers.insert(message.id, order.number);
            let one = Unsettled {
                number: order.number,
                message: Message { order: None, ..message.clone() },
                expires: expires(message.id),
            };
            handed.changed |= handed.messages.insert(order.number, one).is_none();
        }
    }

    /// Messages to `peer` are settled; `taken` says whether it has them.
    pub(in crate::event_loop) fn mail_settled(
        &mut self,
        peer: &PublicKey,
        ids: &[MessageId],
        taken: bool,
    ) {
        let Some(handed) = self.mail.outgoing.peers.get_mut(peer) else { return };
        let numbers: Vec<_> = ids.iter().filter_map(|id| handed.numbers.remove(id)).collect();
        for number in &numbers {
            handed.messages.remove(number);
        }
        if handed.messages.is_empty() {
            self.mail.outgoing.peers.remove(peer);
        }
        if !numbers.is_empty() {
            let peer = *peer;
            self.mail.mailbox.tell(Input::Settled(Settled { peer, numbers, taken }));
        }
    }

    /// Puts into mailboxes what waits for peers that were out of reach for long enough.
    pub(super) fn tick_outgoing_mail(&mut self, now: Instant) {
        if now.since(self.mail.outgoing.looked) < LOOK {
            return;
        }
        self.mail.outgoing.looked = now;
        let peers: Vec<_> = self.mail.outgoing.peers.keys().copied().collect();
        for peer in peers {
            let Some(id) = secure::peer_id_of(&peer) else { continue };
            let reached = self.is_reached(&id);
            let after = self.config.mailbox().after;
            let Some(handed) = self.mail.outgoing.peers.get_mut(&peer) else { continue };
            if reached {
                handed.away = None;
                if std::mem::take(&mut handed.told) {
                    self.mail.mailbox.tell(Input::Reached(peer));
                }
                continue;
            }
            let away = *handed.away.get_or_insert(now);
            let news = !handed.told || handed.changed;
            if news && now.since(away) >= after {
                (handed.told, handed.changed) = (true, false);
                let messages = handed.messages.values().cloned().collect();
                let waiting = Waiting { stream: handed.stream, messages };
                self.mail.mailbox.tell(Input::Waiting { peer, waiting });
            }
        }
    }

    /// Whether messages get to a peer by themselves.
    fn is_reached(&self, id: &PeerId) -> bool {
        let peer = self.directory.get(id);
        let connected = peer.is_some_and(crate::directory::Peer::is_connected);
        connected || self.routes.contains_key(id)
    }
}
