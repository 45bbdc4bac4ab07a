//! What the gateway for version 1.0 counts.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::gateway::Counts;

/// A gateway's counts.
#[derive(Debug)]
pub(super) struct Collected(pub(super) Arc<Counts>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Messages of version 1.0 over HTTP, by what became of them.";
        let counter = MetricType::Counter;
        let mut metric = encoder.encode_descriptor("gateway_messages", help, None, counter)?;
        for (event, count) in self.0.all() {
            ConstCounter::new(count).encode(metric.encode_family(&[("event", event)])?)?;
        }
        let help = "Those of them that were refused, by code.";
        let mut metric = encoder.encode_descriptor("gateway_refused", help, None, counter)?;
        for (code, count) in self.0.refused() {
            ConstCounter::new(count).encode(metric.encode_family(&[("code", code)])?)?;
        }
        Ok(())
    }
}
