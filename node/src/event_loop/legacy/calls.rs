//! What the gateway asks for: requests of peers that know only HTTP, and messages that pass through.

use libp2p::PeerId;
use peer_behaviours::legacy::{Call, Outgoing};
use peer_behaviours::secure;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel, TrustView as _};
use peer_protocol::legacy::{Object, Value};
use peer_protocol::message::{Body, Message};
use tokio::sync::oneshot;

use super::translate;
use crate::directory::Http;
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::asks::Waiting;
use crate::event_loop::outgoing::{ANSWER_LIFETIME, body_error};
use crate::event_loop::versions::Version;
use crate::gateway::{Outward, UNPINNED};
use crate::handle::{Asked, GatewayCommand, Reply, Said};
use crate::model::{Answer, Content};

impl EventLoop {
    /// Peers whose keys the operator has put down are known from the start, and pinned unless the trust
    /// list says something else of name or key.
    pub(in crate::event_loop) fn keep_gateway_peers(&mut self) {
        for entity in &self.config.gateway().forward {
            if !entity.has_derived_shape() && self.trust.pinned_to(entity).is_none() {
                tracing::warn!(%entity, "nothing is passed on for or to this entity: {UNPINNED}");
            }
        }
        for peer in self.config.gateway().peers.clone() {
            let Some(id) = secure::peer_id_of(&peer.key) else { continue };
            let fingerprint = Fingerprint::of(&peer.key);
            let now = self.clock.now().timestamp;
            match self.trust.judge(&peer.entity, &peer.key) {
                Err(error) if self.trust.fingerprint(&peer.entity).is_some() => {
                    tracing::warn!(%error, "a version 1.0 peer of the configuration is refused");
                }
                _ if self.trust.level(&peer.entity, &peer.key) != Some(TrustLevel::Pinned) => {
                    drop(self.trust.pin(peer.entity.clone(), fingerprint, now));
                }
                _ => {}
            }
            let Some(known) = self.directory.entry(id) else { continue };
            known.entity = Some(peer.entity);
            known.protocol = Some("1.0");
            known.http =
                Some(Http { url: peer.url.map(|url| url.as_str().to_owned()), named: true });
        }
    }

    pub(in crate::event_loop) fn on_gateway_command(&mut self, command: GatewayCommand) {
        match command {
            GatewayCommand::SessionKey(session, reply) => {
                let legacy = self.swarm.behaviour().legacy.as_ref();
                let _ = reply.send(legacy.and_then(|legacy| legacy.session_key(session)));
            }
            GatewayCommand::Call(call) => self.on_call(call),
            GatewayCommand::Ask(asked, reply) => self.ask_legacy(asked, reply),
            GatewayCommand::Say(said, reply) => drop(reply.send(self.say_legacy(*said))),
        }
    }

    fn on_call(&mut self, call: Call) {
        // Keys cost nothing: whoever has only posted so far has proved none, and is not put down.
        if self.directory.get(&call.peer).is_some() {
            self.heard_over_http(call.peer);
        }
        if let Some(legacy) = self.swarm.behaviour_mut().legacy.as_mut() {
            legacy.call(call);
        }
    }

    /// A peer speaks version 1.0 over HTTP.
    pub(super) fn heard_over_http(&mut self, id: PeerId) {
        let now = self.clock.now().instant;
        let Some(known) = self.directory.entry(id) else { return };
        known.seen = now;
        known.http.get_or_insert(Http { url: None, named: false });
        if !known.identified && known.protocol != Some("1.1") {
            known.protocol = Some("1.0");
        }
    }

    fn ask_legacy(&mut self, asked: Asked, reply: Reply<Answer>) {
        let Asked { peer, from, task, timeout } = asked;
        let sent = self.legacy_peer(&peer).and_then(|id| {
            let message = Message::new(&mut self.rng, &task.into(), None);
            let message = message.map_err(|error| body_error(&error))?;
            let lifetime = self.clock.now().instant + timeout;
            self.pass_to_legacy(id, &message, None, &from, lifetime)?;
            Ok((id, message.id))
        });
        match sent {
            Ok((id, message)) => {
                let now = self.clock.now().instant;
                self.asks.insert(message, id, timeout, Waiting::Talk(reply), now);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn say_legacy(&mut self, said: Said) -> Result<(), NodeError> {
        let Said { key, from, body, in_reply_to } = said;
        let stranger = || NodeError::UnknownPeer { peer: Fingerprint::of(&key).to_string() };
        let id = secure::peer_id_of(&key).ok_or_else(stranger)?;
        let message = Message::new(&mut self.rng, &body, None);
        let message = message.map_err(|error| body_error(&error))?;
        let lifetime = self.clock.now().instant + ANSWER_LIFETIME;
        self.pass_to_legacy(id, &message, in_reply_to.as_deref(), &from, lifetime)
    }

    /// Only peers that the operator has named are reached through the gateway.
    fn legacy_peer(&self, entity: &EntityId) -> Result<PeerId, NodeError> {
        let named = self.config.gateway().peers.iter().find(|peer| peer.entity == *entity);
        named
            .and_then(|peer| secure::peer_id_of(&peer.key))
            .ok_or_else(|| NodeError::UnknownPeer { peer: entity.to_string() })
    }

    /// Gives a version 1.0 peer a message in this node's name that says for whom it is said.
    fn pass_to_legacy(
        &mut self,
        id: PeerId,
        message: &Message,
        reply_to: Option<&str>,
        from: &EntityId,
        deadline: peer_protocol::time::Instant,
    ) -> Result<(), NodeError> {
        if let Version::Refused(detail) = self.version(&id) {
            return Err(crate::event_loop::versions::refused(self.directory.name(&id), detail));
        }
        let mut outgoing = translate::outgoing(message, reply_to)?;
        outgoing.payload.insert("forwarded".to_owned(), origin(from));
        self.give_legacy(id, outgoing, deadline)?;
        self.unsettled.insert(message.id);
        Ok(())
    }

    /// Gives a message to the version 1.0 link of `peer`.
    pub(super) fn give_legacy(
        &mut self,
        peer: PeerId,
        outgoing: Outgoing,
        deadline: peer_protocol::time::Instant,
    ) -> Result<(), NodeError> {
        use peer_behaviours::legacy::SendError;
        let name = self.directory.name(&peer);
        let sent = match self.swarm.behaviour_mut().legacy.as_mut() {
            Some(legacy) => legacy.send(peer, outgoing, deadline),
            None => Err(SendError::EncryptionRequired),
        };
        sent.map_err(|error| match error {
            SendError::EncryptionRequired => NodeError::Refused {
                peer: name,
                code: peer_protocol::error::ErrorCode::EncryptionRequired,
                detail: error.to_string(),
            },
            SendError::Busy | SendError::ForeignKey => {
                NodeError::QueueFull { peer: name, detail: error.to_string() }
            }
        })
    }

    /// The courier got no answer from a peer.
    pub(super) fn on_uncarried(&mut self, id: PeerId, reason: &str) {
        tracing::debug!(peer = %self.directory.name(&id), reason, "no answer over HTTP");
        if let Some(peer) = self.directory.get_mut(&id) {
            peer.last_error = Some(reason.to_owned());
        }
        self.not_alive(id, reason);
    }

    /// There is something to say to a peer that is not connected. Over HTTP there is no connection to
    /// make: whoever has no URL is told when it asks.
    pub(super) fn legacy_needs_connection(&mut self, id: PeerId) {
        let Some(peer) = self.directory.get_mut(&id).filter(|peer| peer.http.is_some()) else {
            return self.need_connection(id);
        };
        if peer.is_nowhere() {
            peer.last_error = Some("it has no URL here, and is told when it next asks".to_owned());
        } else {
            self.need_connection(id);
        }
    }

    /// A message that came for somebody else. Room was taken for it.
    pub(super) fn on_for_other(
        &mut self,
        from: PeerId,
        message: Box<peer_protocol::legacy::Message>,
    ) {
        let (Some(passing), Some(key)) = (&self.passing, secure::key_of(&from)) else { return };
        let entity = self.entity_of(&from);
        passing.inward(entity, key, message);
    }

    /// Takes a message of a version 1.1 peer that is to be passed on.
    pub(in crate::event_loop) fn pass_outward(
        &self,
        from: PeerId,
        id: MessageId,
        body: &Body<'_>,
    ) -> Outward {
        match (&self.passing, secure::key_of(&from), body) {
            (Some(passing), Some(key), Body::Task(task)) => {
                passing.outward(&self.entity_of(&from), &key, id, task)
            }
            _ => Outward::Other,
        }
    }

    /// Tells a version 1.1 peer what became of a task that is not passed on.
    pub(in crate::event_loop) fn refuse_outward(&mut self, id: MessageId, said: Content) {
        // Nobody waits for it. If it is not taken the next start tells what it knows.
        let (reply, _) = oneshot::channel();
        self.give_answer_to_task(id, said, false, reply);
    }
}

/// Who speaks through this node, as version 1.0 peers are told.
fn origin(from: &EntityId) -> Value {
    let members = [("entity_id", from.as_str().into()), ("version", "1.1".into())];
    let members = members.into_iter().map(|(key, value): (&str, Value)| (key.to_owned(), value));
    Value::Object(members.collect::<Object>())
}
