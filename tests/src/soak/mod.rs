//! A few real nodes under steady work while others come, go, hang and die. Two of them stay from start to
//! end: what they take of the machine must not grow, and what was accepted arrives once.

mod agents;
mod churn;
mod fit;
mod ledger;
mod old;
mod samples;
mod stage;
mod verdict;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::runtime::Runtime;

use self::churn::Churn;
use self::old::Old;
use self::stage::{Stage, WATCHED};
use self::work::{Actor, Work};

pub use self::ledger::Account;
pub use self::samples::Levels;
pub use self::verdict::{Bounds, Verdict};
pub use self::work::Tally;

/// How long messages may take to arrive once nothing disturbs them any more.
const DRAINING: Duration = Duration::from_secs(120);
/// How long a node may take to get back to the level from before.
const SETTLING: Duration = Duration::from_secs(60);

/// Levels count once this part of the time is over: a quarter of an hour of two hours.
const SETTLED: f64 = 1.0 / 8.0;

/// What is done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long the nodes work before their levels are taken down.
    pub warm_up: Duration,
    /// By how much faster everything happens in that time: what is bounded has to be full before it can be
    /// told from what is not.
    pub haste: f64,
    /// How long they work after that.
    pub length: Duration,
    /// Nodes that come and go, at least two.
    pub others: usize,
    /// Contents and times follow from it.
    pub seed: u64,
    /// Everything happens so many times as often.
    pub pace: f64,
    /// Time from one reading to the next.
    pub reading: Duration,
    /// What is a failure.
    pub bounds: Bounds,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Messages.
    pub account: Account,
    /// Everything else that was done.
    pub tally: BTreeMap<&'static str, Tally>,
    /// Of each node that stayed: its name, and how its levels went.
    pub watched: Vec<(String, Verdict)>,
    /// What was lost, repeated or changed, or went otherwise than it should.
    pub faults: Vec<String>,
}

impl Outcome {
    /// Everything that is wrong; empty if all is well.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let leaks = self.watched.iter().flat_map(|(entity, verdict)| {
            verdict.findings.iter().map(move |finding| format!("{entity}: {finding}"))
        });
        self.faults.iter().cloned().chain(leaks).collect()
    }
}

/// Readings of those that are watched, taken by a task.
type Readings = Arc<Mutex<Vec<Vec<Levels>>>>;

/// Runs it in directories below `root`; `say` hears how it goes, about once a minute.
///
/// # Errors
/// Why it could not be run.
pub fn run(root: &Path, plan: &Plan, say: &mut dyn FnMut(&str)) -> Result<Outcome, String> {
    say(&format!("seed {}", plan.seed));
    let old = Old::new()?;
    let stage = Stage::start(root, plan.others, &old)?;
    let begun = Instant::now();
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let actors = stage.nodes.iter().map(|node| Actor::new(node.entity(), node.dir()));
    let actors = actors.collect::<Result<Vec<_>, _>>()?;
    let pids: Vec<_> = stage.nodes.iter().take(WATCHED).map(crate::processes::Node::id).collect();
    let work = Work::new(actors, old, stage.gateway, root, plan.seed)?;
    let readings: Readings = Arc::new(Mutex::new(vec![Vec::new(); WATCHED]));
    work.set_pace(plan.pace * plan.haste);
    runtime.block_on(async {
        work.start();
        tokio::spawn(watch(Arc::clone(&work), pids, begun, plan.reading, Arc::clone(&readings)));
    });
    let rng = StdRng::seed_from_u64(plan.seed ^ 0x0063_6875_726e);
    let mut churn = Churn::new(stage, Arc::clone(&work), &runtime, rng);

    churn.run(plan.warm_up, &mut || {})?;
    rest(&mut churn, &work, &runtime, plan)?;
    let before = lowest(&readings, plan.reading);
    say(&format!("warm after {} s; the levels at rest are taken", begun.elapsed().as_secs()));
    let from = begun.elapsed().as_secs_f64();
    work.set_pace(plan.pace);
    work.rest(false);
    let mut told = Instant::now();
    churn.run(plan.length, &mut || {
        if told.elapsed() >= Duration::from_secs(60) {
            told = Instant::now();
            say(&progress(begun, &work, &readings));
        }
    })?;
    let until = begun.elapsed().as_secs_f64();
    rest(&mut churn, &work, &runtime, plan)?;
    let after = settled(&readings, &before, plan.reading);
    work.end();
    let mut watched = Vec::new();
    // What is kept for some minutes was let go at rest, and has to be there again.
    let from = from + plan.length.as_secs_f64() * SETTLED;
    for (who, (before, after)) in before.into_iter().zip(after).enumerate() {
        let during: Vec<_> = lock(&readings)[who]
            .iter()
            .filter(|levels| (from..until).contains(&levels.at))
            .cloned()
            .collect();
        let verdict = Verdict::new(&during, before, after, plan.bounds);
        watched.push((work.actors[who].entity.clone(), verdict));
    }
    let account = work.ledger().account();
    let mut faults = work.ledger().faults();
    faults.extend(churn.end());
    Ok(Outcome { account, tally: work.tally(), watched, faults })
}

/// Reads the levels of those that are watched again and again.
async fn watch(
    work: Arc<Work>,
    pids: Vec<u32>,
    begun: Instant,
    pause: Duration,
    readings: Readings,
) {
    while !work.is_over() {
        for (who, pid) in pids.iter().enumerate() {
            let Ok(samples) = work.actors[who].client.metrics().await else { continue };
            let at = begun.elapsed().as_secs_f64();
            match samples::read(at, *pid, &samples) {
                Some(levels) => lock(&readings)[who].push(levels),
                None => work.ledger().fault(format!("{} has died", work.actors[who].entity)),
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Has everybody come back, and waits until nothing is under way and all is delivered.
fn rest(
    churn: &mut Churn<'_>,
    work: &Arc<Work>,
    runtime: &Runtime,
    plan: &Plan,
) -> Result<(), String> {
    work.rest(true);
    churn.bring_back()?;
    let drained = crate::processes::eventually(DRAINING, || {
        let empty = work.actors.iter().all(|actor| {
            let status = runtime.block_on(actor.client.status());
            status.is_ok_and(|it| {
                it.outbox.messages == 0 && it.inbox.messages == 0 && it.transfers == 0
            })
        });
        empty && work.under_way() == 0 && work.ledger().missing() == 0
    });
    if !drained {
        work.ledger().fault("messages or transfers are left over".to_owned());
    }
    // Threads that wait for work end after ten seconds without, connections of clients after fifteen.
    std::thread::sleep(Duration::from_secs(16) + 4 * plan.reading);
    Ok(())
}

/// The lowest of the last few readings of each.
fn lowest(readings: &Readings, pause: Duration) -> Vec<Levels> {
    let readings = lock(readings);
    let lowest = |all: &Vec<Levels>| {
        let last = all.last().cloned().unwrap_or_default();
        let since = last.at - 3.5 * pause.as_secs_f64();
        let least = |of: fn(&Levels) -> f64| {
            all.iter().filter(|it| it.at >= since).map(of).fold(f64::INFINITY, f64::min)
        };
        Levels {
            files: least(|it| it.files),
            threads: least(|it| it.threads),
            tasks: least(|it| it.tasks),
            ..last
        }
    };
    readings.iter().map(lowest).collect()
}

/// The levels at rest, as soon as they are what they were, or when that has taken too long.
fn settled(readings: &Readings, before: &[Levels], pause: Duration) -> Vec<Levels> {
    let mut after = Vec::new();
    crate::processes::eventually(SETTLING, || {
        after = lowest(readings, pause);
        after
            .iter()
            .zip(before)
            .all(|(after, before)| after.files <= before.files && after.threads <= before.threads)
    });
    after
}

fn progress(begun: Instant, work: &Work, readings: &Readings) -> String {
    let account = work.ledger().account();
    let up = work.actors.iter().filter(|it| it.up.load(Ordering::SeqCst)).count();
    let mut line = format!(
        "{:>4} min  {} accepted, {} unheard, {} heard, {} again, {} missing; {up} up",
        begun.elapsed().as_secs() / 60,
        account.accepted,
        account.unheard,
        account.heard,
        account.again,
        work.ledger().missing(),
    );
    for (actor, all) in work.actors.iter().zip(lock(readings).iter()) {
        let Some(levels) = all.last() else { continue };
        line += &format!(
            "\n          {:<5} {:.1} MiB resident, {:.1} own, {:.1} of it the store's cache, {} files, {} threads, {} tasks, {} sessions, \
             {} connections, {} known, {} queued, {:.1} s",
            actor.entity,
            levels.resident / 1024.0,
            levels.own / 1024.0,
            levels.cached / 1024.0,
            levels.files,
            levels.threads,
            levels.tasks,
            levels.sessions,
            levels.connections,
            levels.known,
            levels.queued,
            levels.cpu,
        );
    }
    line
}

fn lock(readings: &Readings) -> std::sync::MutexGuard<'_, Vec<Vec<Levels>>> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}
