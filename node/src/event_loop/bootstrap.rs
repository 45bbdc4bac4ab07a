//! The peers that the configuration names. An address that does not say who is there is dialled until
//! somebody is; from then on the peer is kept like any other.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId};
use peer_protocol::time::Instant;

use super::EventLoop;
use super::connecting::explain;
use super::redial::Redial;
use crate::directory::peer_of;

/// Nodes that are started together do not dial in step: each waits up to this long first.
const SPREAD: Duration = Duration::from_millis(500);
/// What must be looked up is dialled only if the others have not led to a connection by then.
const LOOKED_UP_AFTER: Duration = Duration::from_secs(3);

/// A bootstrap address of which the peer is not known yet.
pub(super) struct Anonymous {
    address: Multiaddr,
    redial: Redial,
    dial: Option<ConnectionId>,
}

impl Anonymous {
    /// Whether it stands for a list that is looked up.
    fn is_list(&self) -> bool {
        matches!(self.address.iter().next(), Some(Protocol::Dnsaddr(_)))
    }
}

impl EventLoop {
    /// From now on the configured peers are kept connected.
    pub(super) fn keep_bootstrap_peers(&mut self) {
        let now = self.clock.now().instant;
        for address in self.config.bootstrap().to_vec() {
            let first = now + SPREAD.mul_f64(self.jitter());
            match peer_of(&address).and_then(|id| self.directory.entry(id)) {
                Some(peer) => {
                    peer.add_address(address);
                    peer.redial.keep();
                    peer.redial.delay(first);
                }
                None => {
                    let redial = Redial::default();
                    let mut anonymous = Anonymous { address, redial, dial: None };
                    let wait = if anonymous.is_list() { LOOKED_UP_AFTER } else { Duration::ZERO };
                    anonymous.redial.delay(first + wait);
                    self.bootstrap.push(anonymous);
                }
            }
        }
    }

    /// Dials the addresses whose time has come.
    pub(super) fn tick_bootstrap(&mut self, now: Instant) {
        let jitter = self.jitter();
        let connected = self.swarm.connected_peers().next().is_some();
        for mut anonymous in std::mem::take(&mut self.bootstrap) {
            let waits = anonymous.dial.is_some()
                || !anonymous.redial.is_due(true, now)
                || (anonymous.is_list() && connected)
                || !self.dials.have_room();
            if !waits {
                let opts = DialOpts::unknown_peer_id().address(anonymous.address.clone()).build();
                match self.dial(opts) {
                    Ok(dial) => {
                        anonymous.redial.dialing();
                        anonymous.dial = Some(dial);
                    }
                    Err(error) => {
                        anonymous.redial.failed(jitter, now);
                        warn(&anonymous.address, &explain(&error), &anonymous.redial);
                    }
                }
            }
            self.bootstrap.push(anonymous);
        }
    }

    /// Whether a new connection answers a bootstrap address, which then is done with.
    pub(super) fn bootstrap_connected(&mut self, connection: ConnectionId) -> bool {
        let before = self.bootstrap.len();
        self.bootstrap.retain(|anonymous| anonymous.dial != Some(connection));
        self.bootstrap.len() < before
    }

    pub(super) fn bootstrap_failed(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        reason: &str,
    ) {
        let (now, jitter) = (self.clock.now().instant, self.jitter());
        let failed = self.bootstrap.iter_mut().find(|known| known.dial == Some(connection));
        if let Some(anonymous) = failed {
            anonymous.dial = None;
            anonymous.redial.failed(jitter, now);
            warn(&anonymous.address, reason, &anonymous.redial);
        }
        let configured = self.config.bootstrap().iter().find(|it| peer_of(it) == peer);
        if let (Some(address), Some(peer)) =
            (configured, peer.and_then(|id| self.directory.get(&id)))
            && !peer.is_connected()
        {
            warn(address, reason, &peer.redial);
        }
    }
}

/// Says which one does not answer: the first time, the eighth, the sixty-fourth, and so on.
fn warn(address: &Multiaddr, reason: &str, redial: &Redial) {
    let failures = redial.failures();
    if failures.is_power_of_two() && failures.trailing_zeros().is_multiple_of(3) {
        tracing::warn!(
            %address,
            %reason,
            "a bootstrap peer cannot be reached; it is tried again and again. The node works without it: \
             `peer connect <multiaddr>` reaches a peer directly, and peers on the same network find each \
             other"
        );
    }
}
