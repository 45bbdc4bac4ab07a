//! The node's state at one moment, and how fast it changes.

use std::collections::BTreeMap;

use peer_protocol::time::Timestamp;
use serde::Serialize;

use super::super::text::{apart, now};
use crate::api::{Client, ClientError};
use crate::metrics::Sample;
use crate::model::{PeerStatus, SessionLine, Status, Traffic, TransferStatus};

/// The node's state.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Snapshot {
    /// When it was read, in milliseconds since the epoch.
    pub(super) at: Timestamp,
    pub(super) node: Status,
    pub(super) peers: Vec<PeerLine>,
    pub(super) sessions: Vec<SessionLine>,
    pub(super) transfers: Vec<TransferStatus>,
    /// What peers sent beyond their rates since the node started, by class.
    pub(super) rate_limited: BTreeMap<String, u64>,
    /// The same per second, since the snapshot before.
    pub(super) rate_limited_per_s: BTreeMap<String, f64>,
    pub(super) queues: Queues,
    /// Memory that the node has in use, in bytes.
    pub(super) memory: Option<f64>,
    /// Processor time that it took, in seconds, and its share of one processor since the snapshot before.
    pub(super) cpu_s: Option<f64>,
    pub(super) cpu_share: Option<f64>,
}

/// A peer, and what goes over its sessions.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PeerLine {
    #[serde(flatten)]
    pub(super) peer: PeerStatus,
    pub(super) traffic: Traffic,
    /// Per second, since the snapshot before.
    pub(super) rates: Option<Rates>,
}

/// What goes over a peer's sessions, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    pub(super) messages_in: f64,
    pub(super) messages_out: f64,
    pub(super) bytes_in: f64,
    pub(super) bytes_out: f64,
}

/// What waits, beyond what the node's status says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Queues {
    /// Volatile messages whose fate is not known.
    pub(super) unsettled: f64,
    /// Ordered messages that were sent again since the node started.
    pub(super) retransmitted: f64,
    /// Messages that peers asked to send more slowly.
    pub(super) paced: f64,
    /// Items that the node keeps as a mailbox.
    pub(super) mailbox_items: f64,
    /// Messages of this node in others' mailboxes.
    pub(super) mailbox_lying: f64,
    /// Commits of the store: how many, how many failed, seconds on average.
    pub(super) commits: f64,
    pub(super) commits_failed: f64,
    pub(super) commit_s: Option<f64>,
    /// How late the event loop is on average, in seconds.
    pub(super) lag_s: Option<f64>,
}

impl Snapshot {
    /// Reads it; rates are those since `before`.
    pub(super) async fn read(client: &Client, before: Option<&Self>) -> Result<Self, ClientError> {
        let (node, peers, sessions, transfers, samples) = tokio::try_join!(
            client.status(),
            client.peers(),
            client.sessions(),
            client.transfers(),
            measurements(client),
        )?;
        let parts = Parts { node, peers, sessions, transfers, samples };
        Ok(Self::of(parts, now(), before))
    }

    pub(super) fn of(parts: Parts, at: Timestamp, before: Option<&Self>) -> Self {
        let Parts { node, peers, sessions, transfers, samples } = parts;
        // A node that was started anew counts from zero.
        let before = before.filter(|before| before.node.uptime_ms < node.uptime_ms);
        let seconds = before.map(|before| seconds(apart(at, before.at)));
        let traffic: BTreeMap<_, _> =
            sessions.iter().map(|line| (line.peer_id.clone(), line.traffic)).collect();
        let peers = peers.into_iter().map(|peer| {
            let traffic = traffic.get(&peer.peer_id).copied().unwrap_or_default();
            let earlier = before.and_then(|before| before.traffic_of(&peer.peer_id));
            let rates = earlier.zip(seconds).map(|(then, s)| Rates::between(&then, &traffic, s));
            PeerLine { peer, traffic, rates }
        });
        let rate_limited: BTreeMap<_, _> = samples
            .iter()
            .filter(|sample| sample.name == "peer_rate_limited_total")
            .map(|sample| (sample.label("class").to_owned(), whole(sample.value)))
            .collect();
        let per_second = |(class, count): (&String, &u64)| {
            let then = before?.rate_limited.get(class)?;
            Some((class.clone(), float(count.saturating_sub(*then)) / seconds?))
        };
        let cpu_s = value(&samples, "process_cpu_seconds_total");
        let cpu_before = before.and_then(|before| before.cpu_s);
        let used = cpu_s.zip(cpu_before).map(|(now, then)| now - then);
        Self {
            at,
            peers: peers.collect(),
            rate_limited_per_s: rate_limited.iter().filter_map(per_second).collect(),
            rate_limited,
            queues: Queues::of(&samples),
            memory: value(&samples, "process_resident_memory_bytes"),
            cpu_s,
            cpu_share: used.zip(seconds).map(|(used, seconds)| used / seconds),
            node,
            sessions,
            transfers,
        }
    }

    fn traffic_of(&self, peer: &str) -> Option<Traffic> {
        self.peers.iter().find(|line| line.peer.peer_id == peer).map(|line| line.traffic)
    }
}

/// What a snapshot is made of.
pub(super) struct Parts {
    pub(super) node: Status,
    pub(super) peers: Vec<PeerStatus>,
    pub(super) sessions: Vec<SessionLine>,
    pub(super) transfers: Vec<TransferStatus>,
    pub(super) samples: Vec<Sample>,
}

/// None of a node that serves none.
async fn measurements(client: &Client) -> Result<Vec<Sample>, ClientError> {
    match client.metrics().await {
        Err(ClientError::Failed(failure)) if failure.kind == "not_found" => Ok(Vec::new()),
        samples => samples,
    }
}

impl Rates {
    fn between(then: &Traffic, now: &Traffic, seconds: f64) -> Self {
        let rate = |then: u64, now: u64| float(now.saturating_sub(then)) / seconds;
        Self {
            messages_in: rate(then.messages_received, now.messages_received),
            messages_out: rate(then.messages_sent, now.messages_sent),
            bytes_in: rate(then.bytes_received, now.bytes_received),
            bytes_out: rate(then.bytes_sent, now.bytes_sent),
        }
    }
}

impl Queues {
    fn of(samples: &[Sample]) -> Self {
        let get = |name| value(samples, name).unwrap_or_default();
        let mean = |sum, count| {
            let count = value(samples, count).filter(|count| *count > 0.0)?;
            Some(value(samples, sum)? / count)
        };
        Self {
            unsettled: get("peer_unsettled_messages"),
            retransmitted: get("peer_messages_retransmitted_total"),
            paced: get("peer_messages_paced_total"),
            mailbox_items: get("peer_mailbox_items"),
            mailbox_lying: get("peer_mailbox_lying_messages"),
            commits: get("peer_store_commit_duration_seconds_count"),
            commits_failed: get("peer_store_commits_failed_total"),
            commit_s: mean(
                "peer_store_commit_duration_seconds_sum",
                "peer_store_commit_duration_seconds_count",
            ),
            lag_s: mean("peer_event_loop_lag_seconds_sum", "peer_event_loop_lag_seconds_count"),
        }
    }
}

fn value(samples: &[Sample], name: &str) -> Option<f64> {
    samples.iter().find(|sample| sample.name == name).map(|sample| sample.value)
}

/// Never zero.
fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis.max(1)).as_secs_f64()
}

const fn float(value: u64) -> f64 {
    value as f64
}

/// A count.
const fn whole(value: f64) -> u64 {
    value as u64
}
