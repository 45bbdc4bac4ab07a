//! JSON-RPC over HTTP, its streams, and the cards.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Told, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream::unfold;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::card::{self, Subject};
use super::face::{Face, shown};
use super::fault::{Fault, FaultKind};
use super::old;
use super::table::{Known, Target};
use super::types::{Event, State as TaskState, Task};
use crate::api::Problem;

/// Longest request, in bytes, and how many long ones are in memory at once.
const MAX_REQUEST: usize = 32 << 20;
const SMALL: u64 = 1 << 20;
static LARGE: Semaphore = Semaphore::const_new(4);
/// Tasks of a page.
const PAGE: usize = 50;
const MAX_PAGE: usize = 100;
const CARD: &str = "/.well-known/agent-card.json";
/// How long a peer is looked up for its card.
const LOOKING: std::time::Duration = std::time::Duration::from_secs(5);

/// What needs the token.
pub(super) fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route("/a2a", post(own))
        .route("/a2a/{peer}", post(peer))
        .route("/a2a/.well-known/agent-card.json", get(own_card))
        .route("/a2a/{peer}/.well-known/agent-card.json", get(peer_card))
        .with_state(face)
}

/// The node's own card, for anybody on this machine.
pub(super) fn public(face: Arc<Face>) -> Router {
    Router::new().route(CARD, get(own_card)).with_state(face)
}

async fn own(State(face): State<Arc<Face>>, request: Request) -> Response {
    serve(&face, None, request).await
}

async fn peer(
    State(face): State<Arc<Face>>,
    Path(peer): Path<String>,
    request: Request,
) -> Response {
    serve(&face, Some(peer), request).await
}

async fn own_card(State(face): State<Arc<Face>>, headers: HeaderMap) -> Response {
    let made = async {
        let own = face.own().await?;
        let found = face.handle.lookup(&own.entity, false, LOOKING).await;
        let capabilities =
            found.map_or_else(|_| face.capabilities.clone(), |it| it.listing.capabilities);
        let subject = Subject {
            name: &own.entity,
            description: format!("The agent behind the peer node {}", own.peer_id),
            capabilities: &capabilities,
            url: format!("{}/a2a", base(&headers)),
        };
        sign(&face, &subject, &own.peer_id)
    };
    made.await.unwrap_or_else(|fault: Fault| unavailable(&fault))
}

async fn peer_card(
    State(face): State<Arc<Face>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let made = async {
        let own = face.own().await?;
        if face.target(Some(name.clone())).await? == Target::Own {
            return Ok(own_card(State(Arc::clone(&face)), headers).await);
        }
        let found = face.handle.lookup(&name, false, LOOKING).await;
        let (entity, peer_id, capabilities) = match found {
            Ok(found) => {
                let listing = found.listing;
                (listing.entity.to_string(), listing.peer_id, listing.capabilities)
            }
            // It may be known without being registered.
            Err(error) => {
                let peers = face.handle.peers().await?;
                let is_meant = |peer: &&crate::model::PeerStatus| {
                    peer.peer_id == name
                        || peer.entity.as_ref().is_some_and(|entity| entity.as_str() == name)
                };
                let Some(peer) = peers.iter().find(is_meant) else { return Err(error.into()) };
                let entity = peer.entity.as_ref().map_or_else(|| name.clone(), ToString::to_string);
                (entity, peer.peer_id.clone(), Vec::new())
            }
        };
        let subject = Subject {
            name: &entity,
            description: format!(
                "The agent behind the peer node {peer_id}, reached over the peer node {}",
                own.peer_id
            ),
            capabilities: &capabilities,
            url: format!("{}/a2a/{}", base(&headers), escaped(&name)),
        };
        sign(&face, &subject, &own.peer_id)
    };
    made.await.unwrap_or_else(|fault: Fault| unavailable(&fault))
}

fn sign(face: &Face, subject: &Subject<'_>, peer_id: &str) -> Result<Response, Fault> {
    let card = card::card(subject, &face.signer, peer_id);
    let card = card.ok_or_else(|| Fault::new(FaultKind::Internal, "the card cannot be signed"))?;
    Ok(Json(card).into_response())
}

fn unavailable(fault: &Fault) -> Response {
    let next = "check the name; `peer peers` and `peer lookup` show who is known";
    Problem::new(StatusCode::NOT_FOUND, "no_card", fault.detail.clone(), next).into_response()
}

/// Where this node was asked; the guard has checked the name.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    format!("http://{}", host.as_ref().map_or("localhost", Authority::as_str))
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// The words of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    New,
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Send,
    Stream,
    Get,
    List,
    Cancel,
    Subscribe,
    Push,
    ExtendedCard,
}

impl Method {
    fn of(name: &str) -> Option<(Self, Dialect)> {
        let new = |method| Some((method, Dialect::New));
        let old = |method| Some((method, Dialect::Old));
        match name {
            "SendMessage" => new(Self::Send),
            "SendStreamingMessage" => new(Self::Stream),
            "GetTask" => new(Self::Get),
            "ListTasks" => new(Self::List),
            "CancelTask" => new(Self::Cancel),
            "SubscribeToTask" => new(Self::Subscribe),
            "GetExtendedAgentCard" => new(Self::ExtendedCard),
            "CreateTaskPushNotificationConfig"
            | "GetTaskPushNotificationConfig"
            | "ListTaskPushNotificationConfigs"
            | "DeleteTaskPushNotificationConfig" => new(Self::Push),
            "message/send" => old(Self::Send),
            "message/stream" => old(Self::Stream),
            "tasks/get" => old(Self::Get),
            "tasks/cancel" => old(Self::Cancel),
            "tasks/resubscribe" => old(Self::Subscribe),
            "agent/getAuthenticatedExtendedCard" => old(Self::ExtendedCard),
            "tasks/pushNotificationConfig/set"
            | "tasks/pushNotificationConfig/get"
            | "tasks/pushNotificationConfig/list"
            | "tasks/pushNotificationConfig/delete" => old(Self::Push),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    id: String,
    #[serde(default)]
    history_length: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct List {
    context_id: String,
    status: TaskState,
    page_size: Option<usize>,
    page_token: String,
    history_length: usize,
    include_artifacts: bool,
}

/// A request that is none of which the id can be told has the id `null`.
async fn serve(face: &Arc<Face>, name: Option<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = match read(body).await {
        Ok(asked) => asked,
        Err(fault) => return failure(&Value::Null, &fault),
    };
    let id = asked.get("id").filter(|id| id.is_string() || id.is_number());
    let id = id.cloned().unwrap_or_default();
    match answer(face, name, &parts.headers, asked, &id).await {
        Ok(response) => response,
        Err(fault) => failure(&id, &fault),
    }
}

async fn read(body: Body) -> Result<Value, Fault> {
    use axum::body::HttpBody as _;
    let long = body.size_hint().upper().is_none_or(|most| most > SMALL);
    let _room = if long { LARGE.acquire().await.ok() } else { None };
    let bytes = to_bytes(body, MAX_REQUEST).await.map_err(|error| {
        let detail = format!(
            "the request did not come whole, or has more than {MAX_REQUEST} bytes: {error}"
        );
        Fault::new(FaultKind::InvalidRequest, detail)
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Fault::new(FaultKind::Parse, format!("the request is no JSON: {error}")))
}

async fn answer(
    face: &Arc<Face>,
    name: Option<String>,
    headers: &HeaderMap,
    mut asked: Value,
    id: &Value,
) -> Result<Response, Fault> {
    let invalid = |detail: &str| Fault::new(FaultKind::InvalidRequest, detail);
    if asked.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("expected one request of JSON-RPC 2.0, with \"jsonrpc\": \"2.0\""));
    }
    if asked.get("id").is_some_and(|id| !(id.is_string() || id.is_number() || id.is_null())) {
        return Err(invalid("an id is a text, a number or null"));
    }
    let method = asked.get("method").and_then(Value::as_str);
    let method = method.ok_or_else(|| invalid("a request names its method"))?.to_owned();
    let known = Method::of(&method);
    let (method, dialect) = known.ok_or_else(|| {
        Fault::new(FaultKind::MethodNotFound, format!("there is no method {method:?}"))
    })?;
    check_version(headers)?;
    let mut params = asked.get_mut("params").map(Value::take).unwrap_or_else(|| json!({}));
    if dialect == Dialect::Old && matches!(method, Method::Send | Method::Stream) {
        old::upgrade(&mut params);
    }
    let target = face.target(name).await?;
    let result = match method {
        Method::Send => {
            let task = face.send(&target, read_params(params)?).await?;
            match dialect {
                Dialect::New => json!({ "task": task }),
                Dialect::Old => old::event(&Event::Task(Box::new(task))),
            }
        }
        Method::Get => {
            let Named { id, history_length } = read_params(params)?;
            let known = face.task(&id, &target).await?;
            whole(shown(known.task, history_length), dialect)
        }
        Method::Cancel => {
            let Named { id, .. } = read_params(params)?;
            whole(face.cancel(&id, &target).await?, dialect)
        }
        Method::List => list(face, &target, &read_params(params)?)?,
        Method::Stream => {
            let place = place(face)?;
            let known = face.begin(&target, read_params(params)?).await?;
            return Ok(stream(known, place, dialect, id.clone()));
        }
        Method::Subscribe => {
            let place = place(face)?;
            let Named { id: task, .. } = read_params(params)?;
            let known = face.task(&task, &target).await?;
            if known.task.status.state.is_terminal() {
                let detail = format!("task {task} has ended: nothing more comes of it");
                return Err(Fault::new(FaultKind::UnsupportedOperation, detail));
            }
            return Ok(stream(known, place, dialect, id.clone()));
        }
        Method::Push => {
            let detail = "this node sends no push notifications: stream, or ask for the task";
            return Err(Fault::new(FaultKind::PushNotificationNotSupported, detail));
        }
        Method::ExtendedCard => {
            let detail = "there is no card but the one that everybody gets";
            return Err(Fault::new(FaultKind::ExtendedCardNotConfigured, detail));
        }
    };
    Ok(Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response())
}

/// Versions 1.x and 0.3 are spoken; without a header the method says which.
fn check_version(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(version) = headers.get("a2a-version") else { return Ok(()) };
    let version = version.to_str().unwrap_or_default();
    let is = |known: &str| {
        version.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if version.is_empty() || is("1") || is("0.3") {
        return Ok(());
    }
    let detail = format!("version {version:?} of A2A is not spoken here: 1.0 and 0.3 are");
    Err(Fault::new(FaultKind::VersionNotSupported, detail))
}

fn read_params<T: DeserializeOwned>(params: Value) -> Result<T, Fault> {
    serde_json::from_value(params).map_err(|error| Fault::params(format!("the params: {error}")))
}

fn whole(task: Task, dialect: Dialect) -> Value {
    match dialect {
        Dialect::New => json!(task),
        Dialect::Old => old::event(&Event::Task(Box::new(task))),
    }
}

fn list(face: &Face, target: &Target, ask: &List) -> Result<Value, Fault> {
    let size = ask.page_size.filter(|size| *size > 0).unwrap_or(PAGE);
    if size > MAX_PAGE {
        return Err(Fault::params(format!("a page has 1 to {MAX_PAGE} tasks")));
    }
    let is_meant = |task: &Task| {
        (ask.context_id.is_empty() || task.context_id == ask.context_id)
            && (ask.status == TaskState::Unknown || task.status.state == ask.status)
    };
    let tasks: Vec<_> = face.table.of(target).into_iter().filter(is_meant).collect();
    let from = if ask.page_token.is_empty() {
        0
    } else {
        let after = tasks.iter().position(|task| task.id == ask.page_token);
        after.ok_or_else(|| Fault::params("the page token is none that was given, or too old"))? + 1
    };
    let (total, more) = (tasks.len(), tasks.len() > from + size);
    let page: Vec<_> = tasks
        .into_iter()
        .skip(from)
        .take(size)
        .map(|task| {
            let mut task = shown(task, Some(ask.history_length));
            if !ask.include_artifacts {
                task.artifacts.clear();
            }
            task
        })
        .collect();
    let next = page.last().filter(|_| more).map(|task| task.id.clone()).unwrap_or_default();
    Ok(json!({ "tasks": page, "totalSize": total, "pageSize": size, "nextPageToken": next }))
}

fn place(face: &Face) -> Result<OwnedSemaphorePermit, Fault> {
    Arc::clone(&face.streams).try_acquire_owned().map_err(|_| {
        let detail = "no more streams can be open at once: close one, or ask for the task";
        Fault::new(FaultKind::Internal, detail)
    })
}

/// What a client that follows a task still gets.
struct Following {
    known: Known,
    begun: bool,
    ended: bool,
    /// Taken until the client has gone.
    _place: OwnedSemaphorePermit,
}

/// The task, and what happens to it until it ends or its agent waits.
fn stream(known: Known, place: OwnedSemaphorePermit, dialect: Dialect, id: Value) -> Response {
    let following = Following { known, begun: false, ended: false, _place: place };
    let events = unfold(following, move |mut following| {
        let id = id.clone();
        async move {
            let event = following.next().await?;
            let result = match dialect {
                Dialect::New => json!(event),
                Dialect::Old => old::event(&event),
            };
            let told = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            Some((Ok::<_, Infallible>(Told::default().data(told.to_string())), following))
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.begun, true) {
            self.ended = self.known.task.status.state.is_settled();
            return Some(Event::Task(Box::new(self.known.task.clone())));
        }
        if self.ended {
            return None;
        }
        loop {
            match self.known.feed.recv().await {
                Ok(event) => {
                    self.ended = match &event {
                        Event::Task(task) => task.status.state.is_settled(),
                        Event::StatusUpdate(update) => update.status.state.is_settled(),
                        Event::Message(_) | Event::ArtifactUpdate(_) => false,
                    };
                    return Some(event);
                }
                // The answer says all of it again.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

fn failure(id: &Value, fault: &Fault) -> Response {
    let told = json!({ "jsonrpc": "2.0", "id": id, "error": fault.to_json() });
    ([(CONTENT_TYPE, "application/json")], told.to_string()).into_response()
}
