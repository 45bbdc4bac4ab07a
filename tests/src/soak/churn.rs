//! Who comes and goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use peer_node::model::Wait;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::runtime::Runtime;

use super::stage::{self, Stage, WATCHED};
use super::work::{self, Work};

/// Readings, progress and the end are looked at so often.
const LOOK: Duration = Duration::from_millis(100);

/// Has nodes killed, stopped, frozen and replaced.
pub(super) struct Churn<'a> {
    stage: Stage,
    work: Arc<Work>,
    runtime: &'a Runtime,
    rng: StdRng,
    faults: Vec<String>,
}

impl<'a> Churn<'a> {
    pub(super) const fn new(
        stage: Stage,
        work: Arc<Work>,
        runtime: &'a Runtime,
        rng: StdRng,
    ) -> Self {
        Self { stage, work, runtime, rng, faults: Vec::new() }
    }

    /// Goes on for `length`, and looks at the clock in between.
    pub(super) fn run(&mut self, length: Duration, look: &mut dyn FnMut()) -> Result<(), String> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            let pause = self.time(8.0..24.0);
            pass(pause.min(end.saturating_duration_since(Instant::now())), look);
            if Instant::now() >= end {
                break;
            }
            let which = self.rng.random_range(WATCHED..self.stage.nodes.len());
            let away = self.time(1.0..20.0);
            match self.rng.random_range(0..10) {
                0..3 => self.die(which, away, look)?,
                3..6 => self.leave(which, away, look)?,
                6..8 => self.freeze(which, away, look),
                _ => self.visit(look)?,
            }
        }
        Ok(())
    }

    /// Everybody runs, and none was away for longer than it takes to come back.
    pub(super) fn bring_back(&mut self) -> Result<(), String> {
        for who in 0..self.stage.nodes.len() {
            if !self.work.actors[who].up.load(Ordering::SeqCst) {
                self.back(who)?;
            }
        }
        Ok(())
    }

    /// Stops all nodes as operators would; what went wrong in all the time.
    pub(super) fn end(mut self) -> Vec<String> {
        for node in &mut self.stage.nodes {
            if let Err(error) = stage::stop(node) {
                self.faults.push(error);
            }
        }
        self.faults
    }

    fn time(&mut self, seconds: std::ops::Range<f64>) -> Duration {
        Duration::from_secs_f64(self.rng.random_range(seconds) / self.work.pace())
    }

    fn die(&mut self, who: usize, away: Duration, look: &mut dyn FnMut()) -> Result<(), String> {
        self.work.actors[who].up.store(false, Ordering::SeqCst);
        self.stage.nodes[who].kill();
        pass(away, look);
        self.back(who)?;
        self.work.count("deaths", true);
        Ok(())
    }

    fn leave(&mut self, who: usize, away: Duration, look: &mut dyn FnMut()) -> Result<(), String> {
        self.work.actors[who].up.store(false, Ordering::SeqCst);
        let stopped = stage::stop(&mut self.stage.nodes[who]);
        self.work.count("stops", stopped.is_ok());
        self.faults.extend(stopped.err());
        pass(away, look);
        self.back(who)
    }

    fn back(&mut self, who: usize) -> Result<(), String> {
        self.stage.nodes[who].restart()?;
        self.work.actors[who].up.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// A node hangs, so that nobody is told that it is away.
    fn freeze(&mut self, who: usize, away: Duration, look: &mut dyn FnMut()) {
        let node = &self.stage.nodes[who];
        stage::signal(node, "STOP");
        pass(2 * away, look);
        stage::signal(node, "CONT");
        self.work.count("freezes", true);
    }

    /// Somebody comes whom nobody knows, says and asks something, loses the line, and goes for good.
    fn visit(&mut self, look: &mut dyn FnMut()) -> Result<(), String> {
        let mut guest = self.stage.guest()?;
        let client = work::client(guest.dir())?;
        let met = stage::meets_hub(&guest);
        let talking = async {
            let mut well = self.work.say(&client, "hub", Wait::Delivered).await;
            well &= self.work.talk(&client, "hub", true).await;
            self.stage.line.cut();
            well &= self.work.say(&client, "hub", Wait::Delivered).await;
            well &= self.work.say(&client, "mate", Wait::Delivered).await;
            well & self.work.talk(&client, "hub", false).await
        };
        let well = self.runtime.block_on(talking);
        self.work.count("guests", met && well);
        pass(self.time(0.5..4.0), look);
        if self.rng.random_bool(0.5) {
            self.faults.extend(stage::stop(&mut guest).err());
        } else {
            guest.kill();
        }
        let dir = guest.dir().to_owned();
        drop(guest);
        std::fs::remove_dir_all(dir).map_err(|error| error.to_string())
    }
}

/// Time goes by.
fn pass(time: Duration, look: &mut dyn FnMut()) {
    let end = Instant::now() + time;
    loop {
        look();
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(LOOK));
    }
}
