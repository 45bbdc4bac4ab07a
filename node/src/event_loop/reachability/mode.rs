//! The node's part in the distributed hash table.
//!
//! libp2p's automatic mode looks at external addresses, of which a relay reservation makes one: a node
//! that only a relay reaches would serve the whole network. Here only what was really reached counts.

use peer_behaviours::reachability::scope::Scope;

use crate::config::{DhtMode, NodeConfig};

/// What a node does in the distributed hash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DhtRole {
    Server,
    Client,
    Off,
}

/// What is known of the node and of the network around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct World {
    /// Others have reached the node at an address that everybody can dial, not over a relay.
    pub(super) public: bool,
    /// The node has an address of its own that everybody could dial.
    pub(super) global_listener: bool,
    /// Some peer is connected at such an address.
    pub(super) global_peer: bool,
}

impl World {
    /// Whether everything known is on private networks, or on this machine. There nobody is better
    /// suited to serve than anybody else.
    pub(super) const fn is_local(self) -> bool {
        !self.public && !self.global_listener && !self.global_peer
    }
}

pub(super) const fn dht_role(configured: DhtMode, world: World) -> DhtRole {
    match configured {
        DhtMode::Off => DhtRole::Off,
        DhtMode::Server => DhtRole::Server,
        DhtMode::Client => DhtRole::Client,
        DhtMode::Auto if world.public || world.is_local() => DhtRole::Server,
        DhtMode::Auto => DhtRole::Client,
    }
}

/// Whether the configuration names a global address: of a bootstrap peer, or to listen on.
pub(super) fn means_the_world(config: &NodeConfig) -> bool {
    let mut named = config.bootstrap().iter().chain(config.listen()).chain(config.external());
    named.any(|address| Scope::of(address) == Scope::Global)
}

/// Why the role is what [`dht_role`] says.
pub(super) const fn reason(configured: DhtMode, world: World) -> &'static str {
    match configured {
        DhtMode::Off | DhtMode::Server | DhtMode::Client => "the configuration says so",
        DhtMode::Auto if world.public => "others can reach it",
        DhtMode::Auto if world.is_local() => "everybody it knows is in its own network",
        DhtMode::Auto => "it is not known that others can reach it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_may_name_the_world() {
        let config = |listen: &str, bootstrap: &str| {
            let one = |address: &str| vec![address.parse().unwrap()];
            NodeConfig::default().with_listen(one(listen)).with_bootstrap(one(bootstrap))
        };
        let (all, lan, global) =
            ("/ip4/0.0.0.0/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip4/11.0.0.7/tcp/1");
        assert!(!means_the_world(&NodeConfig::default()));
        for (listen, bootstrap, expected) in [
            (all, lan, false),
            (all, "/dns/hub/tcp/1", false),
            (all, global, true),
            (global, lan, true),
        ] {
            assert_eq!(
                means_the_world(&config(listen, bootstrap)),
                expected,
                "{listen} {bootstrap}"
            );
        }
    }

    #[test]
    fn who_can_be_reached_serves_and_who_cannot_does_not() {
        let world =
            |public, global_listener, global_peer| World { public, global_listener, global_peer };
        for (world, role) in [
            // A LAN, or a mesh on one machine.
            (world(false, false, false), DhtRole::Server),
            // Behind NAT; a relay reservation makes nothing public and changes nothing.
            (world(false, false, true), DhtRole::Client),
            // A public address that nobody has tried: a firewall may be in the way.
            (world(false, true, false), DhtRole::Client),
            (world(false, true, true), DhtRole::Client),
            (world(true, true, true), DhtRole::Server),
            (world(true, false, true), DhtRole::Server),
            // The operator forwards a port; nobody is connected yet.
            (world(true, false, false), DhtRole::Server),
        ] {
            assert_eq!(dht_role(DhtMode::Auto, world), role, "{world:?}");
            assert_eq!(dht_role(DhtMode::Server, world), DhtRole::Server);
            assert_eq!(dht_role(DhtMode::Client, world), DhtRole::Client);
            assert_eq!(dht_role(DhtMode::Off, world), DhtRole::Off);
        }
    }
}
