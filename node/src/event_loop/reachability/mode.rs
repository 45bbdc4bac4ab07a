//! The node's part in the distributed hash table.
//!
//! libp2p's automatic mode looks at external addresses, of which a relay reservation makes one: a node
//! that only a relay reaches would serve the whole network. Here only what was really reached counts.

use crate::config::DhtMode;

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
