//! The peers that a node knows: who they are, where they are, how their session stands.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, multiaddr};
use peer_behaviours::reachability::scope::{ip_of, is_relayed};
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::SessionId;
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::time::Instant;

use crate::error::NodeError;
use crate::event_loop::redial::Redial;
use crate::model::{SessionStatus, Traffic};

/// Peers remembered, where few connections are allowed. Of those that nobody asked for and that are not
/// connected, the one not seen for longest goes, one without a session first.
const LEAST_PEERS: usize = 4096;
/// Most addresses of a peer's own account.
const MAX_HEARSAY: usize = 8;
/// Most addresses of a peer that were found on the local network.
const MAX_FOUND: usize = 4;
/// Most addresses remembered per peer; the oldest goes first.
const MAX_ADDRESSES: usize = 16;

/// How a peer is reached that speaks version 1.0 over HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    /// Where it takes messages; if nowhere, it has to ask for them.
    pub(crate) url: Option<String>,
    /// Whether the configuration names it.
    pub(crate) named: bool,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) key: PublicKey,
    pub(crate) fingerprint: Fingerprint,
    /// The id that the key derives.
    pub(crate) derived: EntityId,
    pub(crate) entity: Option<EntityId>,
    pub(crate) connections: HashMap<ConnectionId, Multiaddr>,
    /// Those of them that were opened through NATs.
    pub(crate) punched: HashSet<ConnectionId>,
    /// How long a ping over them last took, there and back.
    pub(crate) pings: HashMap<ConnectionId, Duration>,
    /// When it connected, until a session was opened for that.
    pub(crate) connected_at: Option<Instant>,
    /// When it last connected.
    pub(crate) seen: Instant,
    /// Where it was dialled, or where the operator says it is; the newest last.
    pub(crate) addresses: Vec<Multiaddr>,
    /// Whether somebody here has spoken to it first.
    pub(crate) wanted: bool,
    /// What its record calls it: for messages to people, and for nothing else.
    pub(crate) called: Option<EntityId>,
    /// Where its record in the registry says that it is.
    pub(crate) listed: Vec<Multiaddr>,
    /// Where it says itself that it listens.
    pub(crate) hearsay: Vec<Multiaddr>,
    /// Where somebody on the local network says that it listens.
    pub(crate) found: Vec<Multiaddr>,
    /// The best version it speaks, as it last said.
    pub(crate) protocol: Option<&'static str>,
    /// Whether it has said so since it connected.
    pub(crate) identified: bool,
    /// That it speaks version 1.0 over HTTP.
    pub(crate) http: Option<Http>,
    /// The state of the handshake under way, if no session is ready.
    pub(crate) phase: Option<&'static str>,
    pub(crate) sessions: Vec<(SessionId, SessionStatus)>,
    pub(crate) last_error: Option<String>,
    /// What went over its sessions.
    pub(crate) traffic: Traffic,
    /// How long the last ping took, until it has no connection.
    pub(crate) rtt: Option<Duration>,
    /// How far its clock was ahead when its last session began, in milliseconds.
    pub(crate) clock_ahead_ms: Option<i64>,
    /// Whether it knows all words for an agent's life (§6.2).
    pub(crate) knows_agent_life: bool,
    /// Whether to keep it connected, and when to dial it next.
    pub(crate) redial: Redial,
}

impl Peer {
    fn new(key: PublicKey) -> Self {
        Self {
            fingerprint: Fingerprint::of(&key),
            derived: EntityId::derived(&key),
            key,
            entity: None,
            connections: HashMap::new(),
            punched: HashSet::new(),
            pings: HashMap::new(),
            connected_at: None,
            seen: Instant::default(),
            addresses: Vec::new(),
            wanted: false,
            called: None,
            listed: Vec::new(),
            hearsay: Vec::new(),
            found: Vec::new(),
            protocol: None,
            identified: false,
            http: None,
            phase: None,
            sessions: Vec::new(),
            last_error: None,
            traffic: Traffic::default(),
            rtt: None,
            clock_ahead_ms: None,
            knows_agent_life: false,
            redial: Redial::default(),
        }
    }

    /// Whether it is known to speak nothing better than version 1.0.
    pub(crate) fn speaks_legacy(&self) -> bool {
        self.protocol == Some("1.0") && (self.identified || self.http.is_some())
    }

    /// Whether the configuration names it.
    fn is_named(&self) -> bool {
        self.http.as_ref().is_some_and(|http| http.named)
    }

    pub(crate) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Whether it should be connected and is not: it is kept, or has a session that still lives, and
    /// has not been called in vain too often.
    pub(crate) fn is_missed(&self) -> bool {
        let wanted =
            self.redial.is_kept() || (!self.sessions.is_empty() && !self.redial.is_hopeless());
        wanted && !self.is_connected()
    }

    /// Where to dial it, the best first, in two turns: at once, and if that has led nowhere soon. The
    /// second turn is for relays, which another way makes unnecessary, and for what must be looked up
    /// first.
    pub(crate) fn dialable(&self) -> (Vec<Multiaddr>, Vec<Multiaddr>) {
        let mut all: Vec<&Multiaddr> = self.addresses.iter().rev().collect();
        all.extend(self.listed.iter().chain(&self.hearsay).chain(&self.found));
        let mut known = HashSet::new();
        all.retain(|address| known.insert(*address));
        let later = |address: &Multiaddr| is_relayed(address) || is_dnsaddr(address);
        let (second, first): (Vec<_>, Vec<_>) =
            all.into_iter().cloned().partition(|address| later(address));
        if first.is_empty() { (second, first) } else { (first, second) }
    }

    /// Whether it was connected in the life of this process.
    pub(crate) fn was_connected(&self) -> bool {
        self.is_connected() || self.seen > Instant::default()
    }

    /// Whether there is no address to dial.
    pub(crate) const fn is_nowhere(&self) -> bool {
        self.addresses.is_empty()
            && self.listed.is_empty()
            && self.hearsay.is_empty()
            && self.found.is_empty()
    }

    /// Takes down where the peer says that it listens. Only addresses at which it was seen count, and
    /// those over a relay of which `relay_at` tells where it is, given what is said of that: a stranger
    /// must not make this node dial whomever he names.
    pub(crate) fn hear(
        &mut self,
        id: PeerId,
        announced: Vec<Multiaddr>,
        relay_at: impl Fn(&PeerId, &Multiaddr) -> Option<Multiaddr>,
    ) {
        let seen: HashSet<IpAddr> = self
            .connections
            .values()
            .filter(|address| !is_relayed(address))
            .filter_map(ip_of)
            .collect();
        let believed = |address: Multiaddr| match relay_of(&address) {
            Some(relay) => {
                let at = relay_at(&relay, &address)?;
                Some(at.with(multiaddr::Protocol::P2p(relay)).with(multiaddr::Protocol::P2pCircuit))
            }
            None => ip_of(&address).is_some_and(|ip| seen.contains(&ip)).then_some(address),
        };
        self.hearsay = announced
            .into_iter()
            .filter_map(believed)
            .take(MAX_HEARSAY)
            .map(|address| address.with_p2p(id).unwrap_or_else(|address| address))
            .filter(|address| !self.addresses.contains(address))
            .collect();
    }

    /// Takes down where it was found on the local network.
    pub(crate) fn add_found(&mut self, address: Multiaddr) {
        if !self.found.contains(&address) {
            self.found.push(address);
            if self.found.len() > MAX_FOUND {
                self.found.remove(0);
            }
        }
    }

    pub(crate) fn add_address(&mut self, address: Multiaddr) {
        self.addresses.retain(|known| *known != address);
        self.addresses.push(address);
        if self.addresses.len() > MAX_ADDRESSES {
            self.addresses.remove(0);
        }
    }

    /// A name for people: the entity id, or the id that the key derives.
    pub(crate) fn name(&self) -> String {
        self.entity.as_ref().or(self.called.as_ref()).unwrap_or(&self.derived).to_string()
    }
}

/// All peers known.
#[derive(Debug)]
pub(crate) struct Directory {
    peers: HashMap<PeerId, Peer>,
    most: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self { peers: HashMap::new(), most: LEAST_PEERS }
    }
}

impl Directory {
    /// For a node that allows so many connections: whoever is connected has a place, and as many others.
    pub(crate) fn for_connections(connections: u32) -> Self {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Self { most: connections.saturating_mul(2).max(LEAST_PEERS), ..Self::default() }
    }

    /// Peers known.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.peers.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id)
    }

    /// The entry of a peer, made now if there is none; `None` if its key is not Ed25519.
    pub(crate) fn entry(&mut self, id: PeerId) -> Option<&mut Peer> {
        if !self.peers.contains_key(&id) {
            let key = secure::key_of(&id)?;
            if self.peers.len() >= self.most {
                let gone = self
                    .peers
                    .iter()
                    .filter(|(_, peer)| {
                        !peer.is_connected() && !peer.redial.is_kept() && !peer.is_named()
                    })
                    .min_by_key(|(_, peer)| (!peer.sessions.is_empty(), peer.seen))
                    .map(|(id, _)| *id)?;
                self.peers.remove(&gone);
            }
            self.peers.insert(id, Peer::new(key));
        }
        self.peers.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.peers.iter()
    }

    /// The name of a peer for people.
    pub(crate) fn name(&self, id: &PeerId) -> String {
        self.peers.get(id).map_or_else(|| id.to_string(), Peer::name)
    }

    /// Finds a peer by an address that ends in its peer id (which is then remembered), by peer id, by
    /// fingerprint, or by entity id. Names that peers choose come last: none stands in for another's
    /// key.
    ///
    /// # Errors
    /// [`NodeError::UnknownPeer`], or [`NodeError::BadAddress`].
    pub(crate) fn resolve(&mut self, name: &str) -> Result<PeerId, NodeError> {
        let unknown = || NodeError::UnknownPeer { peer: name.to_owned() };
        if name.starts_with('/') {
            return self.resolve_address(name);
        }
        if let Ok(id) = name.parse::<PeerId>() {
            return self.peers.contains_key(&id).then_some(id).ok_or_else(unknown);
        }
        if let Ok(fingerprint) = name.parse::<Fingerprint>() {
            return self.by_fingerprint(fingerprint).ok_or_else(unknown);
        }
        self.by_entity(name).map(|(id, _)| id).ok_or_else(unknown)
    }

    /// The peer with this key.
    pub(crate) fn by_fingerprint(&self, fingerprint: Fingerprint) -> Option<PeerId> {
        let holds = |(_, peer): &(&PeerId, &Peer)| peer.fingerprint == fingerprint;
        self.peers.iter().find(holds).map(|(id, _)| *id)
    }

    /// A name now belongs to one key: whoever else uses it loses it. Returns the others.
    pub(crate) fn rename_others(&mut self, name: &EntityId, owner: Fingerprint) -> Vec<PeerId> {
        let mut others = Vec::new();
        for (id, peer) in &mut self.peers {
            if peer.entity.as_ref() == Some(name) && peer.fingerprint != owner {
                peer.entity = None;
                others.push(*id);
            }
        }
        others
    }

    fn by_entity(&self, name: &str) -> Option<(PeerId, &Peer)> {
        let named = |peer: &Peer| {
            peer.entity.as_ref().is_some_and(|entity| entity.as_str() == name)
                || peer.derived.as_str() == name
        };
        self.peers
            .iter()
            .filter(|(_, peer)| named(peer))
            .max_by_key(|(_, peer)| (peer.is_connected(), peer.sessions.len()))
            .map(|(id, peer)| (*id, peer))
    }

    fn resolve_address(&mut self, text: &str) -> Result<PeerId, NodeError> {
        let bad = |reason: &str| NodeError::BadAddress {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        let address: Multiaddr = text.parse().map_err(|e: multiaddr::Error| bad(&e.to_string()))?;
        let id = peer_of(&address).ok_or_else(|| bad("it does not end in /p2p/<peer id>"))?;
        let peer = self.entry(id).ok_or_else(|| bad("its peer id is not of an Ed25519 key"))?;
        peer.add_address(address);
        Ok(id)
    }
}

/// The peer id at the end of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(multiaddr::Protocol::P2p(id)) => Some(id),
        _ => None,
    }
}

/// The relay that an address leads over.
fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut relay = None;
    for part in address {
        match part {
            multiaddr::Protocol::P2p(id) => relay = Some(id),
            multiaddr::Protocol::P2pCircuit => return relay,
            _ => {}
        }
    }
    None
}

fn is_dnsaddr(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(multiaddr::Protocol::Dnsaddr(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(seed: u8) -> PeerId {
        use libp2p::identity::Keypair;
        Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
    }

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    /// A peer that calls itself by another's peer id or fingerprint is not taken for the other.
    #[test]
    fn a_chosen_name_never_stands_in_for_a_key() {
        let (victim, attacker) = (peer(1), peer(2));
        let mut directory = Directory::default();
        let fingerprint = Fingerprint::of(&directory.entry(victim).unwrap().key).to_string();
        assert_eq!(directory.resolve(&fingerprint), Ok(victim));
        for name in [victim.to_string(), fingerprint] {
            // Such names are refused as entity ids; this holds even if one slipped through.
            let known = directory.entry(attacker).unwrap();
            if let Ok(entity) = name.parse() {
                known.entity = Some(entity);
            }
            assert_eq!(directory.resolve(&name), Ok(victim));
        }
    }

    #[test]
    fn whoever_may_be_connected_has_a_place() {
        use libp2p::identity::Keypair;
        let peer = |number: u32| {
            let mut seed = [7; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            Keypair::ed25519_from_bytes(seed).unwrap().public().to_peer_id()
        };
        let mut directory = Directory::for_connections(3_000);
        for number in 0..6_000 {
            let id = peer(number);
            let connection = ConnectionId::new_unchecked(number as usize);
            let known = directory.entry(id).unwrap();
            known.connections.insert(connection, "/ip4/192.0.2.7/tcp/1".parse().unwrap());
        }
        assert!(directory.entry(peer(6_000)).is_none(), "nobody can be forgotten");
        directory.get_mut(&peer(17)).unwrap().connections.clear();
        assert!(directory.entry(peer(6_000)).is_some());
        assert!(directory.get(&peer(17)).is_none());
        assert_eq!(directory.len(), 6_000);
        assert_eq!(Directory::for_connections(64).most, LEAST_PEERS);
    }

    #[test]
    fn a_pinned_name_is_taken_from_everybody_else() {
        let (old, new) = (peer(1), peer(2));
        let mut directory = Directory::default();
        let name: EntityId = "bob".parse().unwrap();
        directory.entry(old).unwrap().entity = Some(name.clone());
        let owner = Fingerprint::of(&directory.entry(new).unwrap().key);
        assert_eq!(directory.rename_others(&name, owner), [old]);
        assert!(directory.resolve("bob").is_err());
    }

    #[test]
    fn a_peer_is_dialled_only_where_it_was_seen() {
        let (id, relay, stranger) = (peer(1), peer(2), peer(3));
        let mut directory = Directory::default();
        let known = directory.entry(id).unwrap();
        known
            .connections
            .insert(ConnectionId::new_unchecked(1), address("/ip4/192.0.2.7/tcp/50000"));
        known.hear(
            id,
            vec![
                address("/ip4/192.0.2.7/tcp/4711"),
                address("/ip4/198.51.100.1/tcp/22"),
                address("/ip4/127.0.0.1/tcp/4711"),
                address("/dns/victim.example/tcp/80"),
                address(&format!("/ip4/198.51.100.1/tcp/22/p2p/{stranger}/p2p-circuit")),
                address(&format!("/ip4/198.51.100.2/tcp/1/p2p/{relay}/p2p-circuit")),
            ],
            |id, _| (*id == relay).then(|| address("/ip4/198.51.100.3/tcp/2")),
        );
        let expected = address("/ip4/192.0.2.7/tcp/4711").with_p2p(id).unwrap();
        let circuit = format!("/ip4/198.51.100.3/tcp/2/p2p/{relay}/p2p-circuit/p2p/{id}");
        assert_eq!(known.dialable(), (vec![expected], vec![address(&circuit)]));
    }

    /// Behind a relay is not where the relay is.
    #[test]
    fn a_relays_ports_are_not_those_of_the_peer_behind_it() {
        let (id, relay) = (peer(1), peer(2));
        let mut directory = Directory::default();
        let known = directory.entry(id).unwrap();
        let circuit = format!("/ip4/192.0.2.7/tcp/1/p2p/{relay}/p2p-circuit/p2p/{id}");
        known.connections.insert(ConnectionId::new_unchecked(1), address(&circuit));
        known.hear(id, vec![address("/ip4/192.0.2.7/tcp/22")], |_, at| Some(at.clone()));
        assert_eq!(known.dialable(), (vec![], vec![]));
    }

    #[test]
    fn relays_and_what_must_be_looked_up_come_second_unless_there_is_nothing_else() {
        let (id, relay) = (peer(1), peer(2));
        let mut directory = Directory::default();
        let known = directory.entry(id).unwrap();
        let circuit = address(&format!("/ip4/192.0.2.7/tcp/1/p2p/{relay}/p2p-circuit/p2p/{id}"));
        let looked_up = address(&format!("/dnsaddr/example.org/p2p/{id}"));
        known.add_address(circuit.clone());
        known.add_address(looked_up.clone());
        let slow = vec![looked_up, circuit];
        assert_eq!(known.dialable(), (slow.clone(), vec![]));
        let direct = address(&format!("/ip4/192.0.2.9/tcp/1/p2p/{id}"));
        known.add_address(direct.clone());
        for port in 1..100 {
            known.add_found(address(&format!("/ip4/192.168.1.2/tcp/{port}/p2p/{id}")));
        }
        let (first, second) = known.dialable();
        assert_eq!((&first[0], first.len(), second), (&direct, 1 + MAX_FOUND, slow));
    }

    #[test]
    fn what_was_dialled_is_not_pushed_out_by_hearsay() {
        let id = peer(1);
        let mut directory = Directory::default();
        let known = directory.entry(id).unwrap();
        let good = address("/ip4/192.0.2.7/tcp/4711").with_p2p(id).unwrap();
        known.add_address(good.clone());
        known
            .connections
            .insert(ConnectionId::new_unchecked(1), address("/ip4/192.0.2.7/tcp/50000"));
        for port in 1..100 {
            known.hear(id, vec![address(&format!("/ip4/192.0.2.7/tcp/{port}"))], |_, _| None);
        }
        let (first, second) = known.dialable();
        assert_eq!((&first[0], first.len(), second.len()), (&good, 2, 0));
    }
}
