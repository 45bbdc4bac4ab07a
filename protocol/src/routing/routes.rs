//! What was learnt of the ways to destinations (§12.4). Only answers teach a route, and an answer is
//! signed by its destination; failures only change the order.

use std::time::Duration;

use hashlink::LruCache;

use crate::crypto::PublicKey;
use crate::limits::{
    MAX_ROUTE_FAILURES, MAX_ROUTED_DESTINATIONS, MAX_ROUTES, ROUTE_LIFE, ROUTE_PENALTY,
};
use crate::time::Instant;

/// A neighbour over which a destination answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) neighbour: PublicKey,
    pub(super) hops: u8,
    pub(super) took: Duration,
    until: Instant,
}

/// What is known of a neighbour as the next hop to some destination; the lesser is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// The destination answered over it, after so many hops.
    Proven(u8),
    /// Nothing is known.
    Unknown,
    /// It failed lately.
    Failed,
}

/// Bounded memory of routes; the destination asked for least recently is forgotten first.
#[derive(Debug)]
pub(super) struct Routes {
    proven: LruCache<PublicKey, Vec<Route>>,
    /// By destination and neighbour.
    failed: LruCache<([u8; 32], [u8; 32]), Instant>,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            proven: LruCache::new(MAX_ROUTED_DESTINATIONS),
            failed: LruCache::new(MAX_ROUTE_FAILURES),
        }
    }
}

impl Routes {
    /// `destination` answered over `neighbour`.
    pub(super) fn learn(
        &mut self,
        destination: PublicKey,
        neighbour: PublicKey,
        hops: u8,
        took: Duration,
        now: Instant,
    ) {
        self.failed.remove(&pair(&destination, &neighbour));
        let route = Route { neighbour, hops, took, until: now + ROUTE_LIFE };
        if self.proven.get(&destination).is_none() {
            self.proven.insert(destination, Vec::new());
        }
        let Some(routes) = self.proven.get_mut(&destination) else { return };
        routes.retain(|known| known.neighbour != neighbour && known.until > now);
        // The newest proof counts most.
        routes.insert(0, route);
        routes.truncate(MAX_ROUTES);
    }

    /// The way to `destination` over `neighbour` failed.
    pub(super) fn fail(&mut self, destination: PublicKey, neighbour: PublicKey, now: Instant) {
        if let Some(routes) = self.proven.get_mut(&destination) {
            routes.retain(|known| known.neighbour != neighbour);
            if routes.is_empty() {
                self.proven.remove(&destination);
            }
        }
        self.failed.insert(pair(&destination, &neighbour), now + ROUTE_PENALTY);
    }

    /// `neighbour` is gone: nothing leads over it.
    pub(super) fn forget(&mut self, neighbour: &PublicKey) {
        for (_, routes) in self.proven.iter_mut() {
            routes.retain(|known| known.neighbour != *neighbour);
        }
        self.proven.retain(|_, routes| !routes.is_empty());
    }

    /// The routes to `destination`, the one proven last first.
    pub(super) fn to(&self, destination: &PublicKey, now: Instant) -> impl Iterator<Item = &Route> {
        let routes = self.proven.peek(destination).into_iter().flatten();
        routes.filter(move |route| route.until > now)
    }

    /// What is known of `neighbour` as the next hop to `destination`.
    pub(super) fn standing(
        &self,
        destination: &PublicKey,
        neighbour: &PublicKey,
        now: Instant,
    ) -> Standing {
        if let Some(route) = self.to(destination, now).find(|it| it.neighbour == *neighbour) {
            return Standing::Proven(route.hops);
        }
        let failed = self.failed.peek(&pair(destination, neighbour));
        if failed.is_some_and(|until| *until > now) { Standing::Failed } else { Standing::Unknown }
    }

    /// Destinations with a route.
    pub(super) fn len(&self) -> usize {
        self.proven.len()
    }
}

fn pair(destination: &PublicKey, neighbour: &PublicKey) -> ([u8; 32], [u8; 32]) {
    (*destination.as_bytes(), *neighbour.as_bytes())
}
