//! The local API: HTTP and JSON over a Unix socket in the data directory, which only the node's
//! operator may open, and over a loopback port for those who have the [`Token`]. The command line is one
//! client of it; a shell script with `curl --unix-socket` is another. Other faces of the node are mounted
//! beside it: see [`App`].
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`](crate::model::Status) |
//! | `GET /v1/proof` | query: [`Prove`] | `proof`; needs no token |
//! | `GET /v1/api` | | [`ApiStatus`](crate::model::ApiStatus) |
//! | `GET /v1/log` | query: [`Log`] | [`LogTail`](crate::model::LogTail) |
//! | `GET /v1/peers` | | [`PeerStatus`](crate::model::PeerStatus)es |
//! | `GET /v1/sessions` | | [`SessionLine`](crate::model::SessionLine)s |
//! | `POST /v1/connect` | [`Connect`] | [`PeerStatus`](crate::model::PeerStatus) |
//! | `POST /v1/talk` | [`Talk`] | [`Answer`](crate::model::Answer) |
//! | `POST /v1/report` | [`Report`] | [`Reported`](crate::model::Reported) |
//! | `POST /v1/alive` | [`Alive`] | [`Life`](crate::model::Life) |
//! | `POST /v1/wake` | [`Wake`] | [`Woken`](crate::model::Woken) |
//! | `POST /v1/restart` | [`Restart`] | [`Restarted`](crate::model::Restarted) |
//! | `GET /v1/messages` | query: [`Subscription`] | server-sent events, each an [`Incoming`](crate::model::Incoming) |
//! | `GET /v1/events` | query: [`Events`] | server-sent events, each an [`EventLine`](crate::model::EventLine) or [`Reset`](crate::model::Reset) |
//! | `POST /v1/awake` | [`Awake`] | [`Awoken`](crate::model::Awoken) |
//! | `POST /v1/probe` | [`Probe`] | [`Probed`], once there is a question |
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
//! | `GET /v1/netcheck` | | [`Netcheck`](crate::model::Netcheck) |
//! | `GET /v1/mailbox` | | [`MailboxStatus`](crate::model::MailboxStatus) |
//! | `POST /v1/mailbox/fetch` | | [`MailboxStatus`](crate::model::MailboxStatus) |
//! | `POST /v1/register` | [`Register`] | [`Registered`](crate::model::Registered) |
//! | `POST /v1/lookup` | [`Lookup`] | [`Found`](crate::model::Found) |
//! | `POST /v1/discover` | [`Discover`] | [`Discovered`](crate::model::Discovered) |
//! | `GET /v1/dht` | | [`DhtStatus`](crate::model::DhtStatus) |
//! | `POST /v1/shutdown` | | `{}`, once the node has stopped |
//! | `GET /openapi.json` | | all of this, for programs |
//!
//! `{id}` is a message id or its first four or more hexadecimal digits; in the inbox also a number, as `n17`.
//! What `GET /v1/messages` hands over stays in the inbox until it is acknowledged, and whoever asks next is
//! handed it again. A client that comes back with the header `Last-Event-ID`, a message's number such as
//! `n17`, is not handed again what it got, acknowledged or not, unless it asks with `?again=true`.
//!
//! `GET /v1/events` tells what happens from now on, or with `Last-Event-ID` what happened since. The last
//! 4,096 events, or 4 MiB of them, are kept. If what followed is not there any more, or the id is of
//! another run of the node, the first event is `reset`: then the client reads anew what it needs of the
//! node's state, which already has all that was missed.
//!
//! `talk`, `report`, `wake`, `restart` and `POST /v1/transfers` take an `Idempotency-Key`, 1 to 255 visible
//! ASCII characters: repeated under the same key within 24 hours a request is not carried out again, and
//! gets the same answer. The last 1,024 keys are remembered, in memory; messages that are kept on disk are
//! not sent again after a restart either. Failures of which nothing came are not remembered.
//!
//! Failures are problem details (RFC 9457): see [`Problem`].

mod app;
mod body;
mod client;
mod events;
mod extract;
#[cfg(test)]
pub(crate) mod fake;
mod guard;
mod once;
mod openapi;
mod problem;
mod request;
mod routes;
mod server;
pub(crate) mod sse;
#[cfg(test)]
mod tests;
mod token;

pub use app::{App, Limits};
pub use client::{Client, ClientError, EventStream, Messages, Told};
pub use problem::Problem;
pub use request::{
    Acknowledge, Alive, Awake, Connect, DEFAULT_TIMEOUT, Discover, Events, Inbox, Log, Lookup,
    MAX_TIMEOUT, Outbox, Pin, Probe, Probed, Prove, Register, Reply, Report, Restart, RetryPeer,
    Revoke, Send, Subscription, Talk, Wake,
};
pub use server::{Server, ServerError};
pub use token::{Token, TokenError};

/// Longest body of a request that brings a content, in bytes: the largest content in base64, and what goes
/// around it.
pub const MAX_BODY_LEN: usize = 86 << 20;
/// Longest body of any other request, in bytes.
const MAX_SMALL_BODY_LEN: usize = 3 << 19;
