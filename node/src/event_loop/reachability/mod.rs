//! Whether and where others can reach this node, and what it does about it.
//!
//! - `watch`: what the swarm tells about it; `dialled`: where a firewall may let something in for once.
//! - `relays`: reservations at relays; `mode`: the part in the hash table; `announced`: what others are
//!   told.
//! - `moves`: what happens when the machine's addresses change; `route` finds out which connections that
//!   concerns.
//! - `neighbours`: peers found by multicast DNS.
//! - `report`: all of it for people.

mod announced;
mod dialled;
mod mode;
mod moves;
mod neighbours;
mod relays;
mod report;
mod route;
mod watch;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use peer_behaviours::reachability::book::{Book, Source, Status};
use peer_behaviours::reachability::observed::Observations;
use peer_behaviours::reachability::scope::{Scope, ip_of, is_relayed};
use peer_protocol::time::Instant;
use rand::seq::IteratorRandom as _;

pub(crate) use self::mode::DhtRole;

use self::announced::{Announcement, Places, bare};
use self::dialled::Dialled;
use self::mode::{World, dht_role};
use self::neighbours::Neighbours;
use self::relays::Relays;
use super::EventLoop;
use crate::config::{DhtMode, NodeConfig};
use crate::events::NodeEvent;

/// How often the state of things is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A connection, as far as it matters here.
#[derive(Debug)]
struct Path {
    peer: PeerId,
    remote: Multiaddr,
    dialed: bool,
    relayed: bool,
    /// Whether it leaves from a port that the node listens on.
    from_listener: bool,
    /// The address of this machine that it uses, if it is direct and that is known.
    local: Option<IpAddr>,
    /// Whether it came from afar without any dial of this node that could have let it in.
    unasked: bool,
}

/// The router's part, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Router {
    #[default]
    Off,
    Searching,
    Mapped,
    Missing,
    NotPublic,
}

/// What is known of how the node can be reached.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    book: Book,
    observations: Observations,
    paths: HashMap<ConnectionId, Path>,
    dialled: Dialled,
    /// Connections of this node's AutoNAT server, made to test somebody's address.
    tests: HashMap<ConnectionId, PeerId>,
    /// Peers that test addresses.
    servers: HashSet<PeerId>,
    relays: Relays,
    neighbours: Neighbours,
    router: Router,
    announcement: Announcement,
    status: Status,
    /// The part in the hash table, and whether local addresses are taken from there.
    role: Option<(DhtRole, bool)>,
    looked: Option<Instant>,
    /// What a relay server in a local world says of itself.
    lent: BTreeSet<Multiaddr>,
}

impl Reachability {
    pub(super) fn new(config: &NodeConfig) -> Self {
        let router = if config.upnp() && config.listens_beyond_loopback() {
            Router::Searching
        } else {
            Router::Off
        };
        Self { router, ..Self::default() }
    }

    /// The peer of a connection says that it found this node at `seen`. Returns whether that makes it an
    /// address of this node that it was not before.
    ///
    /// The peer may say anything. What it says counts only if the connection itself shows it: it came
    /// by itself, to the very address of this machine, where this node listens. Otherwise the address is
    /// tested soon.
    fn found_at(
        &mut self,
        id: ConnectionId,
        seen: &Multiaddr,
        is_listener: bool,
        now: Instant,
    ) -> bool {
        let Some(path) = self.paths.get(&id) else { return false };
        if path.dialed || path.relayed || Scope::of(&path.remote) != Scope::Global {
            return false;
        }
        if !path.unasked {
            self.book.test_soon(seen, now);
            return false;
        }
        self.book.refresh(seen, now);
        // There is nothing in between that it could have come through instead.
        if is_listener && path.local.is_some() && path.local == ip_of(seen) {
            return self.book.reached(seen, now);
        }
        self.book.test_soon(seen, now);
        false
    }

    /// Where to dial a relay that somebody says is `said`: there, if it is connected at that IP address,
    /// else where this node dialled it.
    pub(super) fn relay_at(&self, relay: &PeerId, said: &Multiaddr) -> Option<Multiaddr> {
        let paths = self.paths.values().filter(|path| path.peer == *relay && !path.relayed);
        let ip = ip_of(said);
        if ip.is_some() && paths.clone().any(|path| ip_of(&path.remote) == ip) {
            return Some(
                said.iter().take_while(|part| !matches!(part, Protocol::P2p(_))).collect(),
            );
        }
        paths.filter(|path| path.dialed).map(|path| bare(&path.remote)).min()
    }
}

impl EventLoop {
    /// From now on the operator's addresses are the node's.
    pub(super) fn announce_external(&mut self) {
        let now = self.clock.now().instant;
        for address in self.config.external().to_vec() {
            let address = bare(&address);
            self.reach.book.vouch(address.clone(), Source::Configured, now);
            self.swarm.add_external_address(address);
        }
    }

    /// The node's part in the distributed hash table, as things stand.
    pub(crate) fn dht_role(&self) -> DhtRole {
        let configured = match self.config.dht() {
            // Whoever listens nowhere cannot be asked.
            DhtMode::Auto if self.own_listeners().is_empty() => DhtMode::Client,
            configured => configured,
        };
        dht_role(configured, self.world())
    }

    /// Why it is that part.
    pub(crate) fn dht_reason(&self) -> &'static str {
        if self.config.dht() == DhtMode::Auto && self.own_listeners().is_empty() {
            return "it listens nowhere";
        }
        mode::reason(self.config.dht(), self.world())
    }

    /// What a registry record says of where the node is: the best first, at most as many as fit. Without
    /// the node's own peer id at the end.
    pub(crate) fn announced(&self) -> Vec<Multiaddr> {
        Places {
            confirmed: self.reach.book.confirmed(),
            listeners: self.own_listeners(),
            relayed: self.reach.relays.addresses().iter().map(bare).collect(),
            local_world: self.world().is_local(),
        }
        .announced()
    }

    /// Whether everybody this node knows is in its own network, or on this machine.
    pub(in crate::event_loop) fn is_local_world(&self) -> bool {
        self.world().is_local()
    }

    /// Whether this node is in a private network.
    pub(in crate::event_loop) fn listens_locally(&self) -> bool {
        self.swarm.listeners().any(|address| Scope::of(address) == Scope::Private)
    }

    fn world(&self) -> World {
        let global = |address: &Multiaddr| Scope::of(address) == Scope::Global;
        World {
            public: self.reach.book.is_public(),
            global_listener: self.swarm.listeners().any(global),
            global_peer: self.reach.paths.values().any(|path| global(&path.remote)),
        }
    }

    /// Whether everything known is in this node's own network, and so everything meant for it. Before
    /// anybody is connected, the configuration may know better.
    pub(crate) fn is_at_home(&self) -> bool {
        self.world().is_local() && !mode::means_the_world(&self.config)
    }

    /// Where the node listens itself, not over relays.
    fn own_listeners(&self) -> Vec<Multiaddr> {
        self.swarm.listeners().filter(|address| !is_relayed(address)).cloned().collect()
    }

    /// Looks after everything that changes with time.
    pub(super) fn tick_reachability(&mut self, now: Instant) {
        if self.reach.looked.is_some_and(|looked| now.since(looked) < LOOK) {
            return;
        }
        self.reach.looked = Some(now);
        let listeners = self.own_listeners();
        let seen = self.reach.observations.candidates(&listeners);
        self.reach.book.update(Source::Listener, &listeners, now);
        self.reach.book.update(Source::Observed, &seen, now);
        for address in self.reach.book.expire(now) {
            self.lose_address(&address, "nothing confirms it any more");
        }
        self.test_next(now);
        self.lend_addresses();
        self.tick_relays(now);
        self.tell_changes(now);
    }

    /// Lets another node test the address whose turn it is.
    fn test_next(&mut self, now: Instant) {
        if self.reach.servers.is_empty() {
            return;
        }
        let Some(address) = self.reach.book.next_test(now) else { return };
        let family = ip_of(&address).map(|ip| ip.is_ipv4());
        // A server without that family could only fail.
        let able = |path: &&Path| {
            path.dialed
                && !path.relayed
                && self.reach.servers.contains(&path.peer)
                && Scope::of(&path.remote) == Scope::Global
                && ip_of(&path.remote).map(|ip| ip.is_ipv4()) == family
        };
        let able = self.reach.paths.values().filter(able);
        if let Some(server) = able.choose(&mut self.rng).map(|path| path.peer) {
            tracing::debug!(%address, %server, "asking whether it can be reached");
            self.swarm.behaviour_mut().probe.test(server, address);
        }
    }

    /// A relay that nobody can find cannot be used, and libp2p's gives out no reservations before it
    /// knows an address of its own. Where the whole world is local, its local addresses are right.
    fn lend_addresses(&mut self) {
        if !self.config.relay_server() {
            return;
        }
        let lent: BTreeSet<Multiaddr> = if self.world().is_local() {
            let usable = |address: &Multiaddr| {
                matches!(Scope::of(address), Scope::Private | Scope::Loopback)
            };
            self.own_listeners().into_iter().filter(usable).collect()
        } else {
            BTreeSet::new()
        };
        for address in lent.difference(&self.reach.lent) {
            self.swarm.add_external_address(address.clone());
        }
        for address in self.reach.lent.difference(&lent) {
            self.swarm.remove_external_address(address);
        }
        self.reach.lent = lent;
    }

    /// Somebody has reached an address of the book.
    fn gain_address(&mut self, address: Multiaddr, how: &'static str) {
        tracing::info!(%address, how, "others can reach this node");
        self.swarm.add_external_address(address);
    }

    fn lose_address(&mut self, address: &Multiaddr, why: &'static str) {
        tracing::info!(%address, why, "not announcing an address any more");
        self.swarm.remove_external_address(address);
    }

    /// Reserves at relays while that is needed.
    fn tick_relays(&mut self, now: Instant) {
        let open = self.world().global_listener;
        let status = self.reach.book.status();
        if !self.config.relays() || !self.reach.relays.are_wanted(status, open, now) {
            return;
        }
        let paths = &self.reach.paths;
        let direct = |peer: &PeerId| paths.values().any(|it| it.peer == *peer && !it.relayed);
        let Some(relay) = self.reach.relays.choose(direct, now) else { return };
        let Some(address) = self.address_of_relay(&relay) else {
            self.reach.relays.failed(relay, now);
            return;
        };
        let address = address.with(Protocol::P2p(relay)).with(Protocol::P2pCircuit);
        match self.swarm.listen_on(address.clone()) {
            Ok(listener) => {
                tracing::debug!(%address, "asking for a reservation");
                self.reach.relays.asked(relay, listener, address, now);
            }
            Err(error) => {
                tracing::debug!(%address, %error, "no reservation");
                self.reach.relays.failed(relay, now);
            }
        }
    }

    /// Where others find a relay: where this node dialled it, or else where it says that it listens, at
    /// an IP address from which it is connected.
    fn address_of_relay(&self, relay: &PeerId) -> Option<Multiaddr> {
        let paths = self.reach.paths.values().filter(|it| it.peer == *relay && !it.relayed);
        let dialed = paths.filter(|it| it.dialed).map(|it| bare(&it.remote)).min();
        let told = || self.directory.get(relay)?.hearsay.first().map(bare);
        dialed.or_else(told)
    }

    /// Tells what has changed, once it has settled.
    fn tell_changes(&mut self, now: Instant) {
        let status = self.reach.book.status();
        if status != self.reach.status {
            tracing::info!(?status, "reachability");
            self.reach.status = status;
        }
        let (role, local) = (self.dht_role(), self.is_at_home());
        if self.reach.role != Some((role, local)) {
            tracing::debug!(?role, local, "part in the distributed hash table");
            self.reach.role = Some((role, local));
            self.registry_role(role, local);
        }
        let announced = self.announced();
        if self.reach.announcement.look(&announced, now) {
            let addresses: Vec<String> = announced.iter().map(ToString::to_string).collect();
            tracing::info!(?addresses, "announcing");
            self.registry_addresses(addresses.clone(), now);
            self.events.tell(NodeEvent::Announced { addresses });
            self.identify_anew();
        }
    }

    /// Tells all connected peers what this node is and where.
    fn identify_anew(&mut self) {
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        self.swarm.behaviour_mut().identify.push(connected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn path(peer: PeerId, remote: &str, dialed: bool) -> Path {
        let (remote, local) = (address(remote), None);
        Path { peer, remote, dialed, relayed: false, from_listener: false, local, unasked: !dialed }
    }

    /// The relay client dials the address as it is written, if it has no connection to the relay then.
    #[test]
    fn a_stranger_does_not_choose_where_a_relay_is() {
        let (dialed, calls, absent) = (PeerId::random(), PeerId::random(), PeerId::random());
        let mut reach = Reachability::default();
        let at = format!("/ip4/192.0.2.1/tcp/1/p2p/{dialed}");
        reach.paths.insert(ConnectionId::new_unchecked(1), path(dialed, &at, true));
        let at = "/ip4/192.0.2.2/tcp/50000";
        reach.paths.insert(ConnectionId::new_unchecked(2), path(calls, at, false));
        let over = |relay: &PeerId, at: &str| {
            reach.relay_at(relay, &address(&format!("{at}/p2p/{relay}/p2p-circuit")))
        };
        for (relay, said, believed) in [
            (&dialed, "/ip4/192.0.2.1/udp/9/quic-v1", Some("/ip4/192.0.2.1/udp/9/quic-v1")),
            (&dialed, "/ip4/10.0.0.1/tcp/80", Some("/ip4/192.0.2.1/tcp/1")),
            (&dialed, "/dns/victim.example/tcp/80", Some("/ip4/192.0.2.1/tcp/1")),
            (&calls, "/ip4/192.0.2.2/tcp/4711", Some("/ip4/192.0.2.2/tcp/4711")),
            (&calls, "/ip4/127.0.0.1/tcp/80", None),
            (&absent, "/ip4/192.0.2.1/tcp/1", None),
        ] {
            assert_eq!(over(relay, said), believed.map(address), "{said}");
        }
    }
    /// A firewalled machine with a global address must not take a peer's word for being reachable.
    #[test]
    fn only_a_connection_that_came_by_itself_to_the_address_shows_that_it_can_be_reached() {
        let own = address("/ip4/11.0.0.7/tcp/4711");
        let far = "/ip4/12.0.0.1/tcp/50000";
        let found = |adjust: fn(&mut Path), is_listener| {
            let mut reach = Reachability::default();
            reach.book.update(Source::Listener, [&own], Instant::default());
            let mut path = path(PeerId::random(), far, false);
            path.local = ip_of(&own);
            adjust(&mut path);
            let id = ConnectionId::new_unchecked(1);
            reach.paths.insert(id, path);
            let new = reach.found_at(id, &own, is_listener, Instant::default());
            assert_eq!(new, reach.book.is_public());
            new
        };
        assert!(found(|_| {}, true));
        assert!(!found(|_| {}, false), "it listens elsewhere");
        assert!(!found(|path| path.unasked = false, true), "this node called first");
        assert!(!found(|path| path.local = Some([192, 168, 0, 2].into()), true), "translated");
        assert!(!found(|path| path.local = None, true));
        assert!(!found(|path| path.dialed = true, true));
        assert!(!found(|path| path.relayed = true, true));
        assert!(!found(|path| path.remote = address("/ip4/10.0.0.9/tcp/9"), true), "from near by");
    }
}
