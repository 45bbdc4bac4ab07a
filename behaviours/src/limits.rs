//! How many connections one network may hold here. libp2p limits them per peer and in all, but peer
//! ids are free: without this, one address takes every place.
//!
//! Only connections that come in are counted. Networks that are local to this node are not limited:
//! there one address may stand for many peers, as behind a translator.
//!
//! Peers without a session have a part of the places only, wherever they are. When it is taken a newcomer
//! still gets in, for as long as it takes to open a session: the youngest of the most crowded network gives
//! way. So those that were there before a flood stay.

mod admitted;
mod strangers;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr, PeerId};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use peer_protocol::rate_limit::{KeyedLimiter, Quota, TokenBucket};
use thiserror::Error;
use tokio::time::Instant;

pub use self::admitted::Admitted;
use self::strangers::Strangers;

use crate::prefix::Prefix;

/// Connections that may come in, of one network and of all: each costs key exchanges before anything is
/// known of who it is.
const PREFIX_QUOTA: Quota = Quota { per_minute: 1_200, burst: 256 };
const QUOTA: Quota = Quota { per_minute: 30_000, burst: 1_024 };
/// Networks that are remembered.
const PREFIXES: usize = 4_096;
/// Connections that may be opening at once while strangers have all their places: some may be of peers
/// that are none.
const OPENING: usize = 16;

/// What one IPv4 /24 or IPv6 /48 may hold, and those behind one relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Established connections.
    pub established: usize,
    /// Established connections over one relay.
    pub relayed: usize,
    /// Connections that are not established yet.
    pub pending: usize,
    /// Established connections of peers without a session, of all networks together.
    pub strangers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { established: 64, relayed: 128, pending: 16, strangers: 86 }
    }
}

/// Why a connection is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exceeded {
    /// Too many are established.
    #[error("its network holds {0} connections already")]
    Established(usize),
    /// Too many are not established yet.
    #[error("its network is opening {0} connections already")]
    Pending(usize),
    /// Too many have come a moment ago.
    #[error("too many connections have come in a short time")]
    Rate,
    /// Too many strangers have come a moment ago.
    #[error("{0} peers without a session are connected already")]
    Strangers(usize),
}

/// The behaviour. It stands before those that record connections.
#[derive(Debug)]
pub struct Behaviour {
    config: Config,
    start: Instant,
    arrivals: TokenBucket,
    by_prefix: KeyedLimiter<Prefix>,
    pending: Counted,
    established: Counted,
    strangers: Strangers,
    /// Connections that give way; at most one for each that comes.
    closing: VecDeque<(PeerId, ConnectionId)>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// A behaviour that counts to what `config` says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            start: Instant::now(),
            arrivals: TokenBucket::default(),
            by_prefix: KeyedLimiter::new(PREFIX_QUOTA, PREFIXES),
            pending: Counted::default(),
            established: Counted::default(),
            strangers: Strangers::default(),
            closing: VecDeque::new(),
            waker: None,
        }
    }

    /// The peers that were admitted, as they change.
    #[must_use]
    pub fn admitted(&self) -> Arc<Admitted> {
        self.strangers.admitted()
    }

    /// The peer has a session: its connections are not a stranger's.
    pub fn admit(&mut self, peer: PeerId) {
        self.strangers.admit(peer);
    }

    /// The peer has no session any more: its next connection is a stranger's.
    pub fn dismiss(&mut self, peer: &PeerId) {
        self.strangers.dismiss(peer);
    }

    fn check_established(&self, prefix: Prefix) -> Result<(), ConnectionDenied> {
        let limit = match prefix {
            Prefix::Relay(_) => self.config.relayed,
            Prefix::V4(_) | Prefix::V6(_) | Prefix::Other => self.config.established,
        };
        if self.established.held(prefix) < limit {
            Ok(())
        } else {
            Err(ConnectionDenied::new(Exceeded::Established(limit)))
        }
    }
}

/// Connections, counted by prefix.
#[derive(Debug, Default)]
struct Counted {
    prefixes: HashMap<ConnectionId, Prefix>,
    counts: HashMap<Prefix, usize>,
}

impl Counted {
    fn held(&self, prefix: Prefix) -> usize {
        self.counts.get(&prefix).copied().unwrap_or(0)
    }

    fn len(&self) -> usize {
        self.prefixes.len()
    }

    fn insert(&mut self, id: ConnectionId, prefix: Prefix) {
        if self.prefixes.insert(id, prefix).is_none() {
            *self.counts.entry(prefix).or_default() += 1;
        }
    }

    fn remove(&mut self, id: ConnectionId) {
        let Some(prefix) = self.prefixes.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&prefix);
            }
        }
    }
}

/// The prefix that an incoming connection counts for, if for any.
fn limited(local: &Multiaddr, remote: &Multiaddr) -> Option<Prefix> {
    Some(Prefix::between(local, remote)).filter(|prefix| !prefix.is_local())
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let prefix = Prefix::between(local, remote);
        let rate = |_| ConnectionDenied::new(Exceeded::Rate);
        let now = Instant::now();
        let since_start = peer_protocol::time::Instant::from_start(now - self.start);
        if !prefix.is_local() {
            self.check_established(prefix)?;
            let limit = self.config.pending;
            if self.pending.held(prefix) >= limit {
                return Err(ConnectionDenied::new(Exceeded::Pending(limit)));
            }
            self.by_prefix.take(prefix, since_start).map_err(rate)?;
        }
        self.arrivals.take(QUOTA, since_start).map_err(rate)?;
        let most = self.config.strangers;
        if self.pending.len() >= OPENING && !self.strangers.have_places(most, now) {
            return Err(ConnectionDenied::new(Exceeded::Strangers(most)));
        }
        self.pending.insert(id, prefix);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(id);
        if let Some(prefix) = limited(local, remote) {
            self.check_established(prefix)?;
        }
        let most = self.config.strangers;
        if !self.strangers.have_room(&peer, most, Instant::now()) {
            return Err(ConnectionDenied::new(Exceeded::Strangers(most)));
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // Only now is it certain that no other behaviour denied it.
            FromSwarm::ConnectionEstablished(event) if event.endpoint.is_listener() => {
                let prefix = Prefix::at(event.endpoint);
                if !prefix.is_local() {
                    self.established.insert(event.connection_id, prefix);
                }
                let (peer, id) = (event.peer_id, event.connection_id);
                let most = self.config.strangers;
                let leaving = self.strangers.insert(peer, id, prefix, most, Instant::now());
                if let Some(leaving) = leaving {
                    self.closing.push_back(leaving);
                    self.waker.take().into_iter().for_each(Waker::wake);
                }
            }
            FromSwarm::ConnectionClosed(event) => {
                self.established.remove(event.connection_id);
                self.strangers.remove(event.connection_id);
            }
            FromSwarm::ListenFailure(event) => self.pending.remove(event.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.closing.pop_front() {
            tracing::debug!(peer = %peer_id, %connection, "a stranger gives way to a newcomer");
            let connection = CloseConnection::One(connection);
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
