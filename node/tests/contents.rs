//! Long contents between nodes of one process: what is refused, and what it does to others.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::Path;
use std::time::{Duration, Instant};

use peer_node::config::{NodeConfig, TransferConfig};
use peer_node::model::{Content, Delivery, Incoming, ReportOptions, Reported, TalkOptions, Wait};
use peer_node::{Handle, Node, NodeError, Store};
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Outgoing, Write};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, StreamId, TransferId};
use peer_protocol::message::{Body, Message, StatusReport};
use peer_protocol::rate_limit::{Quota, RateProfile};
use peer_protocol::time::Timestamp;

const PATIENCE: Duration = Duration::from_secs(30);

struct Host {
    node: Node,
}

impl Host {
    async fn start(root: &Path, entity: &str, change: impl FnOnce(&mut TransferConfig)) -> Self {
        Self::on(root, entity, Store::in_memory().unwrap(), change).await
    }

    async fn on(
        root: &Path,
        entity: &str,
        store: Store,
        change: impl FnOnce(&mut TransferConfig),
    ) -> Self {
        let dir = root.join(entity);
        let mut transfers = TransferConfig {
            root: Some(dir.join("transfers")),
            reserve: 0,
            ..TransferConfig::default()
        };
        change(&mut transfers);
        let quota = Quota { per_minute: 1_000_000, burst: 100_000 };
        let rate = RateProfile { task: quota, ..RateProfile::default() };
        let config = NodeConfig::default()
            .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
            .with_mdns(false)
            .with_upnp(false)
            .with_shutdown_grace(Duration::ZERO)
            .unwrap()
            .with_transfers(transfers)
            .with_rate(rate)
            .with_trusted_rate(rate);
        let node = Node::builder().config(config).store(store).entity(entity).unwrap();
        Self { node: node.start().await.unwrap() }
    }

    fn handle(&self) -> Handle {
        self.node.handle()
    }

    async fn connect(&self, other: &Self) {
        let begun = Instant::now();
        loop {
            let status = other.handle().status().await.unwrap();
            if let Some(address) = status.listen.first() {
                self.handle().connect(address.parse().unwrap()).await.unwrap();
                return;
            }
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn report(&self, to: &str, content: &[u8], wait: Wait) -> Result<Reported, NodeError> {
        let options = ReportOptions { ttl: None, wait, timeout: PATIENCE };
        let content = Content::from_bytes(content);
        self.handle().report(to, "report".to_owned(), None, content, options).await
    }

    async fn take(&self, count: usize) -> Vec<Incoming> {
        let mut messages = self.handle().subscribe(None).await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < count {
            let message = tokio::time::timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
            taken.push(message);
        }
        taken
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_content_stays_on_disk_until_it_is_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let alice = Host::start(root.path(), "alice", |_| {}).await;
    let bob = Host::start(root.path(), "bob", |_| {}).await;
    alice.connect(&bob).await;
    let bytes = vec![7; 300_000];
    let told = alice.report("bob", &bytes, Wait::Delivered).await.unwrap();
    assert_eq!(told.status, Delivery::Delivered);
    let taken = bob.take(1).await.remove(0);
    let stored = taken.content.stored.clone().unwrap();
    assert!(stored.path.starts_with(root.path().join("bob")));
    assert_eq!(taken.content.to_bytes().unwrap(), bytes);
    let size = bob.handle().inbox(peer_node::model::InboxFilter::default()).await.unwrap();
    assert!(size.items[0].size > 300_000, "the list says how long it is");
    bob.handle().acknowledge(vec![taken.message_id]).await.unwrap();
    let begun = Instant::now();
    while stored.path.exists() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_takes_no_contents_fails_the_message_and_holds_nobody_up() {
    let root = tempfile::tempdir().unwrap();
    let alice = Host::start(root.path(), "alice", |_| {}).await;
    let bob = Host::start(root.path(), "bob", |config| config.contents = false).await;
    alice.connect(&bob).await;
    let long = alice.report("bob", &[7; 300_000], Wait::Delivered).await.unwrap();
    let Delivery::Failed { code, detail } = long.status else { panic!("{long:?}") };
    assert_eq!(code, ErrorCode::ChunkError);
    assert!(detail.contains("its content was refused"), "{detail}");
    let short = alice.report("bob", b"short", Wait::Delivered).await.unwrap();
    assert_eq!(short.status, Delivery::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_go_ahead_is_refused_in_words() {
    let root = tempfile::tempdir().unwrap();
    let alice = Host::start(root.path(), "alice", |_| {}).await;
    let bob = Host::start(root.path(), "bob", |_| {}).await;
    alice.connect(&bob).await;
    let huge = alice.report("bob", &vec![b'x'; (64 << 20) + 1], Wait::Queued).await.unwrap_err();
    assert_eq!(huge.kind(), "too_large");
    assert!(huge.to_string().contains("67108865"), "{huge}");
    let content = Content::from_bytes(&vec![b'x'; (1 << 20) + 1]);
    let options = TalkOptions { volatile: true, ..TalkOptions::from(PATIENCE) };
    let volatile = alice.handle().talk("bob", content, None, options).await.unwrap_err();
    assert_eq!(volatile.kind(), "too_large");
    assert!(volatile.to_string().contains("volatile"), "{volatile}");
    let off = Host::start(root.path(), "off", |config| config.root = None).await;
    off.connect(&bob).await;
    let nowhere = off.report("bob", &vec![b'x'; 2 << 20], Wait::Queued).await.unwrap_err();
    assert_eq!(nowhere.kind(), "transfers_off");
}

/// A sender whose messages name contents that never came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_without_their_contents_are_refused_and_the_next_arrives() {
    const COUNT: u64 = 1_000;
    let root = tempfile::tempdir().unwrap();
    let bob = Host::start(root.path(), "bob", |_| {}).await;
    let fingerprint = bob.handle().status().await.unwrap();
    let id: libp2p::PeerId = fingerprint.peer_id.parse().unwrap();
    let to: PublicKey = peer_behaviours::secure::key_of(&id).unwrap();
    let store = Store::in_memory().unwrap();
    let mut rng = rand::rng();
    let now = Timestamp::from_millis(
        u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
    );
    let mut writes = vec![Write::Stream { peer: to, stream: StreamId::random(&mut rng) }];
    let mut ids: Vec<MessageId> = Vec::new();
    for number in 0..COUNT {
        let mut make = |transfer| {
            let report = StatusReport { transfer, ..StatusReport::default() };
            Message::new(&mut rng, &Body::from(report), None).unwrap()
        };
        let id = make(None).id;
        // Half of them name a transfer of another id.
        let own = TransferId::from_bytes(*id.as_bytes());
        let other = TransferId::from_bytes(*make(None).id.as_bytes());
        let message = Message { id, ..make(if number % 2 == 0 { own } else { other }) };
        ids.push(id);
        let expires = now + Duration::from_secs(3_600);
        let (peer, may_be_sent) = (to, false);
        let created = now;
        writes.push(Write::Accept(Outgoing {
            peer,
            number,
            message,
            created,
            expires,
            may_be_sent,
        }));
    }
    store.commit(&writes).unwrap();
    let alice = Host::on(root.path(), "alice", store, |_| {}).await;
    alice.connect(&bob).await;
    let told = alice.report("bob", b"after all of them", Wait::Delivered).await.unwrap();
    assert_eq!(told.status, Delivery::Delivered);
    let taken = bob.take(1).await.remove(0);
    assert_eq!(taken.content.text.as_deref(), Some("after all of them"));
    let inbox = bob.handle().inbox(peer_node::model::InboxFilter::default()).await.unwrap();
    assert_eq!(inbox.total, 1);
    for id in ids {
        let message = alice.handle().outbox_message(&id.to_string()).await.unwrap();
        let Delivery::Failed { code, .. } = message.message.status else { panic!("{message:?}") };
        assert_eq!(code, ErrorCode::ChunkError);
    }
}
