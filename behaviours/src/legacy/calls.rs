//! Version 1.0 messages that do not travel over libp2p: requests that the owner hands in, and requests
//! that its [`Courier`] carries.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p_core::PeerId;
use peer_protocol::link::{ExchangeId, RequestId, Transmit};
use tokio::sync::oneshot;

use super::courier::{Carried, Courier};

/// Exchanges are numbered from here on, apart from those of libp2p.
const FIRST: u64 = 1 << 63;
/// Answers that are owed when those that nobody waits for any more are thrown away.
const SWEEP: usize = 512;

pub(super) struct Calls {
    courier: Option<Arc<dyn Courier>>,
    /// One a peer at most: a link has one request in flight.
    carried: FuturesUnordered<BoxFuture<'static, (PeerId, RequestId, Carried)>>,
    owed: HashMap<ExchangeId, oneshot::Sender<Vec<u8>>>,
    next: u64,
}

impl Calls {
    pub(super) fn new(courier: Option<Arc<dyn Courier>>) -> Self {
        Self { courier, carried: FuturesUnordered::new(), owed: HashMap::new(), next: FIRST }
    }

    /// An exchange whose answer goes to `answer`.
    pub(super) fn open(&mut self, answer: oneshot::Sender<Vec<u8>>) -> ExchangeId {
        if self.owed.len() >= SWEEP {
            self.owed.retain(|_, answer| !answer.is_closed());
        }
        let exchange = ExchangeId(self.next);
        self.next += 1;
        self.owed.insert(exchange, answer);
        exchange
    }

    /// Whether the exchange is one of these.
    pub(super) const fn has(exchange: ExchangeId) -> bool {
        exchange.0 >= FIRST
    }

    /// Sends something to a peer that the courier reaches, or answers a call.
    ///
    /// # Errors
    /// The id of a request if there is no courier.
    pub(super) fn transmit(&mut self, peer: PeerId, transmit: Transmit) -> Result<(), RequestId> {
        match transmit {
            Transmit::Request { id, envelope } => {
                let Some(courier) = &self.courier else { return Err(id) };
                let carried = courier.carry(peer, envelope);
                self.carried.push(Box::pin(async move { (peer, id, carried.await) }));
            }
            Transmit::Answer { exchange, envelope } => {
                if let Some(answer) = self.owed.remove(&exchange) {
                    // Whoever asked may have gone.
                    let _ = answer.send(envelope);
                }
            }
            Transmit::Drop { exchange } => {
                self.owed.remove(&exchange);
            }
        }
        Ok(())
    }

    /// What the courier brought back next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(PeerId, RequestId, Carried)> {
        // Whoever adds to it polls again.
        match self.carried.poll_next_unpin(cx) {
            Poll::Ready(Some(carried)) => Poll::Ready(carried),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
