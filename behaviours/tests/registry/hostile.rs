//! Nodes that do not keep to the rules: libp2p's Kademlia over a store that lies, and bare streams.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::iter;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p_core::{Multiaddr, PeerId};
use libp2p_identity::Keypair;
use libp2p_kad::store::{RecordStore, Result};
use libp2p_kad::{
    self as kad, ProviderRecord, PutRecordError, QueryResult, Quorum, Record, RecordKey,
};
use libp2p_request_response::{self as request_response, Codec, ProtocolSupport};
use libp2p_swarm::{StreamProtocol, Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::registry::PROTOCOL;
use peer_protocol::registry::Key;
use tokio::task::AbortHandle;

use crate::net::{Net, Node, listen, swarm};

/// What a lying node answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lies {
    pub(crate) values: HashMap<Key, Bytes>,
    pub(crate) providers: HashMap<Key, Vec<PeerId>>,
}

/// A store that takes everything, keeps nothing, and serves lies.
impl RecordStore for Lies {
    type RecordsIter<'a> = iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let value = self.values.get(&Key::from_bytes(key.as_ref()).ok()?)?;
        Some(Cow::Owned(Record::new(key.clone(), value.to_vec())))
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
        let peers = Key::from_bytes(key.as_ref()).ok().and_then(|key| self.providers.get(&key));
        let address: Multiaddr = "/memory/1".parse().unwrap();
        let provider =
            |peer: &PeerId| ProviderRecord::new(key.clone(), *peer, vec![address.clone()]);
        peers.into_iter().flatten().map(provider).collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        iter::empty()
    }

    fn remove_provider(&mut self, _: &RecordKey, _: &PeerId) {}
}

/// A lying server.
pub(crate) struct Liar {
    pub(crate) peer: PeerId,
    task: AbortHandle,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn kademlia(keypair: &Keypair, lies: Lies) -> Swarm<kad::Behaviour<Lies>> {
    let mut config = kad::Config::new(PROTOCOL);
    config.set_max_packet_size(64 << 10).set_substreams_timeout(Duration::from_millis(300));
    let behaviour = kad::Behaviour::with_config(keypair.public().to_peer_id(), lies, config);
    swarm(keypair, behaviour)
}

impl Liar {
    /// A liar whom all `nodes` know.
    pub(crate) async fn new(net: &Net, keypair: &Keypair, lies: Lies, nodes: &[Node]) -> Self {
        let peer = keypair.public().to_peer_id();
        let mut swarm = kademlia(keypair, lies);
        swarm.behaviour_mut().set_mode(Some(kad::Mode::Server));
        let address = listen(&mut swarm).await;
        net.register(peer, &address);
        for node in nodes {
            swarm.behaviour_mut().add_address(&node.entity.peer(), node.address.clone());
            let address = address.clone();
            node.call(move |registry| registry.add_address(peer, address)).await;
        }
        let task = tokio::spawn(swarm.loop_on_next());
        Self { peer, task: task.abort_handle() }
    }
}

/// Puts a value to one node, as anybody can; returns whether the node said that it took it.
pub(crate) async fn put(
    keypair: &Keypair,
    to: &Node,
    key: &[u8],
    value: impl Into<Vec<u8>>,
) -> bool {
    let mut swarm = kademlia(keypair, Lies::default());
    swarm.behaviour_mut().add_address(&to.entity.peer(), to.address.clone());
    let record = Record::new(key.to_vec(), value.into());
    let quorum = Quorum::N(NonZeroUsize::MIN);
    swarm.behaviour_mut().put_record_to(record, iter::once(to.entity.peer()), quorum);
    loop {
        if let SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
            result: QueryResult::PutRecord(result),
            ..
        }) = swarm.next_swarm_event().await
        {
            return match result {
                Ok(_) => true,
                Err(PutRecordError::QuorumFailed { .. }) => false,
                Err(PutRecordError::Timeout { .. }) => panic!("it was not answered"),
            };
        }
    }
}

/// Puts nonsense to one node until it closes the connection; returns how often it was refused.
pub(crate) async fn put_nonsense(keypair: &Keypair, to: &Node) -> usize {
    let mut swarm = kademlia(keypair, Lies::default());
    let peer = to.entity.peer();
    swarm.behaviour_mut().add_address(&peer, to.address.clone());
    let mut refused = 0;
    let quorum = Quorum::N(NonZeroUsize::MIN);
    let nonsense = || Record::new(vec![1; 32], vec![2]);
    swarm.behaviour_mut().put_record_to(nonsense(), iter::once(peer), quorum);
    loop {
        match swarm.next_swarm_event().await {
            SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                result: QueryResult::PutRecord(Err(PutRecordError::QuorumFailed { .. })),
                ..
            }) => {
                refused += 1;
                swarm.behaviour_mut().put_record_to(nonsense(), iter::once(peer), quorum);
            }
            SwarmEvent::ConnectionClosed { .. } => return refused,
            _ => {}
        }
    }
}

/// Sends bytes on a stream of the registry's protocol, and waits until the node has ended it.
pub(crate) async fn say(keypair: &Keypair, to: &Node, bytes: Vec<u8>) {
    let protocol = iter::once((PROTOCOL, ProtocolSupport::Outbound));
    let behaviour =
        request_response::Behaviour::with_codec(Raw, protocol, request_response::Config::default());
    let mut swarm = swarm(keypair, behaviour);
    let peer = to.entity.peer();
    swarm.add_peer_address(peer, to.address.clone());
    swarm.behaviour_mut().send_request(&peer, bytes);
    loop {
        if let SwarmEvent::Behaviour(
            request_response::Event::OutboundFailure { .. }
            | request_response::Event::Message { .. },
        ) = swarm.next_swarm_event().await
        {
            return;
        }
    }
}

/// The message with which somebody announces that `provider` has something under `key`.
pub(crate) fn announcement(key: &Key, provider: &PeerId) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| {
        let mut field = vec![tag << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        field.extend_from_slice(bytes);
        field
    };
    const ADD_PROVIDER: u8 = 2;
    let mut message = vec![1 << 3, ADD_PROVIDER];
    message.extend(field(2, key.as_bytes()));
    message.extend(field(9, &field(1, &provider.to_bytes())));
    let mut framed = vec![u8::try_from(message.len()).unwrap()];
    framed.extend(message);
    framed
}

/// Bytes as they are.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        futures::AsyncReadExt::read(io, &mut [0; 1]).await.map(drop)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, _: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}
