//! Giving proof of being awake, and of being there.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::{Client, ClientError};
use crate::api::{Awake, DEFAULT_TIMEOUT, Probe, Probed};
use crate::model::Awoken;
use crate::wake::AgentKey;

/// Pause after a request that failed.
const AGAIN: Duration = Duration::from_millis(200);

#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Gives back the nonce with which this agent was woken.
    pub async fn awake(&self, ask: &Awake) -> Result<Awoken, ClientError> {
        self.post("/v1/awake", ask, DEFAULT_TIMEOUT).await
    }

    /// Waits to be asked whether this agent is there.
    pub async fn probe(&self, ask: &Probe) -> Result<Probed, ClientError> {
        self.post("/v1/probe", ask, DEFAULT_TIMEOUT).await
    }
}

/// Answers the node's questions whether this agent is there, while it lives.
#[derive(Debug)]
pub(super) struct Answering(JoinHandle<()>);

impl Answering {
    pub(super) fn start(client: Client, key: AgentKey) -> Self {
        Self(tokio::spawn(async move {
            let mut answer = None;
            loop {
                let ask = Probe { agent: key.to_string(), answer };
                let begun = Instant::now();
                match client.probe(&ask).await {
                    // A node that does not let it wait has no room for it.
                    Ok(Probed { probe: None }) if begun.elapsed() < AGAIN => {
                        answer = None;
                        tokio::time::sleep(AGAIN).await;
                    }
                    Ok(Probed { probe }) => answer = probe,
                    Err(error) => {
                        tracing::debug!(%error, "the node cannot ask whether this agent is there");
                        answer = None;
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}
