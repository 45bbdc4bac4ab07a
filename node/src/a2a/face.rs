//! What clients ask for, done by the node: messages become peer messages, and what comes back becomes tasks.

mod cancel;
mod follow;
mod rebuild;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use peer_protocol::id::MessageId;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Semaphore, broadcast, oneshot};

use super::agent::{Agent, Asker};
use super::bridge;
use super::card::CardSigner;
use super::content;
use super::fault::{Fault, FaultKind};
use super::table::{Facts, Known, Table, Target};
use super::types::{Event, Message, Part, Role, State, Status, Task};
use crate::error::NodeError;
use crate::handle::Handle;
use crate::large;
use crate::model::{Content, TalkOptions, message_id_of};

/// How long an answer is waited for; one that comes later is found in the inbox.
const MAX_AWAITED: Duration = Duration::from_secs(24 * 3600);
/// How long it is waited whether a message is accepted at all: its receiver may have to be looked up.
const MAX_ACCEPTING: Duration = Duration::from_secs(40);
/// How long a client waits for a task that is to end before it is told how that stands.
const MAX_BLOCKING: Duration = Duration::from_secs(600);
/// Longest id of a client, in bytes.
const MAX_ID: usize = 256;
/// Most streams of events at once.
const MAX_STREAMS: usize = 64;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Face {
    pub(super) handle: Handle,
    pub(super) table: Table,
    pub(super) agent: Option<Arc<Agent>>,
    pub(super) signer: CardSigner,
    pub(super) capabilities: Vec<String>,
    pub(super) streams: Arc<Semaphore>,
    own: OnceLock<Own>,
}

/// Who this node is.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) entity: String,
    pub(super) peer_id: String,
    fingerprint: String,
}

/// What `SendMessage` takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Send {
    message: Message,
    #[serde(default)]
    configuration: Option<Configuration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    return_immediately: bool,
    /// What 0.3 says instead.
    #[serde(default)]
    blocking: Option<bool>,
    #[serde(default)]
    history_length: Option<usize>,
    #[serde(default)]
    task_push_notification_config: Option<Value>,
    #[serde(default)]
    push_notification_config: Option<Value>,
}

impl Face {
    pub(super) fn new(
        handle: Handle,
        agent: Option<Arc<Agent>>,
        signer: CardSigner,
        capabilities: Vec<String>,
    ) -> Self {
        Self {
            handle,
            table: Table::default(),
            agent,
            signer,
            capabilities,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            own: OnceLock::new(),
        }
    }

    /// Who this node is.
    pub(super) async fn own(&self) -> Result<Own, Fault> {
        if let Some(own) = self.own.get() {
            return Ok(own.clone());
        }
        let status = self.handle.status().await?;
        let own = Own {
            entity: status.entity.to_string(),
            peer_id: status.peer_id,
            fingerprint: status.fingerprint.to_string(),
        };
        Ok(self.own.get_or_init(|| own).clone())
    }

    /// Whom a name of a path stands for.
    pub(super) async fn target(&self, name: Option<String>) -> Result<Target, Fault> {
        let Some(name) = name else { return Ok(Target::Own) };
        let own = self.own().await?;
        let is_own = [&own.entity, &own.peer_id, &own.fingerprint].contains(&&name);
        Ok(if is_own { Target::Own } else { Target::Peer(name) })
    }

    /// Sends a message and waits, unless the client says otherwise, until the task has ended or its agent
    /// waits for more.
    pub(super) async fn send(self: &Arc<Self>, target: &Target, ask: Send) -> Result<Task, Fault> {
        let settings = ask.configuration.as_ref();
        let at_once =
            settings.is_some_and(|it| it.return_immediately || it.blocking == Some(false));
        let history = settings.and_then(|it| it.history_length);
        let mut known = self.begin(target, ask).await?;
        if !at_once {
            let id = known.task.id.clone();
            let _ = tokio::time::timeout(MAX_BLOCKING, settled(&mut known)).await;
            known = self.table.get(&id, target).unwrap_or(known);
        }
        Ok(shown(known.task, history))
    }

    /// Sends a message.
    pub(super) async fn begin(
        self: &Arc<Self>,
        target: &Target,
        ask: Send,
    ) -> Result<Known, Fault> {
        let Send { mut message, configuration } = ask;
        check(&message, &configuration.unwrap_or_default())?;
        message.role = Role::User;
        if matches!(target, Target::Own) && self.agent.is_none() {
            let detail = "no A2A agent is behind this node: set `agent` below [a2a] in its configuration, or \
                 ask another entity at /a2a/<entity>";
            return Err(Fault::new(FaultKind::UnsupportedOperation, detail));
        }
        let turn = self.message_id(target, &message.message_id).await?;
        let name = turn.to_string();
        if let Some(task) = self.table.of_turn(&name) {
            // The same message once more.
            return self.table.get(&task, target).ok_or_else(|| Fault::not_found(&task));
        }
        let (started, heard) = oneshot::channel();
        let (id, remote) = match message.task_id.clone() {
            Some(task) => {
                let known = self.table.get(&task, target).ok_or_else(|| Fault::not_found(&task))?;
                let context = message.context_id.get_or_insert(known.task.context_id.clone());
                if *context != known.task.context_id {
                    let detail =
                        format!("task {task} is of another context: {:?}", known.task.context_id);
                    return Err(Fault::params(detail));
                }
                self.table.go_on(&task, &name, message.clone(), started)?;
                (task, known.facts.remote)
            }
            None => {
                message.context_id.get_or_insert_with(|| name.clone());
                message.task_id = Some(name.clone());
                let task = Task {
                    id: name.clone(),
                    context_id: message.context_id.clone().unwrap_or_default(),
                    status: Status {
                        state: State::Submitted,
                        message: None,
                        timestamp: Some(super::clock::now()),
                    },
                    history: vec![message.clone()],
                    ..Task::default()
                };
                let facts = Facts { is_awaited: true, ..Facts::default() };
                if !self.table.begin(target.clone(), task, facts, Some(started))? {
                    return self.table.get(&name, target).ok_or_else(|| Fault::not_found(&name));
                }
                (name.clone(), None)
            }
        };
        let known = self.table.get(&id, target).ok_or_else(|| Fault::not_found(&id))?;
        let (face, target) = (Arc::clone(self), target.clone());
        tokio::spawn(async move {
            match target {
                Target::Own => face.run_own(&name, message, remote).await,
                Target::Peer(peer) => face.talk(&peer, turn, message, remote).await,
            }
            face.table.not_awaited(&name);
        });
        match tokio::time::timeout(MAX_ACCEPTING, heard).await {
            Ok(Ok(Err(fault))) => Err(fault),
            // It is accepted, or it is not known yet; the task will tell.
            Ok(_) | Err(_) => Ok(known),
        }
    }

    /// The same for the same message, so that it is not sent twice, also after a restart.
    async fn message_id(&self, target: &Target, message: &str) -> Result<MessageId, Fault> {
        let own = self.own().await?;
        let to = match target {
            Target::Own => "",
            Target::Peer(name) => name,
        };
        let text = format!("peer a2a message\0{}\0{to}\0{message}", own.fingerprint);
        Ok(message_id_of(&text))
    }

    async fn run_own(&self, turn: &str, mut message: Message, remote: Option<String>) {
        let Some(agent) = &self.agent else { return };
        let conversation = message.context_id.take();
        message.task_id = remote;
        let asker = Asker { who: "", id: turn, conversation: conversation.as_deref() };
        self.table.bridged(turn);
        let tell = |event: &Event| {
            self.table.apply(turn, None, event.clone());
        };
        let ended = tokio::select! {
            ended = bridge::run_own(agent, asker, message, &tell) => ended,
            () = self.handle.stopped() => return,
        };
        self.table.apply(turn, None, ended);
    }

    async fn talk(&self, peer: &str, id: MessageId, message: Message, remote: Option<String>) {
        let turn = id.to_string();
        let conversation = message.context_id.clone();
        let content = match content::of_message(&message, remote) {
            Ok(content) => content,
            Err(fault) => return self.table.refused(&turn, fault),
        };
        drop(message);
        let options = TalkOptions { timeout: MAX_AWAITED, ..TalkOptions::default() };
        match self.handle.talk_once(Some(id), peer, content, conversation, options).await {
            Ok(answer) => self.answered(&turn, answer.content, answer.done).await,
            // It is known to the outbox: how it stands is found there.
            Err(NodeError::Unanswered { .. } | NodeError::Settled { .. }) => {
                self.look_up(&turn).await;
            }
            Err(error) if self.is_accepted(&turn) => {
                let state = match &error {
                    NodeError::Stopped => return,
                    NodeError::Timeout { .. } => State::Unknown,
                    _ => State::Failed,
                };
                self.say(&turn, state, &error.to_string());
            }
            Err(error) => self.table.refused(&turn, error.into()),
        }
    }

    async fn answered(&self, turn: &str, answer: Content, done: bool) {
        match large::load(answer).await {
            Some(answer) => {
                self.table.apply(turn, None, content::of_answer(&answer, done, turn));
                let why = "its agent answered, and left open how it stands";
                self.leave_none_open(turn, why);
            }
            None => self.say(turn, State::Failed, "the answer came, and cannot be read any more"),
        }
    }

    /// After an answer nothing more comes.
    fn leave_none_open(&self, turn: &str, why: &str) {
        if self.table.is_open(turn) {
            self.say(turn, State::Unknown, why);
        }
    }

    fn is_accepted(&self, turn: &str) -> bool {
        let Some(task) = self.table.of_turn(turn) else { return false };
        self.table.delivery_of(&task).is_some()
    }

    /// This node says how a task stands.
    fn say(&self, turn: &str, state: State, why: &str) {
        let update = super::types::StatusUpdate {
            task_id: String::new(),
            context_id: String::new(),
            status: Status { state, message: Some(content::said(turn, why)), timestamp: None },
            metadata: None,
        };
        self.table.apply(turn, None, Event::StatusUpdate(Box::new(update)));
    }
}

/// Refuses what is no message, and what this node does not do.
fn check(message: &Message, settings: &Configuration) -> Result<(), Fault> {
    let push = [&settings.task_push_notification_config, &settings.push_notification_config];
    if push.into_iter().flatten().any(|config| !config.is_null()) {
        let detail = "this node sends no push notifications: stream, or ask for the task";
        return Err(Fault::new(FaultKind::PushNotificationNotSupported, detail));
    }
    let ids = [Some(&message.message_id), message.context_id.as_ref(), message.task_id.as_ref()];
    if message.message_id.is_empty() || ids.into_iter().flatten().any(|id| id.len() > MAX_ID) {
        let detail = format!("a message has an id, and ids have at most {MAX_ID} bytes");
        return Err(Fault::params(detail));
    }
    if message.parts.is_empty() || !message.parts.iter().all(Part::is_valid) {
        let detail = "a message has parts, and each has one of text, raw, url and data";
        return Err(Fault::params(detail));
    }
    Ok(())
}

/// Waits until a task has ended, or its agent waits.
pub(super) async fn settled(known: &mut Known) {
    let mut state = known.task.status.state;
    while !state.is_settled() {
        match known.feed.recv().await {
            Ok(Event::StatusUpdate(update)) => state = update.status.state,
            Ok(Event::Task(task)) => state = task.status.state,
            Ok(Event::Message(_) | Event::ArtifactUpdate(_)) => {}
            // Whoever waits looks at the task itself.
            Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                return;
            }
        }
    }
}

/// A task with as much of its history as was asked for.
pub(super) fn shown(mut task: Task, history: Option<usize>) -> Task {
    if let Some(most) = history {
        let over = task.history.len().saturating_sub(most);
        task.history.drain(..over);
    }
    task
}
