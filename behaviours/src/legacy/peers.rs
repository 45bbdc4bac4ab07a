//! What the behaviour knows of each peer: its connections, and the way to its link if it has one.

use std::collections::HashMap;

use libp2p_swarm::ConnectionId;
use peer_protocol::id::SessionId;
use tokio::sync::{mpsc, watch};

use super::driver::{Input, Reach};
use crate::prefix::Prefix;

/// Places in a link's input channel.
pub(super) const INPUTS: usize = 128;
/// Places kept free for answers and failures, which must not be lost; requests and messages are
/// refused once only these are left. A link has one request in flight.
const RESERVED: usize = 32;

/// One peer.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) connections: HashMap<ConnectionId, Prefix>,
    /// Only peers with which version 1.0 was ever spoken have one.
    pub(super) link: Option<LinkHandle>,
}

/// The behaviour's end of a link.
pub(super) struct LinkHandle {
    inputs: mpsc::Sender<Input>,
    reach: watch::Sender<Reach>,
    pub(super) session: Option<SessionId>,
    /// The session that the peer was last offered, whether or not it has confirmed it.
    pub(super) offered: Option<SessionId>,
    /// When it was last used, counted in uses of all links.
    pub(super) used: u64,
    /// Messages given to the link whose fate is not known yet.
    pub(super) unsettled: usize,
}

impl LinkHandle {
    pub(super) const fn new(inputs: mpsc::Sender<Input>, reach: watch::Sender<Reach>) -> Self {
        Self { inputs, reach, session: None, offered: None, used: 0, unsettled: 0 }
    }

    /// Hands over something that may be refused if the link is busy; returns whether it was taken.
    pub(super) fn offer(&self, input: Input) -> bool {
        self.inputs.capacity() > RESERVED && self.inputs.try_send(input).is_ok()
    }

    /// Hands over something that must not be lost; there is always a place for it.
    pub(super) fn deliver(&self, input: Input) {
        if self.inputs.try_send(input).is_err() {
            tracing::error!("the input channel of a version 1.0 link overflowed its reserve");
        }
    }

    /// Whether the peer was told of this session.
    pub(super) fn knows(&self, session: SessionId) -> bool {
        self.session == Some(session) || self.offered == Some(session)
    }

    pub(super) fn reached(&self, connected: bool) {
        self.reach.send_if_modified(|reach| {
            let changed = reach.connected != connected;
            if changed {
                *reach = Reach { epoch: reach.epoch + u64::from(connected), connected };
            }
            changed
        });
    }
}
