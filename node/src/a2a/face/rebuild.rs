//! Tasks that the table does not know any more, or of which nobody waits for the answer, as outbox and
//! inbox know them.

use super::Face;
use crate::a2a::clock;
use crate::a2a::content;
use crate::a2a::fault::Fault;
use crate::a2a::table::{Facts, Known, Target};
use crate::a2a::types::{State, Status, Task};
use crate::large;
use crate::model::{Delivery, Direction, InboxFilter, IncomingKind, Trace};

/// Most answers of the inbox that are looked at for one task.
const MAX_LOOKED_AT: usize = 200;

impl Face {
    /// The task of this id, from wherever it is known.
    pub(in crate::a2a) async fn task(&self, id: &str, target: &Target) -> Result<Known, Fault> {
        let unknown = || Fault::not_found(id);
        if let Some(known) = self.table.get(id, target) {
            if known.facts.is_awaited || known.task.status.state.is_terminal() {
                return Ok(known);
            }
            if matches!(target, Target::Peer(_)) && !known.task.status.state.is_interrupted() {
                self.look_up(&known.turn).await;
            }
            return self.table.get(id, target).ok_or_else(unknown);
        }
        let Target::Peer(name) = target else { return Err(unknown()) };
        // A beginning of an id would do for the trace, and not here.
        let trace = self.handle.trace(id).await.map_err(|_| unknown())?;
        let is_asked = [trace.peer.as_str(), &trace.peer_id].contains(&name.as_str());
        let is_task = trace.direction == Direction::Sent && trace.kind == IncomingKind::Task;
        if trace.message_id != id || !is_asked || !is_task {
            return Err(unknown());
        }
        let sent = self.handle.outbox_message(id).await.ok();
        let task = Task {
            id: id.to_owned(),
            context_id: sent.and_then(|it| it.conversation).unwrap_or_else(|| id.to_owned()),
            status: Status {
                state: State::Submitted,
                message: None,
                timestamp: Some(clock::text(trace.created.as_millis())),
            },
            ..Task::default()
        };
        let facts = Facts { peer_id: Some(trace.peer_id.clone()), ..Facts::default() };
        self.table.begin(target.clone(), task, facts, None)?;
        self.stand(id, &trace).await;
        self.table.get(id, target).ok_or_else(unknown)
    }

    /// Finds out how the message stands that asked.
    pub(super) async fn look_up(&self, turn: &str) {
        match self.handle.trace(turn).await {
            Ok(trace) => self.stand(turn, &trace).await,
            Err(error) => tracing::debug!(%turn, %error, "nothing is known of a task"),
        }
    }

    async fn stand(&self, turn: &str, trace: &Trace) {
        self.table.delivery(turn, &trace.peer_id, &trace.status);
        let (state, why) = match &trace.status {
            Delivery::Expired => (State::Failed, "its time ran out before it was sent".to_owned()),
            Delivery::Cancelled => {
                (State::Canceled, "it was cancelled before it was sent".to_owned())
            }
            Delivery::Failed { code, detail } => {
                (State::Failed, format!("the peer refused it: {code}: {detail}"))
            }
            Delivery::Unknown => {
                let why = "it may have been sent, and nobody can tell what became of it";
                (State::Unknown, why.to_owned())
            }
            Delivery::Queued
            | Delivery::Sent
            | Delivery::Received
            | Delivery::Delivered
            | Delivery::Processed => return self.find_answer(turn, trace).await,
        };
        self.say(turn, state, &why);
    }

    /// Looks for the answer in the inbox. It stays there: whoever asked may have forgotten it again.
    async fn find_answer(&self, turn: &str, trace: &Trace) {
        let filter = InboxFilter {
            from: Some(trace.peer_id.clone()),
            limit: InboxFilter::MAX_LIMIT,
            ..InboxFilter::default()
        };
        let Ok(page) = self.handle.inbox(filter).await else { return };
        let answers = page.items.iter().filter(|line| line.kind == IncomingKind::Answer);
        for line in answers.take(MAX_LOOKED_AT) {
            let Ok(message) = self.handle.inbox_message(&line.message_id).await else { continue };
            if message.in_reply_to.as_deref() == Some(turn)
                && message.from_peer_id == trace.peer_id
                && let Some(answer) = large::load(message.content).await
            {
                let done = message.done.unwrap_or_default();
                self.table.apply(turn, None, content::of_answer(&answer, done, turn));
                return;
            }
        }
    }
}
