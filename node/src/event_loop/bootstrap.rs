//! The peers that the configuration names. An address that does not say who is there is dialled until
//! somebody is; from then on the peer is kept like any other.

use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use peer_protocol::time::Instant;

use super::EventLoop;
use super::connecting::explain;
use super::redial::Redial;
use crate::directory::peer_of;

/// A bootstrap address of which the peer is not known yet.
pub(super) struct Anonymous {
    address: Multiaddr,
    redial: Redial,
    dial: Option<ConnectionId>,
}

impl EventLoop {
    /// From now on the configured peers are kept connected.
    pub(super) fn keep_bootstrap_peers(&mut self) {
        for address in self.config.bootstrap().to_vec() {
            match peer_of(&address).and_then(|id| self.directory.entry(id)) {
                Some(peer) => {
                    peer.add_address(address);
                    peer.redial.keep();
                }
                None => {
                    let redial = Redial::default();
                    self.bootstrap.push(Anonymous { address, redial, dial: None });
                }
            }
        }
    }

    /// Dials the addresses whose time has come.
    pub(super) fn tick_bootstrap(&mut self, now: Instant) {
        let jitter = self.jitter();
        for anonymous in &mut self.bootstrap {
            if anonymous.dial.is_some() || !anonymous.redial.is_due(true, now) {
                continue;
            }
            let opts = DialOpts::unknown_peer_id().address(anonymous.address.clone()).build();
            let dial = opts.connection_id();
            match self.swarm.dial(opts) {
                Ok(()) => {
                    anonymous.redial.dialing();
                    anonymous.dial = Some(dial);
                }
                Err(error) => {
                    let (address, error) = (&anonymous.address, explain(&error));
                    tracing::warn!(%address, %error, "cannot dial a bootstrap address");
                    anonymous.redial.failed(jitter, now);
                }
            }
        }
    }

    /// Whether a new connection answers a bootstrap address, which then is done with.
    pub(super) fn bootstrap_connected(&mut self, connection: ConnectionId) -> bool {
        let before = self.bootstrap.len();
        self.bootstrap.retain(|anonymous| anonymous.dial != Some(connection));
        self.bootstrap.len() < before
    }

    pub(super) fn bootstrap_failed(&mut self, connection: ConnectionId, reason: &str) {
        let (now, jitter) = (self.clock.now().instant, self.jitter());
        let failed = self.bootstrap.iter_mut().find(|known| known.dial == Some(connection));
        if let Some(anonymous) = failed {
            let address = &anonymous.address;
            tracing::warn!(%address, %reason, "nobody at a bootstrap address; trying again");
            anonymous.dial = None;
            anonymous.redial.failed(jitter, now);
        }
    }
}
