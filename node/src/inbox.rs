//! Messages for the agent. Volatile ones wait in memory until an agent listens; ordered ones stay on disk
//! until an agent has taken them, and each listener is handed them from the oldest on.

mod listener;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use libp2p::PeerId;
use peer_protocol::id::MessageId;
use peer_protocol::time::Instant;
use tokio::sync::mpsc;

use self::listener::{Listener, Next};
use crate::handle::{Agent, AgentKind};
use crate::model::Incoming;
use crate::room::{Room, Share};
use crate::transfer::Key;
use crate::wake::Attached;

/// Most tasks whose answer is awaited; the oldest is forgotten first.
const MAX_OPEN_TASKS: usize = 8192;

/// A volatile message. It takes room until the last listener was handed it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) incoming: Incoming,
    room: Arc<Room>,
    share: Share,
    len: usize,
    notice: Option<Notice>,
}

/// Tells, when a file's message is gone, whether an agent has heard of it.
#[derive(Debug)]
pub(crate) struct Notice {
    key: Key,
    handed: AtomicBool,
    told: mpsc::UnboundedSender<(Key, bool)>,
}

impl Drop for Notice {
    fn drop(&mut self) {
        // A node that stops does not listen any more.
        let _ = self.told.send((self.key, self.handed.load(Ordering::Relaxed)));
    }
}

impl Held {
    /// An agent has heard of it.
    fn handed(&self) {
        if let Some(notice) = &self.notice {
            notice.handed.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.leave(self.share, self.len);
    }
}

/// A message of the inbox on disk.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) id: MessageId,
    pub(crate) len: usize,
    pub(crate) incoming: Arc<Incoming>,
}

/// Messages that a listener needs from disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) listener: u64,
    /// From this inbox number on.
    pub(crate) from: u64,
    /// Up to this one, which is not among them, all that there are on disk are known then.
    pub(crate) to: u64,
    /// It is the one message with the number `from`, which the listener has passed over.
    pub(crate) late: bool,
}

/// The inbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    room: Arc<Room>,
    /// Volatile messages that no listener was there for.
    waiting: VecDeque<Arc<Held>>,
    listeners: Vec<Listener>,
    next_listener: u64,
    /// The inbox number after the newest on disk.
    head: u64,
    /// Messages that are for somebody else than the agent, until it is on disk that they were taken.
    claimed: HashSet<u64>,
    /// Those of them that are for the agent if nobody else takes them.
    in_doubt: BTreeSet<u64>,
    /// Messages that were taken while something was read that may still have them.
    taken: HashSet<u64>,
    open_tasks: HashMap<MessageId, PeerId>,
    task_order: VecDeque<MessageId>,
}

impl Inbox {
    pub(crate) fn new(room: Arc<Room>, head: u64) -> Self {
        Self {
            room,
            waiting: VecDeque::new(),
            listeners: Vec::new(),
            next_listener: 0,
            head,
            claimed: HashSet::new(),
            in_doubt: BTreeSet::new(),
            taken: HashSet::new(),
            open_tasks: HashMap::new(),
            task_order: VecDeque::new(),
        }
    }

    /// Takes in a volatile message for which `len` bytes of `share` were taken; returns whether an agent
    /// is there for it.
    pub(crate) fn push(&mut self, incoming: Incoming, share: Share, len: usize) -> bool {
        self.push_held(incoming, share, len, None)
    }

    /// Takes in the message of a file, for which room was taken; `told` is told when an agent has heard of
    /// it. One that dies at once has not: then the next is told.
    pub(crate) fn push_file(
        &mut self,
        incoming: Incoming,
        share: Share,
        key: Key,
        told: mpsc::UnboundedSender<(Key, bool)>,
    ) {
        let notice = Notice { key, handed: AtomicBool::new(false), told };
        self.push_held(incoming, share, 0, Some(notice));
    }

    fn push_held(
        &mut self,
        incoming: Incoming,
        share: Share,
        len: usize,
        notice: Option<Notice>,
    ) -> bool {
        self.sweep();
        let room = Arc::clone(&self.room);
        let held = Arc::new(Held { incoming, room, share, len, notice });
        for listener in &mut self.listeners {
            listener.volatile.push_back(Arc::clone(&held));
        }
        let is_there = self.has_agent();
        if !is_there {
            self.waiting.push_back(held);
        }
        is_there
    }

    /// A message is on disk.
    pub(crate) fn stored(&mut self, kept: &Kept) {
        self.head = self.head.max(kept.number + 1);
        for listener in &mut self.listeners {
            listener.stored(kept);
        }
    }

    /// An answer is on disk, and goes to whoever asked, if that is still there.
    pub(crate) fn claimed(&mut self, number: u64) {
        self.in_doubt.insert(number);
        self.not_for_agents(number);
    }

    /// A message is on disk that no agent is ever handed.
    pub(crate) fn not_for_agents(&mut self, number: u64) {
        self.head = self.head.max(number + 1);
        self.claimed.insert(number);
        for listener in &mut self.listeners {
            listener.skip(number);
        }
    }

    /// An answer did not get to whoever asked: it is for any agent.
    pub(crate) fn unclaimed(&mut self, number: u64) {
        self.claimed.remove(&number);
        self.in_doubt.remove(&number);
        self.head = self.head.max(number + 1);
        for listener in &mut self.listeners {
            listener.unclaimed(number);
        }
    }

    /// It is on disk that an agent took a message.
    pub(crate) fn taken(&mut self, number: u64) {
        self.claimed.remove(&number);
        self.in_doubt.remove(&number);
        if self.listeners.iter().any(Listener::is_loading) {
            self.taken.insert(number);
        }
        for listener in &mut self.listeners {
            listener.taken(number);
        }
    }

    /// What listeners need from disk now; [`Inbox::loaded`] or [`Inbox::not_loaded`] follows.
    pub(crate) fn wanted(&mut self) -> Vec<Wanted> {
        let head = self.head;
        self.listeners.iter_mut().filter_map(|listener| listener.wanted(head)).collect()
    }

    /// What there is on disk for a listener, below the inbox number `to`.
    pub(crate) fn loaded(&mut self, wanted: &Wanted, kept: Vec<Kept>, to: u64) {
        let (claimed, taken) = (&self.claimed, &self.taken);
        if let Some(listener) = self.listeners.iter_mut().find(|it| it.id == wanted.listener) {
            let gone = |number: &u64| claimed.contains(number) || taken.contains(number);
            let mut kept = kept.into_iter().filter(|kept| !gone(&kept.number));
            if wanted.late {
                listener.loaded_late(wanted.from, kept.find(|kept| kept.number == wanted.from));
            } else {
                listener.loaded(kept, to);
            }
        }
        self.nothing_read();
    }

    /// Forgets what was taken meanwhile once nothing is read any more.
    fn nothing_read(&mut self) {
        if !self.listeners.iter().any(Listener::is_loading) {
            self.taken.clear();
        }
    }

    /// The disk may hold other messages than was said: it is asked anew for all that were not handed over.
    pub(crate) fn reload(&mut self, head: u64) {
        self.head = self.head.max(head);
        for listener in &mut self.listeners {
            listener.reload();
        }
    }

    /// The disk could not be read. It is asked again when there is reason to.
    pub(crate) fn not_loaded(&mut self, wanted: &Wanted) {
        if let Some(listener) = self.listeners.iter_mut().find(|it| it.id == wanted.listener) {
            listener.not_loaded();
        }
        self.nothing_read();
    }

    /// Hands messages over, one for each call, as soon as a listener has room. The number of the one, if
    /// it is one that stays until it is taken; none if a listener has gone.
    pub(crate) fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<Option<MessageId>> {
        let mut gone = false;
        let in_doubt = self.in_doubt.first().copied();
        for listener in &mut self.listeners {
            match listener.poll(cx, in_doubt) {
                Poll::Ready(Next::Handed(id)) => return Poll::Ready(id),
                Poll::Ready(Next::Gone) => gone = true,
                Poll::Pending => {}
            }
        }
        if gone {
            self.sweep();
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Remembers whom to answer in memory only.
    pub(crate) fn open_task(&mut self, id: MessageId, from: PeerId) {
        if self.open_tasks.insert(id, from).is_none() {
            self.task_order.push_back(id);
        }
        if self.task_order.len() > MAX_OPEN_TASKS
            && let Some(oldest) = self.task_order.pop_front()
        {
            self.open_tasks.remove(&oldest);
        }
    }

    /// Whom to answer, if the task is open.
    pub(crate) fn asker(&self, id: MessageId) -> Option<PeerId> {
        self.open_tasks.get(&id).copied()
    }

    /// The task is answered.
    pub(crate) fn close_task(&mut self, id: MessageId) {
        self.open_tasks.remove(&id);
        self.task_order.retain(|open| *open != id);
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// The inbox number after the newest on disk.
    pub(crate) const fn head(&self) -> u64 {
        self.head
    }

    /// Nothing more comes in.
    pub(crate) fn close(&self) {
        self.room.close();
    }

    /// Another agent listens.
    pub(crate) fn subscribe(&mut self, mut agent: Agent) {
        // A number that was not reached is that of another inbox.
        agent.after = agent.after.filter(|after| *after < self.head);
        let mut listener = Listener::new(self.next_listener, agent);
        self.next_listener += 1;
        listener.volatile.extend(std::mem::take(&mut self.waiting));
        self.listeners.push(listener);
        self.sweep();
    }

    /// Forgets listeners that are gone. What only they had waits for the next.
    pub(crate) fn sweep(&mut self) {
        let (gone, there): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.listeners).into_iter().partition(Listener::is_gone);
        self.listeners = there;
        for mut listener in gone {
            // Whoever got all that it wanted has left because of that.
            listener.confirm(Instant::default());
            let unheard: Vec<_> = listener.take_unsure().collect();
            for held in unheard.into_iter().chain(listener.volatile) {
                let only = Arc::strong_count(&held) == 1;
                if only {
                    match self.listeners.first_mut() {
                        Some(other) => other.volatile.push_back(held),
                        None => self.waiting.push_back(held),
                    }
                }
            }
        }
    }

    /// Notes which files agents have heard of by now.
    pub(crate) fn confirm(&mut self, now: Instant) {
        for listener in &mut self.listeners {
            listener.confirm(now);
        }
    }

    pub(crate) fn has_agent(&self) -> bool {
        self.agents() > 0
    }

    pub(crate) fn agents(&self) -> usize {
        self.listeners.iter().filter(|listener| !listener.is_gone()).count()
    }

    /// Who listens, by how it is known whether they are there.
    pub(crate) fn attached(&self) -> Attached {
        let mut attached = Attached::default();
        for listener in self.listeners.iter().filter(|listener| !listener.is_gone()) {
            match listener.kind() {
                AgentKind::Program => attached.programs += 1,
                AgentKind::Client => attached.silent += 1,
                AgentKind::Probed(key) => attached.asked.push(key),
            }
        }
        attached
    }

    /// Volatile messages that no agent took.
    pub(crate) fn waiting(&self) -> usize {
        let unhanded = self.listeners.iter().map(|listener| listener.volatile.len()).max();
        self.waiting.len() + unhanded.unwrap_or_default()
    }

    /// Whether an agent that is there was handed the message with this number.
    pub(crate) fn was_handed(&self, number: u64) -> bool {
        self.listeners.iter().any(|listener| listener.was_handed(number))
    }
}

#[cfg(test)]
mod tests;
