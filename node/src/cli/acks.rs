//! Acknowledging what was dealt with, on the side: many messages a request, one request at a time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::api::{Acknowledge, Client, ClientError};
use crate::model::{Acknowledged, InboxId, Incoming};

/// Most messages of one request.
const BATCH: usize = 256;
/// Most messages that wait to be acknowledged.
const MAX_WAITING: usize = 1024;
/// How long the last acknowledgements may take when the command ends.
const GRACE: Duration = Duration::from_secs(5);

type Ended = Result<Acknowledged, ClientError>;

/// Messages that were dealt with, until the node knows.
pub(super) struct Acks {
    client: Client,
    /// Nothing is acknowledged.
    off: bool,
    waiting: VecDeque<String>,
    running: Option<JoinHandle<Ended>>,
}

impl Acks {
    pub(super) const fn new(client: Client, off: bool) -> Self {
        Self { client, off, waiting: VecDeque::new(), running: None }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Whether a request is under way.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// A message was dealt with. Only what is kept in the inbox is acknowledged.
    pub(super) fn add(&mut self, message: &Incoming) {
        if let Some(number) = message.inbox_number.filter(|_| !self.off) {
            self.waiting.push_back(InboxId::Number(number).to_string());
            self.go_on();
        }
    }

    /// Waits until the request under way has ended, and begins the next one.
    ///
    /// # Errors
    /// [`ClientError`]: what it was about stays in the inbox.
    pub(super) async fn ended(&mut self) -> Result<(), ClientError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let ended = running.await;
        self.running = None;
        self.go_on();
        // A request that panicked has said so; its messages come again.
        ended.unwrap_or_else(|_| Ok(Acknowledged::default())).map(|_| ())
    }

    /// Acknowledges what is left.
    ///
    /// # Errors
    /// The last [`ClientError`]: some messages stay in the inbox.
    pub(super) async fn finish(mut self) -> Result<(), ClientError> {
        let all = async {
            let mut last = Ok(());
            while self.is_running() {
                last = self.ended().await.and(last);
            }
            last
        };
        // A node that takes longer hands those messages over again, as after any failure.
        tokio::time::timeout(GRACE, all).await.unwrap_or(Ok(()))
    }

    fn go_on(&mut self) {
        if self.running.is_some() || self.waiting.is_empty() {
            return;
        }
        let ids = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
        let client = self.client.clone();
        let request = async move { client.acknowledge(&Acknowledge { ids }).await };
        self.running = Some(tokio::spawn(request));
    }
}
