//! What the behaviour knows of each peer with a link: its sessions, what waits for it, and the way
//! to its link.

use std::collections::HashSet;

use hashlink::{DefaultHashBuilder, LinkedHashMap};
use libp2p_core::PeerId;
use libp2p_swarm::ConnectionId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::{MessageId, SessionId};
use peer_protocol::identity::{EntityId, TrustLevel, TrustView};
use peer_protocol::link;
use tokio::sync::{mpsc, watch};

use super::driver::{Input, Reach};
use super::durable::Notice;
use super::inputs::InputSender;

/// Of peers without a connection, those that are missed least go when there are so many: peer ids are free.
const CROWD: usize = 256;

/// One peer.
pub(super) struct Peer {
    key: PublicKey,
    inputs: InputSender,
    notices: mpsc::UnboundedSender<Notice>,
    reach: watch::Sender<Reach>,
    /// Whether there is a connection.
    direct: bool,
    /// Whether it can be reached over hops.
    hops: bool,
    /// The connection on which this side last opened a session stream, and whether that is still to
    /// come about.
    pub(super) stream: Option<(ConnectionId, bool)>,
    pub(super) sessions: HashSet<SessionId>,
    /// Who it is, once there was a session.
    entity: Option<EntityId>,
    /// Messages whose fate is not known yet. The link's own limit, and those of the channels to it
    /// and back, bound them.
    unsettled: HashSet<MessageId, DefaultHashBuilder>,
    /// Messages that the owner writes.
    writing: usize,
    /// Whether there was neither a way to it nor anything for its link when that was last looked at.
    idle: bool,
}

impl Peer {
    pub(super) fn new(
        key: PublicKey,
        inputs: InputSender,
        notices: mpsc::UnboundedSender<Notice>,
        reach: watch::Sender<Reach>,
    ) -> Self {
        let (sessions, unsettled) = (HashSet::new(), HashSet::default());
        let (direct, hops) = (false, false);
        let (stream, entity) = (None, None);
        Self {
            key,
            inputs,
            notices,
            reach,
            direct,
            hops,
            stream,
            sessions,
            entity,
            unsettled,
            writing: 0,
            idle: false,
        }
    }

    /// Messages whose fate is not known yet.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.len()
    }

    /// Hands over something that may be refused if the link is busy; returns whether it was taken.
    pub(super) fn offer(&mut self, input: Input) -> bool {
        let message = match &input {
            Input::Send(message, _) => Some(message.id),
            _ => None,
        };
        let taken = self.inputs.offer(input);
        if taken {
            self.unsettled.extend(message);
        }
        taken
    }

    /// Hands over something that must not be lost.
    pub(super) fn deliver(&self, input: Input) {
        self.inputs.deliver(input);
    }

    /// Hands over what neither waits for room nor is lost.
    pub(super) fn notify(&mut self, notice: Notice) {
        if let Notice::Stored(ids) | Notice::NotStored(ids) = &notice {
            self.writing = self.writing.saturating_sub(ids.len());
        }
        // Without a task at the other end the link is being forgotten.
        let _ = self.notices.send(notice);
    }

    /// Whether there is a connection now.
    pub(super) fn set_direct(&mut self, direct: bool) {
        self.set_ways(direct, self.hops);
    }

    /// Whether it can be reached over hops from now on.
    pub(super) fn set_hops(&mut self, hops: bool) {
        self.set_ways(self.direct, hops);
    }

    pub(super) const fn has_hops(&self) -> bool {
        self.hops
    }

    /// The link only learns whether there is any way. One that takes the other's place is told as well,
    /// since it is worth trying at once.
    fn set_ways(&mut self, direct: bool, hops: bool) {
        let moved = self.direct != direct;
        (self.direct, self.hops) = (direct, hops);
        let connected = direct || hops;
        self.reach.send_if_modified(|reach| {
            let (changed, moved) = (reach.connected != connected, moved && connected);
            if changed {
                *reach = Reach { epoch: reach.epoch + u64::from(connected), connected, ..*reach };
            } else if moved {
                reach.moved += 1;
            }
            changed || moved
        });
    }

    /// Takes in what the link tells.
    pub(super) fn note(&mut self, event: &link::Event) {
        match event {
            link::Event::SessionReady(info) => {
                self.sessions.insert(info.id);
                self.entity = Some(info.peer.clone());
            }
            link::Event::SessionEnded { id, .. } => {
                self.sessions.remove(id);
            }
            link::Event::Receipts { ids, .. } => {
                for id in ids {
                    self.unsettled.remove(id);
                }
            }
            link::Event::Failed { id, .. } => {
                self.unsettled.remove(id);
            }
            link::Event::Ordered(_) => self.writing += 1,
            _ => {}
        }
    }

    /// Whether nothing is lost with the link, and nobody can reach the peer.
    fn is_idle(&self) -> bool {
        let is_away = !self.direct && !self.hops && self.sessions.is_empty();
        is_away && self.unsettled.is_empty() && self.writing == 0
    }

    /// What forgetting the link would lose; `None` if it must not be forgotten.
    fn worth(&self, trust: &dyn TrustView) -> Option<Worth> {
        let pinned = || {
            let level = self.entity.as_ref().and_then(|entity| trust.level(entity, &self.key));
            level == Some(TrustLevel::Pinned)
        };
        let is_free = self.unsettled.is_empty() && self.writing == 0;
        match (is_free, self.sessions.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Worth::Nothing),
            (true, false) => (!pinned()).then_some(Worth::Sessions),
        }
    }
}

/// What forgetting a link would lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    Nothing,
    Sessions,
}

/// The peers, the one used least recently first.
pub(super) struct Peers {
    map: LinkedHashMap<PeerId, Peer>,
    most: usize,
}

impl Peers {
    pub(super) fn new(most: usize) -> Self {
        Self { map: LinkedHashMap::new(), most }
    }

    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.map.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.map.get_mut(id)
    }

    /// The peer, which is used now.
    pub(super) fn touch(&mut self, id: &PeerId) -> Option<&mut Peer> {
        let peer = self.map.to_back(id)?;
        peer.idle = false;
        Some(peer)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Peer> {
        self.map.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.map.values_mut()
    }

    /// Adds a peer; there must be room.
    pub(super) fn insert(&mut self, id: PeerId, peer: Peer) -> &mut Peer {
        self.map.entry(id).or_insert(peer)
    }

    pub(super) fn is_full(&self) -> bool {
        self.map.len() >= self.most
    }

    /// Whether there are too many besides the `connected` ones.
    pub(super) fn is_crowded(&self, connected: usize) -> bool {
        self.map.len() >= self.most.min(connected.saturating_add(CROWD))
    }

    /// Forgets the peers that were idle when this was last called, and have been since.
    pub(super) fn forget_idle(&mut self) -> Vec<PeerId> {
        let mut gone = Vec::new();
        self.map.retain(|id, peer| {
            let is_idle = peer.is_idle();
            let goes = std::mem::replace(&mut peer.idle, is_idle) && is_idle;
            if goes {
                gone.push(*id);
            }
            !goes
        });
        gone
    }

    /// Forgets the peer that is missed least: one that is not connected and to which nothing is on
    /// its way, rather one without sessions, never a pinned one with any.
    pub(super) fn evict(
        &mut self,
        is_connected: impl Fn(&PeerId) -> bool,
        trust: &dyn TrustView,
    ) -> Option<(PeerId, Peer)> {
        let mut found = None;
        for (id, peer) in &self.map {
            if is_connected(id) {
                continue;
            }
            match peer.worth(trust) {
                Some(Worth::Nothing) => {
                    found = Some(*id);
                    break;
                }
                Some(Worth::Sessions) => found = found.or(Some(*id)),
                None => {}
            }
        }
        self.map.remove_entry(&found?)
    }
}

/// The Ed25519 key that a peer id is made of; `None` for peer ids of other keys.
#[must_use]
pub fn key_of(peer: &PeerId) -> Option<PublicKey> {
    const IDENTITY: u64 = 0;
    let multihash = peer.as_ref();
    if multihash.code() != IDENTITY {
        return None;
    }
    let key = libp2p_identity::PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    PublicKey::from_bytes(&key.try_into_ed25519().ok()?.to_bytes()).ok()
}

/// The peer id of an Ed25519 key; `None` if libp2p does not take the key.
#[must_use]
pub fn peer_id_of(key: &PublicKey) -> Option<PeerId> {
    let key = libp2p_identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(PeerId::from_public_key(&key.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_protocol::handshake::{HandshakeKind, Role};
    use peer_protocol::identity::{Admission, TrustError};
    use peer_protocol::message::{Body, Heartbeat, Message, ReceiptStatus};
    use peer_protocol::time::{Instant, Timestamp};

    use super::super::inputs::{Inputs, inputs};
    use super::*;

    /// Trusts nobody but pins one entity.
    struct Pins(&'static str);

    impl TrustView for Pins {
        fn judge(&self, _: &EntityId, _: &PublicKey) -> Result<(), TrustError> {
            Ok(())
        }

        fn admit(
            &self,
            _: &EntityId,
            _: &PublicKey,
            _: Timestamp,
        ) -> Result<Admission, TrustError> {
            Ok(Admission::Unrecorded)
        }

        fn level(&self, entity: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
            (entity.as_str() == self.0).then_some(TrustLevel::Pinned)
        }
    }

    /// Peers, with the far ends of their channels, which must stay open.
    struct Rig {
        peers: Peers,
        ends: Vec<Inputs>,
    }

    impl Rig {
        fn new() -> Self {
            Self { peers: Peers::new(1_000), ends: Vec::new() }
        }

        fn add(&mut self) -> PeerId {
            let id = libp2p_identity::Keypair::generate_ed25519().public().to_peer_id();
            let (inputs, end) = inputs();
            let (reach, _) = watch::channel(Reach::default());
            self.ends.push(end);
            let (notices, _) = mpsc::unbounded_channel();
            self.peers.insert(id, Peer::new(key_of(&id).unwrap(), inputs, notices, reach));
            id
        }

        fn with_session(&mut self, name: &str) -> PeerId {
            let id = self.add();
            let info = link::SessionInfo {
                id: SessionId::random(&mut rand::rng()),
                peer: name.parse().unwrap(),
                role: Role::Initiator,
                handshake: HandshakeKind::SixStep,
                suite: "suite",
                features: Vec::new(),
                took: Duration::ZERO,
                expires: Instant::default(),
                clock_ahead_ms: 0,
            };
            self.peers.get_mut(&id).unwrap().note(&link::Event::SessionReady(info));
            id
        }

        fn evict(&mut self, connected: &[PeerId]) -> Option<PeerId> {
            self.peers.evict(|id| connected.contains(id), &Pins("pinned")).map(|(id, _)| id)
        }
    }

    #[test]
    fn the_peer_used_least_recently_goes_first_and_a_connected_one_never() {
        let mut rig = Rig::new();
        let [first, second, third] = [rig.add(), rig.add(), rig.add()];
        rig.peers.touch(&first);
        assert_eq!(rig.evict(&[second]), Some(third));
        assert_eq!(rig.evict(&[second]), Some(first));
        assert_eq!(rig.evict(&[second]), None);
    }

    #[test]
    fn sessions_count_for_something_and_those_of_pinned_peers_for_everything() {
        let mut rig = Rig::new();
        let pinned = rig.with_session("pinned");
        let first = rig.with_session("first");
        let second = rig.with_session("second");
        let bare = rig.add();
        assert_eq!(rig.evict(&[]), Some(bare));
        assert_eq!(rig.evict(&[]), Some(first));
        assert_eq!(rig.evict(&[]), Some(second));
        assert_eq!(rig.evict(&[]), None);
        assert!(rig.peers.get(&pinned).is_some());
    }

    #[test]
    fn who_was_idle_twice_in_a_row_is_forgotten() {
        let mut rig = Rig::new();
        let [gone, connected, over_hops] = [rig.add(), rig.add(), rig.add()];
        let [used, writing, awaited] = [rig.add(), rig.add(), rig.add()];
        let with_session = rig.with_session("somebody");
        rig.peers.get_mut(&connected).unwrap().set_direct(true);
        rig.peers.get_mut(&over_hops).unwrap().set_hops(true);
        rig.peers.get_mut(&writing).unwrap().writing = 1;
        let body = Body::from(Heartbeat::default());
        let message = Message::new(&mut rand::rng(), &body, None).unwrap();
        let input = Input::Send(message, Instant::default());
        assert!(rig.peers.get_mut(&awaited).unwrap().offer(input));
        assert_eq!(rig.peers.forget_idle(), []);
        rig.peers.touch(&used);
        assert_eq!(rig.peers.forget_idle(), [gone]);
        assert_eq!(rig.peers.forget_idle(), [used]);
        rig.peers.get_mut(&connected).unwrap().set_direct(false);
        assert_eq!(rig.peers.forget_idle(), []);
        assert_eq!(rig.peers.forget_idle(), [connected]);
        for id in [over_hops, writing, awaited, with_session] {
            assert!(rig.peers.get(&id).is_some());
        }
    }

    #[test]
    fn it_is_crowded_by_those_without_a_connection() {
        let mut rig = Rig::new();
        for _ in 0..CROWD {
            assert!(!rig.peers.is_crowded(0));
            rig.add();
        }
        assert!(rig.peers.is_crowded(0));
        assert!(!rig.peers.is_crowded(1));
        rig.peers.set_most(2);
        assert!(rig.peers.is_crowded(1_000), "there is no more room at all");
    }

    #[test]
    fn messages_protect_a_peer_until_their_fate_is_known() {
        let mut rig = Rig::new();
        let id = rig.add();
        let body = Body::from(Heartbeat::default());
        let [one, two] = [(); 2].map(|()| Message::new(&mut rand::rng(), &body, None).unwrap());
        let (first, second) = (one.id, two.id);
        for message in [one, two] {
            let input = Input::Send(message, Instant::default());
            assert!(rig.peers.get_mut(&id).unwrap().offer(input));
        }
        let status = ReceiptStatus::Received;
        rig.peers.get_mut(&id).unwrap().note(&link::Event::Receipts { ids: vec![first], status });
        assert_eq!(rig.evict(&[]), None);
        let why = link::SendFailure::Expired;
        rig.peers.get_mut(&id).unwrap().note(&link::Event::Failed { id: second, why });
        assert_eq!(rig.evict(&[]), Some(id));
    }
}
