//! A round.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Failure, Measured, Workload, cpu};

/// Connects to the other side.
pub trait Dial {
    /// A connection.
    type Client: Client;

    /// A new connection, which shares nothing with earlier ones but what the implementation keeps for all.
    fn dial(&mut self) -> impl Future<Output = Result<Self::Client, Failure>> + Send;
}

impl<F, T, C> Dial for F
where
    F: FnMut() -> T,
    T: Future<Output = Result<C, Failure>> + Send,
    C: Client,
{
    type Client = C;

    fn dial(&mut self) -> impl Future<Output = Result<C, Failure>> + Send {
        self()
    }
}

/// Something that carries payloads to the other side; it closes when it is dropped.
pub trait Client: Send {
    /// Sends a payload, and waits until the other side has sent one of the same size back.
    fn ask(&mut self, payload: &Bytes) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Sends `count` payloads with `window` in flight, until each is acknowledged.
    fn flow(
        &mut self,
        payload: &Bytes,
        window: usize,
        count: usize,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Wall clock and processor time of both processes.
struct Watch {
    processes: [u32; 2],
    begun: Instant,
    cpu: Duration,
}

impl Watch {
    fn start(other: u32) -> Self {
        let processes = [std::process::id(), other];
        Self { processes, cpu: processes.map(cpu::of).iter().sum(), begun: Instant::now() }
    }

    fn stop(self, count: usize, size: usize, mut times: Vec<Duration>) -> Measured {
        let seconds = self.begun.elapsed().as_secs_f64();
        let cpu = self.processes.map(cpu::of).iter().sum::<Duration>().saturating_sub(self.cpu);
        times.sort_unstable();
        let at = |part: usize| {
            let place = (times.len() * part / 100).min(times.len().saturating_sub(1));
            times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        let per_second = count as f64 / seconds;
        Measured {
            count: count as u64,
            per_second,
            mib_per_second: per_second * size as f64 / f64::from(1 << 20),
            p50_us: at(50),
            p99_us: at(99),
            cpu_us: cpu.as_secs_f64() * 1e6 / count as f64,
        }
    }
}

/// Does `workload` for about `long`, after an eighth of that to warm up. `other` is the process of the
/// other side.
pub(crate) async fn round(
    dial: &mut impl Dial,
    workload: Workload,
    long: Duration,
    other: u32,
) -> Result<Measured, Failure> {
    let payload = Bytes::from(vec![7; workload.size()]);
    match workload {
        Workload::Ask64 | Workload::Ask1k => {
            let mut client = dial.dial().await?;
            asks(&mut client, &payload, long / 8).await?;
            let watch = Watch::start(other);
            let times = asks(&mut client, &payload, long).await?;
            Ok(watch.stop(times.len(), payload.len(), times))
        }
        Workload::Flow1k => flow(dial, &payload, 64, long, other).await,
        Workload::Bulk256k | Workload::Bulk1m => flow(dial, &payload, 4, long, other).await,
        Workload::Connect => {
            connects(dial, &payload, long / 8).await?;
            let watch = Watch::start(other);
            let times = connects(dial, &payload, long).await?;
            Ok(watch.stop(times.len(), 0, times))
        }
    }
}

/// The time of each question, for about `long`; at least one.
async fn asks(
    client: &mut impl Client,
    payload: &Bytes,
    long: Duration,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        client.ask(payload).await?;
        times.push(asked.elapsed());
        if begun.elapsed() >= long {
            return Ok(times);
        }
    }
}

/// The time of each connection, for about `long`; at least one.
async fn connects(
    dial: &mut impl Dial,
    payload: &Bytes,
    long: Duration,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    let begun = Instant::now();
    loop {
        let dialled = Instant::now();
        let mut client = dial.dial().await?;
        client.ask(payload).await?;
        times.push(dialled.elapsed());
        drop(client);
        if begun.elapsed() >= long {
            return Ok(times);
        }
    }
}

/// A flow without a pause, whose length is guessed from the warm-up.
async fn flow(
    dial: &mut impl Dial,
    payload: &Bytes,
    window: usize,
    long: Duration,
    other: u32,
) -> Result<Measured, Failure> {
    let mut client = dial.dial().await?;
    let begun = Instant::now();
    let mut warm = 0;
    let mut next = window * 4;
    // What is measured last is not the start of the connection.
    let rate = loop {
        let this = Instant::now();
        client.flow(payload, window, next).await?;
        warm += next;
        let rate = next as f64 / this.elapsed().as_secs_f64().max(1e-9);
        if begun.elapsed() >= long / 8 {
            break rate;
        }
        next = warm;
    };
    let count = ((rate * long.as_secs_f64()) as usize).max(window);
    let watch = Watch::start(other);
    client.flow(payload, window, count).await?;
    Ok(watch.stop(count, payload.len(), Vec::new()))
}
