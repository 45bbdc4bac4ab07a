//! Tasks that peers send, handed to the local A2A agent; what it says goes back as status reports, if the
//! asker takes those, and as the answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::agent::{Agent, Asker};
use super::content::{self, Cancel, Updates};
use super::types::{Event, State, Task};
use crate::handle::{AgentKind, Handle};
use crate::large;
use crate::model::{Content, Incoming, IncomingKind, ReportOptions, Wait};

/// Most tasks at the agent at once; the others wait in the inbox.
const MAX_AT_ONCE: usize = 64;
/// Time between two status reports of one task, and how long they are tried.
const PACE: Duration = Duration::from_secs(1);
const REPORT_TTL: Duration = Duration::from_secs(600);
/// Most updates, and most bytes of them, that wait for the next report.
const MAX_UPDATES: usize = 256;
const MAX_BYTES: usize = 256 << 10;

/// Hands over all tasks that come in, until the node has stopped.
pub(super) async fn run(handle: Handle, agent: Arc<Agent>) {
    let room = Arc::new(Semaphore::new(MAX_AT_ONCE));
    // Nobody can ask the agent whether it is there.
    while let Ok(mut messages) = handle.attach(None, None, AgentKind::Client).await {
        while let Some(message) = messages.recv().await {
            match message.kind {
                IncomingKind::Task if !agent.is_running(&message.message_id) => {
                    let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                    let (handle, agent) = (handle.clone(), Arc::clone(&agent));
                    tokio::spawn(async move {
                        tokio::select! {
                            () = serve(&handle, &agent, message) => {}
                            () = handle.stopped() => {}
                        }
                        drop(place);
                    });
                }
                IncomingKind::StatusReport if content::is(&message.content, content::CANCEL) => {
                    tokio::spawn(cancel(handle.clone(), Arc::clone(&agent), message));
                }
                _ => {}
            }
        }
    }
}

/// One task, from its message to its answer.
async fn serve(handle: &Handle, agent: &Agent, message: Incoming) {
    let id = message.message_id.clone();
    let faithful = content::wants_updates(&message.content)
        || content::is(&message.content, content::MEDIA_TYPE);
    let updates = content::wants_updates(&message.content);
    let outflow = Outflow::default();
    let work = async {
        let Some(loaded) = large::load(message.content).await else {
            return Err("its content is gone".to_owned());
        };
        let asked = content::to_message(&loaded, &id)?;
        let who = &message.from_peer_id;
        let asker = Asker { who, id: &id, conversation: message.conversation.as_deref() };
        let tell = |event: &Event| {
            if updates {
                outflow.push(event);
            }
        };
        agent.run(asker, asked, &tell).await.map_err(|error| error.to_string())
    };
    let ended = tokio::select! {
        ended = work => ended,
        () = outflow.report(handle, &message.from_peer_id, &id) => return,
    };
    let made =
        ended.and_then(|task: Task| content::of_task(task, faithful).map_err(|fault| fault.detail));
    let (answer, done) =
        made.unwrap_or_else(|why| (Content { text: Some(why), ..Content::default() }, false));
    if let Err(error) = handle.answer(&id, answer, done).await {
        tracing::warn!(task = %id, %error, "the A2A agent's answer was not taken");
    }
}

/// A peer wants a task of its own given up.
async fn cancel(handle: Handle, agent: Arc<Agent>, message: Incoming) {
    let bytes = message.content.to_bytes().unwrap_or_default();
    if let Ok(Cancel { task }) = serde_json::from_slice(&bytes)
        && let Err(error) = agent.cancel(&message.from_peer_id, &task).await
    {
        tracing::info!(%task, %error, "the A2A agent did not give a task up");
    }
    let _ = handle.acknowledge(vec![message.message_id]).await;
}

/// Updates on their way to the asker, in reports that do not follow each other too closely.
#[derive(Debug, Default)]
struct Outflow {
    waiting: Mutex<VecDeque<(Event, usize)>>,
    more: Notify,
}

impl Outflow {
    /// The oldest give way: the answer says all of it again.
    fn push(&self, event: &Event) {
        let len = serde_json::to_vec(event).map_or(0, |bytes| bytes.len());
        if len > MAX_BYTES {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back((event.clone(), len));
        let mut bytes: usize = waiting.iter().map(|(_, len)| len).sum();
        while waiting.len() > MAX_UPDATES || bytes > MAX_BYTES {
            bytes -= waiting.pop_front().map_or(0, |(_, len)| len);
        }
        drop(waiting);
        self.more.notify_one();
    }

    fn take(&self) -> Vec<Event> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain(..).map(|(event, _)| event).collect()
    }

    /// Sends what waits, for as long as it is polled; ends if the node does.
    async fn report(&self, handle: &Handle, peer: &str, id: &str) {
        loop {
            self.more.notified().await;
            let events = self.take();
            if events.is_empty() {
                continue;
            }
            let updates = Updates { task: id.to_owned(), events };
            let Ok(content) = content::json(content::UPDATES, &updates) else { continue };
            let options =
                ReportOptions { ttl: Some(REPORT_TTL), wait: Wait::Delivered, timeout: REPORT_TTL };
            let state = "working on a task".to_owned();
            if let Err(error) = handle.report(peer, state, None, content, options).await {
                tracing::debug!(task = %id, %error, "an update was not sent");
            }
            sleep(PACE).await;
        }
    }
}

/// Runs a task of this node's own user at the agent.
pub(super) async fn run_own(
    agent: &Agent,
    asker: Asker<'_>,
    message: super::types::Message,
    tell: &(dyn Fn(&Event) + Send + Sync),
) -> Event {
    let task = agent.run(asker, message, tell).await.unwrap_or_else(|error| {
        let mut task = Task { id: asker.id.to_owned(), ..Task::default() };
        task.status.state = State::Failed;
        task.status.message = Some(content::said(asker.id, &error.to_string()));
        task
    });
    Event::Task(Box::new(task))
}

#[cfg(test)]
mod tests {
    use super::super::types::Message;
    use super::*;

    #[test]
    fn updates_that_wait_are_bounded() {
        let outflow = Outflow::default();
        for number in 0..2 * MAX_UPDATES {
            let message = Message::of_agent(number.to_string(), Vec::new());
            outflow.push(&Event::Message(Box::new(message)));
        }
        let waiting = outflow.waiting.lock().unwrap();
        assert_eq!(waiting.len(), MAX_UPDATES);
        let Some((Event::Message(newest), _)) = waiting.back() else { panic!() };
        assert_eq!(newest.message_id, (2 * MAX_UPDATES - 1).to_string());
        drop(waiting);
        let long = Message::of_agent("x".repeat(MAX_BYTES / 2), Vec::new());
        for _ in 0..8 {
            outflow.push(&Event::Message(Box::new(long.clone())));
        }
        let waiting = outflow.waiting.lock().unwrap();
        assert!(waiting.iter().map(|(_, len)| len).sum::<usize>() <= MAX_BYTES);
        assert!(!waiting.is_empty());
    }
}
