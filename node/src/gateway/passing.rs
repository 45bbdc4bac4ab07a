//! Passes messages on between version 1.0 and version 1.1 (`docs/PROTOCOL.md` §13.9). What one side signed
//! the other never sees signed anew in its name: the gateway speaks in its own, and says for whom.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::legacy::{Message, VERSION};
use peer_protocol::limits::MAX_INLINE_CONTENT_LEN;
use peer_protocol::message::{Body, Task, TaskOutcome, TaskResult};
use tokio::sync::mpsc;

use super::Shared;
use super::leave::{Leave, UNPINNED};
use super::places::{PLACES, Places};
use crate::config::GatewayPeer;
use crate::error::NodeError;
use crate::event_loop::translate;
use crate::handle::{Asked, Said, WeakHandle};
use crate::large;
use crate::model::{
    Content, Forwarded, ForwardedContent, ReportOptions, TalkOptions, ToForward, Wait,
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
const TEXT: &str = "text/plain";

/// Where the event loop puts messages that are to be passed on.
#[derive(Debug)]
pub(crate) struct Passing {
    items: mpsc::Sender<Item>,
    places: Arc<Places>,
    leave: Arc<Leave>,
}

/// What becomes of a message of a version 1.1 peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outward {
    /// It is not one that is to be passed on.
    Other,
    /// It is passed on; its answer follows.
    Passed,
    /// It is one, and is not passed on, for this reason. It is nothing for the agent.
    Refused(String),
}

/// Messages that are to be passed on.
pub(crate) struct Items(mpsc::Receiver<Item>);

/// One of them; it has a place.
#[derive(Debug)]
enum Item {
    /// From a version 1.0 peer.
    Inward { from: EntityId, key: PublicKey, message: Box<Message> },
    /// From a version 1.1 peer.
    Outward { from: EntityId, id: MessageId, content: Vec<u8>, conversation: Option<String> },
}

impl Passing {
    /// A way for messages of and for the entities on the operator's list; none if there are none.
    pub(crate) fn new(shared: &Shared) -> Option<(Self, Items)> {
        if shared.leave.listed().is_empty() {
            return None;
        }
        let (items, receiver) = mpsc::channel(PLACES);
        let (places, leave) = (Arc::clone(&shared.places), Arc::clone(&shared.leave));
        Some((Self { items, places, leave }, Items(receiver)))
    }

    /// Passes on what a version 1.0 peer says, for which its link took a place.
    pub(crate) fn inward(&self, from: EntityId, key: PublicKey, message: Box<Message>) {
        let sender = message.content().sender_id.clone();
        let item = Item::Inward { from, key, message };
        // There is room for whatever has a place.
        if self.items.try_send(item).is_err() {
            self.places.leave(&sender);
        }
    }

    /// Passes on a task for a version 1.0 peer, of a peer that proved to be `from` with `key`.
    pub(crate) fn outward(
        &self,
        from: &EntityId,
        key: &PublicKey,
        id: MessageId,
        task: &Task<'_>,
    ) -> Outward {
        if task.content_type != ToForward::CONTENT_TYPE {
            return Outward::Other;
        }
        if task.transfer.is_some() {
            let detail = "it is too long: a message of version 1.0 has at most 64 KiB";
            return Outward::Refused(detail.to_owned());
        }
        if !self.leave.has(from, key) {
            let detail = "this gateway passes nothing on for you; its operator can put you on its list, and \
                          pin your name to your key";
            return Outward::Refused(detail.to_owned());
        }
        if let Err(report) = self.places.take(from) {
            return Outward::Refused(report.detail);
        }
        let (content, conversation) = (task.content.to_vec(), task.conversation.clone());
        let item = Item::Outward { from: from.clone(), id, content, conversation };
        if self.items.try_send(item).is_err() {
            self.places.leave(from);
            return Outward::Refused("this gateway has stopped passing on".to_owned());
        }
        Outward::Passed
    }
}

/// What passing on needs.
struct Passer {
    node: WeakHandle,
    named: Vec<GatewayPeer>,
    shared: Arc<Shared>,
}

/// Passes on for as long as the node runs.
pub(super) async fn run(
    Items(mut items): Items,
    node: WeakHandle,
    named: Vec<GatewayPeer>,
    shared: Arc<Shared>,
) {
    let passer = Passer { node, named, shared };
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            item = items.recv() => {
                let Some(item) = item else { return };
                let mut passing = Box::pin(passer.pass(item));
                // The node is told at once, so that messages keep their order.
                if futures::poll!(&mut passing).is_pending() {
                    under_way.push(passing);
                }
            }
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
        }
    }
}

impl Passer {
    async fn pass(&self, item: Item) {
        let passed = match item {
            Item::Inward { from, key, message } => {
                let sender = message.content().sender_id.clone();
                let passed = self.inward(&from, key, &message).await;
                self.shared.places.leave(&sender);
                passed
            }
            Item::Outward { from, id, content, conversation } => {
                let answer = self.outward(&from, &content, conversation).await;
                self.shared.places.leave(&from);
                self.answer(id, answer).await
            }
        };
        if let Err(error) = passed {
            tracing::warn!(%error, "what was passed on did not end as it should");
        }
    }

    /// Passes on what a version 1.0 peer says, and the answer back.
    async fn inward(
        &self,
        from: &EntityId,
        key: PublicKey,
        message: &Message,
    ) -> Result<(), NodeError> {
        let content = message.content();
        let Some(to) = content.recipient_id.clone() else { return Ok(()) };
        // Links have asked, too; the operator may have thought otherwise since.
        let way = self.shared.leave.way_to(&to).ok_or_else(|| NodeError::Invalid {
            detail: format!("nothing is passed on to {to}: {UNPINNED}"),
        })?;
        // It was read before it was acknowledged.
        let read = translate::incoming(&content.msg_type, &content.payload)
            .map_err(|report| NodeError::Invalid { detail: report.detail })?;
        let wrap = |said: &[u8]| wrap(from, &key, said, Some(message));
        self.shared.counts.inward.add();
        tracing::info!(%from, %to, kind = %read.body.kind(), "passed on from version 1.0, unencrypted so far");
        match &read.body {
            Body::Task(task) => {
                let options =
                    TalkOptions { ttl: Some(PATIENCE), volatile: false, timeout: PATIENCE };
                let content = wrap(&task.content);
                let node = self.node.handle()?;
                let asked = node.talk(&way, content, task.conversation.clone(), options);
                let result = match asked.await {
                    Ok(answer) => result(large::load(answer.content).await, answer.done),
                    Err(error) => failure(&error),
                };
                let say = |result: TaskResult<'static>| {
                    let in_reply_to = read.id.map(str::to_owned);
                    node.say_legacy(Said {
                        key,
                        from: to.clone(),
                        body: result.into(),
                        in_reply_to,
                    })
                };
                match say(result).await {
                    // An answer that is too long for version 1.0 is told to be.
                    Err(error @ NodeError::TooLarge { .. }) => say(failure(&error)).await,
                    said => said,
                }
            }
            Body::StatusReport(report) => {
                let options = ReportOptions { wait: Wait::Queued, ..ReportOptions::default() };
                let (status, next_action) = (report.status.clone(), report.next_action.clone());
                let content = wrap(&report.content);
                let node = self.node.handle()?;
                node.report(&way, status, next_action, content, options).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Asks a version 1.0 peer.
    async fn outward(
        &self,
        from: &EntityId,
        content: &[u8],
        conversation: Option<String>,
    ) -> Result<(Content, bool), NodeError> {
        let wanted: ToForward = serde_json::from_slice(content).map_err(|error| {
            let expected = r#"expected {"to": "<entity>", "message": "<text>"}"#;
            NodeError::Invalid { detail: format!("{expected}: {error}") }
        })?;
        let named = self.named.iter().find(|peer| peer.entity == wanted.to);
        let peer = named.ok_or_else(|| NodeError::UnknownPeer { peer: wanted.to.to_string() })?;
        let task = Task {
            content: wanted.message.into_bytes().into(),
            content_type: TEXT.to_owned(),
            conversation,
            ..Task::default()
        };
        self.shared.counts.outward.add();
        tracing::info!(%from, to = %peer.entity, "passed on to version 1.0: not encrypted from here on");
        let (to, from) = (peer.entity.clone(), from.clone());
        let asked = Asked { peer: to, from, task, timeout: PATIENCE };
        let answer = self.node.handle()?.ask_legacy(asked).await?;
        let said = answer.content.to_bytes().unwrap_or_default();
        Ok((wrap(&peer.entity, &peer.key, &said, None), answer.done))
    }

    async fn answer(
        &self,
        id: MessageId,
        answer: Result<(Content, bool), NodeError>,
    ) -> Result<(), NodeError> {
        let (content, done) = answer.unwrap_or_else(|error| (not_passed_on(&error), false));
        self.node.handle()?.answer(&id.to_string(), content, done).await
    }
}

/// What a version 1.1 peer is told whose task was not passed on.
pub(crate) fn not_passed_on(reason: &impl Display) -> Content {
    Content::from_bytes(format!("it was not passed on: {reason}").as_bytes())
}

/// What a version 1.0 peer said, as version 1.1 is told. What it signed goes along if that leaves the whole
/// short enough to travel inside its message.
fn wrap(from: &EntityId, key: &PublicKey, said: &[u8], signed: Option<&Message>) -> Content {
    let mut content = ForwardedContent {
        forwarded: Forwarded {
            entity: from.clone(),
            fingerprint: Fingerprint::of(key),
            version: VERSION.to_owned(),
            encrypted: false,
        },
        message: String::from_utf8_lossy(said).into_owned(),
        signed: signed.map(|message| String::from_utf8_lossy(&message.to_bytes()).into_owned()),
    };
    let whole = content.to_content();
    if content.signed.is_none() || text_len(&whole) <= MAX_INLINE_CONTENT_LEN {
        return whole;
    }
    content.signed = None;
    content.to_content()
}

fn text_len(content: &Content) -> usize {
    content.text.as_ref().map_or(0, String::len)
}

/// An answer of version 1.1. What is no text cannot be said in version 1.0.
fn result(content: Option<Content>, done: bool) -> TaskResult<'static> {
    let bytes = content.and_then(|content| content.to_bytes().ok());
    let Some(bytes) = bytes.filter(|bytes| std::str::from_utf8(bytes).is_ok()) else {
        let detail = "the answer is not text, which is all that version 1.0 carries".to_owned();
        return failure(&NodeError::Invalid { detail });
    };
    TaskResult {
        content: bytes.into(),
        outcome: if done { TaskOutcome::Done } else { TaskOutcome::Failed },
        transfer: None,
        content_type: TEXT.to_owned(),
    }
}

fn failure(error: &NodeError) -> TaskResult<'static> {
    TaskResult {
        content: error.to_string().into_bytes().into(),
        outcome: TaskOutcome::Failed,
        transfer: None,
        content_type: TEXT.to_owned(),
    }
}
