//! A small internet in network namespaces: a public segment, and homes behind routers.
//!
//! ```text
//!   bootstrap       carol            45.83.n.1/16, 2a0e:b107:n::1/32: global to whoever looks at them,
//!       │             │              but known only inside the namespaces
//!   ────┴─────┬───────┴───── switch
//!           router                   wan 45.83.n.1, lan 192.168.1.1
//!             │
//!        alice, dave                 192.168.1.x, the same range in every home
//! ```
//!
//! Everything is made inside namespaces: the machine's own interfaces are neither used nor seen.

mod faults;
mod home;
mod host;
mod namespace;
mod nat;
mod tool;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

pub(crate) use self::home::Home;
pub(crate) use self::host::{Host, PORT};
pub(crate) use self::namespace::{Namespace, PREFIX, all, make_no_more, remove};
pub(crate) use self::nat::Nat;
pub(crate) use self::tool::run;
use crate::finding::Finding;

/// Which addresses a public host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Both,
    /// IPv6 only.
    V6,
}

/// The public segment and everything on it.
#[derive(Debug)]
pub(crate) struct Network {
    prefix: String,
    switch: Namespace,
    next_public: Cell<u8>,
    next_private: Rc<Cell<u8>>,
}

impl Network {
    /// An empty public segment. All its namespaces have names that begin with `prefix`.
    ///
    /// # Errors
    /// What `ip` or `nft` said.
    pub(crate) fn new(prefix: String) -> Result<Self, Finding> {
        let switch = Namespace::new(format!("{prefix}switch"))?;
        switch.ip("link add public type bridge")?;
        switch.ip("link set public up")?;
        let next_private = Rc::new(Cell::new(10));
        let network = Self { prefix, switch, next_public: Cell::new(1), next_private };
        network.prepare_faults()?;
        Ok(network)
    }

    /// A host on the public segment.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn public(&self, name: &str, family: Family) -> Result<Host, Finding> {
        let namespace = Namespace::new(format!("{}{name}", self.prefix))?;
        self.switch.cable(name, &namespace, "eth0")?;
        self.switch.ip(&format!("link set dev {name} master public"))?;
        let (v4, v6) = self.free_addresses();
        namespace.ip(&format!("addr add {v6}/32 dev eth0 nodad"))?;
        let v4 = (family == Family::Both).then_some(v4);
        if let Some(v4) = v4 {
            namespace.ip(&format!("addr add {v4}/16 dev eth0"))?;
        }
        let (v4, v6) = (RefCell::new(v4), RefCell::new(Some(v6)));
        Ok(Host { name: name.to_owned(), namespace, v4, v6 })
    }

    /// A home whose router stands on the public segment. Homes have no IPv6.
    ///
    /// # Errors
    /// What `ip` or `nft` said.
    pub(crate) fn home(&self, name: &str, nat: Nat) -> Result<Home, Finding> {
        let router = Namespace::new(format!("{}{name}", self.prefix))?;
        self.switch.cable(name, &router, "wan")?;
        self.switch.ip(&format!("link set dev {name} master public"))?;
        let (outside, _) = self.free_addresses();
        router.ip(&format!("addr add {outside}/16 dev wan"))?;
        Home::new(router, outside, nat, Rc::clone(&self.next_private))
    }

    /// A host in the LAN of `home`.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn inside(&self, home: &Home, name: &str) -> Result<Host, Finding> {
        let namespace = Namespace::new(format!("{}{name}", self.prefix))?;
        let v4 = RefCell::new(Some(home.plug_in(&namespace, name)?));
        Ok(Host { name: name.to_owned(), namespace, v4, v6: RefCell::new(None) })
    }

    /// A public IPv4 address that nobody has.
    pub(crate) fn free_address(&self) -> Ipv4Addr {
        self.free_addresses().0
    }

    /// Each host gets a network of its own, as far as limits per network can see (/24 and /48).
    fn free_addresses(&self) -> (Ipv4Addr, Ipv6Addr) {
        let n = self.next_public.get();
        self.next_public.set(n.saturating_add(1));
        (Ipv4Addr::new(45, 83, n, 1), Ipv6Addr::new(0x2a0e, 0xb107, n.into(), 0, 0, 0, 0, 1))
    }
}
