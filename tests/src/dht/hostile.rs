//! Hostile nodes: libp2p's Kademlia over a store that lies, or that answers nothing at all.

use std::borrow::Cow;
use std::iter;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::identity::Keypair;
use libp2p::kad::store::{RecordStore, Result};
use libp2p::kad::{self, ProviderRecord, Record, RecordKey};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, SwarmEvent, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use peer_behaviours::registry::PROTOCOL;
use peer_protocol::limits::MAX_RECORD_LEN;
use peer_protocol::registry::Key;
use tokio::task::AbortHandle;

use super::book::{Book, Entity};
use super::node::{listen, swarm};

/// What is wrong with a node. None of them keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vice {
    /// Takes requests and never answers.
    Silent,
    /// Serves valid records of others, invents providers, and names peers that do not exist.
    Liar,
    /// Serves the record of an hour ago.
    Stale,
    /// Serves the newest record with another signature.
    Forger,
    /// Serves twice as much as a record may have.
    Oversized,
    /// Has an id near a key, serves what was there an hour ago, and names only others like itself.
    Eclipse,
}

impl Vice {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Silent, Self::Liar, Self::Stale, Self::Forger, Self::Oversized, Self::Eclipse];
}

/// A hostile node that runs until this is dropped.
pub(super) struct Hostile {
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    book: Book,
    task: AbortHandle,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.book.serve(self.peer, None);
        self.task.abort();
    }
}

impl Hostile {
    /// Starts a node that knows `known`, and makes itself known to all `victims`.
    pub(super) async fn start(
        entity: &Entity,
        vice: Vice,
        book: &Book,
        known: &[(PeerId, Multiaddr)],
        victims: &[(PeerId, Multiaddr)],
    ) -> Self {
        let peer = entity.peer();
        let mut config = kad::Config::new(PROTOCOL);
        config.set_max_packet_size(1 << 20).set_kbucket_inserts(kad::BucketInserts::Manual);
        let store = Lies { vice, book: book.clone() };
        let mut inner = kad::Behaviour::with_config(peer, store, config);
        inner.set_mode(Some(kad::Mode::Server));
        let mut swarm = swarm(&entity.keypair, Mute { inner, mute: vice == Vice::Silent });
        let address = listen(&mut swarm).await;
        book.serve(peer, Some(address.clone()));
        for (peer, address) in known {
            swarm.behaviour_mut().inner.add_address(peer, address.clone());
        }
        if vice == Vice::Liar {
            for number in 0..200 {
                let address = format!("/memory/{}", u64::MAX - number).parse().expect("an address");
                swarm.behaviour_mut().inner.add_address(&PeerId::random(), address);
            }
        }
        for (_, address) in victims {
            // Some may be gone by then.
            let _ = swarm.dial(address.clone());
        }
        let book_of_task = book.clone();
        let task = tokio::spawn(async move {
            loop {
                // Whoever it meets it also names to others, unless it eclipses.
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } =
                    swarm.select_next_some().await
                    && vice != Vice::Eclipse
                    && let Some(address) = book_of_task.server(&peer_id)
                {
                    swarm.behaviour_mut().inner.add_address(&peer_id, address);
                }
            }
        });
        Self { peer, address, book: book.clone(), task: task.abort_handle() }
    }
}

/// A store that takes everything, keeps nothing, and serves what its vice wants.
struct Lies {
    vice: Vice,
    book: Book,
}

impl RecordStore for Lies {
    type RecordsIter<'a> = iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let id = Key::from_bytes(key.as_ref()).ok()?;
        let value = match self.vice {
            Vice::Silent => None,
            Vice::Liar => self.book.other(&id).map(Vec::from),
            Vice::Stale | Vice::Eclipse => self.book.stale(&id).map(Vec::from),
            Vice::Forger => self.book.newest(&id).map(|record| {
                let mut record = Vec::from(record);
                let middle = record.len() / 2;
                record[middle] ^= 1;
                record
            }),
            Vice::Oversized => Some(vec![0xa7; 2 * MAX_RECORD_LEN]),
        };
        Some(Cow::Owned(Record::new(key.clone(), value?)))
    }

    fn put(&mut self, _: Record) -> Result<()> {
        Ok(())
    }

    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        iter::empty()
    }

    fn add_provider(&mut self, _: ProviderRecord) -> Result<()> {
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        if self.vice != Vice::Liar {
            return Vec::new();
        }
        // All of them invent the same.
        let address: Multiaddr = "/memory/1".parse().expect("an address");
        let invent = |number| {
            let mut seed = [number; 32];
            seed.iter_mut().zip(key.as_ref()).for_each(|(seed, byte)| *seed ^= byte);
            let keypair = Keypair::ed25519_from_bytes(seed).expect("32 bytes");
            ProviderRecord::new(key.clone(), keypair.public().to_peer_id(), vec![address.clone()])
        };
        (0..20).map(invent).collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        iter::empty()
    }

    fn remove_provider(&mut self, _: &RecordKey, _: &PeerId) {}
}

/// Kademlia that may hear nothing of what it is asked.
struct Mute {
    inner: kad::Behaviour<Lies>,
    mute: bool,
}

impl NetworkBehaviour for Mute {
    type ConnectionHandler = THandler<kad::Behaviour<kad::store::MemoryStore>>;
    type ToSwarm = kad::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> std::result::Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> std::result::Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> std::result::Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if !self.mute {
            self.inner.on_connection_handler_event(peer, id, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}

/// How long victims have to learn of hostile nodes.
pub(super) const SPREADING: Duration = Duration::from_millis(500);
