//! The scenarios: a file for each, or for a few of a kind.

mod bootstrap_unreachable;
mod cast;
mod direct_public;
mod hops;
mod ipv6_only;
mod lan;
mod lossy_link;
mod moving;
mod nat;
mod partition;
mod port_change;
mod private_network;
mod registry;
mod topology;

use crate::finding::Finding;
use crate::stage::Stage;

/// Something that a node does in a network, and that can be seen.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) shows: &'static str,
    /// Whether it belongs to the short ones, which CI plays.
    pub(crate) short: bool,
    /// Commands and settings of `peer` that it is about.
    pub(crate) needs: &'static [&'static str],
    /// Plays it.
    pub(crate) play: fn(&Stage) -> Result<(), Finding>,
}

/// Every scenario.
pub(crate) const ALL: &[Scenario] = &[
    topology::SCENARIO,
    direct_public::SCENARIO,
    ipv6_only::SCENARIO,
    nat::CONE_CONE,
    nat::SYMMETRIC_SYMMETRIC,
    nat::CONE_SYMMETRIC,
    hops::SCENARIO,
    hops::CARRIER_DIES,
    registry::BY_NAME,
    registry::BY_CAPABILITY,
    registry::WITHOUT_BOOTSTRAP,
    bootstrap_unreachable::SCENARIO,
    moving::ADDRESS,
    moving::QUIC,
    moving::HOME,
    moving::ROUTER,
    port_change::SCENARIO,
    partition::SCENARIO,
    partition::ONE_WAY,
    partition::UNPLUGGED,
    lan::MDNS,
    lan::NO_UPNP,
    private_network::SCENARIO,
    lossy_link::SCENARIO,
];

/// The scenario of this name.
pub(crate) fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once() {
        for scenario in ALL {
            assert_eq!(ALL.iter().filter(|other| other.name == scenario.name).count(), 1);
            assert!(named(scenario.name).is_some());
        }
    }
}
