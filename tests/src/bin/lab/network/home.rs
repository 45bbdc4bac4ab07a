//! A home: a LAN behind a router that translates addresses.

use std::cell::Cell;
use std::net::Ipv4Addr;

use super::namespace::Namespace;
use super::nat::Nat;
use crate::finding::Finding;

/// A router and its LAN. Every home uses the same private range, as homes do: an address from another
/// home's LAN leads nowhere.
#[derive(Debug)]
pub(crate) struct Home {
    router: Namespace,
    outside: Cell<Ipv4Addr>,
    /// The last byte of the next address; no two hosts of a network ever share one.
    next: std::rc::Rc<Cell<u8>>,
}

impl Home {
    /// Makes a router of `router`, which has its interface `wan` with the address `outside` already.
    ///
    /// # Errors
    /// What `ip` or `nft` said.
    pub(super) fn new(
        router: Namespace,
        outside: Ipv4Addr,
        nat: Nat,
        next: std::rc::Rc<Cell<u8>>,
    ) -> Result<Self, Finding> {
        router.ip("link add lan type bridge")?;
        router.ip("link set lan up")?;
        router.ip("addr add 192.168.1.1/24 dev lan")?;
        router.set("net/ipv4/ip_forward", 1)?;
        router.rules(&nat.rules())?;
        Ok(Self { router, outside: Cell::new(outside), next })
    }

    /// The router's public address.
    pub(crate) const fn outside(&self) -> Ipv4Addr {
        self.outside.get()
    }

    /// Gives the router another public address. The kernel forgets every translation that used the old
    /// one.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn renumber(&self, address: Ipv4Addr) -> Result<(), Finding> {
        let old = self.outside.replace(address);
        self.router.ip(&format!("addr del {old}/16 dev wan"))?;
        self.router.ip(&format!("addr add {address}/16 dev wan")).map(drop)
    }

    /// Plugs a machine in as `eth0`; returns its address.
    pub(super) fn plug_in(&self, machine: &Namespace, name: &str) -> Result<Ipv4Addr, Finding> {
        let last = self.next.get();
        self.next.set(last.saturating_add(1));
        let address = Ipv4Addr::new(192, 168, 1, last);
        let port: String = format!("{last}-{name}").chars().take(15).collect();
        self.router.cable(&port, machine, "eth0")?;
        self.router.ip(&format!("link set dev {port} master lan"))?;
        machine.ip(&format!("addr add {address}/24 dev eth0"))?;
        machine.ip("route add default via 192.168.1.1")?;
        Ok(address)
    }
}
