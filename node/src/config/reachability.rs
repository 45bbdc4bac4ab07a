//! How a node is found and reached.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use peer_behaviours::reachability::scope::Scope;

use super::{InvalidSetting, NodeConfig, PrivateNetwork, default_listen};

impl NodeConfig {
    /// Whether peers on the same network are looked for, and found, by multicast DNS.
    ///
    /// On by default. It multicasts on the machine's network interfaces: tests turn it off. A node
    /// that listens on loopback addresses only does without in any case.
    #[must_use]
    pub const fn mdns(&self) -> bool {
        self.mdns
    }

    /// Whether the router is asked by UPnP to let connections in.
    ///
    /// On by default; like [`NodeConfig::mdns`] off in tests and on loopback.
    #[must_use]
    pub const fn upnp(&self) -> bool {
        self.upnp
    }

    /// Addresses at which the operator knows the node to be reachable; announced without a check.
    #[must_use]
    pub fn external(&self) -> &[Multiaddr] {
        &self.external
    }

    /// Whether relays are used while nobody can connect to the node.
    #[must_use]
    pub const fn relays(&self) -> bool {
        self.relays
    }

    /// Whether the node is a relay for others.
    #[must_use]
    pub const fn relay_server(&self) -> bool {
        self.relay_server
    }

    /// Whether sealed messages of others are carried over several hops (`docs/PROTOCOL.md` §12).
    #[must_use]
    pub const fn carry(&self) -> bool {
        self.carry
    }

    /// The key without which nobody connects.
    #[must_use]
    pub const fn private_network(&self) -> Option<&PrivateNetwork> {
        self.private_network.as_ref()
    }

    /// Whether some address to listen on can be reached from another machine.
    pub(crate) fn listens_beyond_loopback(&self) -> bool {
        self.listen.iter().any(|address| Scope::of(address) != Scope::Loopback)
    }

    /// Turns multicast DNS on or off.
    #[must_use]
    pub const fn with_mdns(mut self, mdns: bool) -> Self {
        self.mdns = mdns;
        self
    }

    /// Turns UPnP on or off.
    #[must_use]
    pub const fn with_upnp(mut self, upnp: bool) -> Self {
        self.upnp = upnp;
        self
    }

    /// Replaces the addresses at which the node is known to be reachable.
    #[must_use]
    pub fn with_external(mut self, external: Vec<Multiaddr>) -> Self {
        self.external = external;
        self
    }

    /// Allows the use of relays, or not.
    #[must_use]
    pub const fn with_relays(mut self, relays: bool) -> Self {
        self.relays = relays;
        self
    }

    /// Makes the node a relay for others, or not.
    #[must_use]
    pub const fn with_relay_server(mut self, relay_server: bool) -> Self {
        self.relay_server = relay_server;
        self
    }

    /// Carries others' messages, or not.
    #[must_use]
    pub const fn with_carry(mut self, carry: bool) -> Self {
        self.carry = carry;
        self
    }

    /// Confines the node to a private network. The default addresses to listen on lose QUIC, which
    /// the key does not protect; [`NodeConfig::check`] refuses QUIC anywhere else.
    #[must_use]
    pub fn with_private_network(mut self, network: PrivateNetwork) -> Self {
        if self.listen == default_listen() {
            self.listen.retain(|address| !is_quic(address));
        }
        self.private_network = Some(network);
        self
    }

    /// Checks what no single value shows: in a private network no address may be QUIC.
    ///
    /// # Errors
    /// [`InvalidSetting`] says what.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.check_gateway()?;
        let all = [&self.listen, &self.bootstrap, &self.external];
        all.into_iter().try_for_each(|addresses| self.check_bypass(addresses))
    }

    pub(super) fn check_bypass(&self, addresses: &[Multiaddr]) -> Result<(), InvalidSetting> {
        match addresses.iter().find(|address| is_quic(address)) {
            Some(address) if self.private_network.is_some() => {
                Err(InvalidSetting::Bypass { address: address.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a connection to the address would be QUIC.
fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Quic | Protocol::QuicV1))
}
