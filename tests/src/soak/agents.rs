//! Agents at the nodes: they take what comes, and answer what is asked.

use std::sync::Arc;
use std::time::Duration;

use peer_node::api::{Acknowledge, Client, Reply};
use peer_node::model::{Content, Incoming, IncomingKind};

use super::work::Work;

/// Pause before a node that does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// How often an agent looks whether it is to go.
const LOOK: Duration = Duration::from_millis(300);

/// The agent of node `who`, until the run is over.
pub(super) async fn listen(work: Arc<Work>, who: usize) {
    let actor = &work.actors[who];
    while !work.is_over() {
        if actor.agent_is_away() {
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        let Ok(mut messages) = actor.client.messages(None).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        while !work.is_over() && !actor.agent_is_away() {
            match tokio::time::timeout(LOOK, messages.next()).await {
                Ok(Ok(incoming)) => take(&work, &actor.entity, &actor.client, incoming).await,
                Ok(Err(_)) => break,
                Err(_) => {}
            }
        }
    }
}

async fn take(work: &Work, at: &str, client: &Client, incoming: Incoming) {
    let is_old = incoming.status.as_deref().and_then(|status| status.strip_prefix("old "));
    let number = is_old.or(match incoming.kind {
        IncomingKind::Task => incoming.conversation.as_deref(),
        _ => incoming.status.as_deref(),
    });
    let number = number.and_then(|number| number.parse().ok());
    let bytes = match incoming.kind {
        // What version 1.0 reports has no content.
        IncomingKind::StatusReport if is_old.is_some() => None,
        IncomingKind::Task | IncomingKind::StatusReport => incoming.content.to_bytes().ok(),
        IncomingKind::WakeUp | IncomingKind::File => return,
        IncomingKind::Answer => {
            // Its question counts as heard already.
            let _ = client.acknowledge(&Acknowledge { ids: vec![incoming.message_id] }).await;
            return;
        }
    };
    let Some(number) = number else {
        work.ledger().fault(format!("{at} was handed what nobody sent: {incoming:?}"));
        return;
    };
    let durable = incoming.durable;
    work.ledger().hear(at, number, &incoming.message_id, bytes.as_deref());
    let taken = if incoming.kind == IncomingKind::Task {
        let content = Content::from_bytes(&bytes.unwrap_or_default());
        let id = incoming.message_id;
        client.answer(&Reply { message_id: id, content, done: true }).await.is_ok()
    } else if durable {
        let ids = vec![incoming.message_id];
        client.acknowledge(&Acknowledge { ids }).await.is_ok()
    } else {
        true
    };
    // The node forgets at a restart which volatile ones it took (§17.3): one whose receipt was not on its way
    // yet comes again.
    if taken && durable {
        work.ledger().take(number);
    }
}
