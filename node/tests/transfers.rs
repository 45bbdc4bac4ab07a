//! Files between nodes of one process.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peer_node::config::{AcceptFiles, NodeConfig, TransferConfig};
use peer_node::model::{FileToSend, IncomingKind, TransferState, TransferStatus};
use peer_node::{Handle, Node};

const PATIENCE: Duration = Duration::from_secs(30);

/// A node with directories of its own.
struct Host {
    node: Option<Node>,
    dir: PathBuf,
}

impl Host {
    async fn start(root: &Path, entity: &str, change: impl FnOnce(&mut TransferConfig)) -> Self {
        let dir = root.join(entity);
        let mut transfers = TransferConfig {
            root: Some(dir.join("transfers")),
            received: Some(dir.join("received")),
            accept: AcceptFiles::All,
            reserve: 0,
            ..TransferConfig::default()
        };
        change(&mut transfers);
        let config = NodeConfig::default()
            .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
            .with_mdns(false)
            .with_upnp(false)
            .with_shutdown_grace(Duration::ZERO)
            .unwrap()
            .with_transfers(transfers);
        let node = Node::builder().config(config).entity(entity).unwrap();
        Self { node: Some(node.start().await.unwrap()), dir }
    }

    fn handle(&self) -> Handle {
        self.node.as_ref().unwrap().handle()
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

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(&self.dir).unwrap();
        let path = self.dir.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn send(&self, to: &str, path: &Path) -> TransferStatus {
        let file = FileToSend {
            path: path.to_owned(),
            root: None,
            name: None,
            content_type: None,
            spooled: false,
        };
        self.handle().send_file(to, file, PATIENCE).await.unwrap()
    }

    /// Waits until a transfer is over.
    async fn over(&self, id: &str) -> TransferStatus {
        let begun = Instant::now();
        loop {
            let status = self.handle().transfer(id).await.unwrap();
            if status.state.is_over() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Files below `received`, without what is under way.
    fn received(&self, from: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.join("received").join(from));
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.into_iter().flatten().flatten().map(name).collect();
        names.sort();
        names
    }

    fn parts(&self) -> usize {
        fs::read_dir(self.dir.join("received/.parts")).unwrap().count()
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_all_sizes_arrive_whole_and_are_announced() {
    let root = tempfile::tempdir().unwrap();
    let alice = Host::start(root.path(), "alice", |_| {}).await;
    let bob = Host::start(root.path(), "bob", |_| {}).await;
    alice.connect(&bob).await;
    let mut inbox = bob.handle().subscribe(None).await.unwrap();
    for (name, len) in [("empty", 0), ("one", 1), ("piece", 1 << 20), ("many.bin", 21_000_001)] {
        let bytes = noise(len);
        let path = alice.write(name, &bytes);
        let sent = alice.send("bob", &path).await;
        let over = alice.over(&sent.id).await;
        assert_eq!(over.state, TransferState::Complete, "{over:?}");
        assert_eq!((over.done, over.size), (len as u64, len as u64));
        let landed = bob.dir.join("received/alice").join(name);
        assert!(fs::read(&landed).unwrap() == bytes, "{name} is not what was sent");
        let told = inbox.recv().await.unwrap();
        let file = told.file.unwrap();
        assert_eq!((told.kind, told.message_id), (IncomingKind::File, sent.id));
        assert_eq!((file.name.as_str(), file.size), (name, len as u64));
        assert_eq!(file.path, landed.display().to_string());
        assert_eq!(Some(file.digest), over.digest);
    }
    assert_eq!(bob.received("alice"), ["empty", "many.bin", "one", "piece"]);
    assert_eq!(bob.parts(), 0);
    assert_eq!(bob.handle().transfers().await.unwrap().len(), 4);
}
