//! What A2A 1.0 says, as far as it is looked into here; all else is carried as it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    #[serde(rename = "ROLE_USER")]
    User,
    #[serde(rename = "ROLE_AGENT")]
    Agent,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Nobody can tell.
    #[default]
    #[serde(rename = "TASK_STATE_UNSPECIFIED")]
    Unknown,
    #[serde(rename = "TASK_STATE_SUBMITTED")]
    Submitted,
    #[serde(rename = "TASK_STATE_WORKING")]
    Working,
    #[serde(rename = "TASK_STATE_COMPLETED")]
    Completed,
    #[serde(rename = "TASK_STATE_FAILED")]
    Failed,
    #[serde(rename = "TASK_STATE_CANCELED")]
    Canceled,
    #[serde(rename = "TASK_STATE_INPUT_REQUIRED")]
    InputRequired,
    #[serde(rename = "TASK_STATE_REJECTED")]
    Rejected,
    #[serde(rename = "TASK_STATE_AUTH_REQUIRED")]
    AuthRequired,
}

impl State {
    /// Whether nothing more comes.
    pub(super) const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Rejected)
    }

    /// Whether the agent waits for its user.
    pub(super) const fn is_interrupted(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }

    /// Whether whoever waits for the task need not wait longer.
    pub(super) const fn is_settled(self) -> bool {
        self.is_terminal() || self.is_interrupted() || matches!(self, Self::Unknown)
    }
}

/// A piece of content: one of `text`, `raw`, `url` and `data`, and what goes with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Part(pub(super) Map<String, Value>);

impl Part {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self(Map::from_iter([("text".to_owned(), Value::String(text.into()))]))
    }

    pub(super) fn str(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn set(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), Value::String(value.to_owned()));
        }
    }

    /// The text, if it is nothing but that.
    pub(super) fn only_text(&self) -> Option<&str> {
        let plain = |name: &str| matches!(name, "text" | "mediaType");
        if !self.0.keys().all(|name| plain(name)) {
            return None;
        }
        if self.str("mediaType").is_some_and(|it| it != "text/plain") {
            return None;
        }
        self.0.get("text").and_then(Value::as_str)
    }

    /// Whether it holds exactly one content.
    pub(super) fn is_valid(&self) -> bool {
        let held = ["text", "raw", "url", "data"].map(|name| self.0.get(name));
        let [text, raw, url, _] = held;
        held.iter().flatten().count() == 1
            && [text, raw, url].into_iter().flatten().all(Value::is_string)
    }
}

/// A message of a user or of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) message_id: String,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) context_id: Option<String>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) task_id: Option<String>,
    pub(super) role: Role,
    #[serde(default)]
    pub(super) parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) extensions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reference_task_ids: Vec<String>,
}

impl Message {
    pub(super) fn of_agent(message_id: String, parts: Vec<Part>) -> Self {
        Self {
            message_id,
            context_id: None,
            task_id: None,
            role: Role::Agent,
            parts,
            metadata: None,
            extensions: Vec::new(),
            reference_task_ids: Vec::new(),
        }
    }
}

/// What an agent made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    pub(super) artifact_id: String,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) extensions: Vec<String>,
}

/// How a task stands, and since when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(default)]
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
}

/// A task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    pub(super) id: String,
    #[serde(default)]
    pub(super) context_id: String,
    #[serde(default)]
    pub(super) status: Status,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) artifacts: Vec<Artifact>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Map<String, Value>>,
}

/// A task stands otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusUpdate {
    pub(super) task_id: String,
    #[serde(default)]
    pub(super) context_id: String,
    pub(super) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Map<String, Value>>,
}

/// An artifact, or more of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactUpdate {
    pub(super) task_id: String,
    #[serde(default)]
    pub(super) context_id: String,
    pub(super) artifact: Artifact,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) append: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) last_chunk: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Map<String, Value>>,
}

/// What an agent says, as in `StreamResponse` and `SendMessageResponse`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Event {
    Task(Box<Task>),
    Message(Box<Message>),
    StatusUpdate(Box<StatusUpdate>),
    ArtifactUpdate(Box<ArtifactUpdate>),
}

/// Most earlier messages of a task that are kept.
const MAX_HISTORY: usize = 32;
/// Most artifacts of a task, and most parts of one.
const MAX_ARTIFACTS: usize = 256;
const MAX_PARTS: usize = 4096;

impl Task {
    /// Takes in what its agent says. Its own ids stay.
    pub(super) fn apply(&mut self, event: Event) {
        // What ended has ended.
        if self.status.state.is_terminal() {
            return;
        }
        match event {
            Event::Task(task) => {
                let Task { status, artifacts, .. } = *task;
                self.artifacts = artifacts;
                self.set_status(status);
            }
            Event::Message(message) => {
                let answer = Artifact {
                    artifact_id: message.message_id,
                    name: None,
                    description: None,
                    parts: message.parts,
                    metadata: message.metadata,
                    extensions: message.extensions,
                };
                self.artifacts.push(answer);
                self.set_status(Status { state: State::Completed, ..Status::default() });
            }
            Event::StatusUpdate(update) => self.set_status(update.status),
            Event::ArtifactUpdate(update) => {
                let ArtifactUpdate { artifact, append, .. } = *update;
                let known =
                    self.artifacts.iter_mut().find(|it| it.artifact_id == artifact.artifact_id);
                match known {
                    Some(known) if append => known.parts.extend(artifact.parts),
                    Some(known) => *known = artifact,
                    None => self.artifacts.push(artifact),
                }
            }
        }
        self.artifacts.truncate(MAX_ARTIFACTS);
        for artifact in &mut self.artifacts {
            artifact.parts.truncate(MAX_PARTS);
        }
    }

    fn set_status(&mut self, mut status: Status) {
        if let Some(message) = &mut status.message {
            message.task_id = Some(self.id.clone());
            message.context_id = Some(self.context_id.clone());
        }
        status.timestamp.get_or_insert_with(super::clock::now);
        let before = std::mem::replace(&mut self.status, status);
        self.history.extend(before.message);
        self.trim();
    }

    pub(super) fn trim(&mut self) {
        let over = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..over);
    }
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn is_empty(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(String::is_empty)
}
