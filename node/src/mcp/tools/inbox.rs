//! What came in: reading, answering, taking it off the inbox.

use std::cmp::Reverse;
use std::time::Duration;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MAX_WAIT;
use super::reading::{FileRead, InboxRead, MessageRead, file};
use crate::api::{Acknowledge, Inbox, Reply};
use crate::mcp::Server;
use crate::mcp::content::written;
use crate::mcp::failure::Failed;
use crate::model::{IdPrefix, InboxId, IncomingKind};

/// Most messages of one answer.
const MAX_MESSAGES: usize = 50;
/// Messages of one answer if the call does not say.
const MESSAGES: usize = 10;
/// Most received files that are listed.
const MAX_FILES: usize = 10;
/// Most characters of content in one answer.
const MAX_CHARS: usize = 2 << 20;
/// Characters of content in one answer if the call does not say.
const CHARS: usize = 20_000;

/// What to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ReadAsk {
    /// Only this message: its number such as `n17`, or its id.
    message: Option<String>,
    /// With `message`: where in its content to begin, in characters; `next_offset` of the part before.
    offset: Option<usize>,
    /// Only from this peer.
    from: Option<String>,
    /// Only what came after this number; `next_after` of the answer before.
    after: Option<u64>,
    /// Most messages, 1 to 50; 10 if not given.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<usize>,
    /// Most characters of content in the whole answer; 20000 if not given.
    #[schemars(range(min = 1, max = 2_097_152))]
    max_chars: Option<usize>,
    /// If the inbox is empty, wait so long for a message. Meanwhile you count as an agent that listens, and are
    /// told wake-ups, too. Not together with `from`, `after` or `message`.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    wait_seconds: Option<u32>,
}

/// Which messages were dealt with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct AcknowledgeAsk {
    /// Numbers such as `n17`, or ids; 1 to 1000.
    #[schemars(length(min = 1, max = 1000))]
    messages: Vec<String>,
}

/// What was acknowledged. Each entry of the call is in exactly one of the lists.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct AcknowledgeDone {
    /// Ids of messages that left the inbox now.
    acknowledged: Vec<String>,
    /// Ids of those that had been acknowledged before.
    already: Vec<String>,
    /// What names no message.
    unknown: Vec<String>,
}

/// The answer to a task.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct AnswerAsk {
    /// The task: its number in the inbox such as `n17`, or its id.
    message: String,
    /// The answer, or why there is none; at most 1 MiB.
    answer: String,
    /// Whether you did what was asked; true if not given.
    done: Option<bool>,
}

/// What became of an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct AnswerSent {
    /// The task's id.
    message_id: String,
    /// Whether the node took the answer. It then is on disk, is sent until it arrives, and the task has left
    /// the inbox; that it has arrived is not said.
    accepted: bool,
}

#[tool_router(router = inbox_tools, vis = "pub(in crate::mcp)")]
impl Server {
    #[tool(
        title = "Read the inbox",
        description = "Read what came in from other agents: tasks, reports, answers, files. Reading changes \
                       nothing: messages stay until they are answered or acknowledged. wait_seconds waits for \
                       something new.",
        annotations(read_only_hint = true, open_world_hint = true)
    )]
    async fn read_inbox(
        &self,
        Parameters(ask): Parameters<ReadAsk>,
    ) -> Result<Json<InboxRead>, Failed> {
        let limit = within("limit", ask.limit.unwrap_or(MESSAGES), MAX_MESSAGES)?;
        let most = within("max_chars", ask.max_chars.unwrap_or(CHARS), MAX_CHARS)?;
        let wait = match ask.wait_seconds {
            None => None,
            Some(_) if ask.from.is_some() || ask.after.is_some() || ask.message.is_some() => {
                return Err(Failed::invalid(
                    "wait_seconds waits for any message: leave out from, after and message",
                ));
            }
            Some(wait @ 1..=MAX_WAIT) => Some(Duration::from_secs(wait.into())),
            Some(wait) => {
                return Err(Failed::invalid(format!(
                    "wait_seconds is {wait}: expected 1 to {MAX_WAIT}"
                )));
            }
        };
        if let Some(message) = ask.message {
            let incoming = self.client.inbox_message(&message.parse::<InboxId>()?).await?;
            let messages = vec![MessageRead::new(incoming, false, ask.offset.unwrap_or(0), most)];
            return Ok(Json(InboxRead { messages, ..InboxRead::default() }));
        }
        if ask.offset.is_some() {
            return Err(Failed::invalid("offset goes with message"));
        }
        let files = match (&ask.from, ask.after) {
            (None, None) => self.received_files().await?,
            _ => Vec::new(),
        };
        let inbox = Inbox { from: ask.from, after: ask.after, limit: Some(limit) };
        let mut read = self.page(inbox, most).await?;
        read.received_files = files;
        match wait {
            Some(wait) if read.messages.is_empty() => Ok(Json(self.wait(wait, most).await?)),
            _ => Ok(Json(read)),
        }
    }

    #[tool(
        title = "Acknowledge messages",
        description = "Take messages off the inbox once they were dealt with. Answered tasks need not be \
                       acknowledged; a task that is acknowledged can still be answered by its id.",
        annotations(
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn acknowledge(
        &self,
        Parameters(ask): Parameters<AcknowledgeAsk>,
    ) -> Result<Json<AcknowledgeDone>, Failed> {
        let done = self.client.acknowledge(&Acknowledge { ids: ask.messages }).await?;
        let (acknowledged, already, unknown) = (done.ids, done.already, done.unknown);
        Ok(Json(AcknowledgeDone { acknowledged, already, unknown }))
    }

    #[tool(
        title = "Answer a task",
        description = "Answer a task of the inbox. A task is answered once, and leaves the inbox then.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = true
        )
    )]
    async fn answer_task(
        &self,
        Parameters(ask): Parameters<AnswerAsk>,
    ) -> Result<Json<AnswerSent>, Failed> {
        let message_id = self.task_id(&ask.message).await?;
        let content = written(ask.answer)?;
        let done = ask.done.unwrap_or(true);
        self.client.answer(&Reply { message_id: message_id.clone(), content, done }).await?;
        Ok(Json(AnswerSent { message_id, accepted: true }))
    }
}

impl Server {
    /// Messages of the inbox, with at most `most` characters of content together. Those that have no room are
    /// left to the next page: each is read as a whole, however long it is.
    async fn page(&self, ask: Inbox, most: usize) -> Result<InboxRead, Failed> {
        let page = self.client.inbox(&ask).await?;
        let mut read = InboxRead {
            messages: Vec::new(),
            next_after: page.next.and_then(|next| next.parse().ok()),
            received_files: Vec::new(),
        };
        let (mut left, last) = (most, page.items.last().map(|line| line.number));
        for line in page.items {
            let incoming = match self.client.inbox_message(&InboxId::Number(line.number)).await {
                Ok(incoming) => incoming,
                // Somebody took it meanwhile.
                Err(crate::api::ClientError::Failed(failure))
                    if failure.kind == "no_such_message" =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let message = MessageRead::new(incoming, line.handed, 0, left);
            left = left.saturating_sub(message.len());
            read.messages.push(message);
            if left == 0 {
                if Some(line.number) != last {
                    read.next_after = Some(line.number);
                }
                break;
            }
        }
        Ok(read)
    }

    /// Files that came in lately, the newest first.
    async fn received_files(&self) -> Result<Vec<FileRead>, Failed> {
        let mut transfers = self.client.transfers().await?;
        transfers.sort_by_key(|transfer| Reverse(transfer.updated));
        Ok(transfers.into_iter().filter_map(file).take(MAX_FILES).collect())
    }

    /// Listens for one message.
    async fn wait(&self, wait: Duration, most: usize) -> Result<InboxRead, Failed> {
        let mut messages = self.client.messages(Some(1)).await?;
        match tokio::time::timeout(wait, messages.next()).await {
            Ok(message) => {
                let messages = vec![MessageRead::new(message?, false, 0, most)];
                Ok(InboxRead { messages, ..InboxRead::default() })
            }
            Err(_) => Ok(InboxRead::default()),
        }
    }

    /// The whole id of a task. One that is not kept in the inbox is known by its id alone.
    async fn task_id(&self, message: &str) -> Result<String, Failed> {
        if let Some(id) = message.parse::<IdPrefix>().ok().and_then(|prefix| prefix.whole()) {
            return Ok(id.to_string());
        }
        let incoming = self.client.inbox_message(&message.parse::<InboxId>()?).await?;
        if incoming.kind != IncomingKind::Task {
            let kind = incoming.kind.as_str();
            return Err(Failed::new(
                "invalid",
                format!("{message} is a {kind}, which wants no answer"),
                "acknowledge it once it was dealt with; talk_to_peer begins something new",
            ));
        }
        Ok(incoming.message_id)
    }
}

fn within(name: &str, value: usize, most: usize) -> Result<usize, Failed> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(Failed::invalid(format!("{name} is {value}: expected 1 to {most}")))
}
