//! A machine that runs one node.

use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::home::Home;
use super::namespace::Namespace;
use crate::finding::Finding;

/// The port that every node listens on unless a scenario says otherwise.
pub(crate) const PORT: u16 = 4711;

/// A machine, on the public segment or in a home.
#[derive(Debug)]
pub(crate) struct Host {
    pub(super) name: String,
    pub(super) namespace: Namespace,
    pub(super) v4: RefCell<Option<Ipv4Addr>>,
    pub(super) v6: RefCell<Option<Ipv6Addr>>,
}

impl Host {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub(crate) const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its own IPv4 address, public or private, if it has one.
    pub(crate) fn v4(&self) -> Option<Ipv4Addr> {
        *self.v4.borrow()
    }

    /// Its own global IPv6 address, if it has one.
    pub(crate) fn v6(&self) -> Option<Ipv6Addr> {
        *self.v6.borrow()
    }

    /// The multiaddress of its IP address; IPv4 where it has both.
    pub(crate) fn multiaddr(&self) -> String {
        match (self.v4(), self.v6()) {
            (Some(v4), _) => format!("/ip4/{v4}"),
            (None, Some(v6)) => format!("/ip6/{v6}"),
            (None, None) => "/ip4/0.0.0.0".to_owned(),
        }
    }

    /// Takes another public IPv4 address and drops the one it had, as a machine does whose lease ends.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn renumber(&self, address: Ipv4Addr) -> Result<(), Finding> {
        if let Some(old) = self.v4.replace(Some(address)) {
            self.namespace.ip(&format!("addr del {old}/16 dev eth0"))?;
        }
        self.namespace.ip(&format!("addr add {address}/16 dev eth0")).map(drop)
    }

    /// Unplugs it where it is and plugs it into another home's LAN, with an address of that LAN.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn carry_to(&self, home: &Home) -> Result<(), Finding> {
        self.namespace.ip("link del eth0")?;
        self.v6.replace(None);
        self.v4.replace(Some(home.plug_in(&self.namespace, &self.name)?));
        Ok(())
    }
}
