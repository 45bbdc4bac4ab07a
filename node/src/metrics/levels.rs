//! How things stand: laid out by the event loop once a second, and read by scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::model::QueueDepth;

/// How many there are of each word.
pub(crate) type By = BTreeMap<&'static str, u64>;

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Levels {
    pub(crate) uptime: f64,
    pub(crate) agents: u64,
    /// Peers that are known.
    pub(crate) known: u64,
    /// Peers, by the way to them.
    pub(crate) paths: By,
    /// Connections, by transport.
    pub(crate) connections: By,
    /// Sessions and handshakes, by state.
    pub(crate) sessions: By,
    /// Seconds, of the oldest session.
    pub(crate) oldest_session: f64,
    pub(crate) outbox: QueueDepth,
    pub(crate) inbox: QueueDepth,
    /// Volatile messages whose fate is not known.
    pub(crate) unsettled: u64,
    /// Transfers that are open, by direction and state.
    pub(crate) transfers: BTreeMap<(&'static str, &'static str), u64>,
    /// Bytes a second, by direction.
    pub(crate) transfer_rates: By,
    pub(crate) dht: Option<DhtLevels>,
}

/// How this node's part of the registry stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DhtLevels {
    pub(crate) neighbours: u64,
    /// By whose they are.
    pub(crate) records: By,
    pub(crate) providers: u64,
    pub(crate) running: u64,
    pub(crate) waiting: u64,
    pub(crate) done: u64,
    pub(crate) timed_out: u64,
    /// By reason.
    pub(crate) refused: By,
}

/// How the mailbox stands, if this node has to do with any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MailLevels {
    pub(crate) owners: u64,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) lying: u64,
}

/// The last layout. The lock is held only to swap it.
#[derive(Debug, Default)]
pub(crate) struct Published {
    levels: Mutex<Arc<Levels>>,
    mail: Mutex<MailLevels>,
}

impl Published {
    pub(crate) fn publish(&self, levels: Levels) {
        let levels = Arc::new(levels);
        *self.levels.lock().unwrap_or_else(PoisonError::into_inner) = levels;
    }

    pub(crate) fn publish_mail(&self, mail: MailLevels) {
        *self.mail.lock().unwrap_or_else(PoisonError::into_inner) = mail;
    }

    fn levels(&self) -> Arc<Levels> {
        Arc::clone(&self.levels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn mail(&self) -> MailLevels {
        *self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a scrape reads.
#[derive(Debug)]
pub(super) struct Level(pub(super) Arc<Published>);

impl Collector for Level {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let levels = self.0.levels();
        let mut out = Lines(encoder);
        let seconds = Some(&Unit::Seconds);
        out.one("uptime", "Since the node was started", seconds, levels.uptime)?;
        out.one("agents", "Agents that listen for messages", None, float(levels.agents))?;
        out.one("known_peers", "Peers that the node remembers", None, float(levels.known))?;
        out.by("peers", "Peers that can be reached, by the way to them", "path", &levels.paths)?;
        let help = "Open connections, by transport";
        out.by("connections", help, "transport", &levels.connections)?;
        let help = "Sessions, and handshakes under way or failed, by state";
        out.by("sessions", help, "state", &levels.sessions)?;
        let help = "Age of the oldest session";
        out.one("session_oldest_age", help, seconds, levels.oldest_session)?;
        let help = "Messages that are on disk: in the outbox those not settled, in the inbox those no agent took";
        let queues = [("outbox", levels.outbox), ("inbox", levels.inbox)];
        let messages = queues.map(|(name, depth)| (name, depth.messages));
        out.by("queue_messages", help, "queue", &messages.into())?;
        let bytes = queues.map(|(name, depth)| (name, depth.bytes));
        out.by_in("queue", "Bodies of these messages", Some(&Unit::Bytes), "queue", &bytes.into())?;
        let help = "Volatile messages whose fate is not known yet";
        out.one("unsettled_messages", help, None, float(levels.unsettled))?;
        out.transfers(&levels)?;
        let help = "Bytes of transfers per second, lately";
        let per_second = Unit::Other("bytes_per_second".to_owned());
        out.by_in("transfer", help, Some(&per_second), "direction", &levels.transfer_rates)?;
        out.mail(self.0.mail())?;
        levels.dht.as_ref().map_or(Ok(()), |dht| out.dht(dht))
    }
}

/// Writes figures.
struct Lines<'a>(DescriptorEncoder<'a>);

impl Lines<'_> {
    fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: f64,
    ) -> Result<(), fmt::Error> {
        let help = format!("{help}.");
        let metric = self.0.encode_descriptor(name, &help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn by(&mut self, name: &str, help: &str, label: &str, values: &By) -> Result<(), fmt::Error> {
        self.by_in(name, help, None, label, values)
    }

    fn by_in(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        label: &str,
        values: &By,
    ) -> Result<(), fmt::Error> {
        let help = format!("{help}.");
        let mut metric = self.0.encode_descriptor(name, &help, unit, MetricType::Gauge)?;
        for (word, value) in values {
            ConstGauge::new(float(*value)).encode(metric.encode_family(&[(label, *word)])?)?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let help = format!("{help}.");
        let metric = self.0.encode_descriptor(name, &help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    fn transfers(&mut self, levels: &Levels) -> Result<(), fmt::Error> {
        let help = "Transfers that are not over, by state.";
        let mut metric =
            self.0.encode_descriptor("transfers_open", help, None, MetricType::Gauge)?;
        for ((direction, state), count) in &levels.transfers {
            let labels = [("direction", *direction), ("state", *state)];
            ConstGauge::new(float(*count)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn mail(&mut self, mail: MailLevels) -> Result<(), fmt::Error> {
        let help = "Peers whose mailbox this node is";
        self.one("mailbox_owners", help, None, float(mail.owners))?;
        self.one("mailbox_items", "Items that it keeps for them", None, float(mail.items))?;
        let bytes = Some(&Unit::Bytes);
        self.one("mailbox", "What these items take", bytes, float(mail.bytes))?;
        let help = "Messages of this node that lie in others' mailboxes";
        self.one("mailbox_lying_messages", help, None, float(mail.lying))
    }

    fn dht(&mut self, dht: &DhtLevels) -> Result<(), fmt::Error> {
        let help = "Peers in the routing table of the registry";
        self.one("registry_neighbours", help, None, float(dht.neighbours))?;
        self.by("registry_records", "Records that are kept", "owner", &dht.records)?;
        let help = "Provider entries that are kept";
        self.one("registry_providers", help, None, float(dht.providers))?;
        let help = "Queries under way, and those that wait";
        let queries = [("running", dht.running), ("waiting", dht.waiting)];
        self.by("registry_queries", help, "state", &queries.into())?;
        self.count("registry_queries_done", "Queries that came to their end", dht.done)?;
        let help = "Of these, those that time ended";
        self.count("registry_queries_timed_out", help, dht.timed_out)?;
        let help = "Records and provider entries that were refused.";
        let mut metric =
            self.0.encode_descriptor("registry_refused", help, None, MetricType::Counter)?;
        for (reason, count) in &dht.refused {
            ConstCounter::new(*count).encode(metric.encode_family(&[("reason", *reason)])?)?;
        }
        Ok(())
    }
}

/// As Prometheus has it: exact up to two to the power of 53.

const fn float(value: u64) -> f64 {
    value as f64
}
