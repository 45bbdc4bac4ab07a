//! Streams of events.

use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::{Bytes, Incoming as Body};
use serde::de::DeserializeOwned;

use super::wake::Answering;
use super::{Client, ClientError};
use crate::api::sse::{Decoder, Event};
use crate::model::{EventLine, Incoming, Reset};
use crate::wake::AgentKey;

/// Messages for the agent. While this lives the node counts as having an agent; a task of its own answers
/// whenever the node asks whether it is there.
#[derive(Debug)]
pub struct Messages {
    stream: Stream,
    _answering: Answering,
}

/// What happens in the node.
#[derive(Debug)]
pub struct EventStream(Stream);

/// What a stream of events tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something happened.
    Event(Box<EventLine>),
    /// Events are missing: the node's state is to be read anew.
    Reset(Reset),
}

#[derive(Debug)]
struct Stream {
    client: Client,
    body: Body,
    decoder: Decoder,
}

impl Stream {
    async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Ok(event);
            }
            let stopped = || ClientError::Stopped { root: self.client.root.clone() };
            let frame = self.body.frame().await.ok_or_else(stopped)?.map_err(|_| stopped())?;
            if let Some(bytes) = frame.data_ref() {
                self.decoder.push(bytes).map_err(|error| self.client.garbled(&error))?;
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, data: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(data).map_err(|error| self.client.garbled(&error))
    }
}

impl Messages {
    /// The next message.
    ///
    /// # Errors
    /// [`ClientError::Stopped`] when the node has stopped.
    pub async fn next(&mut self) -> Result<Incoming, ClientError> {
        let event = self.stream.next().await?;
        self.stream.read(&event.data)
    }

    /// How far this has come, for [`Client::messages_after`].
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.stream.decoder.last_id()
    }
}

impl EventStream {
    /// What happened next.
    ///
    /// # Errors
    /// [`ClientError::Stopped`] when the node has stopped.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        let event = self.0.next().await?;
        if event.name == "reset" {
            self.0.read(&event.data).map(Told::Reset)
        } else {
            self.0.read(&event.data).map(|line| Told::Event(Box::new(line)))
        }
    }

    /// How far this has come, for [`Client::events`].
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.0.decoder.last_id()
    }
}

/// Streams.
///
/// # Errors
/// Each fails with a [`ClientError`].
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Messages for the agent, as they come.
    pub async fn messages(&self, limit: Option<usize>) -> Result<Messages, ClientError> {
        self.messages_after(limit, None).await
    }

    /// The same for an agent that comes back: without those that it got before, up to the id `last`.
    pub async fn messages_after(
        &self,
        limit: Option<usize>,
        last: Option<&str>,
    ) -> Result<Messages, ClientError> {
        let key = AgentKey::random();
        let limit = limit.map_or_else(String::new, |limit| format!("&limit={limit}"));
        let stream = self.stream(&format!("/v1/messages?agent={key}{limit}"), last).await?;
        Ok(Messages { stream, _answering: Answering::start(self.clone(), key) })
    }

    /// What happens from now on, or since the event with the id `last`; of these kinds, or of all if there
    /// are none.
    pub async fn events(
        &self,
        kinds: &[&str],
        last: Option<&str>,
    ) -> Result<EventStream, ClientError> {
        let query =
            if kinds.is_empty() { String::new() } else { format!("?kinds={}", kinds.join(",")) };
        self.stream(&format!("/v1/events{query}"), last).await.map(EventStream)
    }

    async fn stream(&self, path: &str, last: Option<&str>) -> Result<Stream, ClientError> {
        let answer = self.send(Method::GET, path, Bytes::new(), last).await?;
        let (client, body) = (self.clone(), answer.into_body());
        Ok(Stream { client, body, decoder: Decoder::default() })
    }
}
