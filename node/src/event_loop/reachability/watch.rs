//! What the swarm tells about how the node can be reached.

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, identify, ping, relay, upnp};
use peer_behaviours::reachability::book::Source;
use peer_behaviours::reachability::probe::{self, Verdict};
use peer_behaviours::reachability::scope::{Scope, ip_of, is_relayed};

use super::announced::bare;
use super::relays::Agreed;
use super::route::source_toward;
use super::{Path, Router};
use crate::behaviour::BehaviourEvent;
use crate::event_loop::EventLoop;

impl EventLoop {
    /// Notes what an event says, before it is handled. Returns whether it is nobody else's business: a
    /// connection that this node's AutoNAT server makes to test an address is not there to be used.
    pub(in crate::event_loop) fn watch(&mut self, event: &SwarmEvent<BehaviourEvent>) -> bool {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                concurrent_dial_errors,
                ..
            } => {
                let failed = concurrent_dial_errors.iter().flatten();
                self.dialled_in_vain(failed.map(|(address, _)| address));
                self.path_opened(*peer_id, *connection_id, endpoint);
                return self.reach.tests.contains_key(connection_id);
            }
            SwarmEvent::OutgoingConnectionError { error: DialError::Transport(failed), .. } => {
                self.dialled_in_vain(failed.iter().map(|(address, _)| address));
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.path_closed(peer_id, connection_id);
                return self.reach.tests.remove(connection_id).is_some();
            }
            SwarmEvent::NewListenAddr { address, .. } => self.on_new_address(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_address_gone(address),
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                let now = self.clock.now().instant;
                if let Some(relay) = self.reach.relays.closed(*listener_id, now) {
                    tracing::debug!(%relay, "a reservation is over");
                    // It may only have been restarted.
                    if !self.swarm.is_connected(&relay) {
                        self.need_connection(relay);
                    }
                }
            }
            SwarmEvent::Behaviour(event) => self.watch_behaviour(event),
            _ => {}
        }
        false
    }

    fn watch_behaviour(&mut self, event: &BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            }) => self.on_seen(*connection_id, *peer_id, info),
            BehaviourEvent::Probe(event) => self.on_tested(event),
            BehaviourEvent::AutonatServer(event) => self.close_tests_of(event.client),
            BehaviourEvent::RelayClient(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                ..
            }) => match self.reach.relays.accepted(relay_peer_id) {
                Agreed::New => tracing::info!(relay = %relay_peer_id, "reachable over a relay"),
                Agreed::Again => {}
                Agreed::Unneeded(listener) => {
                    tracing::info!(relay = %relay_peer_id, "a relay is not needed any more");
                    self.swarm.remove_listener(listener);
                }
            },
            // Peers that are connected already learn only so that this node is a relay now, or no more.
            BehaviourEvent::RelayServer(relay::Event::StatusChanged { .. }) => self.identify_anew(),
            BehaviourEvent::Dcutr(event) => {
                let peer = self.directory.name(&event.remote_peer_id);
                match &event.result {
                    Ok(connection) => {
                        tracing::info!(%peer, "connected directly, through a punched hole");
                        if let Some(peer) = self.directory.get_mut(&event.remote_peer_id) {
                            peer.punched.insert(*connection);
                        }
                    }
                    Err(error) => tracing::debug!(%peer, %error, "no hole could be punched"),
                }
            }
            BehaviourEvent::Upnp(event) => self.on_router(event),
            BehaviourEvent::Mdns(event) => self.on_neighbours(event),
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Ok(took) }) => {
                let peer = self.directory.get_mut(peer);
                if let Some(peer) = peer.filter(|it| it.connections.contains_key(connection)) {
                    peer.pings.insert(*connection, *took);
                }
            }
            BehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result: Err(ping::Failure::Timeout),
            }) => {
                tracing::debug!(peer = %self.directory.name(peer), "a connection is dead");
                self.swarm.close_connection(*connection);
            }
            _ => {}
        }
    }

    fn path_opened(&mut self, peer: PeerId, id: ConnectionId, at: &ConnectedPoint) {
        if self.swarm.behaviour().autonat_server.made(&id) {
            self.reach.tests.insert(id, peer);
        }
        let remote = at.get_remote_address().clone();
        let relayed = at.is_relayed();
        let told = match at {
            ConnectedPoint::Listener { local_addr, .. } => ip_of(local_addr),
            ConnectedPoint::Dialer { .. } => None,
        };
        let told = told.filter(|ip| !ip.is_unspecified());
        let local = told.or_else(|| source_toward(ip_of(&remote)?)).filter(|_| !relayed);
        let from_listener = match at {
            ConnectedPoint::Listener { .. } => true,
            ConnectedPoint::Dialer { port_use, .. } => {
                *port_use == PortUse::Reuse && self.listens_like(&remote)
            }
        };
        let dialed = at.is_dialer();
        let (now, ip) = (self.clock.now().instant, ip_of(&remote));
        if dialed && let Some(ip) = ip {
            self.reach.dialled.insert(ip, now);
        }
        // Where the dials under way lead is not known; one of them may be a hole that is being punched.
        let dials = self.swarm.network_info().connection_counters().num_pending_outgoing();
        let unasked =
            !dialed && dials == 0 && ip.is_some_and(|ip| !self.reach.dialled.contains(&ip, now));
        let path = Path { peer, remote, dialed, relayed, from_listener, local, unasked };
        self.reach.paths.insert(id, path);
    }

    fn dialled_in_vain<'a>(&mut self, addresses: impl Iterator<Item = &'a Multiaddr>) {
        let now = self.clock.now().instant;
        for ip in addresses.filter(|address| !is_relayed(address)).filter_map(ip_of) {
            self.reach.dialled.insert(ip, now);
        }
    }

    fn path_closed(&mut self, peer: &PeerId, id: &ConnectionId) {
        self.reach.paths.remove(id);
        self.reach.observations.remove(id);
        if !self.reach.paths.values().any(|path| path.peer == *peer) {
            self.reach.servers.remove(peer);
            self.reach.relays.left(peer);
        }
    }

    /// Whether a dial to `remote` can leave from a port that the node listens on.
    fn listens_like(&self, remote: &Multiaddr) -> bool {
        let kind = |address: &Multiaddr| {
            let udp = address.iter().any(|part| matches!(part, Protocol::Udp(_)));
            (ip_of(address).map(|ip| ip.is_ipv4()), udp)
        };
        self.swarm.listeners().any(|listener| {
            kind(listener) == kind(remote)
                && (Scope::of(listener) == Scope::Loopback)
                    == (Scope::of(remote) == Scope::Loopback)
        })
    }

    /// What a peer says of itself and of where it sees this node.
    fn on_seen(&mut self, id: ConnectionId, peer: PeerId, info: &identify::Info) {
        let speaks = |name: &str| info.protocols.iter().any(|it| it.as_ref() == name);
        self.reach.relays.offers(peer, speaks(relay::HOP_PROTOCOL_NAME.as_ref()));
        if speaks(probe::SERVER) {
            self.reach.servers.insert(peer);
        } else {
            self.reach.servers.remove(&peer);
        }
        let Some(path) = self.reach.paths.get(&id) else { return };
        if path.relayed {
            return;
        }
        let now = self.clock.now().instant;
        let seen = bare(&info.observed_addr);
        let observations = &mut self.reach.observations;
        observations.insert(id, &path.remote, &seen, path.from_listener);
        let is_listener = self.swarm.listeners().any(|listener| *listener == seen);
        if self.reach.found_at(id, &seen, is_listener, now) {
            self.gain_address(seen, "a peer connected");
        }
    }

    fn on_tested(&mut self, event: &probe::Event) {
        let probe::Event { address, server, verdict } = event;
        tracing::debug!(%address, %server, ?verdict, "an address was tested");
        let now = self.clock.now().instant;
        match verdict {
            Verdict::Reachable => {
                if self.reach.book.reached(address, now) {
                    self.gain_address(address.clone(), "another node tested it");
                }
            }
            Verdict::Unreachable => {
                if self.reach.book.not_reached(address, now) {
                    self.lose_address(address, "other nodes cannot reach it");
                }
            }
            Verdict::Undecided => {}
        }
    }

    /// A test for somebody is over; its connection has served.
    fn close_tests_of(&mut self, client: PeerId) {
        let over = self.reach.tests.iter().filter(|(_, peer)| **peer == client);
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.swarm.close_connection(id);
        }
    }

    fn on_router(&mut self, event: &upnp::Event) {
        let now = self.clock.now().instant;
        match event {
            upnp::Event::NewExternalAddr { external_addr, .. } => {
                self.reach.router = Router::Mapped;
                let address = bare(external_addr);
                // libp2p has told the swarm already.
                if self.reach.book.vouch(address.clone(), Source::Router, now) {
                    tracing::info!(%address, "the router forwards a port");
                }
            }
            upnp::Event::ExpiredExternalAddr { external_addr, .. } => {
                let address = bare(external_addr);
                if self.reach.book.withdraw(&address) {
                    self.lose_address(&address, "the router does not forward it any more");
                }
            }
            upnp::Event::GatewayNotFound => self.reach.router = Router::Missing,
            upnp::Event::NonRoutableGateway => self.reach.router = Router::NotPublic,
        }
    }
}
