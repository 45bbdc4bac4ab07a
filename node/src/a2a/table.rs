//! The tasks that were asked for here, within bounds. What is forgotten can be asked for again as far as
//! outbox and inbox know it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::{broadcast, oneshot};

use super::fault::{Fault, FaultKind};
use super::types::{Event, Message, State, Status, StatusUpdate, Task};
use crate::model::Delivery;

/// Most tasks, and most of them that have not ended.
const MAX_TASKS: usize = 1024;
const MAX_OPEN: usize = 256;
/// Most bytes of tasks that have ended, and of what one says before its end.
const MAX_BYTES: usize = 128 << 20;
const MAX_EARLY: usize = 1 << 20;
/// Longest message that is kept as history, in bytes.
const MAX_KEPT: usize = 64 << 10;
/// Events that a slow client may fall behind; then it gets the task anew.
const CAPACITY: usize = 64;

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The agent of this node.
    Own,
    /// Another entity, by whatever name.
    Peer(String),
}

/// Told once the task is accepted, or why it is not.
pub(super) type Started = oneshot::Sender<Result<(), Fault>>;

#[derive(Debug)]
struct Entry {
    task: Task,
    target: Target,
    /// The peer message that asked last.
    turn: String,
    facts: Facts,
    started: Option<Started>,
    feed: broadcast::Sender<Event>,
    bytes: usize,
}

/// What is known of a task besides what A2A says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The peer that has it.
    pub(super) peer_id: Option<String>,
    /// What its agent calls it.
    pub(super) remote: Option<String>,
    /// Whether the other end is an A2A agent, which can be told more.
    pub(super) is_bridged: bool,
    /// How far the message has come that asked last.
    pub(super) delivery: Option<Delivery>,
    /// Whether somebody here waits for the answer.
    pub(super) is_awaited: bool,
    /// Whether the message that asked last is answered.
    pub(super) is_answered: bool,
}

/// A task, with what is known of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) task: Task,
    pub(super) turn: String,
    pub(super) facts: Facts,
    pub(super) feed: broadcast::Receiver<Event>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    /// The oldest first.
    order: VecDeque<String>,
    /// Tasks by the messages that asked.
    turns: HashMap<String, String>,
}

#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Inner>);

impl Table {
    /// A new task under the id of the message that asks. False if it is there already.
    pub(super) fn begin(
        &self,
        target: Target,
        task: Task,
        facts: Facts,
        started: Option<Started>,
    ) -> Result<bool, Fault> {
        let mut inner = self.lock();
        if inner.entries.contains_key(&task.id) || inner.turns.contains_key(&task.id) {
            return Ok(false);
        }
        if !inner.make_room() {
            let detail = format!("{MAX_OPEN} tasks are open: wait for some, or cancel them");
            return Err(Fault::new(FaultKind::Internal, detail));
        }
        let id = task.id.clone();
        let (feed, _) = broadcast::channel(CAPACITY);
        let bytes = size(&task);
        let mut entry = Entry { task, target, turn: id.clone(), facts, started, feed, bytes };
        entry.forget_long_messages();
        inner.entries.insert(id.clone(), entry);
        inner.order.push_back(id.clone());
        inner.turns.insert(id.clone(), id);
        Ok(true)
    }

    /// Another message for a task whose agent waits for one.
    pub(super) fn go_on(
        &self,
        task: &str,
        turn: &str,
        message: Message,
        started: Started,
    ) -> Result<(), Fault> {
        let mut inner = self.lock();
        let entry = inner.entries.get_mut(task).ok_or_else(|| Fault::not_found(task))?;
        if !entry.task.status.state.is_interrupted() {
            let detail = format!(
                "task {task} does not wait for a message: send it without a task id, in the same context"
            );
            return Err(Fault::new(FaultKind::UnsupportedOperation, detail));
        }
        turn.clone_into(&mut entry.turn);
        entry.started = Some(started);
        entry.facts.delivery = None;
        entry.facts.is_awaited = true;
        entry.facts.is_answered = false;
        entry.say(Status { state: State::Submitted, ..Status::default() });
        entry.task.history.push(message);
        entry.forget_long_messages();
        entry.task.trim();
        inner.turns.insert(turn.to_owned(), task.to_owned());
        Ok(())
    }

    /// The task of this id, if that agent was asked.
    pub(super) fn get(&self, task: &str, target: &Target) -> Option<Known> {
        let inner = self.lock();
        let entry = inner.entries.get(task).filter(|entry| entry.is_of(target))?;
        Some(Known {
            task: entry.task.clone(),
            turn: entry.turn.clone(),
            facts: entry.facts.clone(),
            feed: entry.feed.subscribe(),
        })
    }

    /// The task that a message asked for or went on with.
    pub(super) fn of_turn(&self, turn: &str) -> Option<String> {
        self.lock().turns.get(turn).cloned()
    }

    /// Its agent says something of the task that the message `turn` asked for. What comes from a peer counts
    /// only for tasks that it was asked; returns whether it did.
    pub(super) fn apply(&self, turn: &str, from: Option<&str>, event: Event) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.by_turn(turn) else { return false };
        if from.is_some() && entry.facts.peer_id.as_deref() != from {
            return false;
        }
        // Messages of earlier turns that come late say nothing any more.
        if entry.turn != turn || entry.task.status.state.is_terminal() {
            return true;
        }
        // Updates go another way than answers, and may be read after them.
        if from.is_some() && entry.facts.is_answered {
            return true;
        }
        entry.facts.is_answered |= from.is_none() && !matches!(event, Event::StatusUpdate(_));
        entry.accepted();
        entry.take(event);
        inner.make_room();
        true
    }

    /// The other end is an A2A agent.
    pub(super) fn bridged(&self, turn: &str) {
        if let Some(entry) = self.lock().by_turn(turn) {
            entry.facts.is_bridged = true;
        }
    }

    /// How far the message has come that asked.
    pub(super) fn delivery(&self, turn: &str, peer_id: &str, delivery: &Delivery) {
        let mut inner = self.lock();
        let Some(entry) = inner.by_turn(turn).filter(|entry| entry.turn == turn) else { return };
        entry.accepted();
        entry.facts.peer_id.get_or_insert_with(|| peer_id.to_owned());
        entry.facts.delivery = Some(delivery.clone());
        let metadata = entry.task.metadata.get_or_insert_default();
        metadata.insert("delivery".to_owned(), json!(delivery.as_str()));
        let state = entry.task.status.state;
        if matches!(delivery, Delivery::Processed) && state == State::Submitted {
            entry.say(Status { state: State::Working, ..Status::default() });
        }
    }

    /// How far the message has come that asked last; none if it was not accepted yet.
    pub(super) fn delivery_of(&self, task: &str) -> Option<Delivery> {
        self.lock().entries.get(task)?.facts.delivery.clone()
    }

    /// Whether the task has neither ended nor waits for a message.
    pub(super) fn is_open(&self, turn: &str) -> bool {
        self.lock().by_turn(turn).is_some_and(|entry| !entry.task.status.state.is_settled())
    }

    /// Nobody here waits for the answer any more.
    pub(super) fn not_awaited(&self, turn: &str) {
        if let Some(entry) = self.lock().by_turn(turn) {
            entry.facts.is_awaited = false;
        }
    }

    /// The message was not accepted: the task never was, or waits as before.
    pub(super) fn refused(&self, turn: &str, fault: Fault) {
        let mut inner = self.lock();
        let Some(entry) = inner.by_turn(turn) else { return };
        let started = entry.started.take();
        let first = entry.task.id == turn;
        if first && started.is_some() {
            inner.remove(turn);
        } else {
            let message = super::content::said(turn, &fault.detail);
            let state = if first { State::Failed } else { State::InputRequired };
            entry.say(Status { state, message: Some(message), timestamp: None });
        }
        if let Some(started) = started {
            let _ = started.send(Err(fault));
        }
    }

    /// Tasks whose messages may be under way.
    pub(super) fn open(&self) -> Vec<String> {
        let inner = self.lock();
        let open = inner.entries.values().filter(|it| !it.task.status.state.is_terminal());
        open.map(|entry| entry.turn.clone()).collect()
    }

    /// All tasks of an agent, the newest first.
    pub(super) fn of(&self, target: &Target) -> Vec<Task> {
        let inner = self.lock();
        let known = inner.order.iter().rev().filter_map(|id| inner.entries.get(id));
        known.filter(|entry| entry.is_of(target)).map(|entry| entry.task.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn by_turn(&mut self, turn: &str) -> Option<&mut Entry> {
        let task = self.turns.get(turn)?;
        self.entries.get_mut(task)
    }

    /// Forgets the oldest that have ended, or that can be found in the outbox again; false if too many are
    /// under way.
    fn make_room(&mut self) -> bool {
        let ended =
            |entry: &&Entry| entry.task.status.state.is_terminal() || !entry.facts.is_awaited;
        let mut bytes: usize = self.entries.values().filter(ended).map(|entry| entry.bytes).sum();
        let newest = self.order.back().cloned();
        while self.entries.len() >= MAX_TASKS || bytes > MAX_BYTES {
            let oldest = self.order.iter().find(|id| {
                Some(*id) != newest.as_ref() && self.entries.get(*id).as_ref().is_some_and(ended)
            });
            let Some(oldest) = oldest.cloned() else { break };
            bytes -= self.entries.get(&oldest).map_or(0, |entry| entry.bytes);
            self.remove(&oldest);
        }
        let open = self.entries.values().filter(|entry| !ended(entry)).count();
        open < MAX_OPEN && self.entries.len() < MAX_TASKS
    }

    fn remove(&mut self, task: &str) {
        self.entries.remove(task);
        self.order.retain(|id| id != task);
        self.turns.retain(|_, id| id != task);
    }
}

impl Entry {
    fn is_of(&self, target: &Target) -> bool {
        let by_peer_id = |name: &String| Some(name) == self.facts.peer_id.as_ref();
        self.target == *target || matches!(target, Target::Peer(name) if by_peer_id(name))
    }

    fn accepted(&mut self) {
        if let Some(started) = self.started.take() {
            let _ = started.send(Ok(()));
        }
    }

    fn say(&mut self, status: Status) {
        let update = StatusUpdate {
            task_id: String::new(),
            context_id: String::new(),
            status,
            metadata: None,
        };
        self.take(Event::StatusUpdate(Box::new(update)));
    }

    /// Takes in what was said and passes it on, under the ids of this side.
    fn take(&mut self, mut event: Event) {
        let len = size(&event);
        let (id, context) = (self.task.id.clone(), self.task.context_id.clone());
        match &mut event {
            Event::Task(task) => {
                self.note_remote(&task.id);
                self.bytes = len;
            }
            Event::Message(_) => self.bytes = len,
            Event::StatusUpdate(update) => {
                self.note_remote(&update.task_id);
                (update.task_id, update.context_id) = (id, context);
                self.bytes += len;
            }
            Event::ArtifactUpdate(update) => {
                self.note_remote(&update.task_id);
                (update.task_id, update.context_id) = (id, context);
                // The answer says all of it once more.
                if self.bytes + len > MAX_EARLY {
                    return;
                }
                self.bytes += len;
            }
        }
        let is_whole = matches!(event, Event::Task(_) | Event::Message(_));
        let shown = (!is_whole).then(|| event.clone());
        self.task.apply(event);
        let status = &self.task.status;
        let event = match shown {
            // What the task holds is what this side says of it.
            Some(Event::StatusUpdate(update)) => {
                Event::StatusUpdate(Box::new(StatusUpdate { status: status.clone(), ..*update }))
            }
            Some(event) => event,
            None => Event::Task(Box::new(self.task.clone())),
        };
        let _ = self.feed.send(event);
    }

    fn note_remote(&mut self, id: &str) {
        if !id.is_empty() && id != self.turn {
            self.facts.remote = Some(id.to_owned());
        }
    }

    fn forget_long_messages(&mut self) {
        self.task.history.retain(|message| size(message) <= MAX_KEPT);
    }
}

/// Bytes of it as JSON.
fn size<T: serde::Serialize>(value: &T) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting does not fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use super::super::content;
    use super::*;
    use crate::model::Content;

    fn begin(table: &Table, id: &str) -> Result<bool, Fault> {
        let task = Task {
            id: id.to_owned(),
            context_id: "c".to_owned(),
            status: Status { state: State::Submitted, ..Status::default() },
            ..Task::default()
        };
        table.begin(target(), task, Facts { is_awaited: true, ..Facts::default() }, None)
    }

    fn target() -> Target {
        Target::Peer("bob".to_owned())
    }

    fn answer(text: &str) -> Event {
        content::of_answer(
            &Content { text: Some(text.to_owned()), ..Content::default() },
            true,
            "x",
        )
    }

    fn state(table: &Table, id: &str) -> State {
        table.get(id, &target()).unwrap().task.status.state
    }

    #[test]
    fn only_the_peer_that_was_asked_is_heard() {
        let table = Table::default();
        begin(&table, "t").unwrap();
        assert!(!table.apply("t", Some("mallory"), answer("no")), "before it is known who has it");
        table.delivery("t", "bob-id", &Delivery::Sent);
        assert!(!table.apply("t", Some("mallory"), answer("no")));
        assert_eq!(state(&table, "t"), State::Submitted);
        assert!(table.apply("t", Some("bob-id"), answer("yes")));
        assert_eq!(state(&table, "t"), State::Completed);
        assert!(table.get("t", &Target::Own).is_none());
        assert!(table.get("t", &Target::Peer("carol".to_owned())).is_none());
        assert!(table.get("t", &Target::Peer("bob-id".to_owned())).is_some());
    }

    #[test]
    fn states_follow_the_delivery() {
        let table = Table::default();
        begin(&table, "t").unwrap();
        for delivery in [Delivery::Queued, Delivery::Sent, Delivery::Delivered] {
            table.delivery("t", "bob-id", &delivery);
            assert_eq!(state(&table, "t"), State::Submitted);
        }
        table.delivery("t", "bob-id", &Delivery::Processed);
        let known = table.get("t", &target()).unwrap();
        assert_eq!(known.task.status.state, State::Working);
        assert_eq!(known.task.metadata.unwrap()["delivery"], "processed");
        assert!(!begin(&table, "t").unwrap(), "asked twice it is the same task");
    }

    #[test]
    fn an_update_that_is_read_late_changes_nothing() {
        let table = Table::default();
        begin(&table, "t").unwrap();
        table.delivery("t", "bob-id", &Delivery::Sent);
        let stands = |state| {
            let status = Status { state, ..Status::default() };
            Event::Task(Box::new(Task { id: "remote".to_owned(), status, ..Task::default() }))
        };
        assert!(table.apply("t", Some("bob-id"), stands(State::Working)));
        assert_eq!(state(&table, "t"), State::Working);
        assert!(table.apply("t", None, stands(State::InputRequired)));
        assert!(table.apply("t", Some("bob-id"), stands(State::Working)));
        assert_eq!(state(&table, "t"), State::InputRequired);
        let (started, _heard) = oneshot::channel();
        let message = Message::of_agent("m".to_owned(), Vec::new());
        table.go_on("t", "t2", message, started).unwrap();
        table.delivery("t2", "bob-id", &Delivery::Sent);
        assert!(table.apply("t", Some("bob-id"), stands(State::Failed)), "of an earlier turn");
        assert_eq!(state(&table, "t"), State::Submitted);
        assert!(table.apply("t2", Some("bob-id"), stands(State::Working)));
        assert_eq!(state(&table, "t"), State::Working);
    }

    #[test]
    fn memory_is_bounded() {
        let table = Table::default();
        for number in 0..MAX_OPEN {
            assert!(begin(&table, &format!("open-{number}")).unwrap());
        }
        assert_eq!(begin(&table, "more").unwrap_err().kind, FaultKind::Internal);
        for number in 0..MAX_TASKS {
            let open = format!("open-{}", number % MAX_OPEN);
            if number < MAX_OPEN {
                table.apply(&open, None, answer("x"));
            }
            let id = format!("ended-{number}");
            assert!(begin(&table, &id).unwrap());
            table.apply(&id, None, answer("x"));
        }
        assert!(table.of(&target()).len() <= MAX_TASKS);
        let long = "x".repeat(MAX_BYTES / 4);
        for number in 0..6 {
            let id = format!("long-{number}");
            assert!(begin(&table, &id).unwrap());
            table.apply(&id, None, answer(&long));
        }
        let bytes: usize = table.of(&target()).iter().map(size).sum();
        assert!(bytes <= MAX_BYTES + MAX_BYTES / 3, "{bytes}");
        assert_eq!(state(&table, "long-5"), State::Completed);
    }

    #[test]
    fn a_refused_message_makes_no_task() {
        let table = Table::default();
        let (started, mut heard) = oneshot::channel();
        let task = Task { id: "t".to_owned(), ..Task::default() };
        table.begin(target(), task, Facts::default(), Some(started)).unwrap();
        table.refused("t", Fault::params("nobody"));
        assert_eq!(heard.try_recv().unwrap(), Err(Fault::params("nobody")));
        assert!(table.get("t", &target()).is_none());
    }
}
