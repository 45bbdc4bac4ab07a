//! What callers ask for, one arm a command.

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::identity::{EntityId, Fingerprint};

use super::EventLoop;
use crate::error::NodeError;
use crate::handle::{Command, Reply};
use crate::model::TrustLine;

impl EventLoop {
    pub(super) fn on_command(&mut self, command: Command) {
        if let Some(command) = self.find_peer_first(command) {
            self.carry_out(command);
        }
    }

    /// Carries out a command whose peer is known, if it is ever to be.
    pub(super) fn carry_out(&mut self, command: Command) {
        // A caller that is gone does not need its answer: results of `send` are not looked at.
        match command {
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Peers(reply) => drop(reply.send(self.peers())),
            Command::Sessions(reply) => drop(reply.send(self.sessions())),
            Command::Connect(address, reply) => self.connect(address, reply),
            Command::Talk(talk, reply) => self.talk(talk, reply),
            Command::Report(report, reply) => self.report(report, reply),
            Command::Alive(heartbeat, reply) => self.alive(&heartbeat, reply),
            Command::Wake(wake, reply) => self.wake(wake, reply),
            Command::Awake(nonce, reply) => drop(reply.send(self.awake(&nonce))),
            Command::Probe { agent, answer, question } => self.on_probe(agent, answer, question),
            Command::Answer { message_id, content, done, reply } => {
                self.answer(&message_id, content, done, reply);
            }
            Command::Subscribe(agent, reply) => {
                self.agent_seen = Some(self.clock.now().instant);
                self.inbox.subscribe(agent);
                self.tell_agents();
                let _ = reply.send(());
            }
            Command::TrustList(reply) => drop(reply.send(self.trust.lines())),
            Command::Pin(entity, fingerprint, reply) => self.pin(entity, fingerprint, reply),
            Command::Revoke(who, reply) => self.revoke(&who, reply),
            Command::Mailbox { visit, reply } => {
                self.mailbox_status(reply);
                if visit {
                    self.visit_mailbox();
                }
            }
            Command::Netcheck(reply) => drop(reply.send(self.netcheck())),
            Command::Registry(command) => self.on_registry_command(command),
            Command::Delivery(command) => self.on_delivery_command(command),
            Command::Transfer(command) => self.on_transfer_command(command),
            Command::Gateway(command) => self.on_gateway_command(command),
            Command::Shutdown(reply) => {
                let _ = reply.send(());
            }
        }
    }

    fn pin(&mut self, entity: EntityId, fingerprint: Fingerprint, reply: Reply<TrustLine>) {
        let now = self.clock.now().timestamp;
        self.forget_findings();
        let saved = self.trust.pin(entity.clone(), fingerprint, now);
        // Whoever used this name with another key must introduce himself again, and is refused.
        for id in self.directory.rename_others(&entity, fingerprint) {
            self.swarm.behaviour_mut().secure.close(&id, "the name belongs to another key");
        }
        let lines = self.trust.lines();
        tokio::spawn(async move {
            let line = lines.into_iter().find(|line| line.entity == entity);
            drop(reply.send(stored(saved.await).and_then(|()| line.ok_or(NodeError::Stopped))));
        });
    }

    /// Revokes a key by entity id, fingerprint or peer, and closes the session with its holder.
    fn revoke(&mut self, who: &str, reply: Reply<Vec<TrustLine>>) {
        // Names that peers choose come last: none stands in for another's key.
        let by_fingerprint = who.parse().ok();
        let by_peer = || {
            let id = who.parse::<PeerId>().ok()?;
            secure::key_of(&id).map(|key| Fingerprint::of(&key))
        };
        let by_entity = || self.trust.fingerprint(&who.parse().ok()?);
        let by_name = || {
            let id = self.directory.resolve(who).ok()?;
            self.directory.get(&id).map(|peer| Fingerprint::of(&peer.key))
        };
        let Some(fingerprint) = by_fingerprint.or_else(by_peer).or_else(by_entity).or_else(by_name)
        else {
            drop(reply.send(Err(NodeError::UnknownPeer { peer: who.to_owned() })));
            return;
        };
        self.forget_findings();
        let saved = self.trust.revoke(fingerprint);
        let holders = self.directory.iter();
        let holders = holders.filter(|(_, peer)| Fingerprint::of(&peer.key) == fingerprint);
        for id in holders.map(|(id, _)| *id).collect::<Vec<_>>() {
            let behaviour = self.swarm.behaviour_mut();
            behaviour.secure.close(&id, "the key is revoked");
            if let Some(legacy) = behaviour.legacy.as_mut() {
                legacy.close(&id);
            }
        }
        let lines = self.trust.lines();
        tokio::spawn(async move {
            let mut lines = lines;
            lines.retain(|line| line.fingerprint == fingerprint);
            drop(reply.send(stored(saved.await).map(|()| lines)));
        });
    }
}

type Saved = Result<std::io::Result<()>, tokio::sync::oneshot::error::RecvError>;

fn stored(saved: Saved) -> Result<(), NodeError> {
    match saved {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(NodeError::Storage { reason: error.to_string() }),
        Err(_) => Err(NodeError::Stopped),
    }
}
