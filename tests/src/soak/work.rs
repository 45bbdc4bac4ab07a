//! What the nodes are kept busy with: every kind of message, files, the registry, clients of the API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peer_node::api::{Alive, Client, Discover, Lookup, Register, Report, Send, Talk, Wake};
use peer_node::model::{Content, Delivery, IdPrefix, TransferState, Wait};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tokio::io::AsyncWriteExt as _;

use super::ledger::Ledger;
use super::old::{self, Old};
use super::stage::WATCHED;

/// Most of one kind of work under way at once; what is due then is left out.
const AT_ONCE: usize = 4;
/// How long an ask waits.
const ASKING: Duration = Duration::from_secs(5);
/// How long a file may take before it is given up.
const FILE: Duration = Duration::from_secs(60);

/// A node that is worked with.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) entity: String,
    pub(super) client: Client,
    pub(super) dir: PathBuf,
    /// Whether it runs, as far as the run knows.
    pub(super) up: AtomicBool,
    away: AtomicBool,
}

impl Actor {
    pub(super) fn new(entity: &str, dir: &Path) -> Result<Self, String> {
        Ok(Self {
            entity: entity.to_owned(),
            client: client(dir)?,
            dir: dir.to_owned(),
            up: AtomicBool::new(true),
            away: AtomicBool::new(false),
        })
    }

    pub(super) fn agent_is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }
}

/// A client of the node on `dir`.
pub(super) fn client(dir: &Path) -> Result<Client, String> {
    let dir = peer_node::paths::DataDir::resolve(Some(dir.to_owned()));
    dir.map(|dir| Client::new(&dir)).map_err(|error| error.to_string())
}

/// All that is worked with, and what came of it.
#[derive(Debug)]
pub(super) struct Work {
    /// Those that stay first.
    pub(super) actors: Vec<Actor>,
    old: Old,
    gateway: SocketAddr,
    files: PathBuf,
    ledger: Mutex<Ledger>,
    tally: Mutex<BTreeMap<&'static str, Tally>>,
    seed: u64,
    /// Pauses are shorter by this factor: the bits of a number.
    pace: AtomicU64,
    resting: AtomicBool,
    over: AtomicBool,
    under_way: AtomicUsize,
}

/// How often something was done, and how often it came to nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// It was done.
    pub done: usize,
    /// It was not, for example because a node was away.
    pub failed: usize,
}

impl Work {
    pub(super) fn new(
        actors: Vec<Actor>,
        old: Old,
        gateway: SocketAddr,
        root: &Path,
        seed: u64,
    ) -> Result<Arc<Self>, String> {
        let files = root.join("files");
        std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
        Ok(Arc::new(Self {
            actors,
            old,
            gateway,
            files,
            ledger: Mutex::new(Ledger::new(seed)),
            tally: Mutex::default(),
            seed,
            pace: AtomicU64::new(1_f64.to_bits()),
            resting: AtomicBool::new(false),
            over: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
        }))
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tally(&self) -> BTreeMap<&'static str, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self, what: &'static str, done: bool) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tally.entry(what).or_default();
        if done {
            tally.done += 1;
        } else {
            tally.failed += 1;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends all work and all agents.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// How fast everything happens.
    pub(super) fn pace(&self) -> f64 {
        f64::from_bits(self.pace.load(Ordering::SeqCst))
    }

    /// From now on everything happens so fast.
    pub(super) fn set_pace(&self, pace: f64) {
        self.pace.store(pace.to_bits(), Ordering::SeqCst);
    }

    /// Nothing new is begun while it rests.
    pub(super) fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::SeqCst);
    }

    /// What was begun and is not done.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    /// Starts all kinds of work and the agents.
    pub(super) fn start(self: &Arc<Self>) {
        for who in 0..self.actors.len() {
            tokio::spawn(super::agents::listen(Arc::clone(self), who));
        }
        self.every("reports", 0.4, |work, rng| async move { work.report(rng).await });
        self.every("asks", 1.0, |work, rng| async move { work.ask(rng).await });
        self.every("files", 12.0, |work, rng| async move { work.file(rng).await });
        self.every("lookups", 5.0, |work, rng| async move { work.look_up(rng).await });
        self.every("registrations", 30.0, |work, rng| async move { work.register(rng).await });
        self.every("wakes", 8.0, |work, rng| async move { work.wake(rng).await });
        self.every("streams", 3.0, |work, rng| async move { work.stream(rng).await });
        self.every("views", 4.0, |work, rng| async move { work.view(rng).await });
        self.every("version 1.0", 4.0, |work, rng| async move { work.old(rng).await });
    }

    /// Does `act` about every `seconds`.
    fn every<F>(
        self: &Arc<Self>,
        what: &'static str,
        seconds: f64,
        act: impl Fn(Arc<Self>, StdRng) -> F + std::marker::Send + 'static,
    ) where
        F: Future<Output = bool> + std::marker::Send + 'static,
    {
        let work = Arc::clone(self);
        let seed = what.bytes().fold(self.seed, |seed, byte| seed.rotate_left(9) ^ u64::from(byte));
        let mut rng = StdRng::seed_from_u64(seed);
        let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        tokio::spawn(async move {
            while !work.is_over() {
                let pause = seconds * rng.random_range(0.5..1.5) / work.pace();
                tokio::time::sleep(Duration::from_secs_f64(pause)).await;
                let rng = StdRng::seed_from_u64(rng.next_u64());
                if work.resting.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                work.under_way.fetch_add(1, Ordering::SeqCst);
                let (acting, work) = (act(Arc::clone(&work), rng), Arc::clone(&work));
                tokio::spawn(async move {
                    let done = acting.await;
                    work.count(what, done);
                    work.under_way.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                });
            }
        });
    }

    /// Somebody who runs.
    fn someone(&self, rng: &mut StdRng) -> &Actor {
        let up: Vec<_> = self.actors.iter().filter(|it| it.up.load(Ordering::SeqCst)).collect();
        // Those that stay have a share in half of everything.
        let among = if rng.random_bool(0.5) { WATCHED } else { up.len() };
        up[rng.random_range(0..among)]
    }

    /// Somebody else, who may be away.
    fn another(&self, rng: &mut StdRng, than: &Actor) -> &Actor {
        loop {
            let found = &self.actors[rng.random_range(0..self.actors.len())];
            if found.entity != than.entity {
                return found;
            }
        }
    }

    async fn report(&self, mut rng: StdRng) -> bool {
        let from = self.someone(&mut rng);
        let to = self.another(&mut rng, from);
        self.say(&from.client, &to.entity, Wait::Queued).await
    }

    /// Has `from` tell `to` the next message; whether it came as far as was to be waited for.
    pub(super) async fn say(&self, from: &Client, to: &str, wait: Wait) -> bool {
        let (number, content) = self.ledger().say(to);
        let report = Report {
            peer: to.to_owned(),
            status: number.to_string(),
            next_action: None,
            content: Some(Content::from_bytes(&content)),
            timeout_ms: Some(15_000),
            wait: Some(wait),
            ttl_ms: None,
        };
        let Ok(reported) = from.report(&report).await else { return false };
        let far = match wait {
            Wait::Queued => true,
            Wait::Delivered | Wait::Processed => {
                matches!(reported.status, Delivery::Delivered | Delivery::Processed)
            }
        };
        if far {
            self.ledger().accept(number);
        }
        far
    }

    async fn ask(&self, mut rng: StdRng) -> bool {
        let from = self.someone(&mut rng);
        let to = self.another(&mut rng, from);
        let volatile = rng.random_bool(0.5);
        self.talk(&from.client, &to.entity, volatile).await
    }

    /// Has `from` ask `to` something; whether the answer came, and was right.
    pub(super) async fn talk(&self, from: &Client, to: &str, volatile: bool) -> bool {
        let (number, content) = self.ledger().say(to);
        let talk = Talk {
            peer: to.to_owned(),
            content: Content::from_bytes(&content),
            conversation: Some(number.to_string()),
            timeout_ms: u64::try_from(ASKING.as_millis()).ok(),
            ttl_ms: None,
            volatile,
        };
        let Ok(answer) = from.talk(&talk).await else { return false };
        if answer.content.to_bytes().ok().as_ref() != Some(&content) {
            self.ledger().fault(format!("the answer to {number} from {to} is another one"));
        }
        self.ledger().accept(number);
        true
    }

    /// A file, which is given up half way now and then.
    async fn file(&self, mut rng: StdRng) -> bool {
        let from = self.someone(&mut rng);
        let to = self.another(&mut rng, from);
        let name = format!("{:016x}", rng.next_u64());
        let path = self.files.join(&name);
        let mut bytes = vec![0; rng.random_range(1_000..3 << 20)];
        rng.fill_bytes(&mut bytes);
        if std::fs::write(&path, &bytes).is_err() {
            self.ledger().fault(format!("cannot write {}", path.display()));
            return false;
        }
        let ask = Send {
            peer: to.entity.clone(),
            path: path.clone(),
            root: None,
            name: None,
            content_type: None,
            spooled: false,
            timeout_ms: Some(10_000),
        };
        let done = match from.client.send_file(&ask).await {
            Ok(transfer) => self.follow(from, &transfer.id, rng.random_bool(0.2)).await,
            Err(_) => false,
        };
        let arrived = to.dir.join("received").join(&from.entity).join(&name);
        if done && std::fs::read(&arrived).ok().as_ref() != Some(&bytes) {
            self.ledger().fault(format!("{} is not the file that was sent", arrived.display()));
        }
        // Neither is needed any more; the second is not there if it was given up.
        let _ = (std::fs::remove_file(&path), std::fs::remove_file(&arrived));
        done
    }

    /// Whether a transfer is complete in time.
    async fn follow(&self, from: &Actor, id: &str, cancel: bool) -> bool {
        let Ok(id) = id.parse::<IdPrefix>() else { return false };
        if cancel {
            // It may be complete already.
            let _ = from.client.cancel_transfer(&id).await;
            return false;
        }
        let end = tokio::time::Instant::now() + FILE;
        while tokio::time::Instant::now() < end {
            match from.client.transfer(&id).await {
                Ok(it) if it.state == TransferState::Complete => return true,
                Ok(it) if it.state.is_over() => return false,
                // Its sender may be away for a while.
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
        // Its sender may be away now; then it goes on when it comes back.
        let _ = from.client.cancel_transfer(&id).await;
        false
    }

    async fn look_up(&self, mut rng: StdRng) -> bool {
        let from = self.someone(&mut rng);
        let entity = self.another(&mut rng, from).entity.clone();
        let ask = Lookup { entity, fresh: true, timeout_ms: Some(10_000) };
        let found = from.client.lookup(&ask).await.is_ok();
        let capabilities = vec!["soak".to_owned()];
        let ask = Discover { capabilities, limit: None, timeout_ms: Some(10_000) };
        found && from.client.discover(&ask).await.is_ok()
    }

    async fn register(&self, mut rng: StdRng) -> bool {
        let from = self.someone(&mut rng);
        let name = vec![format!("soak-{}", rng.random_range(0..8))];
        let (add, remove) =
            if rng.random_bool(0.5) { (name, Vec::new()) } else { (Vec::new(), name) };
        from.client.register(&Register { add, remove }).await.is_ok()
    }

    /// The hub asks; now and then the agent at the other end has gone, and does not come.
    async fn wake(&self, mut rng: StdRng) -> bool {
        let (hub, mate) = (&self.actors[0], &self.actors[1]);
        let gone = rng.random_bool(0.3);
        mate.away.store(gone, Ordering::SeqCst);
        let to = if gone { mate } else { self.another(&mut rng, hub) };
        if gone {
            // Until it has noticed.
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        let peer = to.entity.clone();
        let alive = hub.client.alive(&Alive { peer: peer.clone(), timeout_ms: Some(5_000) }).await;
        let wake = Wake { peer, reason: Some("soak".to_owned()), timeout_ms: Some(5_000) };
        let woken = hub.client.wake(&wake).await;
        if gone {
            mate.away.store(false, Ordering::SeqCst);
        }
        alive.is_ok() && woken.is_ok()
    }

    /// A client that follows events or messages for a moment and goes without a word.
    async fn stream(&self, mut rng: StdRng) -> bool {
        let at = self.someone(&mut rng);
        let (moment, many) = (rng.random_range(0..1_000), rng.random_range(1..30));
        let moment = Duration::from_millis(moment);
        if rng.random_bool(0.3) {
            // What it is handed and does not acknowledge comes to the agent again.
            let Ok(mut messages) = at.client.messages(None).await else { return false };
            let _ = tokio::time::timeout(moment / 2, messages.next()).await;
            return true;
        }
        let Ok(mut events) = at.client.events(&[], None).await else { return false };
        let reading = async {
            for _ in 0..many {
                if events.next().await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(moment, reading).await;
        true
    }

    /// Requests that look, and one that is broken off.
    async fn view(&self, mut rng: StdRng) -> bool {
        let at = self.someone(&mut rng);
        let client = &at.client;
        let seen = match rng.random_range(0..6) {
            0 => client.peers().await.is_ok(),
            1 => client.sessions().await.is_ok(),
            2 => client.netcheck().await.is_ok(),
            3 => client.log(200).await.is_ok(),
            4 => client.transfers().await.is_ok(),
            _ => client.dht().await.is_ok(),
        };
        if let Ok(mut socket) = tokio::net::UnixStream::connect(at.dir.join("api.sock")).await {
            // The node may have closed it.
            let _ = socket.write_all(b"POST /v1/talk HTTP/1.1\r\nHost: x\r\nContent-Le").await;
        }
        seen
    }

    async fn old(&self, mut rng: StdRng) -> bool {
        match rng.random_range(0..10) {
            0 => old::break_off(self.gateway).await,
            1 => !old::post(self.gateway, "{\"version\": \"1.0\"}").await,
            2 => {
                let changed = self.old.report("changed").replace("changed", "forged");
                !old::post(self.gateway, &changed).await
            }
            _ => {
                let (number, _) = self.ledger().say("hub");
                let taken =
                    old::post(self.gateway, &self.old.report(&format!("old {number}"))).await;
                if taken {
                    self.ledger().accept(number);
                }
                taken
            }
        }
    }
}
