//! One attack from beginning to end: before, during, after.

use std::path::Path;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::Serialize;

use crate::Failure;
use crate::attacker::Done;
use crate::case::{Case, Place, Transport, word};
use crate::child::{Role, Way};
use crate::gauge::{Gauge, Span};
use crate::nodes::{Address, Newcomer};

/// Before anything counts: sessions, buffers, the allocator's first pages.
const WARM_UP: Duration = Duration::from_millis(1500);
/// How long after the attack it is watched.
const AFTER: Duration = Duration::from_millis(2500);
/// Goodput is back when it is what it was for so long.
const WINDOW: Duration = Duration::from_millis(250);
/// How much of what it was.
const BACK: f64 = 0.9;
/// Connections and handshakes a second.
const RATE: f64 = 10_000.0;
/// Requests of peers that were let in: as many as there are answers.
const UNBOUNDED: f64 = 1e9;

/// How the processes are spread, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// The core of the victim, and that of everybody else.
    pub(crate) cores: Option<(usize, usize)>,
    pub(crate) seconds: f64,
    /// Questions a second; 0 for as many as there are answers.
    pub(crate) rate: f64,
    /// Whether the machine has the public addresses.
    pub(crate) public: bool,
    /// Most data of the victim, in MiB.
    pub(crate) memory: Option<u64>,
}

/// What was seen.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) attack: String,
    /// How often a second.
    pub(crate) rate: f64,
    /// Answers a second.
    pub(crate) before: f64,
    pub(crate) during: f64,
    /// The longest wait for an answer, in milliseconds.
    pub(crate) wait_before_ms: f64,
    pub(crate) wait_during_ms: f64,
    /// Questions that found no answer while the attack lasted, and after it.
    pub(crate) failed: u64,
    /// Growth of the victim's memory, in bytes.
    pub(crate) memory: u64,
    /// Until honest peers have what they had; `None` if that was not seen.
    pub(crate) recovery_ms: Option<f64>,
    /// Until a peer that nobody knew has its first answer, from the attack's end on.
    pub(crate) newcomer_ms: f64,
    /// Share of a core that the victim used meanwhile.
    pub(crate) processor: f64,
    /// What it used more than before, for each time, in microseconds.
    pub(crate) cost_us: f64,
    /// What it used before, for each answer, in microseconds: a measure for the machine and the build.
    pub(crate) answer_us: f64,
    /// What the victim wrote to its log, in bytes.
    pub(crate) log: u64,
    /// Whether the victim still runs.
    pub(crate) alive: bool,
}

impl Outcome {
    /// What is left of the goodput.
    pub(crate) fn ratio(&self) -> f64 {
        self.during / self.before.max(1.0)
    }
}

/// A victim and its honest peer.
pub(crate) struct Pair {
    victim: Role,
    _honest: Role,
    gauge: Gauge,
    listen: Vec<Multiaddr>,
    setting: Setting,
    steady: Instant,
}

impl Pair {
    pub(crate) fn start(dir: &Path, setting: Setting) -> Result<Self, Failure> {
        let way = |core: Option<usize>| Way { core, ..Way::default() };
        let home = dir.join("victim");
        std::fs::create_dir_all(&home)?;
        let mut args = vec!["victim".into(), home.clone().into_os_string()];
        args.push("/ip4/127.0.0.1/tcp/0".into());
        args.push("/ip4/127.0.0.1/udp/0/quic-v1".into());
        if setting.public {
            args.push("/ip4/45.0.0.1/tcp/0".into());
            args.push("/ip4/45.0.0.1/udp/0/quic-v1".into());
        }
        let log = home.join("log");
        let own = Way { memory: setting.memory, ..way(setting.cores.map(|cores| cores.0)) };
        let mut victim = Role::start(own, args, Some(&log))?;
        let Address { listen } = victim.told()?;
        let to = at(&listen, setting.public, Transport::Tcp);
        let to = to.ok_or("the victim listens nowhere")?;
        let home = dir.join("honest");
        let mut args = vec!["honest".into(), home.into_os_string()];
        args.extend([to.to_string().into(), setting.rate.to_string().into()]);
        let mut honest = Role::start(way(setting.cores.map(|cores| cores.1)), args, None)?;
        let gauge = Gauge::start(victim.id(), &mut honest)?;
        let steady = Instant::now() + WARM_UP;
        Ok(Self { victim, _honest: honest, gauge, listen, setting, steady })
    }

    /// Lets the victim be attacked.
    pub(crate) fn bear(&mut self, case: Case, dir: &Path) -> Result<Outcome, Failure> {
        let Setting { cores, seconds, public, .. } = self.setting;
        let time = Duration::from_secs_f64(seconds);
        sleep_until(self.steady);
        let (idle, quiet) = (self.gauge.processor(), Instant::now());
        sleep_until(self.steady + time.min(Duration::from_secs(3)));
        let before = Span { from: self.steady, to: Instant::now() };
        let (log, spent) = (self.log(dir), self.gauge.processor());
        let usual = (spent - idle) / quiet.elapsed().as_secs_f64().max(0.1);
        let to = at(&self.listen, case.place != Place::Loopback, case.transport);
        let to = to.ok_or("the victim does not listen there")?;
        let rate = if case.attack.has_pace() { RATE } else { UNBOUNDED };
        let way = Way { core: cores.map(|cores| cores.1), nice: cores.is_some(), memory: None };
        let args = [
            "attacker".to_owned(),
            word(&case.attack),
            word(&case.place),
            to.to_string(),
            dir.join("victim/api.sock").display().to_string(),
            seconds.to_string(),
            rate.to_string(),
        ];
        let mut attacker = Role::start(way, args, None)?;
        if attacker.line()? != "begun" {
            return Err("the attacker did not begin".into());
        }
        let begun = Instant::now();
        let done: Done = attacker.told()?;
        attacker.wait()?;
        let during = Span { from: begun, to: Instant::now() };
        let spent = self.gauge.processor() - spent;
        let lasted = (during.to - during.from).as_secs_f64();
        let newcomer = self.newcomer(dir, public)?;
        sleep_until(during.to + AFTER);
        let after = Span { from: during.to, to: Instant::now() };
        let whole = Span { from: during.from, to: after.to };
        let goodput = self.gauge.goodput(before);
        let recovered = self.gauge.recovered(after, WINDOW, BACK * goodput);
        self.steady = Instant::now();
        let memory = self.gauge.memory(whole).saturating_sub(self.gauge.memory(before));
        Ok(Outcome {
            attack: case.name(),
            rate: done.times as f64 / done.seconds.max(0.001),
            before: goodput,
            during: self.gauge.goodput(during),
            wait_before_ms: self.gauge.longest(before),
            wait_during_ms: self.gauge.longest(during),
            failed: self.gauge.failed(whole),
            memory,
            recovery_ms: recovered.map(|time| time.as_secs_f64() * 1e3),
            newcomer_ms: newcomer.took_ms,
            processor: spent / lasted,
            cost_us: 1e6 * (spent - usual * lasted).max(0.0) / (done.times.max(1) as f64),
            answer_us: 1e6 * usual / goodput.max(1.0),
            log: self.log(dir).saturating_sub(log),
            alive: self.victim.is_running(),
        })
    }

    /// Somebody new, as soon as the attack is over.
    fn newcomer(&self, dir: &Path, public: bool) -> Result<Newcomer, Failure> {
        let to = at(&self.listen, public, Transport::Tcp).ok_or("the victim listens nowhere")?;
        let home = tempfile::tempdir_in(dir)?;
        let way = Way { core: self.setting.cores.map(|cores| cores.1), ..Way::default() };
        let args = ["newcomer".into(), home.path().as_os_str().to_owned(), to.to_string().into()];
        Role::start(way, args, None)?.told()
    }

    fn log(&self, dir: &Path) -> u64 {
        std::fs::metadata(dir.join("victim/log")).map_or(0, |log| log.len())
    }
}

fn at(listen: &[Multiaddr], public: bool, transport: Transport) -> Option<&Multiaddr> {
    let is_public = |address: &&Multiaddr| address.to_string().starts_with("/ip4/45.");
    let is_quic = |address: &&Multiaddr| address.iter().any(|part| part == Protocol::QuicV1);
    listen.iter().find(|address| {
        is_public(address) == public && is_quic(address) == (transport == Transport::Quic)
    })
}

fn sleep_until(end: Instant) {
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
}
