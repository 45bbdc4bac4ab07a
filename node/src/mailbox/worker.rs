//! The mailbox's thread: it takes what has come in, decides, writes that in one transaction, and only
//! then tells anybody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Inputs, RecvTimeoutError};
use std::time::Duration;

use peer_behaviours::Clock;
use peer_protocol::mailbox::{Keeper, Receiver, ReceiverConfig, Row, Sender, SenderConfig};
use peer_protocol::time::{Instant, Now};
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};

use super::known::Known;
use super::unwritten::Unwritten;
use super::{Disk, Input, Output, Parts, busy};
use crate::config::{MailboxConfig, ServeMailbox};
use crate::model::{MailboxNodeStatus, MailboxStatus};
use peer_behaviours::secure;

/// How often it looks what is due.
const TICK: Duration = Duration::from_millis(500);
/// How often what is over is deleted.
const CLEANING: Duration = Duration::from_secs(300);
/// How soon after prekeys were deleted what is left of them is wiped.
const WIPING: Duration = Duration::from_secs(30);
/// Most that is taken in at once.
const BURST: usize = 128;

pub(super) struct Worker {
    pub(super) config: MailboxConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: StdRng,
    pub(super) disk: Box<dyn Disk>,
    pub(super) keeper: Option<Keeper>,
    pub(super) receiver: Option<Receiver>,
    pub(super) sender: Sender,
    pub(super) known: Known,
    /// What is not on disk yet.
    pub(super) changes: Unwritten,
    /// What is told once it is.
    pub(super) told: VecDeque<Output>,
    outputs: mpsc::UnboundedSender<Output>,
    cleaned: Option<Instant>,
    /// Whether private halves were deleted, and when what was left of them was last wiped.
    pub(super) wiping: bool,
    wiped: Instant,
    /// Whether anything of this node lies, or is to lie, in somebody's mailbox.
    pub(super) put_any: Arc<AtomicBool>,
    pub(super) receiving: super::receiving::Receiving,
    pub(super) sending: super::sending::Sending,
}

impl Worker {
    pub(super) fn new(
        parts: Parts,
        outputs: mpsc::UnboundedSender<Output>,
    ) -> Result<Self, String> {
        let Parts { config, identity, suites, clock, disk } = parts;
        let rows = disk.rows().map_err(|error| error.to_string())?;
        let all = || rows.iter().map(|(key, value)| Row { key, value });
        let now = clock.now().timestamp;
        let keeper =
            (config.serve != ServeMailbox::None).then(|| Keeper::restore(config.keep, now, all()));
        let nodes: Vec<_> = config.at.iter().filter_map(crate::directory::peer_of).collect();
        let nodes: Vec<_> = nodes.iter().filter_map(secure::key_of).collect();
        let receiver = (!nodes.is_empty()).then(|| {
            let config = ReceiverConfig { nodes, every: config.every, ..ReceiverConfig::default() };
            Receiver::new(config, identity.clone(), suites.clone(), all())
        });
        let sending = SenderConfig { collect: config.every, ..SenderConfig::default() };
        let sender = Sender::new(sending, identity, suites, all());
        let records = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let (known, gone) = Known::load(records, now);
        let mut changes = Unwritten::default();
        changes.extend(gone);
        Ok(Self {
            config,
            clock,
            rng: rand::make_rng(),
            disk,
            keeper,
            receiver,
            sender,
            known,
            changes,
            told: VecDeque::new(),
            outputs,
            cleaned: None,
            wiping: false,
            wiped: Instant::default(),
            put_any: Arc::new(AtomicBool::new(true)),
            receiving: super::receiving::Receiving::default(),
            sending: super::sending::Sending::default(),
        })
    }

    /// Until it is told to stop, or nobody is left who could tell it anything.
    pub(super) fn run(mut self, inputs: &Inputs<Input>) {
        loop {
            let mut stop = None;
            match inputs.recv_timeout(TICK) {
                Ok(input) => {
                    stop = self.take(input);
                    for _ in 1..BURST {
                        if stop.is_some() {
                            break;
                        }
                        let Ok(input) = inputs.try_recv() else { break };
                        stop = self.take(input);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some(stopped) = stop {
                self.flush();
                self.wipe(true);
                let _ = stopped.send(());
                return;
            }
            self.tick();
            self.flush();
            self.wipe(false);
        }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn take(&mut self, input: Input) -> Option<oneshot::Sender<()>> {
        match input {
            Input::Request { from, id, request, serve, share } => {
                self.keep(&from, id, &request, (serve, share));
            }
            Input::Answer { asker, node, answer } => {
                self.on_answer(asker, &node, answer.as_deref());
            }
            Input::Where(peer) => self.seek(peer),
            Input::Waiting { peer, waiting } => {
                self.put_any.store(true, Ordering::Relaxed);
                self.put(peer, waiting);
            }
            Input::Reached(peer) => self.reached(&peer),
            Input::Settled(settled) => self.settled(&settled),
            Input::Record(bytes) => self.learn(&bytes),
            Input::Verdict { sender, id, verdict } => self.on_verdict(&sender, id, verdict),
            Input::Refused { sender, ids, code } => self.refused(&sender, &ids, code),
            Input::Arriving(arrival) => self.arriving(arrival),
            Input::Committed(settlement) => self.committed(*settlement),
            Input::NotCommitted(settlement) => self.not_committed(&settlement),
            Input::Processed { sender, ids } => self.processed(&sender, &ids),
            Input::Visit => self.visit(),
            Input::Status(reply) => drop(reply.send(self.status())),
            Input::Stop(stopped) => return Some(stopped),
        }
        None
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        self.receive();
        self.send();
        self.put_any.store(!self.sender.is_idle(), Ordering::Relaxed);
        if self.cleaned.is_some_and(|at| now.instant.since(at) < CLEANING) {
            return;
        }
        self.cleaned = Some(now.instant);
        if let Some(keeper) = &mut self.keeper {
            self.changes.extend(keeper.tick(now.timestamp));
        }
        if let Some(receiver) = &mut self.receiver {
            let over = receiver.tick(now.timestamp);
            self.wiping |= !over.is_empty();
            self.changes.extend(over);
        }
        self.changes.extend(self.sender.tick(now.timestamp));
        self.changes.extend(self.known.tick(now.timestamp));
        self.publish();
    }

    /// Writes what there is to write, and then tells what rests on it. If the disk fails it stays to be
    /// written, and whoever waits for an answer is told to come again.
    pub(super) fn flush(&mut self) {
        let changes = self.changes.as_slice();
        if !changes.is_empty() {
            if let Err(error) = self.disk.commit(changes) {
                tracing::warn!(%error, "the mailbox cannot be written");
                self.not_written();
                return;
            }
            self.changes.clear();
            self.written();
        }
        for output in self.told.drain(..) {
            // The event loop may be gone already.
            let _ = self.outputs.send(output);
        }
    }

    /// Sees to it that nothing of deleted prekeys can be read on disk: soon after they were deleted, and
    /// when the node stops.
    fn wipe(&mut self, now: bool) {
        let at = self.now().instant;
        let due = now || at.since(self.wiped) >= WIPING;
        if !(self.wiping && due) || self.receiver.is_none() {
            return;
        }
        (self.wiping, self.wiped) = (false, at);
        if let Err(error) = self.disk.wipe() {
            tracing::warn!(%error, "deleted prekeys may still be readable on disk");
            self.wiping = true;
        }
    }

    fn not_written(&mut self) {
        for output in std::mem::take(&mut self.told) {
            match output {
                Output::Reply { to, in_reply_to, share, .. } => {
                    let answer = Box::new(busy("the disk fails"));
                    let _ = self.outputs.send(Output::Reply { to, in_reply_to, answer, share });
                }
                Output::Ask { asker, node, .. } => self.on_answer(asker, &node, None),
                other => self.told.push_back(other),
            }
        }
    }

    fn status(&mut self) -> MailboxStatus {
        let (owners, room) = self.keeper.as_ref().map(Keeper::usage).unwrap_or_default();
        let name = |key| secure::peer_id_of(key).map(|id| id.to_string()).unwrap_or_default();
        let nodes = self.receiver.iter().flat_map(|receiver| {
            receiver.nodes().map(|(key, left, waiting)| MailboxNodeStatus {
                peer_id: name(key),
                prekeys_left: left,
                items_waiting: waiting,
                receipts_owed: receiver.owed(key),
            })
        });
        MailboxStatus {
            serve: self.config.serve.as_str().to_owned(),
            owners,
            items: room.items,
            bytes: room.bytes,
            nodes: nodes.collect(),
            lying: self.lying(),
        }
    }
}
