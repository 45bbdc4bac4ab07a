//! What was accepted arrives once and in order, whoever is away or dies meanwhile.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libp2p::Multiaddr;
use peer_node::config::NodeConfig;
use peer_node::model::{
    Content, Delivery, Direction, InboxFilter, Incoming, IncomingKind, OutboxFilter, ReportOptions,
    Wait,
};
use peer_node::trust_file::TrustFile;
use peer_node::{Handle, Node, NodeError, Store};
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::TrustPolicy;
use peer_protocol::rate_limit::{Quota, RateProfile};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

/// A node, which is started again on the same address with the same key and store.
struct Home {
    entity: &'static str,
    seed: u8,
    listen: Multiaddr,
    dir: TempDir,
}

impl Home {
    fn new(entity: &'static str, seed: u8) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let listen = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        Self { entity, seed, listen, dir: TempDir::new().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("state.redb")
    }

    async fn start(&self) -> Node {
        self.start_on(open(&self.path()).await).await
    }

    async fn start_on(&self, store: Store) -> Node {
        let config = NodeConfig::default().with_listen(vec![self.listen.clone()]);
        let quota = Quota { per_minute: 1_000_000, burst: 100_000 };
        let rate = RateProfile { task: quota, ..RateProfile::default() };
        let config = config.with_mdns(false).with_upnp(false).with_rate(rate);
        let config = config.with_entity(self.entity.parse().unwrap());
        let trust = TrustFile::in_memory(TrustPolicy::Open);
        let key = Ed25519Authenticator::from_seed(&[self.seed; 32]);
        Node::start(config, key, trust, store).await.unwrap()
    }
}

/// The writing thread closes the file a moment after a node has stopped.
async fn open(path: &Path) -> Store {
    loop {
        match Store::open(path) {
            Ok(store) => return store,
            Err(peer_node::StoreError::InUse { .. }) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until a node has noticed that a peer is gone.
async fn misses(node: &Node, peer: &str) {
    let is_there = async || {
        let peers = node.handle().peers().await.unwrap();
        let named = |it: &&peer_node::model::PeerStatus| {
            it.entity.as_ref().is_some_and(|entity| entity.as_str() == peer)
        };
        peers.iter().find(named).is_some_and(|it| it.connected)
    };
    while is_there().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn stop(node: Node) {
    node.handle().shutdown().await;
    node.stopped().await;
}

async fn connect(from: &Node, to: &Node) {
    let address = to.handle().status().await.unwrap().listen[0].parse().unwrap();
    from.handle().connect(address).await.unwrap();
}

async fn report(from: &Handle, to: &str, status: &str, wait: Wait, timeout: Duration) -> Delivery {
    let options = ReportOptions { ttl: None, wait, timeout };
    let content = Content::from_bytes(b"");
    from.report(to, status.to_owned(), None, content, options).await.unwrap().status
}

async fn next(messages: &mut mpsc::Receiver<Incoming>) -> Incoming {
    timeout(LONG, messages.recv()).await.unwrap().unwrap()
}

async fn acknowledge(handle: &Handle, incoming: &Incoming) {
    let id = format!("n{}", incoming.inbox_number.unwrap());
    let done = handle.acknowledge(vec![id]).await.unwrap();
    assert_eq!(done.ids, std::slice::from_ref(&incoming.message_id));
}

/// Waits until a message is known to have come so far.
async fn until(handle: &Handle, id: &str, status: &Delivery) {
    let reached = async {
        while handle.trace(id).await.unwrap().status != *status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(LONG, reached).await.is_err() {
        panic!("{:?}", handle.trace(id).await.unwrap());
    }
}

#[tokio::test]
async fn what_waits_for_a_peer_that_is_away_arrives_after_both_were_restarted() {
    let (alice_home, bob_home) = (Home::new("alice", 1), Home::new("bob", 2));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    let first = report(&alice.handle(), "bob", "0", Wait::Delivered, LONG).await;
    assert_eq!(first, Delivery::Delivered);
    stop(bob).await;
    misses(&alice, "bob").await;
    for number in 1..20 {
        let status = report(&alice.handle(), "bob", &number.to_string(), Wait::Queued, LONG).await;
        assert_eq!(status, Delivery::Queued);
    }
    let waiting = alice.handle().outbox(OutboxFilter::default()).await.unwrap();
    assert_eq!(waiting.total, 19);
    assert!(waiting.items.iter().all(|line| line.status == Delivery::Queued), "{waiting:?}");
    assert!(waiting.items[0].waits_for.as_ref().unwrap().contains("no connection"));
    stop(alice).await;
    // Both come back, and nobody tells either of the other.
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    let more = report(&alice.handle(), "bob", "20", Wait::Queued, LONG).await;
    assert_eq!(more, Delivery::Queued, "a peer that was known is known");
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    for number in 0..21 {
        let incoming = next(&mut messages).await;
        assert_eq!(incoming.status, Some(number.to_string()));
        assert_eq!((incoming.inbox_number, incoming.durable), (Some(number), true));
        acknowledge(&bob.handle(), &incoming).await;
    }
    for line in waiting.items {
        until(&alice.handle(), &line.message_id, &Delivery::Processed).await;
    }
    let left = alice.handle().outbox(OutboxFilter::default()).await.unwrap();
    assert_eq!(left.total, 0, "{left:?}");
    assert_eq!(bob.handle().inbox(InboxFilter::default()).await.unwrap().total, 0);
    stop(alice).await;
    stop(bob).await;
}

#[tokio::test]
async fn a_listener_that_dies_gets_it_again_even_after_a_restart() {
    let (alice_home, bob_home) = (Home::new("alice", 3), Home::new("bob", 4));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    for number in 0..3 {
        let status =
            report(&alice.handle(), "bob", &number.to_string(), Wait::Delivered, LONG).await;
        assert_eq!(status, Delivery::Delivered);
    }
    let seen = {
        let mut messages = bob.handle().subscribe(None).await.unwrap();
        [next(&mut messages).await, next(&mut messages).await]
    };
    stop(bob).await;
    let bob = bob_home.start().await;
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    let again = [next(&mut messages).await, next(&mut messages).await];
    assert_eq!(again[0], Incoming { trust: again[0].trust, ..seen[0].clone() });
    assert_eq!(again[1].message_id, seen[1].message_id);
    let line = &bob.handle().inbox(InboxFilter::default()).await.unwrap().items[1];
    assert!(line.handed, "{line:?}");
    // Acknowledging twice, or what is not there, is no error.
    acknowledge(&bob.handle(), &again[0]).await;
    let ids = vec![seen[0].message_id.clone(), "n99".to_owned(), "00000000".to_owned()];
    let twice = bob.handle().acknowledge(ids).await.unwrap();
    assert_eq!(twice.already, [seen[0].message_id.clone()]);
    assert_eq!(twice.unknown, ["n99", "00000000"]);
    until(&alice.handle(), &seen[0].message_id, &Delivery::Processed).await;
    let trace = alice.handle().trace(&seen[1].message_id[..8]).await.unwrap();
    assert_eq!((trace.direction, trace.status), (Direction::Sent, Delivery::Delivered));
    let trace = bob.handle().trace(&seen[1].message_id).await.unwrap();
    assert_eq!((trace.direction, trace.inbox_number), (Direction::Received, Some(1)));
    stop(alice).await;
    stop(bob).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_in_the_inbox() {
    let (alice_home, bob_home) = (Home::new("alice", 5), Home::new("bob", 6));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    let asked = alice.handle().talk("bob", Content::from_bytes(b"why?"), None, SHORT).await;
    let Err(NodeError::Unanswered { message_id, progress, .. }) = asked else {
        panic!("{asked:?}");
    };
    assert!(progress.contains("delivered"), "{progress}");
    // The task is there after a restart of both, and so is whom to answer.
    stop(bob).await;
    stop(alice).await;
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    let mut tasks = bob.handle().subscribe(None).await.unwrap();
    let task = next(&mut tasks).await;
    assert_eq!((task.kind, &task.message_id), (IncomingKind::Task, &message_id));
    let answer = Content::from_bytes(b"because");
    bob.handle().answer(&message_id, answer.clone(), true).await.unwrap();
    let twice = bob.handle().answer(&message_id, answer, true).await;
    assert!(matches!(twice, Err(NodeError::NoSuchTask { .. })), "{twice:?}");
    connect(&bob, &alice).await;
    let mut messages = alice.handle().subscribe(None).await.unwrap();
    let answer = next(&mut messages).await;
    assert_eq!((answer.kind, answer.done), (IncomingKind::Answer, Some(true)));
    assert_eq!(answer.in_reply_to, Some(message_id.clone()));
    assert_eq!(answer.content.text.as_deref(), Some("because"));
    acknowledge(&alice.handle(), &answer).await;
    // Answering has taken the task.
    until(&alice.handle(), &message_id, &Delivery::Processed).await;
    assert_eq!(bob.handle().inbox(InboxFilter::default()).await.unwrap().total, 0);
    stop(alice).await;
    stop(bob).await;
}

#[tokio::test]
async fn an_answer_in_time_goes_to_whoever_asked_and_not_to_the_inbox() {
    let (alice_home, bob_home) = (Home::new("alice", 7), Home::new("bob", 8));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    let mut elsewhere = alice.handle().subscribe(None).await.unwrap();
    let mut tasks = bob.handle().subscribe(None).await.unwrap();
    for volatile in [false, true] {
        let options = peer_node::model::TalkOptions { ttl: None, volatile, timeout: LONG };
        let handle = alice.handle();
        let asked = handle.talk("bob", Content::from_bytes(b"2+2"), None, options);
        let answering = async {
            let task = next(&mut tasks).await;
            assert_eq!(task.durable, !volatile);
            bob.handle().answer(&task.message_id, Content::from_bytes(b"4"), true).await.unwrap();
        };
        let (answer, ()) = tokio::join!(asked, answering);
        assert_eq!(answer.unwrap().content.text.as_deref(), Some("4"));
    }
    assert!(timeout(SHORT, elsewhere.recv()).await.is_err(), "nobody else gets it");
    assert_eq!(alice.handle().inbox(InboxFilter::default()).await.unwrap().total, 0);
    stop(alice).await;
    stop(bob).await;
}

#[tokio::test]
async fn messages_are_cancelled_listed_and_tried_again() {
    let (alice_home, bob_home) = (Home::new("alice", 9), Home::new("bob", 10));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    report(&alice.handle(), "bob", "hello", Wait::Delivered, LONG).await;
    stop(bob).await;
    misses(&alice, "bob").await;
    let alice_handle = alice.handle();
    for number in 0..3 {
        report(&alice_handle, "bob", &number.to_string(), Wait::Queued, LONG).await;
    }
    let filter = OutboxFilter { limit: 2, ..OutboxFilter::default() };
    let page = alice_handle.outbox(filter.clone()).await.unwrap();
    assert_eq!((page.items.len(), page.total), (2, 3));
    let rest = alice_handle.outbox(OutboxFilter { after: page.next, ..filter }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let id = &page.items[1].message_id;
    let shown = alice_handle.outbox_message(id).await.unwrap();
    assert_eq!(shown.status.as_deref(), Some("1"));
    assert_eq!(alice_handle.cancel(id).await.unwrap().status, Delivery::Cancelled);
    let again = alice_handle.cancel(id).await;
    assert!(matches!(again, Err(NodeError::Settled { .. })), "{again:?}");
    let nobody = alice_handle.cancel("ffffffff").await;
    assert!(matches!(nobody, Err(NodeError::NoSuchMessage { .. })), "{nobody:?}");
    let all = OutboxFilter { all: true, ..OutboxFilter::default() };
    assert_eq!(alice_handle.outbox(all).await.unwrap().total, 4);
    // Pauses have grown by now; trying again does not wait for them.
    let bob = bob_home.start().await;
    assert_eq!(alice_handle.retry_peer("bob").await.unwrap().messages, 2);
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    let statuses =
        [next(&mut messages).await, next(&mut messages).await, next(&mut messages).await];
    let statuses: Vec<_> = statuses.iter().map(|it| it.status.as_deref().unwrap()).collect();
    assert_eq!(statuses, ["hello", "0", "2"]);
    stop(alice).await;
    stop(bob).await;
}

/// A message whose time runs out before its receiver comes has certainly not been sent.
#[tokio::test]
async fn what_nobody_came_for_in_time_is_expired() {
    let (alice_home, bob_home) = (Home::new("alice", 11), Home::new("bob", 12));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    stop(bob).await;
    misses(&alice, "bob").await;
    let options =
        ReportOptions { ttl: Some(Duration::from_secs(1)), wait: Wait::Processed, timeout: LONG };
    let content = Content::from_bytes(b"");
    let told = alice.handle().report("bob", "late".to_owned(), None, content, options).await;
    assert_eq!(told.unwrap().status, Delivery::Expired);
    let bob = bob_home.start().await;
    let status = report(&alice.handle(), "bob", "new", Wait::Delivered, LONG).await;
    assert_eq!(status, Delivery::Delivered);
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    assert_eq!(next(&mut messages).await.status.as_deref(), Some("new"));
    stop(alice).await;
    stop(bob).await;
}

/// A disk that takes nothing more for a while.
#[derive(Debug, Clone)]
struct Full {
    bytes: Arc<InMemoryBackend>,
    full: Arc<AtomicBool>,
    /// Whether what is written stays although syncing fails.
    only_sync: bool,
}

impl Full {
    fn new() -> (Self, Arc<AtomicBool>) {
        let full = Arc::new(AtomicBool::new(false));
        let bytes = Arc::new(InMemoryBackend::new());
        (Self { bytes, full: Arc::clone(&full), only_sync: false }, full)
    }

    fn touch(&self, sync: bool) -> io::Result<()> {
        let full = self.full.load(Ordering::SeqCst) && (sync || !self.only_sync);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Full {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.touch(false)?;
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.touch(true)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.touch(false)?;
        self.bytes.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing_that_was_accepted() {
    let (alice_home, bob_home) = (Home::new("alice", 13), Home::new("bob", 14));
    let (alice_disk, alice_full) = Full::new();
    let (bob_disk, bob_full) = Full::new();
    let alice = alice_home.start_on(Store::on(move || alice_disk.clone()).unwrap()).await;
    let bob = bob_home.start_on(Store::on(move || bob_disk.clone()).unwrap()).await;
    connect(&alice, &bob).await;
    let handle = alice.handle();
    report(&handle, "bob", "0", Wait::Delivered, LONG).await;
    alice_full.store(true, Ordering::SeqCst);
    let options = ReportOptions { ttl: None, wait: Wait::Queued, timeout: LONG };
    let content = Content::from_bytes(b"");
    let refused =
        handle.report("bob", "never".to_owned(), None, content, options).await.unwrap_err();
    assert!(matches!(&refused, NodeError::NotKept { .. }), "{refused:?}");
    alice_full.store(false, Ordering::SeqCst);
    bob_full.store(true, Ordering::SeqCst);
    // The store is tried again after a moment, and the sender is not told that it arrived.
    let accepted = async {
        loop {
            let content = Content::from_bytes(b"");
            match handle.report("bob", "1".to_owned(), None, content, options).await {
                Ok(reported) => return reported.message_id,
                Err(NodeError::NotKept { .. }) => tokio::time::sleep(SHORT).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let id = timeout(LONG, accepted).await.unwrap();
    tokio::time::sleep(SHORT).await;
    let status = handle.trace(&id).await.unwrap().status;
    assert!(matches!(status, Delivery::Queued | Delivery::Sent), "{status:?}");
    bob_full.store(false, Ordering::SeqCst);
    until(&handle, &id, &Delivery::Delivered).await;
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    for expected in ["0", "1"] {
        assert_eq!(next(&mut messages).await.status.as_deref(), Some(expected));
    }
    assert!(timeout(SHORT, messages.recv()).await.is_err(), "what was refused does not arrive");
    stop(alice).await;
    stop(bob).await;
}

/// An eighth of the inbox is for one peer. What does not fit waits at its sender, and comes in order once
/// there is room.
#[tokio::test]
async fn an_agent_that_never_acknowledges_fills_no_disk_and_loses_nothing() {
    const COUNT: usize = 1_250;
    const LEN: usize = 60_000;
    const SHARE: usize = (512 << 20) / 8;
    let (alice_home, bob_home) = (Home::new("alice", 15), Home::new("bob", 16));
    let alice = alice_home.start_on(Store::in_memory().unwrap()).await;
    let bob = bob_home.start_on(Store::in_memory().unwrap()).await;
    connect(&alice, &bob).await;
    let mut watching = bob.handle().subscribe(None).await.unwrap();
    let options = ReportOptions { ttl: None, wait: Wait::Queued, timeout: LONG };
    for number in 0..COUNT {
        let content = Content::from_bytes(&[b'x'; LEN]);
        let told = alice.handle().report("bob", number.to_string(), None, content, options).await;
        assert_eq!(told.unwrap().status, Delivery::Queued);
    }
    let asked_to_wait = async {
        loop {
            let oldest = OutboxFilter { limit: 1, ..OutboxFilter::default() };
            let page = alice.handle().outbox(oldest).await.unwrap();
            let waits_for = page.items[0].waits_for.clone().unwrap_or_default();
            if waits_for.contains("asked to wait") {
                return page.total;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let left = timeout(3 * LONG, asked_to_wait).await.unwrap();
    let taken = bob.handle().inbox(InboxFilter::default()).await.unwrap().total;
    assert!(left > 0 && usize::try_from(taken).unwrap() < COUNT, "{left} {taken}");
    let bytes = usize::try_from(taken).unwrap() * LEN;
    // Those that were on their way when the last fitted are taken as well.
    assert!(bytes > SHARE - (1 << 20) && bytes < SHARE + (8 << 20), "{bytes} of {SHARE}");
    for number in 0..COUNT {
        let incoming = next(&mut watching).await;
        assert_eq!(incoming.status, Some(number.to_string()));
        acknowledge(&bob.handle(), &incoming).await;
    }
    stop(alice).await;
    stop(bob).await;
}

/// A write that fails at its very end may be on disk all the same, and after a sync that failed nothing the
/// system says of the file can be believed. So nothing more is written or acknowledged in that run; the next
/// one hands the message over, once.
#[tokio::test]
async fn what_may_be_on_disk_although_its_sync_failed_is_handed_over_once_after_a_restart() {
    let (alice_home, bob_home) = (Home::new("alice", 17), Home::new("bob", 18));
    let (disk, failing) = Full::new();
    let disk = Full { only_sync: true, ..disk };
    let open = || {
        let disk = disk.clone();
        Store::on(move || disk.clone()).unwrap()
    };
    let alice = alice_home.start_on(Store::in_memory().unwrap()).await;
    let bob = bob_home.start_on(open()).await;
    connect(&alice, &bob).await;
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    report(&alice.handle(), "bob", "0", Wait::Delivered, LONG).await;
    acknowledge(&bob.handle(), &next(&mut messages).await).await;
    failing.store(true, Ordering::SeqCst);
    report(&alice.handle(), "bob", "1", Wait::Queued, LONG).await;
    tokio::time::sleep(SHORT).await;
    failing.store(false, Ordering::SeqCst);
    let got = timeout(2 * SHORT, messages.recv()).await;
    assert!(got.is_err(), "the disk works again, and is not believed: {got:?}");
    let left = alice.handle().outbox(OutboxFilter::default()).await.unwrap();
    assert_eq!(left.total, 1, "it is not said to have arrived");
    drop(messages);
    stop(bob).await;
    let bob = bob_home.start_on(open()).await;
    let mut messages = bob.handle().subscribe(None).await.unwrap();
    let one = next(&mut messages).await;
    assert_eq!(one.status.as_deref(), Some("1"));
    acknowledge(&bob.handle(), &one).await;
    until(&alice.handle(), &one.message_id, &Delivery::Processed).await;
    assert!(timeout(SHORT, messages.recv()).await.is_err(), "it comes once");
    assert_eq!(bob.handle().status().await.unwrap().waiting, 0);
    stop(alice).await;
    stop(bob).await;
}

#[tokio::test]
async fn an_answer_to_a_caller_who_has_left_is_in_the_inbox() {
    let (alice_home, bob_home) = (Home::new("alice", 19), Home::new("bob", 20));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    let mut tasks = bob.handle().subscribe(None).await.unwrap();
    let handle = alice.handle();
    let asking =
        tokio::spawn(
            async move { handle.talk("bob", Content::from_bytes(b"why?"), None, LONG).await },
        );
    let task = next(&mut tasks).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    bob.handle().answer(&task.message_id, Content::from_bytes(b"so"), true).await.unwrap();
    let mut messages = alice.handle().subscribe(None).await.unwrap();
    let answer = next(&mut messages).await;
    assert_eq!((answer.kind, answer.in_reply_to), (IncomingKind::Answer, Some(task.message_id)));
    stop(alice).await;
    stop(bob).await;
}

/// Answering takes a task, and so does acknowledging it: it leaves the inbox once. Of two answers the
/// first counts.
#[tokio::test]
async fn a_task_is_taken_and_answered_once() {
    let (alice_home, bob_home) = (Home::new("alice", 21), Home::new("bob", 22));
    let (alice, bob) = (alice_home.start().await, bob_home.start().await);
    connect(&alice, &bob).await;
    report(&alice.handle(), "bob", "stays", Wait::Delivered, LONG).await;
    for _ in 0..20 {
        let asked = alice.handle();
        let asking = tokio::spawn(async move {
            asked.talk("bob", Content::from_bytes(b"2+2"), None, LONG).await
        });
        let mut tasks = bob.handle().subscribe(Some(2)).await.unwrap();
        assert_eq!(next(&mut tasks).await.status.as_deref(), Some("stays"));
        let task = next(&mut tasks).await;
        let (one, other, third) = (bob.handle(), bob.handle(), bob.handle());
        let id = format!("n{}", task.inbox_number.unwrap());
        let (first, second, acknowledged) = tokio::join!(
            one.answer(&task.message_id, Content::from_bytes(b"4"), true),
            other.answer(&task.message_id, Content::from_bytes(b"5"), true),
            third.acknowledge(vec![id]),
        );
        assert_eq!(first, Ok(()));
        assert!(matches!(second, Err(NodeError::NoSuchTask { .. })), "{second:?}");
        acknowledged.unwrap();
        assert_eq!(asking.await.unwrap().unwrap().content.text.as_deref(), Some("4"));
    }
    let settled = async {
        while bob.handle().inbox(InboxFilter::default()).await.unwrap().total > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, settled).await.unwrap();
    assert_eq!(bob.handle().status().await.unwrap().waiting, 1, "what stays is counted still");
    stop(alice).await;
    stop(bob).await;
}
