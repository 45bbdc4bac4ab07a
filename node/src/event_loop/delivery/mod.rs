//! Ordered messages (`docs/PROTOCOL.md` §8): what the protocol's outbox and the links want of the disk,
//! and what the disk says.
//!
//! The event loop never waits for the disk. Writes are submitted to the store's thread and reported back;
//! what is read is read by a blocking thread, which sends back what is to be done with it.

mod accepting;
mod answering;
mod arriving;
mod attempts;
mod contacts;
mod contents;
mod effects;
mod forwarding;
mod inbox;
mod lines;
mod mail;
mod naming;
mod once;
mod outbox;
mod reaching;
mod resuming;
mod taking;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use hashlink::LruCache;
use libp2p::PeerId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{self, Outbox, Step, Write};
use peer_protocol::id::MessageId;
use peer_protocol::time::{Instant, Timestamp};
use rand::rngs::StdRng;
use tokio::sync::mpsc;

pub(super) use self::accepting::Ahead;
pub(super) use self::contents::Draft;
pub(crate) use self::resuming::Resuming;

use self::accepting::Accepting;
use self::arriving::Arriving;
use self::attempts::Attempts;
use self::naming::{Names, peer_id_of};
use self::reaching::Reaching;
use self::taking::Taking;
use super::EventLoop;
use crate::handle::Reply;
use crate::model::OutboxLine;
use crate::room::Share;
use crate::store::{Committed, Durable, Refused, Store, StoreError, Submitter, Ticket, Writer};

/// Most ordered tasks of which it is remembered in memory whom to answer; of others the disk knows.
const MAX_OPEN_TASKS: usize = 8_192;
/// Most peers without a session that are remembered as owed receipts; the disk knows of all.
const MAX_OWED: usize = 1_024;
/// Most results that are looked at in one turn.
const BURST: usize = 1_024;

/// What to do with what was read.
type Then = Box<dyn FnOnce(&mut EventLoop) + Send>;

/// What is to be done once something is on disk, or failed.
enum Submitted {
    /// Report it to the outbox.
    Outbox(delivery::Ticket),
    Arrival(Box<Arriving>),
    Taken(Taking),
    /// Nobody waits for it.
    Note,
}

/// What the event loop knows of ordered messages.
pub(crate) struct Delivery {
    outbox: Outbox,
    store: Store,
    submitter: Submitter,
    results: mpsc::UnboundedReceiver<Committed>,
    submitted: HashMap<Ticket, Submitted>,
    reads: mpsc::UnboundedReceiver<Then>,
    reader: mpsc::UnboundedSender<Then>,
    /// Messages whose caller waits to hear that they are on disk.
    accepting: HashMap<MessageId, Accepting>,
    cancelling: HashMap<MessageId, Vec<Reply<OutboxLine>>>,
    /// Peers whose links take messages.
    attached: HashSet<PeerId>,
    reaching: HashMap<PeerId, Reaching>,
    /// Peers that are owed receipts and have no session.
    owed: LruCache<PeerId, ()>,
    names: Names,
    next_walk: Instant,
    /// Peers that turned out to speak version 1.0 only, while their messages are read.
    falling_back: HashSet<PeerId>,
    /// Until when peers asked to wait.
    paced: LruCache<PeerId, Instant>,
    attempts: Attempts,
    /// Whom to answer.
    tasks: LruCache<MessageId, PublicKey>,
    /// Taken messages of which the disk did not take that down yet.
    untaken: VecDeque<Taking>,
    /// Inbox numbers of messages of which it is being taken down, or was lately, that they were taken: an
    /// answer takes its task, and so does whoever acknowledges it.
    taking: HashSet<u64>,
    taken: LruCache<u64, ()>,
    /// Tasks that are being answered.
    answering: HashSet<MessageId>,
    retry_taking: Option<Instant>,
    /// Whether the last write failed.
    failing: bool,
    /// Contacts that the disk knows, as this process wrote them.
    contacts: LruCache<PeerId, Instant>,
}

impl Delivery {
    /// Reads what there is from the disk, and blocks meanwhile.
    pub(crate) fn start(
        store: Store,
        writer: &mut Writer,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let rng: StdRng = rand::make_rng();
        let first = store.forget_receivers()?;
        let outbox = Outbox::new(store.saved()?, Box::new(rng), now).beginning_at(first);
        let mut owed = LruCache::new(MAX_OWED);
        for key in store.owed_peers()? {
            owed.insert(peer_id_of(&key), ());
        }
        let submitter = writer.submitter();
        let (nowhere, closed) = mpsc::unbounded_channel();
        drop(nowhere);
        let (reader, reads) = mpsc::unbounded_channel();
        Ok(Self {
            outbox,
            store,
            submitter,
            results: writer.results().unwrap_or(closed),
            submitted: HashMap::new(),
            reads,
            reader,
            accepting: HashMap::new(),
            cancelling: HashMap::new(),
            attached: HashSet::new(),
            reaching: HashMap::new(),
            owed,
            names: Names::default(),
            next_walk: Instant::default(),
            falling_back: HashSet::new(),
            paced: LruCache::new(MAX_OPEN_TASKS),
            attempts: Attempts::default(),
            tasks: LruCache::new(MAX_OPEN_TASKS),
            untaken: VecDeque::new(),
            taking: HashSet::new(),
            taken: LruCache::new(MAX_OPEN_TASKS),
            answering: HashSet::new(),
            retry_taking: None,
            failing: false,
            contacts: LruCache::new(MAX_OPEN_TASKS),
        })
    }

    /// Something came back from the disk: results of writes, or what to do with what was read.
    pub(super) async fn news(&mut self) -> News {
        tokio::select! {
            committed = self.results.recv() => match committed {
                Some(first) => {
                    let mut all = vec![first];
                    while all.len() < BURST && let Ok(more) = self.results.try_recv() {
                        all.push(more);
                    }
                    News::Committed(all)
                }
                // The store is closed: nothing comes any more.
                None => std::future::pending().await,
            },
            Some(then) = self.reads.recv() => News::Read(then),
        }
    }

    /// Whether writes are under way that somebody waits for.
    pub(super) fn is_writing(&self) -> bool {
        !self.submitted.is_empty()
    }

    /// Messages that wait to be delivered, and their bytes.
    pub(super) fn queued(&self) -> (usize, u64) {
        self.outbox.len()
    }

    fn submit(&mut self, writes: Vec<Write>, then: Submitted) -> Result<(), Refused> {
        let durable = writes.into_iter().map(Durable::from).collect();
        let ticket = self.submitter.submit(durable)?;
        self.submitted.insert(ticket, then);
        Ok(())
    }
}

/// What came back from the disk.
pub(super) enum News {
    Committed(Vec<Committed>),
    Read(Then),
}

impl EventLoop {
    pub(super) fn on_news(&mut self, news: News) {
        match news {
            News::Committed(all) => self.on_committed(all),
            News::Read(then) => then(self),
        }
        self.pump();
    }

    /// Reads from the disk, and goes on with `then`.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Self, Result<T, StoreError>) + Send + 'static,
    ) {
        let (store, reader) = (self.delivery.store.clone(), self.delivery.reader.clone());
        tokio::task::spawn_blocking(move || {
            let found = read(&store);
            // The node may have stopped meanwhile.
            let _ = reader.send(Box::new(move |this: &mut Self| then(this, found)));
        });
    }

    fn on_committed(&mut self, all: Vec<Committed>) {
        let now = self.clock.now();
        let mut arrived = Vec::new();
        for Committed { ticket, outcome } in all {
            let failed_before = std::mem::replace(&mut self.delivery.failing, outcome.is_err());
            if failed_before && outcome.is_ok() {
                self.look_again();
            }
            match self.delivery.submitted.remove(&ticket) {
                Some(Submitted::Outbox(ticket)) => {
                    self.delivery.outbox.written(ticket, outcome.is_ok(), now);
                }
                Some(Submitted::Arrival(arriving)) => {
                    let written = outcome.ok().and_then(|written| written.first().copied());
                    arrived.push((*arriving, written));
                }
                Some(Submitted::Taken(taking)) => self.on_taken(taking, outcome.err()),
                Some(Submitted::Note) | None => {}
            }
        }
        self.on_arrived(arrived);
        if !self.delivery.failing {
            self.look_at_claims();
        }
    }

    /// A listener was handed a message, or is gone.
    pub(super) fn on_handed(&mut self, handed: Option<MessageId>) {
        if let Some(id) = handed {
            self.note(vec![id], &Step::Handed);
        }
        self.load_inbox();
    }

    pub(super) fn tick_delivery(&mut self, now: Instant) {
        let both = self.clock.now();
        self.delivery.outbox.handle_timeout(both);
        self.take_again(now);
        self.inbox.sweep();
        self.inbox.confirm(now);
        self.tick_reaching(now);
        self.pump();
    }

    /// The disk works again. It may hold what it said had failed, if it failed at the very end: what came in
    /// is then there, though nobody was told.
    fn look_again(&self) {
        self.read(
            |store| Ok((store.head()?, store.senders()?)),
            |this, found| {
                let Ok((head, senders)) = found else { return };
                let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
                let room = this.inbox.room();
                room.keep_only(senders.iter().map(|sender| {
                    let waiting = sender.waiting;
                    (Share::of(&sender.peer), count(waiting.messages), count(waiting.bytes))
                }));
                for submitted in this.delivery.submitted.values() {
                    if let Submitted::Arrival(arriving) = submitted {
                        room.keep(arriving.share(), 1, arriving.len());
                    }
                }
                this.inbox.reload(head);
            },
        );
    }

    /// Waits for what is being written.
    pub(super) async fn finish_writing(&mut self, time: Duration) {
        self.run_for(time, |this| !this.delivery.is_writing()).await;
    }
}
