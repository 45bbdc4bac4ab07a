//! A gale: crashes, lossy roads, full disks and jumping clocks for a while, then calm; and all promises
//! must have come true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Status;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::TransferId;
use peer_protocol::link::{Admission, LinkConfig};
use peer_protocol::message::{Body, ErrorReport, Heartbeat, Message, StatusReport};

use super::disk::Model;
use super::shelves::transfer_of;
use super::{Disk, Fate, Faults, Shelves, Station};
use crate::simulation::{Chance, Rules, Weather, World, mixed_terms};

/// How long everything may take once the weather is calm.
const CLEARING_UP: Duration = Duration::from_secs(600);
/// What no receiver takes.
const BAD: &str = "bad";

/// What a gale may do besides losing, repeating and reordering.
#[derive(Debug, Clone, Copy)]
pub struct Gale {
    /// How many things happen in it.
    pub actions: usize,
    /// Nodes may crash, at any point of any write.
    pub crashes: bool,
    /// Disks may be full, or fail now and then.
    pub bad_disks: bool,
    /// How far wall clocks may jump, in milliseconds.
    pub clock_jumps: i64,
    /// Now and then they leap, by more than any message lives.
    pub leaps: bool,
    /// Messages may expire, be cancelled or be refused for good.
    pub endings: bool,
    /// Some contents go ahead of their messages, as transfers; their receivers lose some of them.
    pub long_contents: bool,
    /// What nodes leave out.
    pub faults: Faults,
}

impl Default for Gale {
    fn default() -> Self {
        Self {
            actions: 25,
            crashes: true,
            bad_disks: true,
            clock_jumps: 30_000,
            leaps: true,
            endings: true,
            long_contents: true,
            faults: Faults::default(),
        }
    }
}

/// What became of the messages of some runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many were sent.
    pub sent: usize,
    /// How many arrived.
    pub arrived: usize,
    /// How many senders were told what in the end; those that crashed before a message was on disk were
    /// told nothing.
    pub told: BTreeMap<&'static str, usize>,
    /// Requests that carriers were given.
    pub requests: usize,
    /// Commits of all disks.
    pub commits: u64,
}

impl Outcome {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.arrived += other.arrived;
        for (status, count) in &other.told {
            *self.told.entry(status).or_default() += count;
        }
        self.requests += other.requests;
        self.commits += other.commits;
    }
}

/// Refuses what is bad, and everything for now while there is no room.
#[derive(Debug, Default)]
struct Doorkeeper {
    node: usize,
    full: AtomicBool,
    shelves: Arc<Shelves>,
    blind: bool,
}

impl Admission for Doorkeeper {
    fn admit(&self, _: &PublicKey, message: &Message) -> Result<(), ErrorReport> {
        if let Ok(Body::StatusReport(report)) = message.decode()
            && report.status == BAD
        {
            return Err(ErrorReport::new(ErrorCode::InvalidState, "it is bad"));
        }
        let long = transfer_of(message).is_some();
        if long && !self.blind && !self.shelves.ask(self.node, message.id) {
            return Err(ErrorReport::new(ErrorCode::ChunkError, "its content is not here"));
        }
        if self.full.load(Ordering::Relaxed) {
            let report = ErrorReport::new(ErrorCode::RateLimited, "no room");
            return Err(ErrorReport { retry_after_ms: Some(1_000), ..report });
        }
        Ok(())
    }
}

impl Gale {
    /// A gale over `count` nodes, then calm weather and all checks.
    ///
    /// # Panics
    /// If a promise is broken.
    #[must_use]
    pub fn run(&self, chance: Chance, count: usize) -> Outcome {
        self.run_on(chance, count, |_, faults| {
            let mut disk = Model::default();
            disk.skips_comparison = faults.skips_comparison;
            Box::new(disk)
        })
    }

    /// The same on other disks.
    ///
    /// # Panics
    /// If a promise is broken.
    #[must_use]
    pub fn run_on(
        &self,
        mut chance: Chance,
        count: usize,
        disk: impl Fn(usize, Faults) -> Box<dyn Disk>,
    ) -> Outcome {
        let patience = chance.of([None, Some(1_000), Some(10_000)]).map(Duration::from_millis);
        let rules = Rules { patience, breaks_unresponsive: chance.flip(), answers_tasks: false };
        let (shelves, blind) = (Arc::<Shelves>::default(), self.faults.takes_without_content);
        let door = |node| {
            let shelves = Arc::clone(&shelves);
            Arc::new(Doorkeeper { node, full: AtomicBool::new(false), shelves, blind })
        };
        let doors: Vec<Arc<Doorkeeper>> = (0..count).map(door).collect();
        let terms = |number: usize, config: &mut LinkConfig, chance: &mut Chance| {
            mixed_terms(number, config, chance);
            let life = chance.of([20, 60, 1_800, 1_800]);
            config.handshake.session_lifetime = Duration::from_secs(life);
            config.admission = Arc::clone(&doors[number]) as _;
        };
        let faults = self.faults;
        let world = World::new(chance, count, rules, terms);
        let mut world = world.with_stations(|number, chance| {
            let seed = chance.below(1 << 30) as u64;
            let disk = disk(number, faults);
            let mut station = Station::new(number, disk, faults, Chance::seeded(seed));
            station.shelves = Arc::clone(&shelves);
            station
        });
        world.weather = Weather::stormy(&mut world.chance);
        for a in 0..count {
            for b in (0..count).filter(|b| *b != a) {
                world.at_station(a, |station, _, _| station.attach(b));
            }
        }
        for _ in 0..self.actions {
            self.act(&mut world, &doors);
            let pause = world.chance.of([0, 5, 50, 1_000, 5_000]);
            let pause = world.chance.between(Duration::ZERO, Duration::from_millis(pause));
            world.pass(pause);
        }
        self.clear_up(&mut world, &doors);
        count_up(&world)
    }

    fn act(&self, world: &mut World, doors: &[Arc<Doorkeeper>]) {
        let a = world.chance.below(world.len());
        let b = (a + 1 + world.chance.below(world.len() - 1)) % world.len();
        match world.chance.below(if self.long_contents { 25 } else { 24 }) {
            24 => world.at_station(a, |station, _, book| station.loses_a_content(book)),
            0 => world.weather = Weather::stormy(&mut world.chance),
            1 => world.disconnect(a, b),
            2 => world.connect(a, b),
            3 => world.cut(a, b),
            4 => world.mend(a, b),
            5..=7 if self.crashes => self.crash(world, a),
            8 if self.bad_disks => {
                let full = world.chance.flip();
                world.at_station(a, |station, _, _| station.full = full);
            }
            9 if self.bad_disks => {
                let flaky = world.chance.of([0, 100, 500]);
                world.at_station(a, |station, _, _| station.flaky = flaky);
            }
            10 => doors[a].full.store(world.chance.flip(), Ordering::Relaxed),
            11 if self.clock_jumps > 0 => self.jump(world, a),
            12 => world.at_station(a, |station, now, _| station.application_dies(now.instant)),
            13 if self.endings => cancel(world, a),
            14 => {
                world.at_station(a, |station, _, _| {
                    station.detach(b);
                });
            }
            15 => world.at_station(a, |station, _, _| station.attach(b)),
            16 => {
                let _ = world.send(a, b, &Heartbeat {}.into(), Duration::from_secs(5));
            }
            17 | 18 => {
                let most = world.chance.of([3, 10, 30]);
                for _ in 0..world.chance.below(most) {
                    self.send(world, a, b);
                }
            }
            _ => self.send(world, a, b),
        }
    }

    /// A crash, most of all while something is being written.
    fn crash(&self, world: &mut World, node: usize) {
        let pause = world.chance.between(Duration::ZERO, Duration::from_millis(30));
        world.pass(pause);
        world.restart(node);
        for peer in (0..world.len()).filter(|peer| *peer != node) {
            world.at_station(node, |station, _, _| station.attach(peer));
        }
    }

    fn jump(&self, world: &mut World, node: usize) {
        let span = usize::try_from(2 * self.clock_jumps).unwrap_or(usize::MAX);
        let error = i64::try_from(world.chance.below(span)).unwrap_or(0) - self.clock_jumps;
        // Now and then by more than any message lives, or back.
        let far = self.leaps && self.endings && world.chance.happens(100);
        let error = if far { 40 * 86_400_000 * error.signum() } else { error };
        set_clock(world, node, error);
    }

    fn send(&self, world: &mut World, a: usize, b: usize) {
        let roll = if self.endings { world.chance.below(10) } else { 9 };
        let (ttl, fate) = match roll {
            0 | 1 => (world.chance.of([0, 100, 5_000, 60_000]), Fate::MayEnd),
            2 => (7 * 86_400_000, Fate::Refused),
            _ => (7 * 86_400_000, Fate::Arrives),
        };
        let large = world.chance.happens(10);
        let len = if large { 300_000 } else { world.chance.of([0, 10, 1_000]) };
        let status = if fate == Fate::Refused { BAD } else { "on the way" }.to_owned();
        let content = vec![b'x'; len].into();
        let mut message =
            world.message(&StatusReport { status, content, ..StatusReport::default() }.into());
        // Some contents go ahead, as transfers with the ids of their messages.
        if self.long_contents
            && world.chance.happens(200)
            && let Ok(Body::StatusReport(report)) = message.decode()
        {
            let transfer = TransferId::from_bytes(*message.id.as_bytes());
            let body = Body::from(StatusReport { transfer, content: Vec::new().into(), ..report });
            let id = message.id;
            message = Message { id, ..world.message(&body) };
        }
        world.at_station(a, |station, now, book| {
            // A full outbox refuses before it accepts: then there is nothing to keep a promise about.
            let _ = station.accept(b, message, Duration::from_millis(ttl), fate, now, book);
        });
    }

    fn clear_up(&self, world: &mut World, doors: &[Arc<Doorkeeper>]) {
        world.weather = Weather::calm();
        for (node, door) in doors.iter().enumerate() {
            door.full.store(false, Ordering::Relaxed);
            set_clock(world, node, 0);
            world.at_station(node, |station, _, _| {
                station.full = false;
                station.flaky = 0;
            });
        }
        for a in 0..world.len() {
            for b in (0..world.len()).filter(|b| *b != a) {
                world.mend(a, b);
                world.connect(a, b);
                world.at_station(a, |station, _, _| station.attach(b));
            }
        }
        let in_time = world.pass_until(CLEARING_UP, |world| world.book.is_settled());
        world.pass(Duration::from_secs(10));
        world.book.check_end();
        let open = world.book.open().next();
        assert!(in_time, "after {CLEARING_UP:?} of calm this is still open: {open:?}");
    }
}

/// Sets a wall clock. After a leap what waits may run out of time.
fn set_clock(world: &mut World, node: usize, error: i64) {
    let before = world.node(node).clock_error;
    world.set_clock_error(node, error);
    if before.abs_diff(error) > 86_400_000 {
        world.at_station(node, |station, _, book| station.may_all_end(book));
    }
}

fn cancel(world: &mut World, node: usize) {
    let mine: Vec<_> = world
        .book
        .letters()
        .filter(|(_, letter)| letter.from == node && letter.arrived.is_none())
        .map(|(id, _)| *id)
        .collect();
    if !mine.is_empty() {
        let id = mine[world.chance.below(mine.len())];
        world.at_station(node, |station, now, book| station.cancel(id, now, book));
    }
}

fn count_up(world: &World) -> Outcome {
    let mut outcome = Outcome { requests: world.requests, ..Outcome::default() };
    for node in 0..world.len() {
        outcome.commits += world.node(node).station.as_ref().map_or(0, |station| station.commits);
    }
    for (_, letter) in world.book.letters() {
        outcome.sent += 1;
        outcome.arrived += usize::from(letter.arrived.is_some());
        let told = match &letter.told {
            None if letter.rejected => "not accepted",
            None => "nothing",
            Some(Status::Queued) => "queued",
            Some(Status::Sent) => "sent",
            Some(Status::Delivered) => "delivered",
            Some(Status::Processed) => "processed",
            Some(Status::Expired) => "expired",
            Some(Status::Unknown) => "unknown",
            Some(Status::Failed { .. }) => "failed",
            Some(Status::Cancelled) => "cancelled",
        };
        *outcome.told.entry(told).or_default() += 1;
    }
    outcome
}
