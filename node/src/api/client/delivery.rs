//! Requests about messages that are kept.

use std::fmt::Write as _;

use super::{Client, ClientError, DEFAULT_TIMEOUT};
use crate::api::request::{Acknowledge, Inbox, Outbox, RetryPeer};
use crate::model::{
    Acknowledged, IdPrefix, InboxId, InboxLine, Incoming, OutboxLine, OutboxMessage, Page, Retried,
    Trace,
};

#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// What waits to be sent.
    pub async fn outbox(&self, ask: &Outbox) -> Result<Page<OutboxLine>, ClientError> {
        let Outbox { peer, all, after, limit } = ask;
        let query = query(&[
            ("peer", peer.clone()),
            ("all", all.then(|| "true".to_owned())),
            ("after", after.clone()),
            ("limit", limit.map(|limit| limit.to_string())),
        ]);
        self.get(&format!("/v1/outbox{query}")).await
    }

    /// A message of the outbox, with what it says.
    pub async fn outbox_message(&self, id: &IdPrefix) -> Result<OutboxMessage, ClientError> {
        self.get(&format!("/v1/outbox/{id}")).await
    }

    /// Sends a message no more.
    pub async fn cancel(&self, id: &IdPrefix) -> Result<OutboxLine, ClientError> {
        self.post(&format!("/v1/outbox/{id}/cancel"), &(), DEFAULT_TIMEOUT).await
    }

    /// Tries a message again at once.
    pub async fn retry(&self, id: &IdPrefix) -> Result<OutboxLine, ClientError> {
        self.post(&format!("/v1/outbox/{id}/retry"), &(), DEFAULT_TIMEOUT).await
    }

    /// Tries all that waits for a peer again at once.
    pub async fn retry_peer(&self, ask: &RetryPeer) -> Result<Retried, ClientError> {
        self.post("/v1/outbox/retry", ask, DEFAULT_TIMEOUT).await
    }

    /// What waits for the agent.
    pub async fn inbox(&self, ask: &Inbox) -> Result<Page<InboxLine>, ClientError> {
        let Inbox { from, after, limit } = ask;
        let query = query(&[
            ("from", from.clone()),
            ("after", after.map(|after| after.to_string())),
            ("limit", limit.map(|limit| limit.to_string())),
        ]);
        self.get(&format!("/v1/inbox{query}")).await
    }

    /// A message of the inbox.
    pub async fn inbox_message(&self, id: &InboxId) -> Result<Incoming, ClientError> {
        self.get(&format!("/v1/inbox/{id}")).await
    }

    /// Tells that the agent took messages.
    pub async fn acknowledge(&self, ask: &Acknowledge) -> Result<Acknowledged, ClientError> {
        self.post("/v1/inbox/ack", ask, DEFAULT_TIMEOUT).await
    }

    /// The way of a message.
    pub async fn trace(&self, id: &IdPrefix) -> Result<Trace, ClientError> {
        self.get(&format!("/v1/messages/{id}/trace")).await
    }
}

/// The query part of a path: what is given of `pairs`, every byte escaped that could mean something.
fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        let Some(value) = value else { continue };
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        for byte in value.bytes() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                    query.push(char::from(byte));
                }
                // Writing to a string does not fail.
                _ => drop(write!(query, "%{byte:02X}")),
            }
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(query(&[("a", None)]), "");
        let query = query(&[("a", some("x&y=+ é#")), ("b", None), ("c", some("1"))]);
        assert_eq!(query, "?a=x%26y%3D%2B%20%C3%A9%23&c=1");
    }
}
