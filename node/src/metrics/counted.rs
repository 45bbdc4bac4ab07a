//! What the event loop counts as it happens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::libp2p::swarm::DialError;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::Role;
use peer_protocol::link::Ended;
use peer_protocol::message::{MessageKind, ReceiptStatus};
use peer_protocol::rate_limit::{LimitHits, RateClass};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::error::NodeError;
use crate::model::{Delivery, HandshakeKind, TransferStatus};

/// Names and values of labels. Whatever a peer says cannot become one.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// What the event loop counts.
pub(crate) struct Counted {
    handshakes: Family<Labels<3>, Counter>,
    handshake_time: Family<Labels<1>, Histogram>,
    session_life: Family<Labels<1>, Histogram>,
    incoming: Messages,
    outgoing: Messages,
    sent_again: Counter,
    receipts: Family<Labels<1>, Counter>,
    outbox: Family<Labels<1>, Counter>,
    paced: Counter,
    dials: Family<Labels<1>, Counter>,
    lookups: Family<Labels<1>, Counter>,
    lookup_time: Histogram,
    lookup_requests: Counter,
    transfers: Family<Labels<2>, Counter>,
    transfer_bytes: Family<Labels<1>, Counter>,
    lag: Histogram,
}

/// How a dial of this node's ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialEnd {
    Connected,
    Unreachable,
    WrongPeer,
    NoAddress,
    Refused,
    Aborted,
}

impl DialEnd {
    const ALL: [Self; 6] = [
        Self::Connected,
        Self::Unreachable,
        Self::WrongPeer,
        Self::NoAddress,
        Self::Refused,
        Self::Aborted,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Unreachable => "unreachable",
            Self::WrongPeer => "wrong_peer",
            Self::NoAddress => "no_address",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
        }
    }
}

impl From<&DialError> for DialEnd {
    fn from(error: &DialError) -> Self {
        match error {
            DialError::Transport(_) => Self::Unreachable,
            DialError::WrongPeerId { .. } => Self::WrongPeer,
            DialError::NoAddresses => Self::NoAddress,
            DialError::Denied { .. } | DialError::LocalPeerId { .. } => Self::Refused,
            DialError::DialPeerConditionFalse(_) | DialError::Aborted => Self::Aborted,
        }
    }
}

/// Messages one way, by kind.
struct Messages {
    counts: Vec<(Counter, Counter)>,
}

impl Messages {
    fn register(
        count: &Family<Labels<2>, Counter>,
        bytes: &Family<Labels<2>, Counter>,
        direction: &'static str,
    ) -> Self {
        let of = |kind: MessageKind| {
            let labels = [("direction", direction), ("kind", kind.as_str())];
            (count.get_or_create_owned(&labels), bytes.get_or_create_owned(&labels))
        };
        Self { counts: MessageKind::ALL.map(of).into() }
    }

    fn count(&self, kind: MessageKind, len: usize) {
        // The kinds in `ALL` are in the order of their declaration; a test holds them to it.
        if let Some((count, bytes)) = self.counts.get(kind as usize) {
            count.inc();
            bytes.inc_by(len as u64);
        }
    }
}

impl Counted {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let handshakes = Family::default();
        let help = "Handshakes that ended: `ready`, or the code with which they failed";
        registry.register("handshakes", help, handshakes.clone());
        let handshake_time = Family::new_with_constructor(handshake_buckets as fn() -> Histogram);
        let help = "From a handshake's first message to its session";
        registry.register_with_unit(
            "handshake_duration",
            help,
            Unit::Seconds,
            handshake_time.clone(),
        );
        let session_life = Family::new_with_constructor(life_buckets as fn() -> Histogram);
        let help = "How long sessions that are over had lived";
        registry.register_with_unit("session_life", help, Unit::Seconds, session_life.clone());
        let (count, bytes) = (Family::default(), Family::default());
        let help = "Messages of sessions; what is sent again counts once";
        registry.register("messages", help, count.clone());
        let help = "Bodies of these messages";
        registry.register_with_unit("message_body", help, Unit::Bytes, bytes.clone());
        let sent_again = Counter::default();
        let help = "Ordered messages that left their node once more";
        registry.register("messages_retransmitted", help, sent_again.clone());
        let receipts = Family::default();
        let help = "Acknowledgements that came in, by how far the message is";
        registry.register("receipts_received", help, receipts.clone());
        let outbox = Family::default();
        registry.register(
            "outbox_steps",
            "Messages of the outbox that came so far",
            outbox.clone(),
        );
        let paced = Counter::default();
        let help = "Messages that peers asked to send more slowly";
        registry.register("messages_paced", help, paced.clone());
        let dials = Family::default();
        registry.register("dials", "Dials of this node that ended", dials.clone());
        let lookups = Family::default();
        registry.register("lookups", "Lookups in the registry that ended", lookups.clone());
        let lookup_time = Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let help = "How long lookups in the registry took";
        registry.register_with_unit("lookup_duration", help, Unit::Seconds, lookup_time.clone());
        let lookup_requests = Counter::default();
        let help = "Requests to other nodes that lookups took";
        registry.register("lookup_requests", help, lookup_requests.clone());
        let transfers = Family::default();
        registry.register("transfers", "Transfers that ended", transfers.clone());
        let transfer_bytes = Family::default();
        let help = "Bytes of transfers that are complete";
        registry.register_with_unit(
            "transfers_completed",
            help,
            Unit::Bytes,
            transfer_bytes.clone(),
        );
        let lag = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let help = "How late the event loop came to what it does every 50 ms";
        registry.register_with_unit("event_loop_lag", help, Unit::Seconds, lag.clone());
        let counted = Self {
            incoming: Messages::register(&count, &bytes, "in"),
            outgoing: Messages::register(&count, &bytes, "out"),
            handshakes,
            handshake_time,
            session_life,
            sent_again,
            receipts,
            outbox,
            paced,
            dials,
            lookups,
            lookup_time,
            lookup_requests,
            transfers,
            transfer_bytes,
            lag,
        };
        counted.begin_at_zero();
        counted
    }

    /// What is likely to be asked for is there from the start, at zero.
    fn begin_at_zero(&self) {
        for kind in [HandshakeKind::SixStep, HandshakeKind::ThreeWay, HandshakeKind::Legacy] {
            drop(self.handshake_time.get_or_create(&[("kind", handshake_kind(kind))]));
            for initiator in [false, true] {
                drop(self.handshakes.get_or_create(&handshake(kind, Some(initiator), READY)));
            }
        }
        for status in [ReceiptStatus::Received, ReceiptStatus::Delivered, ReceiptStatus::Processed]
        {
            drop(self.receipts.get_or_create(&[("status", receipt(status))]));
        }
        for reason in ENDS {
            drop(self.session_life.get_or_create(&[("reason", reason)]));
        }
        for status in OUTBOX {
            drop(self.outbox.get_or_create(&[("status", status)]));
        }
        for end in DialEnd::ALL {
            drop(self.dials.get_or_create(&[("result", end.as_str())]));
        }
        for result in LOOKUP_RESULTS {
            drop(self.lookups.get_or_create(&[("result", result)]));
        }
        for direction in ["incoming", "outgoing"] {
            drop(self.transfer_bytes.get_or_create(&[("direction", direction)]));
            for result in ["complete", "cancelled", "failed"] {
                let labels = [("direction", direction), ("result", result)];
                drop(self.transfers.get_or_create(&labels));
            }
        }
    }

    pub(crate) fn session_ready(&self, kind: HandshakeKind, initiator: bool, took: Duration) {
        self.handshakes.get_or_create(&handshake(kind, Some(initiator), READY)).inc();
        let labels = [("kind", handshake_kind(kind))];
        self.handshake_time.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A handshake ended without a session; who began it is not always known.
    pub(crate) fn handshake_failed(
        &self,
        kind: HandshakeKind,
        initiator: Option<bool>,
        code: ErrorCode,
    ) {
        self.handshakes.get_or_create(&handshake(kind, initiator, code.as_str())).inc();
    }

    pub(crate) fn session_ended(&self, why: &Ended, life: Duration) {
        let [expired, closed, closed_by_peer, unknown] = ENDS;
        let reason = match why {
            Ended::Expired => expired,
            Ended::Closed => closed,
            Ended::ClosedByPeer { .. } => closed_by_peer,
            Ended::Unknown => unknown,
        };
        self.session_life.get_or_create(&[("reason", reason)]).observe(life.as_secs_f64());
    }

    pub(crate) fn received(&self, kind: MessageKind, len: usize) {
        self.incoming.count(kind, len);
    }

    pub(crate) fn sent(&self, kind: MessageKind, len: usize) {
        self.outgoing.count(kind, len);
    }

    pub(crate) fn sent_again(&self, count: u64) {
        self.sent_again.inc_by(count);
    }

    pub(crate) fn receipts(&self, status: ReceiptStatus, count: usize) {
        self.receipts.get_or_create(&[("status", receipt(status))]).inc_by(count as u64);
    }

    pub(crate) fn outbox(&self, status: &Delivery) {
        self.outbox.get_or_create(&[("status", status.as_str())]).inc();
    }

    pub(crate) fn paced(&self) {
        self.paced.inc();
    }

    pub(crate) fn dialled(&self, end: DialEnd) {
        self.dials.get_or_create(&[("result", end.as_str())]).inc();
    }

    pub(crate) fn looked_up(&self, error: Option<&NodeError>, requests: usize, took: Duration) {
        let [found, missing, refused, failed] = LOOKUP_RESULTS;
        let result = match error {
            None => found,
            Some(NodeError::NotFound { .. }) => missing,
            Some(NodeError::Refused { .. }) => refused,
            Some(_) => failed,
        };
        self.lookups.get_or_create(&[("result", result)]).inc();
        self.lookup_time.observe(took.as_secs_f64());
        self.lookup_requests.inc_by(requests as u64);
    }

    /// A transfer has ended.
    pub(crate) fn transferred(&self, transfer: &TransferStatus) {
        let direction = ("direction", transfer.direction.as_str());
        self.transfers.get_or_create(&[direction, ("result", transfer.state.as_str())]).inc();
        if transfer.state == crate::model::TransferState::Complete {
            self.transfer_bytes.get_or_create(&[direction]).inc_by(transfer.size);
        }
    }

    pub(crate) fn lag(&self, late: Duration) {
        self.lag.observe(late.as_secs_f64());
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

const READY: &str = "ready";
/// Why sessions end.
const ENDS: [&str; 4] = ["expired", "closed", "closed_by_peer", "unknown_to_peer"];
/// How far messages of the outbox come, as [`Delivery`] names it.
const OUTBOX: [&str; 8] =
    ["queued", "sent", "delivered", "processed", "expired", "unknown", "failed", "cancelled"];
const LOOKUP_RESULTS: [&str; 4] = ["found", "missing", "refused", "failed"];

const fn handshake(
    kind: HandshakeKind,
    initiator: Option<bool>,
    result: &'static str,
) -> Labels<3> {
    let role = match initiator {
        Some(true) => "initiator",
        Some(false) => "responder",
        None => "unknown",
    };
    [("kind", handshake_kind(kind)), ("role", role), ("result", result)]
}

const fn handshake_kind(kind: HandshakeKind) -> &'static str {
    match kind {
        HandshakeKind::SixStep => "six_step",
        HandshakeKind::ThreeWay => "three_way",
        HandshakeKind::Legacy => "legacy",
    }
}

const fn receipt(status: ReceiptStatus) -> &'static str {
    match status {
        ReceiptStatus::Received => "received",
        ReceiptStatus::Delivered => "delivered",
        ReceiptStatus::Processed => "processed",
    }
}

/// From a millisecond to half a minute.
fn handshake_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

/// From a second to three days.
fn life_buckets() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 10))
}

/// Whether this side began a handshake.
pub(crate) const fn began(role: Role) -> bool {
    matches!(role, Role::Initiator)
}

/// What peers sent beyond their rates.
#[derive(Debug)]
pub(super) struct Limited(pub(super) Arc<LimitHits>);

impl Collector for Limited {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Messages and handshakes of peers that were refused because of their rate.";
        let mut metric =
            encoder.encode_descriptor("rate_limited", help, None, MetricType::Counter)?;
        for class in RateClass::ALL {
            let count = ConstCounter::new(self.0.get(class));
            count.encode(metric.encode_family(&[("class", class.as_str())])?)?;
        }
        Ok(())
    }
}
