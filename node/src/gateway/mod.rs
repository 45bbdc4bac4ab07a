//! Version 1.0 over HTTP, for peers that know nothing else (`docs/PROTOCOL.md` §13.8), and messages that
//! pass between such peers and those of version 1.1 (§13.9).
//!
//! What comes in over HTTP is checked here as far as no state is needed for that, and goes to the links of
//! [`peer_behaviours::legacy`] like what comes over libp2p. What goes out is posted by the [`courier`].

mod answer;
mod counts;
mod courier;
mod inquiries;
mod leave;
mod listener;
mod passing;
mod places;
mod post;
mod rates;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use libp2p::PeerId;
use peer_behaviours::legacy::{Courier, Terms};
use peer_behaviours::{Clock, secure};
use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::{EntityId, Identity};
use peer_protocol::time::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) use self::leave::{Leave, UNPINNED};
pub(crate) use self::passing::{Items, Outward, Passing, not_passed_on};
pub(crate) use self::places::Places;

pub(crate) use self::counts::Counts;
use self::courier::HttpCourier;
use self::rates::Rates;
use crate::config::{GatewayConfig, NodeConfig};
use crate::error::StartError;
use crate::handle::WeakHandle;
use crate::trust::SharedTrust;

/// What the gateway shares with the rest of the node.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) places: Arc<Places>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) leave: Arc<Leave>,
}

impl Shared {
    pub(crate) fn new(config: &GatewayConfig, trust: Arc<SharedTrust>) -> Self {
        let leave = Arc::new(Leave::new(&config.forward, trust));
        Self { places: Arc::default(), counts: Arc::default(), leave }
    }
}

/// What a gateway is made of.
pub(crate) struct Parts {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Identity,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) node: WeakHandle,
    pub(crate) shared: Arc<Shared>,
    pub(crate) items: Option<Items>,
}

/// A gateway that serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: Option<SocketAddr>,
    _tasks: JoinSet<()>,
}

/// What requests need.
struct State {
    identity: Identity,
    clock: Arc<dyn Clock>,
    node: WeakHandle,
    counts: Arc<Counts>,
    rates: Rates,
    /// Whether the operator demands encryption, which there is none of here.
    require_encryption: bool,
    /// Keys of peers that the operator has named.
    named: HashMap<EntityId, PublicKey>,
    forward: Vec<EntityId>,
    started: Timestamp,
}

impl Gateway {
    /// Listens where the configuration says, if anywhere, and passes on.
    ///
    /// # Errors
    /// [`StartError::Gateway`] if it cannot listen there.
    pub(crate) async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { config, identity, clock, node, shared, items } = parts;
        let gateway = config.gateway();
        let mut tasks = JoinSet::new();
        if let Some(items) = items {
            let named = gateway.peers.clone();
            tasks.spawn(passing::run(items, node.clone(), named, Arc::clone(&shared)));
        }
        let mut bound = None;
        if let Some(address) = gateway.listen {
            let failed =
                |error: std::io::Error| StartError::Gateway { address, reason: error.to_string() };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            tracing::info!(%address, "version 1.0 gateway: what passes here is signed, not encrypted");
            if !address.ip().is_loopback() {
                tracing::warn!(
                    %address,
                    "the version 1.0 gateway can be reached from other machines, and version 1.0 does \
                     not encrypt: whoever is on the way reads every message"
                );
            }
            let state = State::new(&config, identity, clock, node, Arc::clone(&shared.counts));
            let limits = listener::Limits::default();
            tasks.spawn(listener::serve(listener, router(state, limits), limits));
            bound = Some(address);
        }
        Ok(Self { address: bound, _tasks: tasks })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl State {
    fn new(
        config: &NodeConfig,
        identity: Identity,
        clock: Arc<dyn Clock>,
        node: WeakHandle,
        counts: Arc<Counts>,
    ) -> Self {
        let gateway = config.gateway();
        Self {
            identity,
            started: clock.now().timestamp,
            clock,
            node,
            counts,
            rates: Rates::default(),
            require_encryption: config.require_encryption(),
            named: gateway.peers.iter().map(|peer| (peer.entity.clone(), peer.key)).collect(),
            forward: gateway.forward.clone(),
        }
    }
}

/// The version 1.0 requests, and nothing else.
fn router(state: State, limits: listener::Limits) -> Router {
    Router::new()
        .route("/message", post(post::message))
        .route("/health", get(inquiries::health))
        .route("/peers", get(inquiries::peers))
        .route("/stats", get(inquiries::stats))
        .route("/public-key", get(inquiries::public_key))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(axum::Extension(limits))
        .with_state(Arc::new(state))
}

/// What the operator says of single peers, as links see it.
pub(crate) fn terms(config: &GatewayConfig) -> HashMap<PeerId, Terms> {
    let terms = config.peers.iter().filter_map(|peer| {
        let terms = Terms {
            entity: Some(peer.entity.clone()),
            by_courier: peer.url.is_some(),
            sessionless: !peer.require_session,
        };
        Some((secure::peer_id_of(&peer.key)?, terms))
    });
    terms.collect()
}

/// What carries messages to peers with a URL, if there is one.
pub(crate) fn courier(config: &GatewayConfig, counts: &Arc<Counts>) -> Option<Arc<dyn Courier>> {
    let urls: HashMap<_, _> = config
        .peers
        .iter()
        .filter_map(|peer| Some((secure::peer_id_of(&peer.key)?, peer.url.clone()?)))
        .collect();
    (!urls.is_empty()).then(|| Arc::new(HttpCourier::new(urls, Arc::clone(counts))) as _)
}
