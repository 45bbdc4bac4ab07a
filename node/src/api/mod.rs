//! The local API: HTTP and JSON over a Unix socket in the data directory, which only the node's
//! operator may open. The command line is one client of it; a shell script with `curl
//! --unix-socket` is another.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`](crate::model::Status) |
//! | `GET /v1/peers` | | [`PeerStatus`](crate::model::PeerStatus)es |
//! | `POST /v1/connect` | [`Connect`] | [`PeerStatus`](crate::model::PeerStatus) |
//! | `POST /v1/talk` | [`Talk`] | [`Answer`](crate::model::Answer) |
//! | `POST /v1/report` | [`Report`] | [`Reported`](crate::model::Reported) |
//! | `POST /v1/alive` | [`Alive`] | [`Life`](crate::model::Life) |
//! | `POST /v1/wake` | [`Wake`] | [`Woken`](crate::model::Woken) |
//! | `POST /v1/restart` | [`Restart`] | [`Restarted`](crate::model::Restarted) |
//! | `POST /v1/awake` | [`Awake`] | [`Awoken`](crate::model::Awoken) |
//! | `POST /v1/probe` | [`Probe`] | [`Probed`], once there is a question |
//! | `GET /v1/messages` | | server-sent events, each an [`Incoming`](crate::model::Incoming) |
//! | `GET /v1/outbox` | query: [`Outbox`] | a [`Page`](crate::model::Page) of [`OutboxLine`](crate::model::OutboxLine)s |
//! | `GET /v1/outbox/{id}` | | [`OutboxMessage`](crate::model::OutboxMessage) |
//! | `POST /v1/outbox/{id}/cancel` | | [`OutboxLine`](crate::model::OutboxLine) |
//! | `POST /v1/outbox/{id}/retry` | | [`OutboxLine`](crate::model::OutboxLine) |
//! | `POST /v1/outbox/retry` | [`RetryPeer`] | [`Retried`](crate::model::Retried) |
//! | `GET /v1/inbox` | query: [`Inbox`] | a [`Page`](crate::model::Page) of [`InboxLine`](crate::model::InboxLine)s |
//! | `GET /v1/inbox/{id}` | | [`Incoming`](crate::model::Incoming) |
//! | `POST /v1/inbox/ack` | [`Acknowledge`] | [`Acknowledged`](crate::model::Acknowledged) |
//! | `GET /v1/messages/{id}/trace` | | [`Trace`](crate::model::Trace) |
//! | `POST /v1/answer` | [`Reply`] | `{}` |
//! | `GET /v1/trust` | | [`TrustLine`](crate::model::TrustLine)s |
//! | `POST /v1/trust/pin` | [`Pin`] | [`TrustLine`](crate::model::TrustLine) |
//! | `POST /v1/trust/revoke` | [`Revoke`] | [`TrustLine`](crate::model::TrustLine)s |
//! | `POST /v1/transfers` | [`Send`] | [`TransferStatus`](crate::model::TransferStatus) |
//! | `GET /v1/transfers` | | [`TransferStatus`](crate::model::TransferStatus)es |
//! | `GET /v1/transfers/{id}` | | [`TransferStatus`](crate::model::TransferStatus) |
//! | `POST /v1/transfers/{id}/cancel` | | [`TransferStatus`](crate::model::TransferStatus) |
//! | `POST /v1/transfers/{id}/retry` | | [`TransferStatus`](crate::model::TransferStatus) of the new one |
//! | `POST /v1/shutdown` | | `{}`, once the node has stopped |
//!
//! `{id}` is a message id or its first four or more hexadecimal digits; in the inbox also a number, as `n17`.
//! What `GET /v1/messages` hands over stays in the inbox until it is acknowledged.
//!
//! Failures are problem details (RFC 9457): see [`Problem`].

mod client;
mod extract;
#[cfg(test)]
pub(crate) mod fake;
mod problem;
mod request;
mod routes;
mod server;
mod sse;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientError, Messages};
pub use problem::Problem;
pub use request::{
    Acknowledge, Alive, Awake, Connect, DEFAULT_TIMEOUT, Discover, Inbox, Lookup, MAX_TIMEOUT,
    Outbox, Pin, Probe, Probed, Register, Reply, Report, Restart, RetryPeer, Revoke, Send,
    Subscription, Talk, Wake,
};
pub use routes::router;
pub use server::{Server, ServerError};

/// Longest request body, in bytes: the largest content in base64, and what goes around it.
pub const MAX_BODY_LEN: usize = 3 << 19;
