//! A local A2A agent, as its client: tasks are handed to it, and what it says is followed to the end.

mod calls;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::calls::{Calls, Endpoint};
use super::types::{Event, Message, State, Task};

/// Most conversations and tasks whose names at the agent are remembered.
const MAX_NAMES: usize = 4096;
/// How long an agent that is not there is tried.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pauses between attempts, and between looks at a task.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(15);
/// How long a task is looked at whose agent does not stream.
const MAX_LOOKING: Duration = Duration::from_secs(3600);

pub(super) use self::calls::CallError;

/// The agent.
#[derive(Debug)]
pub(super) struct Agent {
    calls: Calls,
    names: Mutex<Names>,
}

/// What the agent calls things, by who asked: nobody gets at tasks or contexts of others.
#[derive(Debug)]
struct Names {
    contexts: LruCache<(String, String), String>,
    tasks: LruCache<(String, String), ()>,
    /// Tasks under way by the message that asked: who did, and the agent's name of it.
    running: HashMap<String, (String, Option<String>)>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    /// Its peer id, or none of these for this node.
    pub(super) who: &'a str,
    /// The message.
    pub(super) id: &'a str,
    pub(super) conversation: Option<&'a str>,
}

impl Agent {
    /// The agent whose card is below `url`.
    pub(super) fn new(url: Url) -> Result<Self, CallError> {
        let names = Names {
            contexts: LruCache::new(MAX_NAMES),
            tasks: LruCache::new(MAX_NAMES),
            running: HashMap::new(),
        };
        Ok(Self { calls: Calls::new(url)?, names: Mutex::new(names) })
    }

    /// Hands a task over and follows it until it ends, or waits for its user. `tell` hears what happens
    /// before.
    pub(super) async fn run(
        &self,
        asker: Asker<'_>,
        message: Message,
        tell: &(dyn Fn(&Event) + Send + Sync),
    ) -> Result<Task, CallError> {
        let message = self.named(asker, message)?;
        let _running = Running { names: &self.names, id: asker.id };
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt(asker, &message, tell).await {
                // Nothing of it has reached the agent.
                Err(CallError::Unreachable { .. }) if begun.elapsed() < PATIENCE => {
                    sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                ended => return ended,
            }
        }
    }

    /// Whether a task is under way.
    pub(super) fn is_running(&self, id: &str) -> bool {
        self.names().running.contains_key(id)
    }

    /// Asks the agent to give up the task that `who` asked for by the message `id`. False if there is none.
    pub(super) async fn cancel(&self, who: &str, id: &str) -> Result<bool, CallError> {
        let task = match self.names().running.get(id) {
            Some((asker, Some(task))) if asker == who => task.clone(),
            Some(_) | None => return Ok(false),
        };
        let endpoint = self.calls.endpoint().await?;
        self.calls.call(&endpoint, "CancelTask", json!({ "id": task })).await?;
        Ok(true)
    }

    /// The message with the agent's names of context and task.
    fn named(&self, asker: Asker<'_>, message: Message) -> Result<Message, CallError> {
        let mut names = self.names();
        if let Some(task) = &message.task_id {
            let key = (asker.who.to_owned(), task.clone());
            if names.tasks.get(&key).is_none() {
                return Err(CallError::NoSuchTask { task: task.clone() });
            }
        }
        let context = asker.conversation.and_then(|conversation| {
            let key = (asker.who.to_owned(), conversation.to_owned());
            names.contexts.get(&key).cloned()
        });
        names.running.insert(asker.id.to_owned(), (asker.who.to_owned(), None));
        Ok(Message { context_id: context, ..message })
    }

    async fn attempt(
        &self,
        asker: Asker<'_>,
        message: &Message,
        tell: &(dyn Fn(&Event) + Send + Sync),
    ) -> Result<Task, CallError> {
        let endpoint = self.calls.endpoint().await?;
        let mut task = Task { id: asker.id.to_owned(), ..Task::default() };
        task.status.state = State::Submitted;
        let mut remote = message.task_id.clone();
        let mut note = |event: Event, task: &mut Task| {
            if let Some(named) = self.note(asker, &event) {
                remote = Some(named);
            }
            task.apply(event.clone());
            // What ends it is told as the answer.
            if !task.status.state.is_settled() {
                tell(&event);
            }
        };
        if endpoint.streams {
            let mut stream = self.calls.stream(&endpoint, message).await?;
            while !task.status.state.is_settled() {
                let Some(event) = stream.next().await? else { break };
                note(event, &mut task);
            }
        } else {
            note(self.calls.send(&endpoint, message).await?, &mut task);
        }
        let Some(remote) = remote else {
            return if task.status.state.is_settled() {
                Ok(task)
            } else {
                Err(CallError::Answer { reason: "it ended without an answer".to_owned() })
            };
        };
        self.look(&endpoint, &remote, &mut task).await?;
        task.id = remote;
        Ok(task)
    }

    /// Looks at a task until it ends or waits for its user.
    async fn look(
        &self,
        endpoint: &Endpoint,
        remote: &str,
        task: &mut Task,
    ) -> Result<(), CallError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        while !task.status.state.is_settled() {
            if begun.elapsed() > MAX_LOOKING {
                let reason = format!("task {remote} has not ended");
                return Err(CallError::Answer { reason });
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
            let params = json!({ "id": remote });
            let found: Value = self.calls.call(endpoint, "GetTask", params).await?;
            if let Some(event) = endpoint.dialect.to_task(found) {
                task.apply(event);
            }
        }
        Ok(())
    }

    /// Remembers the agent's names; returns that of the task.
    fn note(&self, asker: Asker<'_>, event: &Event) -> Option<String> {
        let (task, context) = match event {
            Event::Task(task) => (Some(&task.id), Some(&task.context_id)),
            Event::Message(message) => (message.task_id.as_ref(), message.context_id.as_ref()),
            Event::StatusUpdate(update) => (Some(&update.task_id), Some(&update.context_id)),
            Event::ArtifactUpdate(update) => (Some(&update.task_id), Some(&update.context_id)),
        };
        let full = |name: &&String| !name.is_empty();
        let mut names = self.names();
        if let (Some(conversation), Some(context)) = (asker.conversation, context.filter(full)) {
            let key = (asker.who.to_owned(), conversation.to_owned());
            names.contexts.insert(key, context.clone());
        }
        let task = task.filter(full)?.clone();
        names.tasks.insert((asker.who.to_owned(), task.clone()), ());
        if let Some((_, running)) = names.running.get_mut(asker.id) {
            *running = Some(task.clone());
        }
        Some(task)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task is under way until this is dropped.
struct Running<'a> {
    names: &'a Mutex<Names>,
    id: &'a str,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).running.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::{Part, Role};
    use super::*;

    #[tokio::test]
    async fn nobody_gets_at_tasks_and_contexts_of_others() {
        let agent = Agent::new("http://127.0.0.1:1".parse().unwrap()).unwrap();
        let asker = |who| Asker { who, id: "m", conversation: Some("c") };
        let task =
            Task { id: "secret".to_owned(), context_id: "context".to_owned(), ..Task::default() };
        agent.note(asker("bob"), &Event::Task(Box::new(task)));
        let mut message = Message::of_agent("m".to_owned(), vec![Part::text("hi")]);
        message.role = Role::User;
        let named = agent.named(asker("bob"), message.clone()).unwrap();
        assert_eq!(named.context_id.as_deref(), Some("context"));
        let named = agent.named(asker("mallory"), message.clone()).unwrap();
        assert_eq!(named.context_id, None);
        message.task_id = Some("secret".to_owned());
        agent.named(asker("bob"), message.clone()).unwrap();
        let refused = agent.named(asker("mallory"), message).unwrap_err();
        assert!(matches!(refused, CallError::NoSuchTask { .. }), "{refused}");
        agent.names().running.insert("m".to_owned(), ("bob".to_owned(), Some("secret".to_owned())));
        assert!(!agent.cancel("mallory", "m").await.unwrap());
        let called = agent.cancel("bob", "m").await;
        assert!(matches!(called, Err(CallError::Unreachable { .. })), "nobody listens there");
    }
}
