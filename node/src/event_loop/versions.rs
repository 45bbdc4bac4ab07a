//! Which version goes to which peer: 1.1 to whoever speaks it, 1.0 to whoever speaks nothing better,
//! if the operator allows it. Identify tells; until it has, messages wait.
//!
//! There is no way down: a peer that spoke version 1.1 in the life of this process and then claims
//! only 1.0 is refused with `ENCRYPTION_REQUIRED`.

use libp2p::PeerId;
use peer_protocol::error::ErrorCode;
use peer_protocol::link::QueueFull;
use peer_protocol::message::Message;
use peer_protocol::time::Instant;

use super::EventLoop;
use super::transfers::fate_of;
use crate::error::NodeError;
use crate::transfer::Fate;

/// What to speak with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Version 1.1.
    Secure,
    /// Version 1.0, which does not encrypt.
    Legacy,
    /// Not known yet.
    Undecided,
    /// Nothing, for this reason.
    Refused(&'static str),
}

const SWITCHED_OFF: &str = "it speaks only version 1.0, which does not encrypt and is switched off";
const REQUIRED: &str =
    "it speaks only version 1.0, which does not encrypt, and encryption is required";
const NO_VERSION: &str = "it speaks neither /peer/1.1.0 nor /peer/1.0.0";
const DOWNGRADE: &str = "it spoke version 1.1 before and now claims to speak only 1.0";

impl EventLoop {
    /// What to speak with `peer`.
    pub(super) fn version(&self, peer: &PeerId) -> Version {
        let Some(known) = self.directory.get(peer) else { return Version::Undecided };
        if known.speaks_legacy() {
            return self.legacy_version(peer);
        }
        match (known.protocol, known.identified) {
            (Some("1.1"), _) => Version::Secure,
            // Only version 1.1 travels over hops.
            (_, false) if self.is_over_hops(peer) => Version::Secure,
            (_, false) => Version::Undecided,
            // It speaks neither; its link goes on trying.
            (_, true) => Version::Secure,
        }
    }

    /// Whether a peer has said that it speaks only version 1.0.
    pub(super) fn is_legacy(&self, peer: &PeerId) -> bool {
        self.directory.get(peer).is_some_and(crate::directory::Peer::speaks_legacy)
    }

    fn legacy_version(&self, peer: &PeerId) -> Version {
        match self.swarm.behaviour().legacy.as_ref() {
            None => Version::Refused(SWITCHED_OFF),
            Some(_) if self.config.require_encryption() => Version::Refused(REQUIRED),
            Some(legacy) if legacy.demands_encryption(peer) => Version::Refused(DOWNGRADE),
            Some(_) => Version::Legacy,
        }
    }

    /// Identify has told what `id` speaks.
    pub(super) fn on_version(&mut self, id: PeerId, before: Option<&'static str>) {
        match self.version(&id) {
            Version::Secure => {
                let speaks = self.directory.get(&id).is_some_and(|p| p.protocol == Some("1.1"));
                if speaks {
                    self.on_secure_peer(id);
                } else {
                    self.give_up_on_stranger(id);
                }
                // Its connection came while it still counted as a version 1.0 peer.
                if speaks && before == Some("1.0") {
                    self.open_session(id);
                }
            }
            Version::Legacy => {
                // No session of version 1.1 will come of what is under way.
                self.swarm.behaviour_mut().secure.close(&id, "the peer speaks version 1.0");
                let name = self.directory.name(&id);
                if before != Some("1.0") {
                    tracing::info!(peer = %name, "speaks only version 1.0: nothing is encrypted end to end");
                }
                let kept = self.directory.get_mut(&id).is_some_and(|peer| {
                    peer.phase = None;
                    peer.last_error = None;
                    peer.redial.is_kept()
                });
                if kept {
                    self.open_legacy(id);
                }
            }
            Version::Refused(detail) => self.refuse_version(id, detail),
            Version::Undecided => {}
        }
        self.release_parked(id);
    }

    /// Whoever waits for a session with a peer that has said what it speaks, and speaks no version of
    /// this protocol, waits in vain.
    pub(super) fn give_up_on_stranger(&mut self, id: PeerId) {
        let known = self.directory.get(&id);
        if known.is_some_and(|peer| peer.identified && matches!(peer.protocol, None | Some("none")))
        {
            let peer = self.directory.name(&id);
            let error = NodeError::Unreachable { peer, reason: NO_VERSION.to_owned() };
            self.finish_connecting(id, Some(&error));
        }
    }

    /// `id` speaks version 1.1, and from now on nothing else.
    pub(super) fn on_secure_peer(&mut self, id: PeerId) {
        if let Some(legacy) = self.swarm.behaviour_mut().legacy.as_mut() {
            legacy.demand_encryption(id);
        }
    }

    pub(super) fn refuse_version(&mut self, id: PeerId, detail: &'static str) {
        let peer = self.directory.name(&id);
        tracing::warn!(%peer, code = %ErrorCode::EncryptionRequired, detail, "version refused");
        let error = refused(peer, detail);
        if let Some(known) = self.directory.get_mut(&id) {
            known.last_error = Some(error.to_string());
            known.phase = None;
        }
        if detail != DOWNGRADE {
            self.swarm.behaviour_mut().secure.close(&id, "the peer speaks version 1.0");
        }
        self.finish_connecting(id, Some(&error));
    }

    /// Gives a message to whichever link the peer has, or keeps it until that is known.
    pub(super) fn dispatch(
        &mut self,
        peer: PeerId,
        message: Message,
        deadline: Instant,
    ) -> Result<(), NodeError> {
        if self.parked.holds(&peer) {
            return self.park(peer, message, deadline);
        }
        match self.version(&peer) {
            Version::Secure => self.send_secure(peer, message, deadline),
            Version::Legacy => self.send_legacy(peer, &message, deadline),
            Version::Undecided => self.park(peer, message, deadline),
            Version::Refused(detail) => Err(refused(self.directory.name(&peer), detail)),
        }
    }

    fn send_secure(
        &mut self,
        peer: PeerId,
        message: Message,
        deadline: Instant,
    ) -> Result<(), NodeError> {
        let (kind, len) = (message.kind, message.body.len());
        let secure = &mut self.swarm.behaviour_mut().secure;
        secure
            .send(peer, message, deadline)
            .map_err(|error| self.queue_full(&peer, &error.to_string()))?;
        self.metrics().sent(kind, len);
        if let Some(peer) = self.directory.get_mut(&peer) {
            peer.traffic.sent(len);
        }
        Ok(())
    }

    fn park(&mut self, peer: PeerId, message: Message, deadline: Instant) -> Result<(), NodeError> {
        self.parked
            .push(peer, message, deadline)
            .map_err(|error: QueueFull| self.queue_full(&peer, &error.to_string()))?;
        if !self.directory.get(&peer).is_some_and(crate::directory::Peer::is_connected) {
            self.need_connection(peer);
        }
        Ok(())
    }

    fn queue_full(&self, peer: &PeerId, detail: &str) -> NodeError {
        NodeError::QueueFull { peer: self.directory.name(peer), detail: detail.to_owned() }
    }

    /// Sends what waited to learn what `peer` speaks, as far as its link takes it now.
    pub(super) fn release_parked(&mut self, peer: PeerId) {
        let version = self.version(&peer);
        let version = match version {
            Version::Undecided if self.parked.is_overdue(&peer) => Version::Secure,
            version => version,
        };
        while let Some((message, deadline)) = self.parked.first(&peer).cloned() {
            let id = message.id;
            let sent = match version {
                Version::Undecided => return,
                Version::Secure => self.send_secure(peer, message, deadline),
                Version::Legacy => self.send_legacy(peer, &message, deadline),
                Version::Refused(detail) => Err(refused(self.directory.name(&peer), detail)),
            };
            match sent {
                Err(NodeError::QueueFull { .. }) => return,
                Err(error) => {
                    self.unsettled.remove(&id);
                    if self.on_transfer_settled(id, fate_of(&error)) {
                        self.parked.remove_first(&peer);
                        continue;
                    }
                    match self.asks.remove(id) {
                        Some(ask) => ask.waiting.fail(error),
                        None => tracing::warn!(message = %id, %error, "a message cannot be sent"),
                    }
                }
                Ok(()) => {}
            }
            self.parked.remove_first(&peer);
        }
    }

    /// Looks after what waits: its deadlines, its connections, and links that have room again.
    pub(super) fn tick_parked(&mut self, now: Instant) {
        for id in self.parked.timed_out(now) {
            self.unsettled.remove(&id);
            self.on_transfer_settled(id, Fate::Lost);
        }
        for peer in self.parked.peers() {
            let known = self.directory.get(&peer);
            let connected = known.is_some_and(crate::directory::Peer::is_connected);
            if self.parked.needs_connection(&peer, connected, now) {
                self.need_connection(peer);
            }
            if connected {
                self.release_parked(peer);
            }
        }
    }
}

pub(super) fn refused(peer: String, detail: &str) -> NodeError {
    let code = ErrorCode::EncryptionRequired;
    NodeError::Refused { peer, code, detail: detail.to_owned() }
}
