//! Names and values of what is measured; that docs/metrics.md and docs/grafana.json know them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use ::libp2p::core::ConnectedPoint;
use ::libp2p::core::transport::ListenerId;
use ::libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use ::libp2p::{Multiaddr, PeerId, dcutr, ping, relay};
use peer_protocol::error::ErrorCode;
use peer_protocol::link::Ended;
use peer_protocol::message::{MessageKind, ReceiptStatus};
use peer_protocol::rate_limit::RateClass;

use super::*;
use crate::behaviour::BehaviourEvent;
use crate::model::{HandshakeKind, QueueDepth};

fn metrics() -> (Metrics, Arc<LimitHits>) {
    let limit_hits = Arc::new(LimitHits::default());
    let (commits, gateway) = (Commits::default(), Arc::default());
    let sources = Sources { limit_hits: Arc::clone(&limit_hits), commits, gateway };
    let metrics = Metrics::new(sources);
    let levels = Levels { dht: Some(DhtLevels::default()), ..Levels::default() };
    metrics.levels().publish(levels);
    (metrics, limit_hits)
}

/// The same after something of everything has happened in the swarm: libp2p's families appear only then.
fn busy() -> Metrics {
    let (metrics, _) = metrics();
    let connection = ConnectionId::new_unchecked(1);
    let peer_id = PeerId::random();
    let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let listener_id = ListenerId::next();
    let at = || ConnectedPoint::Listener {
        local_addr: address.clone(),
        send_back_addr: address.clone(),
    };
    let addr = || address.clone();
    let one = NonZeroU32::MIN;
    let ping = ping::Event { peer: peer_id, connection, result: Err(ping::Failure::Timeout) };
    let punched = dcutr::Event { remote_peer_id: peer_id, result: Ok(connection) };
    let closed = relay::Event::ReservationClosed { src_peer_id: peer_id };
    for event in [
        SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)),
        SwarmEvent::Behaviour(BehaviourEvent::Dcutr(punched)),
        SwarmEvent::Behaviour(BehaviourEvent::RelayServer(closed)),
        SwarmEvent::IncomingConnection {
            connection_id: connection,
            local_addr: addr(),
            send_back_addr: addr(),
        },
        SwarmEvent::IncomingConnectionError {
            connection_id: connection,
            local_addr: addr(),
            send_back_addr: addr(),
            error: ListenError::Aborted,
            peer_id: None,
        },
        SwarmEvent::ConnectionEstablished {
            peer_id,
            connection_id: connection,
            endpoint: at(),
            num_established: one,
            concurrent_dial_errors: None,
            established_in: Duration::ZERO,
        },
        SwarmEvent::ConnectionClosed {
            peer_id,
            connection_id: connection,
            endpoint: at(),
            num_established: 0,
            cause: None,
        },
        SwarmEvent::OutgoingConnectionError {
            connection_id: connection,
            peer_id: None,
            error: DialError::Aborted,
        },
        SwarmEvent::NewListenAddr { listener_id, address: addr() },
        SwarmEvent::ExpiredListenAddr { listener_id, address: addr() },
        SwarmEvent::ListenerClosed { listener_id, addresses: vec![addr()], reason: Ok(()) },
        SwarmEvent::NewExternalAddrCandidate { address: addr() },
        SwarmEvent::ExternalAddrConfirmed { address: addr() },
        SwarmEvent::ExternalAddrExpired { address: addr() },
    ] {
        metrics.libp2p().record(&event);
    }
    metrics
}

/// Families by name, with their types.
fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// What samples of these families can be called.
fn sample_names(families: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names = families.iter().flat_map(|(name, kind)| {
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
    });
    names.collect()
}

/// The value of the one sample of this name whose labels have these values.
#[track_caller]
fn value(metrics: &Metrics, name: &str, labels: &[&str]) -> f64 {
    let samples = samples(&metrics.text()).unwrap();
    let fits = |sample: &&Sample| {
        let values: Vec<_> = sample.labels.values().map(String::as_str).collect();
        sample.name == name && labels.iter().all(|label| values.contains(label))
    };
    let found: Vec<_> = samples.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].value
}

#[test]
fn what_is_written_is_in_the_format() {
    let (metrics, _) = metrics();
    let text = metrics.text();
    let read = samples(&text).unwrap();
    assert!(read.len() > 100, "{}", read.len());
    for (name, kind) in families(&text) {
        let own = ["peer_", "process_", "libp2p_"].iter().any(|prefix| name.starts_with(prefix));
        assert!(own, "{name}");
        assert!(!name.ends_with("_total"), "{kind} {name} brings its own suffix");
    }
    assert_eq!(value(&metrics, "peer_build_info", &[env!("CARGO_PKG_VERSION")]), 1.0);
    if cfg!(target_os = "linux") {
        assert!(value(&metrics, "process_resident_memory_bytes", &[]) > 1e6);
        assert!(value(&metrics, "process_open_fds", &[]) > 2.0);
    }
    let text = busy().text();
    samples(&text).unwrap();
    for unfed in ["libp2p_identify", "libp2p_kad", "external_addr_candidates"] {
        assert!(!text.contains(unfed), "{unfed}");
    }
    assert!(text.contains("libp2p_swarm_dial_attempt_total"), "{text}");
}

#[test]
fn kinds_of_messages_have_the_places_that_their_names_say() {
    for (place, kind) in MessageKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, place, "{kind}");
    }
    let (metrics, _) = metrics();
    metrics.counted().received(MessageKind::SessionClose, 5);
    metrics.counted().sent(MessageKind::Task, 7);
    metrics.counted().sent(MessageKind::Task, 1);
    assert_eq!(value(&metrics, "peer_messages_total", &["in", "session_close"]), 1.0);
    assert_eq!(value(&metrics, "peer_message_body_bytes_total", &["in", "session_close"]), 5.0);
    assert_eq!(value(&metrics, "peer_messages_total", &["out", "task"]), 2.0);
    assert_eq!(value(&metrics, "peer_message_body_bytes_total", &["out", "task"]), 8.0);
    assert_eq!(value(&metrics, "peer_messages_total", &["in", "task"]), 0.0);
}

#[test]
fn what_happens_moves_its_own_figure() {
    let (metrics, limit_hits) = metrics();
    let counted = metrics.counted();
    let six = HandshakeKind::SixStep;
    counted.session_ready(six, true, Duration::from_millis(3));
    counted.handshake_failed(HandshakeKind::ThreeWay, Some(false), ErrorCode::InvalidSignature);
    counted.session_ended(&Ended::Closed, Duration::from_secs(20));
    counted.receipts(ReceiptStatus::Processed, 3);
    counted.sent_again(2);
    counted.dialled(DialEnd::WrongPeer);
    counted.looked_up(None, 4, Duration::from_millis(9));
    counted.lag(Duration::from_millis(1));
    limit_hits.count(RateClass::Chunk);
    let of = |name, labels: &[&str]| value(&metrics, name, labels);
    assert_eq!(of("peer_handshakes_total", &["six_step", "initiator", "ready"]), 1.0);
    assert_eq!(of("peer_handshakes_total", &["six_step", "responder", "ready"]), 0.0);
    let refused = ["three_way", "responder", "INVALID_SIGNATURE"];
    assert_eq!(of("peer_handshakes_total", &refused), 1.0);
    assert_eq!(of("peer_handshake_duration_seconds_count", &["six_step"]), 1.0);
    assert_eq!(of("peer_handshake_duration_seconds_sum", &["six_step"]), 0.003);
    assert_eq!(of("peer_session_life_seconds_sum", &["closed"]), 20.0);
    assert_eq!(of("peer_receipts_received_total", &["processed"]), 3.0);
    assert_eq!(of("peer_messages_retransmitted_total", &[]), 2.0);
    assert_eq!(of("peer_dials_total", &["wrong_peer"]), 1.0);
    assert_eq!(of("peer_lookups_total", &["found"]), 1.0);
    assert_eq!(of("peer_lookup_requests_total", &[]), 4.0);
    assert_eq!(of("peer_event_loop_lag_seconds_count", &[]), 1.0);
    assert_eq!(of("peer_rate_limited_total", &["chunk"]), 1.0);
    assert_eq!(of("peer_rate_limited_total", &["task"]), 0.0);

    let outbox = QueueDepth { messages: 4, bytes: 900 };
    metrics.levels().publish(Levels { agents: 2, outbox, ..Levels::default() });
    metrics.levels().publish_mail(MailLevels { items: 6, ..MailLevels::default() });
    assert_eq!(of("peer_agents", &[]), 2.0);
    assert_eq!(of("peer_queue_messages", &["outbox"]), 4.0);
    assert_eq!(of("peer_queue_bytes", &["outbox"]), 900.0);
    assert_eq!(of("peer_mailbox_items", &[]), 6.0);
}

/// Words that look like names of measurements.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = |word: &&str| {
        ["peer_", "process_", "libp2p_"].iter().any(|prefix| word.starts_with(prefix))
    };
    words.filter(ours).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_document_names_all_and_nothing_else() {
    let families = families(&busy().text());
    let known = sample_names(&families);
    let text = include_str!("../../../docs/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<_> =
        rows.filter_map(|row| row.split('`').next().map(str::to_owned)).collect();
    let expected: BTreeSet<_> = families
        .iter()
        .map(|(name, kind)| match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        })
        .collect();
    let missing: Vec<_> = expected.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/metrics.md does not name {missing:#?}");
    let gone: Vec<_> = documented.difference(&expected).collect();
    assert!(gone.is_empty(), "docs/metrics.md names what is not there: {gone:#?}");
    for name in names_in(text) {
        let is_known = known.contains(&name) || families.contains_key(&name);
        assert!(is_known, "docs/metrics.md names {name}, which is not there");
    }
}

#[test]
fn every_query_of_the_grafana_dashboard_names_what_is_there() {
    let text = include_str!("../../../docs/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
    let known = sample_names(&families(&busy().text()));
    let mut queries = Vec::new();
    expressions(&dashboard, &mut queries);
    assert!(queries.len() >= 20, "{}", queries.len());
    for query in queries {
        let names = names_in(&query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            assert!(known.contains(&name), "{name} in {query}");
        }
    }
}

/// All values of `expr`, and of variables' `query`.
fn expressions(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == "expr" || name == "definition" => {
                        into.push(text.to_owned());
                    }
                    _ => expressions(value, into),
                }
            }
        }
        serde_json::Value::Array(values) => {
            values.iter().for_each(|value| expressions(value, into));
        }
        _ => {}
    }
}
