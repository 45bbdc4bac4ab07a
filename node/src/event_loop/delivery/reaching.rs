//! Peers for which messages wait: whether their links take them now, and when to look for those that are
//! away: at once, then with growing pauses, and whenever there is news of them.

use std::collections::HashSet;
use std::time::Duration;

use super::Delivery;
use libp2p::PeerId;
use peer_behaviours::secure::key_of;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Outgoing;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::Fingerprint;
use peer_protocol::time::Instant;

use crate::event_loop::EventLoop;
use crate::event_loop::versions::Version;

/// Pauses between tries: they double.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// How often all who wait are looked at; what happens to one of them counts at once.
const WALK: Duration = Duration::from_secs(1);

/// When to look for a peer again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaching {
    next: Instant,
    tries: u32,
    /// Where its record said that it is when it was last looked for.
    listed: usize,
}

impl EventLoop {
    /// Whether something can be sent to a peer now.
    pub(super) fn is_reachable(&self, id: &PeerId) -> bool {
        let connected = self.directory.get(id).is_some_and(crate::directory::Peer::is_connected);
        connected || self.routes.contains_key(id)
    }

    /// Whether messages wait for this peer.
    pub(in crate::event_loop) fn is_awaited(&self, id: &PeerId) -> bool {
        self.delivery.reaching.contains_key(id) || self.delivery.owed.contains_key(id)
    }

    /// A message waits for this peer: looks for it now, unless that was done a moment ago.
    pub(super) fn begin_reaching(&mut self, id: PeerId) {
        let now = self.clock.now().instant;
        let known = self.delivery.reaching.contains_key(&id);
        if !known {
            self.delivery.reaching.insert(id, Reaching { next: now, tries: 0, listed: 0 });
            self.reach(id, now);
        }
    }

    /// A peer is to be told that messages are processed. If it has a session its link does that.
    pub(super) fn owe(&mut self, id: PeerId) {
        if self.directory.get(&id).is_none_or(|peer| peer.sessions.is_empty()) {
            self.delivery.owed.insert(id, ());
        }
    }

    /// Looks for a peer at once, and gives its link everything anew.
    pub(super) fn reach_now(&mut self, id: PeerId) {
        self.delivery.reaching.remove(&id);
        self.delivery.paced.remove(&id);
        if self.delivery.attached.contains(&id)
            && let Some(key) = key_of(&id)
        {
            self.delivery.outbox.again(&key);
        }
        self.begin_reaching(id);
        self.pump();
    }

    /// The network around this node has changed.
    pub(in crate::event_loop) fn reach_all_anew(&mut self) {
        self.delivery.reaching.clear();
    }

    /// A connection was lost: what is accepted from now on is certainly not sent before there is another.
    pub(in crate::event_loop) fn detach_if_gone(&mut self, id: &PeerId) {
        if !self.is_reachable(id) {
            self.detach(id);
            self.pump();
        }
    }

    /// There is a connection, and perhaps a session that has outlived the one before.
    pub(in crate::event_loop) fn attach_if_ready(&mut self, id: PeerId) {
        if self.directory.get(&id).is_some_and(|peer| !peer.sessions.is_empty()) {
            self.attach(id);
        }
    }

    /// The link with a peer takes no messages any more.
    pub(in crate::event_loop) fn detach(&mut self, id: &PeerId) {
        if self.delivery.attached.remove(id)
            && let Some(key) = key_of(id)
        {
            self.delivery.outbox.detach(&key);
        }
    }

    /// A session is ready: what waits can go.
    pub(in crate::event_loop) fn attach(&mut self, id: PeerId) {
        self.delivery.reaching.remove(&id);
        // The link asks the disk what is owed.
        self.delivery.owed.remove(&id);
        if let Some(key) = key_of(&id)
            && self.delivery.attached.insert(id)
        {
            self.end_mail(&key);
            self.delivery.outbox.attach(key);
            self.pump();
        }
    }

    pub(super) fn tick_reaching(&mut self, now: Instant) {
        if self.delivery.next_walk > now {
            return;
        }
        self.delivery.next_walk = now + WALK;
        let unreachable = |id: &&PeerId| !self.is_reachable(id);
        let gone: Vec<_> = self.delivery.attached.iter().filter(unreachable).copied().collect();
        for id in gone {
            self.detach(&id);
        }
        let Delivery { outbox, names, .. } = &mut self.delivery;
        let mut waiting: HashSet<_> = outbox.peers().map(|key| names.id(key)).collect();
        for id in &waiting {
            if !self.delivery.attached.contains(id) {
                self.reach(*id, now);
            }
        }
        let owed: Vec<_> = self.delivery.owed.iter().map(|(id, ())| *id).collect();
        for id in owed {
            if self.is_worth_looking_for(&id) && waiting.insert(id) {
                self.reach(id, now);
            }
        }
        if self.delivery.reaching.len() > waiting.len() {
            self.delivery.reaching.retain(|id, _| waiting.contains(id));
        }
    }

    /// Whether a peer is looked for only to tell it that its messages are processed: strangers are told when
    /// they come by themselves.
    fn is_worth_looking_for(&self, id: &PeerId) -> bool {
        let connected = self.directory.get(id).is_some_and(crate::directory::Peer::is_connected);
        connected || key_of(id).is_some_and(|key| self.trust.is_pinned(Fingerprint::of(&key)))
    }

    fn reach(&mut self, id: PeerId, now: Instant) {
        if self.stopping {
            return;
        }
        if self.is_legacy(&id) {
            // Refused by the operator, or a peer that spoke better before: what waits goes on waiting.
            if self.version(&id) == Version::Legacy {
                self.fall_back(id);
            }
            return;
        }
        let due = self.delivery.reaching.get(&id).is_none_or(|reaching| reaching.next <= now);
        let known = self.directory.get(&id);
        let changed = known.is_some_and(|peer| {
            peer.is_connected()
                || self.delivery.reaching.get(&id).map(|it| it.listed) != Some(peer.listed.len())
        });
        if !due && !changed {
            return;
        }
        let Some(peer) = self.directory.entry(id) else { return };
        let (connected, listed) = (peer.is_connected(), peer.listed.len());
        let has_session = !peer.sessions.is_empty();
        peer.wanted = true;
        if has_session && self.is_reachable(&id) {
            return self.attach(id);
        }
        let start = Reaching { next: now, tries: 0, listed };
        let reaching = self.delivery.reaching.entry(id).or_insert(start);
        // The registry has told something new of it.
        let news = std::mem::replace(&mut reaching.listed, listed) != listed;
        if reaching.next > now && !news {
            return;
        }
        let tries = reaching.tries;
        reaching.tries = if news { 0 } else { tries.saturating_add(1) };
        let pause = FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST);
        let jitter = self.jitter();
        if let Some(reaching) = self.delivery.reaching.get_mut(&id) {
            reaching.next = now + pause.mul_f64(1.0 + jitter / 2.0);
        }
        if !connected {
            self.need_connection(id);
        }
        // Without a connection it begins as soon as there is one, or over hops.
        self.open_session(id);
    }

    /// A peer that speaks only version 1.0 is sent what waits for it in that version, which keeps nothing.
    fn fall_back(&mut self, id: PeerId) {
        let Some(key) = key_of(&id) else { return };
        // It knows no such receipts.
        self.delivery.owed.remove(&id);
        let nothing = self.delivery.outbox.waiting(&key).0 == 0;
        if nothing || !self.delivery.falling_back.insert(id) {
            return;
        }
        self.read(
            move |store| store.oldest(&key, FALLING_BACK, FALLING_BACK_BYTES),
            move |this, found| {
                this.delivery.falling_back.remove(&id);
                for outgoing in found.unwrap_or_default() {
                    this.send_once(id, key, outgoing);
                }
            },
        );
    }

    fn send_once(&mut self, id: PeerId, key: PublicKey, outgoing: Outgoing) {
        let (message_id, now) = (outgoing.message.id, self.clock.now());
        // It may have been read before that was on disk.
        if self.delivery.outbox.status(message_id).is_none_or(|status| status.is_settled()) {
            return;
        }
        if self.transfers.service().spooled(&key, message_id).is_some() {
            let (code, detail) = (ErrorCode::EncryptionRequired, TOO_LONG.to_owned());
            return self.delivery.outbox.refused(&key, message_id, code, detail, now);
        }
        let left = outgoing.expires.as_millis().saturating_sub(now.timestamp.as_millis());
        let deadline = now.instant + Duration::from_millis(left).min(LONGEST);
        // What may have been sent already must not arrive twice.
        if outgoing.may_be_sent || self.version(&id) != Version::Legacy {
            return;
        }
        if let Err(error) = self.dispatch(id, outgoing.message, deadline) {
            tracing::debug!(peer = %self.directory.name(&id), %error, "a message goes on waiting");
            return;
        }
        // From now on it is like any message that was never kept.
        self.unsettled.insert(message_id);
        self.asks.not_kept(message_id);
        let (code, detail) = (ErrorCode::EncryptionRequired, FELL_BACK.to_owned());
        self.delivery.outbox.refused(&key, message_id, code, detail, now);
    }
}

/// Messages that are sent at once to a peer that speaks only version 1.0, and bytes of them.
const FALLING_BACK: usize = 64;
const FALLING_BACK_BYTES: usize = 1 << 20;
const TOO_LONG: &str =
    "the peer speaks only version 1.0, which knows no transfers: its content is too long";
const FELL_BACK: &str = "the peer speaks only version 1.0, which knows no lasting delivery: it was sent without being kept";
