//! Whom an entry came from: limits hold for each peer and for its network, since peer ids are free.

use libp2p_core::PeerId;

use crate::prefix::Prefix;

/// Who brought an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A peer, and its network if that is a public one.
    Peer(PeerId, Option<Prefix>),
    /// A network: all of its peers.
    Network(Prefix),
}

impl Source {
    /// A peer whose connection comes from this network. Networks that are local to this node are
    /// not counted: there one address may stand for many peers.
    pub(super) fn new(peer: PeerId, network: Prefix) -> Self {
        Self::Peer(peer, Some(network).filter(|network| !network.is_local()))
    }

    /// The peer, if it is one.
    pub(super) const fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Peer(peer, _) => Some(*peer),
            Self::Network(_) => None,
        }
    }

    /// What its entries are charged to besides itself.
    pub(super) fn network(&self) -> Option<Self> {
        match self {
            Self::Peer(_, network) => network.map(Self::Network),
            Self::Network(_) => None,
        }
    }
}
