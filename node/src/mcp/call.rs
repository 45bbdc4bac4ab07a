//! Around a call: progress while it lasts, and a result that can be shown.

use std::convert::Infallible;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ContentBlock, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{RoleServer, model::JsonObject};
use serde_json::Value;
use tokio::time::Instant;

use super::visible::{clean, visible};

/// How often a client that asked for it hears that a call still lasts.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// Tells the client of a call, if it wants that, that the call still lasts.
pub(super) struct Patience {
    client: Peer<RoleServer>,
    token: Option<ProgressToken>,
    every: Duration,
    message: String,
    total: Option<f64>,
}

impl Patience {
    pub(super) fn new(
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        every: Duration,
    ) -> Self {
        let argument = |name| request.arguments.as_ref().and_then(|it: &JsonObject| it.get(name));
        let peer = argument("peer").and_then(Value::as_str).map(|peer| format!(" for {peer}"));
        let message = format!("{} waits{}", request.name, peer.unwrap_or_default());
        let total = argument("timeout_seconds").or_else(|| argument("wait_seconds"));
        Self {
            client: context.peer.clone(),
            token: context.meta.get_progress_token(),
            every,
            message: visible(&message).unwrap_or(message),
            total: total.and_then(Value::as_f64),
        }
    }

    /// Never ends.
    pub(super) async fn tell(self) -> Infallible {
        let Some(token) = self.token else { return std::future::pending().await };
        let begun = Instant::now();
        loop {
            tokio::time::sleep(self.every).await;
            let elapsed = begun.elapsed().as_secs_f64();
            let mut progress = ProgressNotificationParam::new(token.clone(), elapsed);
            // A call that tries several times may take longer than one timeout.
            progress.total = self.total.filter(|total| elapsed <= *total);
            progress.message = Some(format!("{}, {elapsed:.0} s by now", self.message));
            // A client that is gone cancels the call by other ways.
            let _ = self.client.notify_progress(progress).await;
        }
    }
}

/// A result without hidden characters: the same value as data and as text.
pub(super) fn presentable(response: CallToolResponse) -> CallToolResponse {
    let CallToolResponse::Complete(mut result) = response else { return response };
    if let Some(value) = &mut result.structured_content {
        clean(value);
        result.content = vec![ContentBlock::text(value.to_string())];
    }
    result.into()
}
