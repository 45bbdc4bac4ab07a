//! Messages for the agent: taken in under a bound, kept until an agent listens.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use libp2p::PeerId;
use peer_protocol::id::MessageId;

use crate::handle::Agent;
use crate::model::Incoming;
use crate::room::{Room, Share};

/// Most tasks whose answer is awaited; the oldest is forgotten first.
const MAX_OPEN_TASKS: usize = 8192;
/// The inbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    room: Arc<Room>,
    waiting: VecDeque<(Incoming, Share, usize)>,
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

    /// Takes in a message for which `len` bytes of `share` were taken; returns whether an agent is there
    /// for it.
    pub(crate) fn push(&mut self, incoming: Incoming, share: Share, len: usize) -> bool {
        self.waiting.push_back((incoming, share, len));
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

    /// Nothing more comes in.
    pub(crate) fn close(&self) {
        self.room.close();
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
            let Some((incoming, share, len)) = self.waiting.pop_front() else { return };
            self.room.leave(share, len);
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
