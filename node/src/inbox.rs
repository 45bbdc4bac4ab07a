//! Messages for the agent: taken in under a bound, kept until an agent listens.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libp2p::PeerId;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::link::Admission;
use peer_protocol::message::{ErrorReport, Message, MessageKind};

use crate::handle::Agent;
use crate::model::Incoming;

/// Most messages held for agents.
const MAX_MESSAGES: usize = 4096;
/// Most bytes of messages held for agents.
const MAX_BYTES: usize = 64 << 20;
/// Most tasks whose answer is awaited; the oldest is forgotten first.
const MAX_OPEN_TASKS: usize = 8192;
/// When a sender tries again that met a full inbox, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// How much of the inbox is taken. Links ask before they acknowledge a message.
#[derive(Debug, Default)]
pub(crate) struct Room {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Room {
    fn leave(&self, bytes: usize) {
        self.messages.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Admission for Room {
    fn admit(&self, message: &Message) -> Result<(), ErrorReport> {
        match message.kind {
            MessageKind::Task | MessageKind::StatusReport | MessageKind::WakeUp => {
                let messages = self.messages.fetch_add(1, Ordering::Relaxed);
                let bytes = self.bytes.fetch_add(message.body.len(), Ordering::Relaxed);
                if messages < MAX_MESSAGES && bytes + message.body.len() <= MAX_BYTES {
                    return Ok(());
                }
                self.leave(message.body.len());
                let mut report = ErrorReport::new(
                    ErrorCode::RateLimited,
                    format!(
                        "the inbox is full ({messages} messages, {bytes} bytes): no agent takes them"
                    ),
                );
                report.retry_after_ms = Some(RETRY_AFTER_MS);
                Err(report)
            }
            MessageKind::Chunk => {
                Err(ErrorReport::new(ErrorCode::ChunkError, "this node takes no chunked transfers"))
            }
            _ => Ok(()),
        }
    }
}

/// The inbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    room: Arc<Room>,
    waiting: VecDeque<(Incoming, usize)>,
    agents: Vec<Agent>,
    open_tasks: HashMap<MessageId, PeerId>,
    task_order: VecDeque<MessageId>,
}

impl Inbox {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self {
            room,
            waiting: VecDeque::new(),
            agents: Vec::new(),
            open_tasks: HashMap::new(),
            task_order: VecDeque::new(),
        }
    }

    /// Takes in a message whose body has `len` bytes; returns whether an agent is there for it.
    pub(crate) fn push(&mut self, incoming: Incoming, len: usize) -> bool {
        self.waiting.push_back((incoming, len));
        self.hand_over();
        self.has_agent()
    }

    /// Remembers whom to answer.
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

    /// Another agent listens.
    pub(crate) fn subscribe(&mut self, agent: Agent) {
        self.agents.push(agent);
        self.hand_over();
    }

    /// Hands over what waits while every agent has room for it: none misses a message.
    pub(crate) fn hand_over(&mut self) {
        loop {
            self.agents.retain(|agent| !agent.messages.is_closed() && agent.left != Some(0));
            let ready = self.agents.iter().all(|agent| agent.messages.capacity() > 0);
            if self.agents.is_empty() || !ready {
                return;
            }
            let Some((incoming, len)) = self.waiting.pop_front() else { return };
            self.room.leave(len);
            for agent in &mut self.agents {
                agent.left = agent.left.map(|left| left - 1);
                // An agent that left a moment ago does not need it any more.
                let _ = agent.messages.try_send(incoming.clone());
            }
        }
    }

    pub(crate) fn has_agent(&self) -> bool {
        self.agents() > 0
    }

    pub(crate) fn agents(&self) -> usize {
        self.agents.iter().filter(|agent| !agent.messages.is_closed()).count()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
