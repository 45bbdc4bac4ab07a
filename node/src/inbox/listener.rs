//! One agent that listens: what it is handed next.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use peer_protocol::id::MessageId;
use peer_protocol::time::Instant;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::mpsc::error::SendError;

use super::{Held, Kept, Wanted};
use crate::handle::{Agent, AgentKind};
use crate::model::Incoming;

/// Most messages of the disk that are in memory for one listener.
const MAX_KEPT: usize = 256;
/// Most bytes of them; a larger message comes alone.
const MAX_KEPT_BYTES: usize = 4 << 20;
/// Most late messages of one listener.
const MAX_LATE: usize = 256;

/// An agent that is still there so long after it has read of a file has heard of it.
const STAYS: Duration = Duration::from_secs(2);

type Permit = BoxFuture<'static, Result<OwnedPermit<Incoming>, SendError<()>>>;

/// What became of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It was handed a message; of one that stays until it is taken, which.
    Handed(Option<MessageId>),
    Gone,
}

/// The message of a file that was handed over.
struct Unsure {
    held: Arc<Held>,
    /// Since when it is known to have been read.
    read: Option<Instant>,
}

pub(super) struct Listener {
    pub(super) id: u64,
    agent: Agent,
    /// Waits for room.
    permit: Option<Permit>,
    pub(super) volatile: VecDeque<Arc<Held>>,
    /// Files that it was told of, and perhaps was not there any more to hear it.
    unsure: Vec<Unsure>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// All below were handed to it, are in `kept`, or are taken.
    next: u64,
    /// Numbers below `next` of messages that turned out to be for the agent after they were passed over.
    late: VecDeque<u64>,
    /// The first of them, once it is read.
    late_kept: Option<Kept>,
    loading: bool,
    /// The greatest number that was handed to it.
    handed: Option<u64>,
}

impl Listener {
    pub(super) const fn new(id: u64, agent: Agent) -> Self {
        let handed = agent.after;
        Self {
            id,
            agent,
            permit: None,
            volatile: VecDeque::new(),
            unsure: Vec::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            next: match handed {
                Some(handed) => handed.saturating_add(1),
                None => 0,
            },
            late: VecDeque::new(),
            late_kept: None,
            loading: false,
            handed,
        }
    }

    pub(super) const fn kind(&self) -> AgentKind {
        self.agent.kind
    }

    pub(super) fn is_gone(&self) -> bool {
        self.agent.messages.is_closed() || self.has_enough()
    }

    /// Files of which it was told count as such once it has read that and is still there a while later, or
    /// got as many messages as it wanted.
    pub(super) fn confirm(&mut self, now: Instant) {
        if self.has_enough() {
            self.unsure.drain(..).for_each(|unsure| unsure.held.handed());
        }
        let messages = &self.agent.messages;
        let has_read = messages.capacity() == messages.max_capacity() && !messages.is_closed();
        self.unsure.retain_mut(|Unsure { held, read }| {
            let read = if has_read { *read.get_or_insert(now) } else { return true };
            let sure = now.since(read) >= STAYS;
            if sure {
                held.handed();
            }
            !sure
        });
    }

    /// What it was perhaps not there any more to hear.
    pub(super) fn take_unsure(&mut self) -> impl Iterator<Item = Arc<Held>> {
        std::mem::take(&mut self.unsure).into_iter().map(|unsure| unsure.held)
    }

    fn has_enough(&self) -> bool {
        self.agent.left == Some(0)
    }

    /// A message is on disk. If all before it are here it need not be read.
    pub(super) fn stored(&mut self, kept: &Kept) {
        if self.next == kept.number && !self.loading && self.has_room(kept.len) {
            self.keep(kept.clone());
        }
    }

    /// A message is for somebody else.
    pub(super) const fn skip(&mut self, number: u64) {
        if self.next == number && !self.loading {
            self.next += 1;
        }
    }

    /// A message that was for somebody else is for the agent now.
    pub(super) fn unclaimed(&mut self, number: u64) {
        // Where it has not come to yet, it is read with the others.
        if number >= self.next || self.late.contains(&number) {
            return;
        }
        if self.late.len() >= MAX_LATE {
            tracing::debug!(number, "too many late messages: this one is for the next who listens");
            return;
        }
        self.late.push_back(number);
    }

    pub(super) fn taken(&mut self, number: u64) {
        self.late.retain(|late| *late != number);
        self.late_kept.take_if(|kept| kept.number == number);
        if let Some(at) = self.kept.iter().position(|kept| kept.number == number)
            && let Some(kept) = self.kept.remove(at)
        {
            self.kept_bytes -= kept.len;
        }
    }

    /// What it needs from disk, if so.
    pub(super) fn wanted(&mut self, head: u64) -> Option<Wanted> {
        if self.loading || self.is_gone() {
            return None;
        }
        if let (Some(&number), None) = (self.late.front(), &self.late_kept) {
            self.loading = true;
            return Some(Wanted { listener: self.id, from: number, to: number + 1, late: true });
        }
        let wants = self.next < head && self.kept.len() <= MAX_KEPT / 4;
        if !wants || self.kept_bytes > MAX_KEPT_BYTES / 4 {
            return None;
        }
        self.loading = true;
        Some(Wanted { listener: self.id, from: self.next, to: head, late: false })
    }

    /// What was read, which is all that there is below the inbox number `to`.
    pub(super) fn loaded(&mut self, loaded: impl Iterator<Item = Kept>, to: u64) {
        self.loading = false;
        for kept in loaded {
            if kept.number >= self.next {
                self.keep(kept);
            }
        }
        self.next = self.next.max(to);
    }

    /// What was read of the late number `number`: nothing, if it is not there any more.
    pub(super) fn loaded_late(&mut self, number: u64, loaded: Option<Kept>) {
        self.loading = false;
        if self.late.front() == Some(&number) {
            if loaded.is_none() {
                self.late.pop_front();
            }
            self.late_kept = loaded;
        }
    }

    pub(super) const fn is_loading(&self) -> bool {
        self.loading
    }

    /// Asks anew for what was not handed over.
    pub(super) fn reload(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
        self.next = self.handed.map_or(0, |handed| handed + 1);
        self.late_kept = None;
        self.late.retain(|late| *late < self.next);
    }

    pub(super) const fn not_loaded(&mut self) {
        self.loading = false;
    }

    pub(super) fn was_handed(&self, number: u64) -> bool {
        !self.is_gone()
            && self.handed.is_some_and(|handed| handed >= number)
            && !self.late.contains(&number)
    }

    /// Hands the next message over as soon as there is room for it. `in_doubt` is the least number that may
    /// still turn out to be for the agent.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, in_doubt: Option<u64>) -> Poll<Next> {
        if self.is_gone() {
            return Poll::Ready(Next::Gone);
        }
        if self.volatile.is_empty() && self.kept.is_empty() && self.late_kept.is_none() {
            return Poll::Pending;
        }
        let messages = &self.agent.messages;
        let permit = self.permit.get_or_insert_with(|| Box::pin(messages.clone().reserve_owned()));
        let permit = match Pin::new(permit).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
            Poll::Ready(Ok(permit)) => permit,
        };
        self.permit = None;
        let mut handed = None;
        // It stays so until there is room again, which is when what is handed over now has been taken.
        let late = self.late.iter().min().copied();
        let open = late.into_iter().chain(in_doubt).min().unwrap_or(u64::MAX);
        self.agent.open.store(open, Ordering::Release);
        // Volatile messages never wait behind others.
        if let Some(held) = self.volatile.pop_front() {
            permit.send(held.incoming.clone());
            if held.notice.is_some() {
                self.unsure.push(Unsure { held, read: None });
            }
        } else if let Some(kept) = self.late_kept.take() {
            self.late.pop_front();
            handed = Some(kept.id);
            permit.send(Arc::unwrap_or_clone(kept.incoming));
        } else if let Some(kept) = self.kept.pop_front() {
            self.kept_bytes -= kept.len;
            self.handed = Some(kept.number);
            handed = Some(kept.id);
            permit.send(Arc::unwrap_or_clone(kept.incoming));
        }
        self.agent.left = self.agent.left.map(|left| left.saturating_sub(1));
        Poll::Ready(Next::Handed(handed))
    }

    fn has_room(&self, len: usize) -> bool {
        let fits = self.kept.is_empty() || self.kept_bytes + len <= MAX_KEPT_BYTES;
        fits && self.kept.len() < MAX_KEPT
    }

    fn keep(&mut self, kept: Kept) {
        self.next = kept.number + 1;
        self.kept_bytes += kept.len;
        self.kept.push_back(kept);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("id", &self.id)
            .field("volatile", &self.volatile.len())
            .field("kept", &self.kept.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
