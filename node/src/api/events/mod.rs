//! `GET /v1/events`: what happens in the node, for any number of clients, each at its own pace. They read
//! from one [`Log`], so that none can make another wait or the node keep more.

mod id;
mod log;

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures::stream::{Stream, unfold};
use tokio::sync::{OwnedSemaphorePermit, watch};

use self::id::EventId;
pub(super) use self::log::Log;
use self::log::{Entry, Found};
use super::Problem;
use super::app::Shared;
use super::extract::{Query, last_event_id};
use super::request::{Events, invalid};
use crate::error::NodeError;
use crate::events::NodeEvent;
use crate::model::{Reset, ResetReason};

/// How often a silent stream says that it is still there, and how far it is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The events from now on, or from where the client was.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "events",
    tag = "node",
    params(Events, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came")),
    responses((status = 200, description = "Events, until the node stops", body = String, content_type = "text/event-stream"))
)]
pub(super) async fn events(
    State(shared): State<Shared>,
    Query(ask): Query<Events>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let kinds = kinds(ask.kinds.as_deref())?;
    let last = last_event_id(&headers)?.map(str::parse::<EventId>).transpose();
    let last = last.map_err(|error| invalid(&error))?;
    let place = shared.stream()?;
    let log = Arc::clone(shared.events());
    let mut reader = Reader::new(log, kinds, place);
    if let Some(last) = last {
        reader.go_on_after(last);
    }
    let events = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Ok(Sse::new(events))
}

/// The kinds that a client asks for; none for all.
fn kinds(text: Option<&str>) -> Result<Option<HashSet<&'static str>>, NodeError> {
    let Some(text) = text else { return Ok(None) };
    let known = |name: &str| {
        NodeEvent::KINDS.into_iter().find(|kind| *kind == name).ok_or_else(|| {
            let known = NodeEvent::KINDS.join(", ");
            invalid(&format!("{name:?} is no kind of event: expected some of {known}"))
        })
    };
    text.split(',').map(|name| known(name.trim())).collect::<Result<_, _>>().map(Some)
}

/// One client.
struct Reader {
    log: Arc<Log>,
    kinds: Option<HashSet<&'static str>>,
    head: watch::Receiver<u64>,
    /// The number of the next event to read.
    next: u64,
    ready: VecDeque<(u64, Entry)>,
    reset: Option<ResetReason>,
    /// Whether the client has been told where it begins.
    begun: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn new(
        log: Arc<Log>,
        kinds: Option<HashSet<&'static str>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let head = log.follow();
        let next = log.next();
        let ready = VecDeque::new();
        Self { log, kinds, head, next, ready, reset: None, begun: false, _place: place }
    }

    fn go_on_after(&mut self, last: EventId) {
        if last.run == self.log.run() {
            self.next = last.number.saturating_add(1);
        } else {
            self.reset = Some(ResetReason::OtherRun);
        }
    }

    /// The next event for the client; none once the node has stopped.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(reason) = self.reset.take() {
                self.next = self.log.next();
                self.begun = true;
                // Plain data always becomes JSON.
                let event = Event::default().event("reset").id(self.id(self.next - 1));
                return event.json_data(Reset { reason }).ok();
            }
            while let Some((number, entry)) = self.ready.pop_front() {
                if self.kinds.as_ref().is_none_or(|kinds| kinds.contains(entry.kind)) {
                    let event = Event::default().event(entry.kind).id(self.id(number));
                    return Some(event.data(&*entry.data));
                }
            }
            self.head.borrow_and_update();
            match self.log.read(self.next) {
                Found::Events(events) => {
                    self.next += events.len() as u64;
                    self.begun = true;
                    self.ready.extend((self.next - events.len() as u64..).zip(events));
                }
                Found::TooOld => self.reset = Some(ResetReason::TooOld),
                Found::Nothing if !self.begun => {
                    self.begun = true;
                    return Some(self.still_here());
                }
                Found::Nothing => tokio::select! {
                    changed = self.head.changed() => changed.ok()?,
                    () = tokio::time::sleep(KEEP_ALIVE) => return Some(self.still_here()),
                },
            }
        }
    }

    /// Says how far the client is, so that it need not come back to where nothing happened for it.
    fn still_here(&self) -> Event {
        Event::default().comment("still here").id(self.id(self.next - 1))
    }

    fn id(&self, number: u64) -> String {
        EventId { run: self.log.run(), number }.to_string()
    }
}
