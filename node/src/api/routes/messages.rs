//! `GET /v1/messages`: messages for the agent, as they come.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt as _};
use tokio_stream::wrappers::ReceiverStream;

use crate::api::Problem;
use crate::api::app::Shared;
use crate::api::extract::{Query, last_event_id};
use crate::api::request::{Subscription, invalid};
use crate::error::NodeError;
use crate::handle::Handle;
use crate::large;
use crate::model::{InboxId, Incoming};

/// How often a silent event stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What waits for the agent, the oldest first, and what comes. Events of messages that stay in the inbox
/// until they are acknowledged have their numbers as ids; others have none, so that what a client comes
/// back with is how far it got in the inbox. Nor have those before which another may still come, an answer
/// for whoever asked, that may be gone.
#[utoipa::path(
    get,
    path = "/v1/messages",
    operation_id = "messages",
    tag = "messages",
    params(Subscription, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came")),
    responses((status = 200, description = "Events, until the node stops", body = String, content_type = "text/event-stream"))
)]
pub(super) async fn messages(
    State(shared): State<Shared>,
    State(node): State<Handle>,
    Query(ask): Query<Subscription>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = last_event_id(&headers)?.map(number).transpose()?;
    let after = last.filter(|_| !ask.again);
    let place = shared.stream()?;
    let kind = super::waking::kind(ask.agent.as_deref())?;
    let open = Arc::new(AtomicU64::new(u64::MAX));
    let incoming = node.attach_with(ask.limit, after, kind, Arc::clone(&open)).await?;
    let incoming = ReceiverStream::new(incoming);
    // A long content is read when its message is handed over; one that cannot be read stays in the inbox.
    let events = incoming.filter_map(move |message| {
        let _taken_as_long_as_this = &place;
        let passed = open.load(Ordering::Acquire);
        async move {
            let content = large::load(message.content).await?;
            event(&Incoming { content, ..message }, passed).map(Ok)
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here")))
}

/// Plain data always becomes JSON; should it not, the message is left out of the stream.
fn event(message: &Incoming, open: u64) -> Option<Event> {
    let event = Event::default().event("message").json_data(message).ok()?;
    Some(match message.inbox_number.filter(|number| *number < open) {
        Some(number) => event.id(InboxId::Number(number).to_string()),
        None => event,
    })
}

fn number(last: &str) -> Result<u64, NodeError> {
    match last.parse() {
        Ok(InboxId::Number(number)) => Ok(number),
        Ok(InboxId::Id(_)) | Err(_) => {
            Err(invalid(&"`Last-Event-ID` names no message: expected its number, such as n17"))
        }
    }
}
