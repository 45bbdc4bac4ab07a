//! Connections whose other side does again and again what no program does that knows the protocol
//! (`docs/PROTOCOL.md` §14.1).

use std::io;
use std::sync::{Mutex, PoisonError};

use libp2p_core::PeerId;
use libp2p_request_response::{self as request_response, Codec};
use libp2p_swarm::{CloseConnection, ConnectionId, THandlerOutEvent, ToSwarm};
use peer_protocol::rate_limit::{Quota, TokenBucket};
use peer_protocol::time;
use thiserror::Error;
use tokio::time::Instant;

/// Frames longer than is taken that one connection may announce.
const TOO_LONG: Quota = Quota { per_minute: 60, burst: 10 };

/// How often a connection has announced more than is taken.
#[derive(Debug)]
pub(crate) struct Conduct {
    start: Instant,
    too_long: Mutex<TokenBucket>,
}

impl Default for Conduct {
    fn default() -> Self {
        Self { start: Instant::now(), too_long: Mutex::default() }
    }
}

impl Conduct {
    /// Notes that more is announced than is taken.
    ///
    /// # Errors
    /// [`Insistent`] if that has happened too often.
    pub(crate) fn too_long(&self) -> io::Result<()> {
        let now = time::Instant::from_start(self.start.elapsed());
        let mut bucket = self.too_long.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(TOO_LONG, now).map_err(|_| io::Error::other(Insistent))
    }
}

/// A connection announces frames longer than is taken, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it announces more than is taken again and again")]
pub(crate) struct Insistent;

impl Insistent {
    /// Whether that is what the error says.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// What the handler of a connection tells libp2p's behaviour.
type HandlerEvent<C> = THandlerOutEvent<request_response::Behaviour<C>>;

/// Closes the connection if a request on it failed for its conduct. libp2p's behaviour does not tell that a
/// request could not be read, only its handler does.
pub(crate) fn close_insistent<E, I, C>(
    peer_id: PeerId,
    connection: ConnectionId,
    event: &HandlerEvent<C>,
) -> Option<ToSwarm<E, I>>
where
    C: Codec + Clone + Send + 'static,
{
    let HandlerEvent::<C>::InboundStreamFailed { error, .. } = event else { return None };
    if !Insistent::is(error) {
        return None;
    }
    tracing::debug!(peer = %peer_id, %connection, %error, "closing a connection");
    Some(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(connection) })
}
