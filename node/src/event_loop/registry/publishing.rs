//! Telling the registry about this entity.

use std::time::Duration;

use bytes::Bytes;
use peer_behaviours::registry::PublishId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::Identity;
use peer_protocol::limits::MAX_RECORD_CAPABILITIES;
use peer_protocol::mailbox::Prekey;
use peer_protocol::registry::{Capability, Record, RegistryError};
use peer_protocol::time::Instant;

use super::{Registering, RegistryState, off};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::model::Registered;
use crate::store::Change;

/// A publication under way, and who waits for one.
#[derive(Default)]
pub(super) struct Publishing {
    under_way: Vec<PublishId>,
    since: Instant,
    keys: usize,
    stored: usize,
    /// Why nothing could be published.
    refused: Option<String>,
    /// Whether another node ever took something.
    told: bool,
    /// Wait for the one under way.
    waiting: Vec<Registering>,
    /// Wait for the next one, which takes in what they changed.
    next: Vec<Registering>,
}

impl EventLoop {
    pub(super) fn register(
        &mut self,
        add: &[Capability],
        remove: &[Capability],
        reply: Registering,
    ) {
        if let Err(error) = self.change_capabilities(add, remove) {
            drop(reply.send(Err(error)));
            return;
        }
        self.registry.publishing.next.push(reply);
    }

    fn change_capabilities(
        &mut self,
        add: &[Capability],
        remove: &[Capability],
    ) -> Result<(), NodeError> {
        if !self.swarm.behaviour().registry.is_enabled() {
            return Err(off());
        }
        if let Some(name) = remove.iter().find(|name| self.config.capabilities().contains(name)) {
            let detail = format!(
                "{name:?} stands in the configuration (`capabilities`): remove it there, and restart"
            );
            return Err(NodeError::Invalid { detail });
        }
        let publisher = &mut self.registry.publisher;
        let mut after = publisher.capabilities().clone();
        after.retain(|name| !remove.contains(name));
        after.extend(add.iter().cloned());
        if after.len() > MAX_RECORD_CAPABILITIES {
            let count = after.len();
            let detail = format!("{count} capabilities: at most {MAX_RECORD_CAPABILITIES} fit");
            return Err(NodeError::Invalid { detail });
        }
        let now = self.clock.now().instant;
        publisher.change(add.iter().cloned(), remove.iter().cloned(), now);
        self.registry.remembering.capabilities(add, remove);
        Ok(())
    }

    /// What is known at the start of where this node is; changes are told as they come.
    pub(in crate::event_loop) fn begin_registering(&mut self) {
        if !self.config.mailbox().at.is_empty() {
            self.registry.publisher.await_mailboxes();
        }
        let addresses = self.announced().iter().map(ToString::to_string).collect();
        let now = self.clock.now().instant;
        self.registry_addresses(addresses, now);
        self.registry_role(self.dht_role(), self.is_at_home());
    }

    pub(super) fn tick_publishing(&mut self, now: Instant) {
        if !self.swarm.behaviour().registry.is_enabled() {
            return;
        }
        let RegistryState { publisher, publishing, .. } = &mut self.registry;
        if !publishing.under_way.is_empty() || self.stopping {
            return;
        }
        if !publishing.next.is_empty() || publisher.is_due(now) {
            self.publish(now);
        }
    }

    fn publish(&mut self, now: Instant) {
        let clock = self.clock.now();
        let records = self.registry.publisher.next(&self.identity, clock);
        let publishing = &mut self.registry.publishing;
        publishing.since = now;
        (publishing.keys, publishing.stored) = (0, 0);
        publishing.waiting.append(&mut publishing.next);
        let seen = self.registry.publisher.last_seen();
        self.registry.remembering.save(Change::LastSeen(seen));
        for record in records {
            self.publish_record(&record);
        }
        if self.registry.publishing.under_way.is_empty() {
            self.publication_over();
        }
    }

    fn publish_record(&mut self, record: &Record) {
        let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() else { return };
        let published = match sign(record, &self.identity) {
            Ok(bytes) => registry.publish(bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match published {
            Ok(id) => self.registry.publishing.under_way.push(id),
            Err(error) => {
                tracing::warn!(%error, "this entity cannot be registered");
                self.registry.publishing.refused = Some(error);
            }
        }
    }

    pub(super) fn on_published(&mut self, id: PublishId, keys: usize, stored: usize) {
        let publishing = &mut self.registry.publishing;
        if !publishing.under_way.contains(&id) {
            return;
        }
        publishing.under_way.retain(|under_way| *under_way != id);
        // Of a withdrawal and the record that follows it, the record comes last and counts.
        (publishing.keys, publishing.stored) = (keys, stored);
        if publishing.under_way.is_empty() {
            self.publication_over();
        }
    }

    fn publication_over(&mut self) {
        let clock = self.clock.now();
        let RegistryState { publisher, publishing, .. } = &mut self.registry;
        let (keys, stored) = (publishing.keys, publishing.stored);
        publishing.told |= stored > 0;
        publisher.published(keys, stored, clock);
        if self.stopping {
            tracing::info!(keys, told = stored, "withdrawn from the registry");
            return;
        }
        let took = clock.instant.since(publishing.since);
        let waiting = std::mem::take(&mut publishing.waiting);
        if let Some(detail) = publishing.refused.take() {
            for reply in waiting {
                drop(reply.send(Err(NodeError::Registry { detail: detail.clone() })));
            }
            return;
        }
        if stored > 0 {
            let record = publisher.record();
            let (addresses, capabilities) =
                record.map_or((0, 0), |it| (it.addresses.len(), it.capabilities.len()));
            tracing::info!(keys, stored, addresses, capabilities, "registered");
        }
        if waiting.is_empty() {
            return;
        }
        let listing = self.own_listing();
        let took_ms = millis(took);
        for reply in waiting {
            drop(reply.send(Ok(Registered { listing: listing.clone(), keys, stored, took_ms })));
        }
    }

    /// Names this entity's mailbox nodes in its record from now on.
    pub(in crate::event_loop) fn publish_mailboxes(
        &mut self,
        nodes: Vec<PublicKey>,
        prekey: Prekey,
        now: Instant,
    ) {
        self.registry.publisher.set_mailboxes(nodes, prekey, now);
    }

    /// Takes everything back; done once [`EventLoop::is_publishing`] says no.
    pub(in crate::event_loop) fn withdraw(&mut self) {
        let publishing = &mut self.registry.publishing;
        let told = publishing.told || !publishing.under_way.is_empty();
        publishing.under_way.clear();
        if !told {
            return;
        }
        let now = self.clock.now();
        let record = self.registry.publisher.withdrawal(&self.identity, now.timestamp);
        let seen = self.registry.publisher.last_seen();
        self.registry.remembering.save(Change::LastSeen(seen));
        self.publish_record(&record);
    }

    pub(in crate::event_loop) fn is_publishing(&self) -> bool {
        !self.registry.publishing.under_way.is_empty()
    }
}

/// The record's bytes, with as many of its addresses as fit: the best come first.
fn sign(record: &Record, identity: &Identity) -> Result<Bytes, RegistryError> {
    let mut record = record.clone();
    loop {
        match record.sign(identity) {
            Err(RegistryError::TooLong { .. }) if record.addresses.pop().is_some() => {}
            signed => return signed,
        }
    }
}

/// A duration as whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peer_protocol::crypto::Ed25519Authenticator;
    use peer_protocol::limits::{MAX_RECORD_LEN, RECORD_TTL};
    use peer_protocol::registry::SignedRecord;
    use peer_protocol::time::Timestamp;

    use super::*;

    #[test]
    fn a_record_too_long_is_told_with_fewer_addresses() {
        let key = Arc::new(Ed25519Authenticator::from_seed(&[1; 32]));
        let identity = Identity::new(Some("bob".parse().unwrap()), key).unwrap();
        let addresses = (0..16).map(|n| format!("/dns/{}{n:02}.example/tcp/1", "x".repeat(180)));
        let names = (0..32).map(|n| format!("{}{n:02}", "c".repeat(62)).parse().unwrap()).collect();
        let now = Timestamp::from_millis(1_800_000_000_000);
        let record = Record::new(&identity, addresses.collect(), names, now, RECORD_TTL);
        assert!(matches!(record.sign(&identity), Err(RegistryError::TooLong { .. })));
        let bytes = sign(&record, &identity).unwrap();
        assert!(bytes.len() <= MAX_RECORD_LEN);
        let told = SignedRecord::decode(bytes).unwrap();
        let kept = &told.record().addresses;
        assert!(!kept.is_empty() && record.addresses.starts_with(kept), "the best are kept");
        assert_eq!(told.record().capabilities.len(), 32);
    }
}
