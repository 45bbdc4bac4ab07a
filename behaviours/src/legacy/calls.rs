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

/// What polling yields.
pub(super) enum Called {
    /// What the courier brought back.
    Carried(RequestId, Carried),
    /// Whoever made a call waits for its answer no longer.
    Gone(ExchangeId),
}

pub(super) struct Calls {
    courier: Option<Arc<dyn Courier>>,
    /// One a peer at most: a link has one request in flight.
    carried: FuturesUnordered<BoxFuture<'static, (PeerId, RequestId, Carried)>>,
    /// Calls that wait for their answers; they come in as fast as the owner lets them.
    waiting: FuturesUnordered<BoxFuture<'static, (PeerId, ExchangeId, bool)>>,
    owed: HashMap<ExchangeId, oneshot::Sender<Vec<u8>>>,
    next: u64,
}

impl Calls {
    pub(super) fn new(courier: Option<Arc<dyn Courier>>) -> Self {
        Self {
            courier,
            carried: FuturesUnordered::new(),
            waiting: FuturesUnordered::new(),
            owed: HashMap::new(),
            next: FIRST,
        }
    }

    /// An exchange with `peer` whose answer goes to `answer`. It must be polled afterwards.
    pub(super) fn open(
        &mut self,
        peer: PeerId,
        mut answer: oneshot::Sender<Vec<u8>>,
    ) -> ExchangeId {
        let exchange = ExchangeId(self.next);
        self.next += 1;
        let (said, saying) = oneshot::channel();
        self.owed.insert(exchange, said);
        self.waiting.push(Box::pin(async move {
            let gone = tokio::select! {
                biased;
                () = answer.closed() => true,
                said = saying => said.is_ok_and(|bytes| answer.send(bytes).is_err()),
            };
            (peer, exchange, gone)
        }));
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
                if let Some(said) = self.owed.remove(&exchange) {
                    // Whoever asked may have gone.
                    let _ = said.send(envelope);
                }
            }
            Transmit::Drop { exchange } => {
                self.owed.remove(&exchange);
            }
        }
        Ok(())
    }

    /// What happened next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(PeerId, Called)> {
        while let Poll::Ready(Some((peer, exchange, gone))) = self.waiting.poll_next_unpin(cx) {
            self.owed.remove(&exchange);
            if gone {
                return Poll::Ready((peer, Called::Gone(exchange)));
            }
        }
        // Whoever adds to it polls again.
        match self.carried.poll_next_unpin(cx) {
            Poll::Ready(Some((peer, id, carried))) => {
                Poll::Ready((peer, Called::Carried(id, carried)))
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
