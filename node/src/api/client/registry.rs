//! Requests to the registry.

use std::time::Duration;

use super::{Client, ClientError, wait};
use crate::api::request::{Discover, Lookup, Register};
use crate::model::{DhtStatus, Discovered, Found, Registered};

/// Telling twenty nodes about many keys takes its time.
const REGISTERING: Duration = Duration::from_secs(120);

#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Registers the node's entity anew.
    pub async fn register(&self, ask: &Register) -> Result<Registered, ClientError> {
        self.post("/v1/register", ask, REGISTERING).await
    }

    /// Looks an entity up.
    pub async fn lookup(&self, ask: &Lookup) -> Result<Found, ClientError> {
        self.post("/v1/lookup", ask, wait(ask.timeout_ms)).await
    }

    /// Searches for entities by what they can do.
    pub async fn discover(&self, ask: &Discover) -> Result<Discovered, ClientError> {
        self.post("/v1/discover", ask, wait(ask.timeout_ms)).await
    }

    /// How the node takes part in the registry.
    pub async fn dht(&self) -> Result<DhtStatus, ClientError> {
        self.get("/v1/dht").await
    }
}
