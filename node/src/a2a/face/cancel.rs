//! Giving tasks up.

use std::time::Duration;

use super::{Face, settled};
use crate::a2a::content::{self, Cancel};
use crate::a2a::fault::{Fault, FaultKind};
use crate::a2a::table::Target;
use crate::a2a::types::{State, Task};
use crate::model::{Delivery, ReportOptions, Wait};

/// How long the other end may take to give a task up before the client is told how it stands.
const PATIENCE: Duration = Duration::from_secs(10);

impl Face {
    /// Cancels a task: in the outbox while it certainly was not sent, at the other end if that is an A2A
    /// agent. Other agents cannot be told.
    pub(in crate::a2a) async fn cancel(&self, id: &str, target: &Target) -> Result<Task, Fault> {
        let mut known = self.task(id, target).await?;
        let state = known.task.status.state;
        if state.is_terminal() {
            let detail = format!("task {id} has ended already, as {state:?}").to_lowercase();
            return Err(Fault::new(FaultKind::TaskNotCancelable, detail));
        }
        let turn = known.turn.clone();
        if known.facts.delivery == Some(Delivery::Queued) {
            match self.handle.cancel(&turn).await {
                Ok(line) if line.status == Delivery::Cancelled => {
                    self.say(&turn, State::Canceled, "it was cancelled before it was sent");
                    return self
                        .table
                        .get(id, target)
                        .map(|it| it.task)
                        .ok_or_else(|| Fault::not_found(id));
                }
                // It has just been sent: what became of it is found below.
                Ok(_) | Err(_) => known = self.task(id, target).await?,
            }
        }
        if state.is_interrupted() {
            // Nothing is under way: the agent that waits is not waited for any more.
            self.say(
                &turn,
                State::Canceled,
                "it was given up while its agent waited for a message",
            );
            return self
                .table
                .get(id, target)
                .map(|it| it.task)
                .ok_or_else(|| Fault::not_found(id));
        }
        match (target, &known.facts.peer_id) {
            (Target::Own, _) => {
                let Some(agent) = &self.agent else { return Err(Fault::not_found(id)) };
                if !agent
                    .cancel("", &turn)
                    .await
                    .map_err(|error| refused(id, &error.to_string()))?
                {
                    return Err(refused(id, "the agent has not taken it yet"));
                }
            }
            (Target::Peer(_), Some(peer)) if known.facts.is_bridged => {
                let cancel = content::json(content::CANCEL, &Cancel { task: turn })?;
                let options =
                    ReportOptions { wait: Wait::Delivered, timeout: PATIENCE, ttl: Some(PATIENCE) };
                self.handle.report(peer, "cancel a task".to_owned(), None, cancel, options).await?;
            }
            (Target::Peer(_), _) => {
                return Err(refused(id, "it was sent, and its agent cannot be told"));
            }
        }
        let _ = tokio::time::timeout(PATIENCE, settled(&mut known)).await;
        let task = self.table.get(id, target).ok_or_else(|| Fault::not_found(id))?.task;
        match task.status.state {
            State::Completed | State::Failed | State::Rejected => {
                Err(refused(id, "it ended before its agent gave it up"))
            }
            // If it goes on the client sees that.
            _ => Ok(task),
        }
    }
}

fn refused(id: &str, why: &str) -> Fault {
    Fault::new(FaultKind::TaskNotCancelable, format!("task {id} cannot be cancelled: {why}"))
}
