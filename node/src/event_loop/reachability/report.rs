//! How the node can be reached, for people.

use std::time::Duration;

use peer_behaviours::reachability::book::{Source, Status};
use peer_behaviours::reachability::observed;

use super::Router;
use super::mode::DhtRole;
use crate::event_loop::EventLoop;
use crate::model::reachability::{Address, Nat, Observed, Reachable, Relay, Report};

impl EventLoop {
    /// What is known of how the node can be reached.
    pub(in crate::event_loop) fn reachability(&self) -> Report {
        let now = self.clock.now().instant;
        let reach = &self.reach;
        let nat = reach.observations.nat(&self.own_listeners());
        let text = |words: &str| words.to_owned();
        Report {
            status: match reach.book.status() {
                Status::Public => Reachable::Public,
                _ if self.world().is_local() => Reachable::Local,
                Status::Unknown => Reachable::Unknown,
                Status::Private => Reachable::Private,
            },
            nat: match nat {
                observed::Nat::Unknown => Nat::Unknown,
                observed::Nat::None => Nat::None,
                observed::Nat::EndpointIndependent => Nat::EndpointIndependent,
                observed::Nat::EndpointDependent => Nat::EndpointDependent,
            },
            dht: text(match self.dht_role() {
                DhtRole::Server => "server",
                DhtRole::Client => "client",
                DhtRole::Off => "off",
            }),
            listen: self.own_listeners().iter().map(ToString::to_string).collect(),
            observed: (reach.observations.seen().into_iter())
                .map(|(address, networks)| Observed { address, networks })
                .collect(),
            addresses: (reach.book.iter())
                .map(|(address, entry)| Address {
                    address: address.to_string(),
                    source: text(match entry.source {
                        Source::Configured => "configured",
                        Source::Router => "router",
                        Source::Listener => "listener",
                        Source::Observed => "observed",
                    }),
                    confirmed_ms: entry.confirmed.map(|at| millis(now.since(at))),
                    refreshed_ms: entry.confirmed.map(|_| millis(now.since(entry.refreshed))),
                    refusals: entry.refusals,
                })
                .collect(),
            relays: (reach.relays.iter())
                .map(|(peer, reservation)| Relay {
                    peer_id: peer.to_string(),
                    address: reservation.address.to_string(),
                    reserved: reservation.accepted,
                })
                .collect(),
            upnp: text(match reach.router {
                Router::Off => "off",
                Router::Searching => "searching",
                Router::Mapped => "mapped",
                Router::Missing => "no router",
                Router::NotPublic => "router without a public address",
            }),
            mdns: self.swarm.behaviour().mdns.is_enabled(),
            announced: self.announced().iter().map(ToString::to_string).collect(),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
