//! What is measured, of anything that can ask and send.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peer_contest::Client;

use crate::{Failure, Measurement};

/// How much.
pub(crate) struct Plan {
    warm: usize,
    asks: usize,
    flow: usize,
    bulk: usize,
    only: Vec<Measurement>,
}

impl Plan {
    /// Everything if `only` is empty.
    pub(crate) const fn new(quick: bool, only: Vec<Measurement>) -> Self {
        if quick {
            Self { warm: 100, asks: 300, flow: 2_000, bulk: 32 << 20, only }
        } else {
            Self { warm: 300, asks: 3_000, flow: 20_000, bulk: 256 << 20, only }
        }
    }
}

/// Times of asking and answering, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Results {
    /// 64 bytes asked and answered.
    pub(crate) small: Latency,
    /// 1 KiB asked and answered.
    pub(crate) large: Latency,
    /// 1 KiB, 64 in flight: messages a second.
    pub(crate) flow: f64,
    /// The same: microseconds of this process's CPU for each.
    pub(crate) flow_cpu: f64,
    /// 256 KiB, 4 in flight: MiB a second.
    pub(crate) bulk_256: f64,
    /// 1 MiB, 4 in flight: MiB a second.
    pub(crate) bulk_1024: f64,
}

impl Results {
    /// The median of each number.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| {
            let mut values: Vec<_> = rounds.iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Self {
            small: Latency { p50: of(|it| it.small.p50), p99: of(|it| it.small.p99) },
            large: Latency { p50: of(|it| it.large.p50), p99: of(|it| it.large.p99) },
            flow: of(|it| it.flow),
            flow_cpu: of(|it| it.flow_cpu),
            bulk_256: of(|it| it.bulk_256),
            bulk_1024: of(|it| it.bulk_1024),
        }
    }
}

/// Measures everything of one client.
pub(crate) async fn all(mut client: impl Client, plan: &Plan) -> Result<Results, Failure> {
    let wanted = |measurement| plan.only.is_empty() || plan.only.contains(&measurement);
    let mut results = Results::default();
    if wanted(Measurement::Asks) {
        results.small = asks(&mut client, 64, plan).await?;
        results.large = asks(&mut client, 1 << 10, plan).await?;
    }
    if wanted(Measurement::Flow) {
        (results.flow, results.flow_cpu) = flow(&mut client, plan).await?;
    }
    if wanted(Measurement::Bulk) {
        results.bulk_256 = bulk(&mut client, 256 << 10, plan.bulk).await?;
        results.bulk_1024 = bulk(&mut client, 1 << 20, plan.bulk).await?;
    }
    Ok(results)
}

async fn asks(client: &mut impl Client, size: usize, plan: &Plan) -> Result<Latency, Failure> {
    let payload = Bytes::from(vec![7; size]);
    for _ in 0..plan.warm {
        client.ask(&payload).await?;
    }
    let mut times = Vec::with_capacity(plan.asks);
    for _ in 0..plan.asks {
        let started = Instant::now();
        client.ask(&payload).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| {
        let place = (times.len() * part / 100).min(times.len() - 1);
        times[place].as_secs_f64() * 1e6
    };
    Ok(Latency { p50: at(50), p99: at(99) })
}

/// Messages a second, and microseconds of CPU for each.
async fn flow(client: &mut impl Client, plan: &Plan) -> Result<(f64, f64), Failure> {
    let payload = Bytes::from(vec![7; 1 << 10]);
    client.flow(&payload, 64, plan.flow / 10).await?;
    let (started, cpu) = (Instant::now(), cpu_time());
    client.flow(&payload, 64, plan.flow).await?;
    let flow = plan.flow as f64 / started.elapsed().as_secs_f64();
    let cpu = cpu_time().saturating_sub(cpu).as_secs_f64() * 1e6 / plan.flow as f64;
    Ok((flow, cpu))
}

/// Mebibytes a second.
async fn bulk(client: &mut impl Client, size: usize, total: usize) -> Result<f64, Failure> {
    let payload = Bytes::from(vec![7; size]);
    let count = total / size;
    client.flow(&payload, 4, count / 8).await?;
    let started = Instant::now();
    client.flow(&payload, 4, count).await?;
    Ok((count * size) as f64 / f64::from(1 << 20) / started.elapsed().as_secs_f64())
}

/// What this process has used, as Linux tells it in hundredths of a second; zero elsewhere.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
