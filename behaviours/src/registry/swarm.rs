//! What the swarm asks of a behaviour: everything is delegated to libp2p's Kademlia, and noted.

use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::transport::PortUse;
use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, PeerId};
use libp2p_kad as kad;
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm,
    NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use peer_protocol::time::Instant;

use super::addresses::MAX_DIALLED;
use super::dials::GIVEN_UP;
use super::saved::Space;
use super::source::Source;
use super::{Behaviour, Event};
use crate::prefix::Prefix;

/// Refused records on one connection before it is closed: half of its streams.
const MAX_REFUSED: usize = 16;

/// After so long their writers have given up, and the streams are gone.
const FORGIVEN: Duration = Duration::from_secs(60);

/// What is remembered of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    network: Prefix,
    /// Records that came over it and were refused, since then.
    refused: usize,
    since: Instant,
}

/// Its handler is the same whatever the store is, and this store is nobody else's business.
type Inner = kad::Behaviour<kad::store::MemoryStore>;

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<Inner>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.kad.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(id, peer, local, remote)
    }

    /// Addresses that other nodes named are filtered here: libp2p dials whatever they say.
    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut known = self.kad.handle_pending_outbound_connection(id, peer, addresses, role)?;
        if let Some(peer) = peer {
            known.retain(|address| self.may_dial(&peer, address));
        }
        known.truncate(MAX_DIALLED);
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(event) = &event
            && let ConnectedPoint::Dialer { address, .. } = event.endpoint
        {
            self.met.insert(event.peer_id, address);
        }
        self.kad.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                if self.connections.is_empty() {
                    // It may have been this node that could not be reached.
                    self.dials.forget_failures();
                }
                self.dials.reached(&event.peer_id);
                let network = Prefix::of(event.endpoint.get_remote_address());
                let since = self.clock.now().instant;
                let connection = Connection { network, refused: 0, since };
                self.connections.insert(event.connection_id, connection);
            }
            FromSwarm::ConnectionClosed(event) => {
                self.connections.remove(&event.connection_id);
            }
            FromSwarm::DialFailure(DialFailure { peer_id: Some(peer), error, .. }) => match error {
                DialError::Transport(_)
                | DialError::NoAddresses
                | DialError::WrongPeerId { .. }
                | DialError::LocalPeerId { .. } => self.on_missed(peer),
                DialError::Denied { .. } | DialError::Aborted => self.dials.abandon(&peer),
                // Somebody else dials it, and the walk waits for that.
                DialError::DialPeerConditionFalse(_) => {}
            },
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let network = self.connections.get(&connection).map_or(Prefix::Other, |it| it.network);
        self.kad.store_mut().begin(Source::new(peer, network));
        self.kad.on_connection_handler_event(peer, connection, event);
        if let Some((space, reason)) = self.kad.store_mut().end() {
            self.strike(peer, reason);
            // Nobody waits for the answer to an announcement.
            if space == Space::Records {
                self.on_refused(peer, connection);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(ToSwarm::GenerateEvent(event));
            }
            if let Some((peer_id, connection)) = self.closing.pop_front() {
                let connection = CloseConnection::One(connection);
                return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
            }
            self.keep_house();
            self.start_queries();
            match self.kad.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => self.on_kad(event),
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    if let Some(peer) = opts.get_peer_id() {
                        let now = self.clock.now().instant;
                        if !self.connections.is_empty() && !self.dials.may_dial(&peer, now) {
                            self.do_without(peer);
                            continue;
                        }
                        self.dials.begin(peer, now);
                    }
                    return Poll::Ready(ToSwarm::Dial { opts });
                }
                Poll::Ready(other) => {
                    let other = other.map_out(|_| unreachable!("events were taken out above"));
                    return Poll::Ready(other);
                }
                Poll::Pending => {
                    if self.pending.is_empty() && !self.poll_timer(cx) {
                        self.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Behaviour {
    /// libp2p never ends the stream of a record that its store refuses: the writer's request fails
    /// when its time is over, and the stream stays. Before such streams fill the connection and
    /// nothing more can be asked over it, it is closed.
    fn on_refused(&mut self, peer: PeerId, connection: ConnectionId) {
        let now = self.clock.now().instant;
        if let Some(state) = self.connections.get_mut(&connection) {
            if now.since(state.since) > FORGIVEN {
                (state.refused, state.since) = (0, now);
            }
            state.refused += 1;
            if state.refused == MAX_REFUSED {
                tracing::debug!(%peer, %connection, "closing a connection full of refused records");
                self.closing.push_back((peer, connection));
                self.wake();
            }
        }
    }

    /// Walks that wait for a peer for longer than a request may take go on without it.
    pub(super) fn do_without_the_overdue(&mut self, now: Instant) {
        while let Some(peer) = self.dials.overdue(now) {
            self.do_without(peer);
            self.on_missed(peer);
        }
    }

    /// Tells libp2p's walks that a peer cannot be reached.
    fn do_without(&mut self, peer: PeerId) {
        self.kad.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: Some(peer),
            error: &DialError::NoAddresses,
            connection_id: ConnectionId::new_unchecked(0),
        }));
    }

    /// A peer could not be reached. libp2p keeps it in the table with the last of its addresses; here it
    /// leaves, but not when it may be this node that is cut off.
    fn on_missed(&mut self, peer: PeerId) {
        let times = self.dials.failed(&peer, self.clock.now().instant);
        if times.is_some_and(|times| times >= GIVEN_UP) && !self.connections.is_empty() {
            tracing::debug!(%peer, ?times, "it cannot be reached, and leaves the routing table");
            self.remove_peer(&peer);
        }
    }

    fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, stats, step } => {
                self.on_query(id, result, &stats, &step);
            }
            kad::Event::RoutingUpdated { peer, addresses, .. } => {
                self.on_updated(peer, &addresses);
            }
            // It was dialled there, and has answered on the registry's protocol.
            kad::Event::RoutablePeer { peer, address }
            | kad::Event::PendingRoutablePeer { peer, address } => {
                self.add_address(peer, address);
            }
            // What is asked of this node is answered by then; without an address it stays unknown.
            kad::Event::InboundRequest { .. }
            | kad::Event::UnroutablePeer { .. }
            | kad::Event::ModeChanged { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::FutureExt as _;
    use libp2p_core::transport::TransportError;
    use libp2p_swarm::behaviour::ConnectionEstablished;
    use peer_protocol::identity::EntityId;
    use peer_protocol::registry::Key;

    use super::*;
    use crate::SystemClock;
    use crate::registry::Config;

    fn registry() -> Behaviour {
        Behaviour::new(PeerId::random(), Config::new(Arc::new(SystemClock::new()), [0; 32]))
    }

    fn address() -> Multiaddr {
        "/ip4/198.51.100.1/tcp/1".parse().unwrap()
    }

    /// There is somebody, so that it is not this node that is cut off.
    fn connect(registry: &mut Behaviour) {
        let endpoint = ConnectedPoint::Dialer {
            address: address(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::Reuse,
        };
        registry.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: PeerId::random(),
            connection_id: ConnectionId::new_unchecked(1),
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        }));
    }

    /// The swarm has dialled a peer in vain.
    fn fail(registry: &mut Behaviour, peer: PeerId) {
        let why = TransportError::Other(std::io::ErrorKind::ConnectionRefused.into());
        registry.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: Some(peer),
            error: &DialError::Transport(vec![(address(), why)]),
            connection_id: ConnectionId::new_unchecked(9),
        }));
    }

    fn look_up(registry: &mut Behaviour) {
        let entity: EntityId = "somebody".parse().unwrap();
        registry.lookup(Key::of_entity(&entity)).unwrap();
    }

    /// Whom it wants dialled, and how many lookups ended, until nothing happens without time.
    fn happens(registry: &mut Behaviour) -> (Vec<PeerId>, usize) {
        let (mut dialled, mut ended) = (Vec::new(), 0);
        while let Some(event) = std::future::poll_fn(|cx| registry.poll(cx)).now_or_never() {
            match event {
                ToSwarm::Dial { opts } => dialled.extend(opts.get_peer_id()),
                ToSwarm::GenerateEvent(Event::LookedUp { .. }) => ended += 1,
                _ => {}
            }
        }
        (dialled, ended)
    }

    /// A lookup for which only `gone` can be asked, and that in vain; how often it was dialled.
    fn look_up_in_vain(registry: &mut Behaviour, gone: PeerId) -> usize {
        look_up(registry);
        let mut dials = 0;
        loop {
            let (dialled, ended) = happens(registry);
            if ended == 1 {
                return dials;
            }
            assert_eq!(dialled, [gone]);
            dials += 1;
            fail(registry, gone);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn walks_do_not_wait_twice_for_whoever_cannot_be_reached() {
        let (mut registry, gone) = (registry(), PeerId::random());
        connect(&mut registry);
        registry.kad.add_address(&gone, address());
        look_up(&mut registry);
        assert_eq!(happens(&mut registry), (vec![gone], 0));
        fail(&mut registry, gone);
        assert_eq!(happens(&mut registry), (vec![], 1));
        look_up(&mut registry);
        assert_eq!(happens(&mut registry), (vec![], 1), "it was dialled a moment ago");
        tokio::time::advance(Duration::from_secs(15)).await;
        look_up(&mut registry);
        assert_eq!(happens(&mut registry), (vec![gone], 0), "it may be back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_walk_waits_for_a_dial_no_longer_than_for_an_answer() {
        let (mut registry, silent) = (registry(), PeerId::random());
        connect(&mut registry);
        registry.kad.add_address(&silent, address());
        look_up(&mut registry);
        assert_eq!(happens(&mut registry), (vec![silent], 0));
        tokio::time::advance(Duration::from_millis(2_999)).await;
        assert_eq!(happens(&mut registry), (vec![], 0));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(happens(&mut registry), (vec![], 1));
        // Its dial ends later; that is the same failure.
        fail(&mut registry, silent);
        assert_eq!(registry.table().peers, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_gone_leaves_the_table_unless_this_node_is_cut_off() {
        for (connected, kept) in [(true, 0), (false, 1)] {
            let (mut registry, gone) = (registry(), PeerId::random());
            if connected {
                connect(&mut registry);
            }
            registry.kad.add_address(&gone, address());
            for _ in 0..GIVEN_UP {
                assert_eq!(registry.table().peers, 1);
                assert_ne!(look_up_in_vain(&mut registry, gone), 0);
                tokio::time::advance(Duration::from_secs(120)).await;
            }
            assert_eq!(registry.table().peers, kept, "connected: {connected}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_cut_off_asks_everybody_again() {
        let (mut registry, away) = (registry(), PeerId::random());
        registry.kad.add_address(&away, address());
        for _ in 0..2 {
            // Once under the key itself, and under each of its mirrors: there is nobody else to ask.
            assert_eq!(look_up_in_vain(&mut registry, away), 3);
        }
        connect(&mut registry);
        look_up(&mut registry);
        assert_eq!(happens(&mut registry), (vec![away], 0));
    }

    /// Other nodes name addresses as they like: to whoever listens on this machine, or on its network.
    #[test]
    fn a_node_of_the_public_network_does_not_dial_into_its_own() {
        for (local_addresses, dialled) in [(false, 1), (true, 2)] {
            let clock = Arc::new(SystemClock::new());
            let config = Config { local_addresses, ..Config::new(clock, [0; 32]) };
            let mut registry = Behaviour::new(PeerId::random(), config);
            let peer = PeerId::random();
            for address in
                ["/ip4/127.0.0.1/tcp/6379", "/ip4/0.0.0.0/tcp/1", "/ip4/198.51.100.1/tcp/1"]
            {
                registry.kad.add_address(&peer, address.parse().unwrap());
            }
            let id = ConnectionId::new_unchecked(1);
            let known =
                registry.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
            assert_eq!(known.unwrap().len(), dialled);
        }
    }

    #[test]
    fn one_dial_tries_a_few_addresses() {
        let clock = Arc::new(SystemClock::new());
        let mut registry = Behaviour::new(PeerId::random(), Config::new(clock, [0; 32]));
        let peer = PeerId::random();
        for port in 1..100 {
            let address = format!("/ip4/198.51.100.1/tcp/{port}").parse().unwrap();
            registry.kad.add_address(&peer, address);
        }
        let id = ConnectionId::new_unchecked(1);
        let known =
            registry.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
        assert_eq!(known.unwrap().len(), MAX_DIALLED);
    }
}
