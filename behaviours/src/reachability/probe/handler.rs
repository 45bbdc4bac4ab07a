//! One connection's part: requests on connections that this node dialled, dial-backs on those that
//! come in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p_core::Multiaddr;
use libp2p_core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p_swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound,
};
use libp2p_swarm::{ConnectionHandler, Stream, StreamProtocol, SubstreamProtocol};
use tokio::time::timeout;

use super::Verdict;
use super::wire::{
    self, DialBack, DialBackResponse, DialDataResponse, DialRequest, DialResponse, Envelope,
    Message,
};

pub(super) const REQUEST: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");
const BACK: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-back");

/// Time for a request: the server dials, which may take long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const BACK_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams of a kind at once.
const MAX_STREAMS: usize = 4;
/// What a server may ask for before it dials, in bytes, and the size of the pieces.
const MAX_DATA: u64 = 100_000;
const PIECE: u64 = 4096;

/// What the behaviour asks for.
#[derive(Debug)]
pub struct Request {
    pub(super) nonce: u64,
    pub(super) address: Multiaddr,
}

/// What the handler tells.
#[derive(Debug)]
pub enum Told {
    /// A request is over.
    Finished(u64, Verdict),
    /// Somebody dialled back with this nonce, and waits to hear that it is known.
    Back(u64, oneshot::Sender<()>),
}

/// What a connection is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// This node dialled: requests.
    Asks,
    /// The other side dialled, directly: dial-backs.
    Answers,
    /// It goes over a relay and proves nothing.
    Neither,
}

/// The handler.
pub struct Handler {
    role: Role,
    waiting: VecDeque<Request>,
    requests: FuturesUnordered<BoxFuture<'static, Told>>,
    backs: FuturesUnordered<BoxFuture<'static, Option<(Stream, u64)>>>,
    told: VecDeque<Told>,
}

impl Handler {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            waiting: VecDeque::new(),
            requests: FuturesUnordered::new(),
            backs: FuturesUnordered::new(),
            told: VecDeque::new(),
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Request;
    type ToBehaviour = Told;
    type InboundProtocol = IfAnswering;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Request;

    fn listen_protocol(&self) -> SubstreamProtocol<IfAnswering> {
        SubstreamProtocol::new(IfAnswering(self.role == Role::Answers), ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Request, Told>> {
        if let Some(told) = self.told.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
        }
        if let Some(request) = self.waiting.pop_front() {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(REQUEST), request);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if let Poll::Ready(Some(told)) = self.requests.poll_next_unpin(cx) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
        }
        while let Poll::Ready(Some(back)) = self.backs.poll_next_unpin(cx) {
            let Some((stream, nonce)) = back else { continue };
            let (known, is_known) = oneshot::channel();
            self.backs.push(acknowledge(stream, is_known).boxed());
            let told = Told::Back(nonce, known);
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, request: Request) {
        if self.waiting.len() + self.requests.len() < MAX_STREAMS {
            self.waiting.push_back(request);
        } else {
            self.told.push_back(Told::Finished(request.nonce, Verdict::Undecided));
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, IfAnswering, ReadyUpgrade<StreamProtocol>, (), Request>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => self.requests.push(ask(protocol, info).boxed()),
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => {
                if self.backs.len() < MAX_STREAMS {
                    self.backs.push(hear_back(protocol).boxed());
                }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, .. }) => {
                self.told.push_back(Told::Finished(info.nonce, Verdict::Undecided));
            }
            _ => {}
        }
    }
}

/// Asks a server, and waits for its verdict.
async fn ask(mut stream: Stream, request: Request) -> Told {
    let Request { nonce, address } = request;
    let verdict = match timeout(REQUEST_TIMEOUT, exchange(&mut stream, nonce, &address)).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "an address could not be tested");
            Verdict::Undecided
        }
        Err(_) => Verdict::Undecided,
    };
    Told::Finished(nonce, verdict)
}

async fn exchange(stream: &mut Stream, nonce: u64, address: &Multiaddr) -> io::Result<Verdict> {
    let refused = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let request = DialRequest { addresses: vec![address.to_vec()], nonce };
    wire::write_envelope(stream, Message::DialRequest(request)).await?;
    let mut paid = false;
    loop {
        match wire::read::<Envelope>(stream).await?.message {
            // The server makes sure that it is not used to flood others: who asks sends more.
            Some(Message::DialDataRequest(wanted)) if !paid && wanted.bytes <= MAX_DATA => {
                paid = true;
                let mut left = wanted.bytes;
                while left > 0 {
                    let piece = left.min(PIECE);
                    left -= piece;
                    let data = vec![0; usize::try_from(piece).unwrap_or_default()];
                    let data = Message::DialDataResponse(DialDataResponse { data });
                    wire::write_envelope(stream, data).await?;
                }
            }
            Some(Message::DialResponse(DialResponse { status, dial, .. })) => {
                // It has nothing more to say.
                let _ = stream.close().await;
                return Ok(match (status, dial) {
                    (DialResponse::OK, DialResponse::OK) => Verdict::Reachable,
                    (DialResponse::OK, DialResponse::DIAL_ERROR) => Verdict::Unreachable,
                    _ => Verdict::Undecided,
                });
            }
            _ => return Err(refused("the server does not keep to the protocol")),
        }
    }
}

async fn hear_back(mut stream: Stream) -> Option<(Stream, u64)> {
    match timeout(BACK_TIMEOUT, wire::read::<DialBack>(&mut stream)).await {
        Ok(Ok(DialBack { nonce })) => Some((stream, nonce)),
        _ => None,
    }
}

/// Answers a dial-back once its nonce is known; a stranger's stream is just dropped.
async fn acknowledge(mut stream: Stream, is_known: oneshot::Receiver<()>) -> Option<(Stream, u64)> {
    if is_known.await.is_ok() {
        let answer = async {
            wire::write(&mut stream, &DialBackResponse { status: 0 }).await?;
            stream.close().await
        };
        // If it does not arrive, the server reports a failure; that is its view.
        let _ = timeout(BACK_TIMEOUT, answer).await;
    }
    None
}

/// Offers dial-backs, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct IfAnswering(bool);

impl UpgradeInfo for IfAnswering {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.then_some(BACK).into_iter()
    }
}

impl<C> InboundUpgrade<C> for IfAnswering {
    type Output = C;
    type Error = Infallible;
    type Future = Ready<Result<C, Infallible>>;

    fn upgrade_inbound(self, stream: C, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
