//! Peers that this node has to do with, on disk: after a restart they can be named, and messages for them
//! are taken in, though they are away.

use std::time::Duration;

use super::naming::peer_id_of;
use libp2p::PeerId;
use peer_protocol::crypto::PublicKey;

use crate::event_loop::EventLoop;
use crate::store::{Change, Contact};

/// How often a contact is written at most.
const OFTEN: Duration = Duration::from_secs(600);
/// Addresses of one that are kept.
const MAX_ADDRESSES: usize = 4;
/// Contacts that are known after a start; others are asked for by their keys.
const MAX_RECALLED: usize = 1_024;

impl EventLoop {
    /// Takes down who a peer is, and where, unless that was done a while ago.
    pub(in crate::event_loop) fn remember_contact(&mut self, id: PeerId) {
        let now = self.clock.now();
        let Some(peer) = self.directory.get(&id) else { return };
        let written = self.delivery.contacts.get(&id);
        let known = peer.entity.is_some();
        if written.is_some_and(|at| now.instant.since(*at) < OFTEN) {
            return;
        }
        let dialled = peer.addresses.iter().rev().chain(&peer.listed).chain(&peer.hearsay);
        let contact = Contact {
            entity: peer.entity.as_ref().unwrap_or(&peer.derived).to_string(),
            addresses: dialled.take(MAX_ADDRESSES).map(ToString::to_string).collect(),
            seen: now.timestamp.as_millis(),
        };
        let key = *peer.key.as_bytes();
        if known {
            self.delivery.contacts.insert(id, now.instant);
        }
        self.save(Change::Contact(key, contact));
    }

    /// Puts contacts of earlier runs into the directory.
    pub(crate) fn recall_contacts(&mut self, mut contacts: Vec<([u8; 32], Contact)>) {
        contacts.sort_unstable_by_key(|(_, contact)| std::cmp::Reverse(contact.seen));
        contacts.truncate(MAX_RECALLED);
        // Those that were seen least recently first: the last stays if there is no room.
        for (key, contact) in contacts.into_iter().rev() {
            let Ok(key) = PublicKey::from_bytes(&key) else { continue };
            let id = peer_id_of(&key);
            if id == *self.swarm.local_peer_id() {
                continue;
            }
            let Some(peer) = self.directory.entry(id) else { continue };
            if let Ok(entity) = contact.entity.parse()
                && peer.derived != entity
            {
                peer.entity = Some(entity);
            }
            for address in contact.addresses.iter().rev().filter_map(|text| text.parse().ok()) {
                peer.add_address(address);
            }
        }
    }
}
