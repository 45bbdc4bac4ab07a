//! Requests to a local A2A agent: its card, JSON-RPC over HTTP, and streams of events.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};
use thiserror::Error;

use super::super::old;
use super::super::types::{Event, Message};
use crate::api::sse::Decoder;

/// Time to connect, for a card, and between two pieces of an answer.
const CONNECT: Duration = Duration::from_secs(5);
const CARD: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(600);
/// Longest card and longest answer, in bytes.
const MAX_CARD: usize = 1 << 20;
const MAX_ANSWER: usize = 96 << 20;

/// Why an agent could not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::a2a) enum CallError {
    /// No connection came about: it has heard nothing.
    #[error("the A2A agent at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why.
        reason: String,
    },
    /// It answered something else, or not at all.
    #[error("the A2A agent gave no answer that makes sense: {reason}")]
    Answer {
        /// What is wrong.
        reason: String,
    },
    /// It answered with an error.
    #[error("the A2A agent refused: {code}: {detail}")]
    Refused {
        /// The code of JSON-RPC.
        code: i64,
        /// What it says.
        detail: String,
    },
    /// Its asker has no such task there.
    #[error("the agent has no task {task:?} of this asker")]
    NoSuchTask {
        /// The task.
        task: String,
    },
}

/// Which version an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    New,
    Old,
}

/// Where an agent is asked, and how.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    url: Url,
    pub(super) dialect: Dialect,
    pub(super) streams: bool,
}

#[derive(Debug)]
pub(super) struct Calls {
    base: Url,
    client: Client,
}

impl Calls {
    pub(super) fn new(base: Url) -> Result<Self, CallError> {
        // Whoever was first has set it for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build();
        let client = client.map_err(|error| answer(&error))?;
        Ok(Self { base, client })
    }

    /// Reads the agent's card.
    pub(super) async fn endpoint(&self) -> Result<Endpoint, CallError> {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/.well-known/agent-card.json"));
        let response = self.client.get(url).timeout(CARD).send().await;
        let response = response.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if !status.is_success() {
            let reason = format!("its card is answered with HTTP {}", status.as_u16());
            return Err(CallError::Answer { reason });
        }
        let card = parse(&read(response, MAX_CARD).await?)?;
        self.understand(&card)
    }

    /// What a card says. Only the path of its URL counts: the operator says where the agent is.
    fn understand(&self, card: &Value) -> Result<Endpoint, CallError> {
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let streams = card.pointer("/capabilities/streaming").and_then(Value::as_bool);
        let interfaces = card.get("supportedInterfaces").and_then(Value::as_array);
        let speaks = |interface: &&Value, major: &str| {
            text(interface, "protocolBinding") == "JSONRPC"
                && text(interface, "protocolVersion").starts_with(major)
        };
        let offers = |major: &str| interfaces?.iter().find(|it| speaks(it, major));
        let (url, dialect) = if let Some(interface) = offers("1.") {
            (text(interface, "url"), Dialect::New)
        } else if let Some(interface) = offers("0.3") {
            (text(interface, "url"), Dialect::Old)
        } else if matches!(text(card, "preferredTransport").as_str(), "" | "JSONRPC")
            && card.get("url").is_some()
        {
            (text(card, "url"), Dialect::Old)
        } else {
            let reason = "its card offers no JSON-RPC of version 1.0 or 0.3".to_owned();
            return Err(CallError::Answer { reason });
        };
        let named: Url = url.parse().map_err(|_| {
            let reason = format!("the URL of its card, {url:?}, is none");
            CallError::Answer { reason }
        })?;
        let mut url = self.base.clone();
        url.set_path(named.path());
        url.set_query(named.query());
        Ok(Endpoint { url, dialect, streams: streams.unwrap_or_default() })
    }

    /// Sends a message and waits for what comes of it.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        message: &Message,
    ) -> Result<Event, CallError> {
        let result = self.call(endpoint, "SendMessage", endpoint.dialect.params(message)).await?;
        endpoint.dialect.to_event(result).ok_or_else(no_event)
    }

    /// Calls a method, by its name in version 1.0, for the `result`.
    pub(super) async fn call(
        &self,
        endpoint: &Endpoint,
        method: &str,
        params: Value,
    ) -> Result<Value, CallError> {
        let response = self.post(endpoint, method, params).await?;
        result(parse(&read(response, MAX_ANSWER).await?)?)
    }

    /// Sends a message and follows what comes of it.
    pub(super) async fn stream(
        &self,
        endpoint: &Endpoint,
        message: &Message,
    ) -> Result<Stream, CallError> {
        let params = endpoint.dialect.params(message);
        let response = self.post(endpoint, "SendStreamingMessage", params).await?;
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        if !media_type.is_some_and(|it| it.starts_with("text/event-stream")) {
            // A refusal, or an agent that has said it all at once.
            let told = result(parse(&read(response, MAX_ANSWER).await?)?)?;
            let event = endpoint.dialect.to_event(told).ok_or_else(no_event)?;
            return Ok(Stream::Whole(Some(event)));
        }
        let decoder = Decoder::default();
        Ok(Stream::Open { response: Box::new(response), decoder, dialect: endpoint.dialect })
    }

    async fn post(
        &self,
        endpoint: &Endpoint,
        method: &str,
        params: Value,
    ) -> Result<Response, CallError> {
        let (method, version) = match endpoint.dialect {
            Dialect::New => (method, "1.0"),
            Dialect::Old => (old_name(method), "0.3"),
        };
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self
            .client
            .post(endpoint.url.clone())
            .header("A2A-Version", version)
            .header(ACCEPT, "application/json, text/event-stream")
            .json(&body);
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() || status.is_client_error() {
            return Ok(response);
        }
        Err(CallError::Answer { reason: format!("HTTP {}", status.as_u16()) })
    }

    fn failed(&self, error: &reqwest::Error) -> CallError {
        if error.is_connect() {
            let url = self.base.to_string();
            CallError::Unreachable { url, reason: chain(error) }
        } else {
            answer(error)
        }
    }
}

/// What an agent says, piece by piece.
#[derive(Debug)]
pub(super) enum Stream {
    Whole(Option<Event>),
    Open { response: Box<Response>, decoder: Decoder, dialect: Dialect },
}

impl Stream {
    /// The next event; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, CallError> {
        let (response, decoder, dialect) = match self {
            Self::Whole(event) => return Ok(event.take()),
            Self::Open { response, decoder, dialect } => (response, decoder, *dialect),
        };
        loop {
            if let Some(event) = decoder.next() {
                let told = result(parse(&event.data)?)?;
                return dialect.to_event(told).map(Some).ok_or_else(no_event);
            }
            let Some(bytes) = response.chunk().await.map_err(|error| answer(&error))? else {
                return Ok(None);
            };
            let wrong = |reason: String| CallError::Answer { reason };
            decoder.push(&bytes).map_err(|error| wrong(error.to_string()))?;
        }
    }
}

impl Dialect {
    fn params(self, message: &Message) -> Value {
        let mut message = json!(message);
        if self == Self::Old {
            old::downgrade_message(&mut message);
        }
        json!({ "message": message })
    }

    fn to_event(self, value: Value) -> Option<Event> {
        match self {
            Self::New => serde_json::from_value(value).ok(),
            Self::Old => old::to_event(value),
        }
    }

    /// A task that was asked for by its name.
    pub(super) fn to_task(self, value: Value) -> Option<Event> {
        match self {
            Self::New => serde_json::from_value(value).ok().map(Event::Task),
            Self::Old => old::to_event(value),
        }
    }
}

fn old_name(method: &str) -> &str {
    match method {
        "SendMessage" => "message/send",
        "SendStreamingMessage" => "message/stream",
        "GetTask" => "tasks/get",
        "CancelTask" => "tasks/cancel",
        other => other,
    }
}

async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| answer(&error))? {
        body.extend_from_slice(&bytes);
        if body.len() > most {
            return Err(CallError::Answer { reason: format!("it has more than {most} bytes") });
        }
    }
    Ok(body)
}

fn parse(bytes: &[u8]) -> Result<Value, CallError> {
    serde_json::from_slice(bytes)
        .map_err(|error| CallError::Answer { reason: format!("it is no JSON: {error}") })
}

/// The result of an answer of JSON-RPC.
fn result(mut answer: Value) -> Result<Value, CallError> {
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
        let detail = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(CallError::Refused { code, detail });
    }
    let result = answer.get_mut("result").map(Value::take);
    result.ok_or_else(|| CallError::Answer { reason: "it has no result".to_owned() })
}

fn no_event() -> CallError {
    CallError::Answer { reason: "it is neither task nor message nor update".to_owned() }
}

fn answer(error: &reqwest::Error) -> CallError {
    CallError::Answer { reason: chain(error) }
}

/// An error and its causes.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_of_a_cards_url_counts() {
        let calls = Calls::new("http://127.0.0.1:9999/x".parse().unwrap()).unwrap();
        let interface = |version: &str| json!({"url": "http://evil.example:1/rpc?a=b", "protocolBinding": "JSONRPC", "protocolVersion": version});
        for (card, dialect) in [
            (json!({"supportedInterfaces": [interface("0.3"), interface("1.0")]}), Dialect::New),
            (json!({"supportedInterfaces": [interface("0.3.0")]}), Dialect::Old),
            (json!({"url": "http://0.0.0.0:1/rpc?a=b", "protocolVersion": "0.3.0"}), Dialect::Old),
        ] {
            let endpoint = calls.understand(&card).unwrap();
            assert_eq!(endpoint.url.as_str(), "http://127.0.0.1:9999/rpc?a=b");
            assert_eq!((endpoint.dialect, endpoint.streams), (dialect, false));
        }
        let grpc = json!({"url": "http://x", "preferredTransport": "GRPC"});
        for card in [json!({}), grpc, json!({"url": "x"}), json!([])] {
            calls.understand(&card).unwrap_err();
        }
    }

    #[test]
    fn answers_are_results_or_errors() {
        assert_eq!(result(json!({"result": 1})), Ok(json!(1)));
        let refused = result(json!({"error": {"code": -32001, "message": "no"}, "result": null}));
        assert_eq!(refused, Err(CallError::Refused { code: -32001, detail: "no".to_owned() }));
        result(json!([])).unwrap_err();
        result(json!({"error": null})).unwrap_err();
    }
}
