//! Runs on a virtual clock.

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::identity::Fingerprint;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::config::WakePeer;

const TIMEOUT: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(50);

struct Rig {
    runs: Runs,
    rng: StdRng,
    now: Instant,
    there: bool,
    started: Vec<(u64, Call, bool)>,
    released: Vec<u64>,
    stopped: Vec<u64>,
    answers: Vec<(PeerId, WakeOutcome, String)>,
}

fn rule(adapter: Adapter) -> WakeRule {
    WakeRule { max_per_hour: 1000, ..WakeRule::new(vec![WakePeer::Pinned], adapter) }
}

fn command(replace: bool) -> WakeRule {
    rule(Adapter::Command { command: vec!["agent".to_owned()], replace })
}

impl Rig {
    fn new(rules: &[WakeRule]) -> Self {
        Self {
            runs: Runs::new(rules),
            rng: StdRng::seed_from_u64(1),
            now: Instant::from_start(Duration::from_secs(100)),
            there: false,
            started: Vec::new(),
            released: Vec::new(),
            stopped: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn wake(&mut self, rule: usize, peer: PeerId, life: AgentLife) -> Tell {
        self.there = matches!(life, AgentLife::Attached | AgentLife::Unknown);
        let key = Ed25519Authenticator::from_seed(&[7; 32]).public_key();
        let call = Call {
            nonce: Nonce::random(&mut self.rng),
            from: "bob".parse().unwrap(),
            fingerprint: Fingerprint::of(&key),
            reason: String::new(),
            attempt: 1,
        };
        let waiter = Waiter { peer, message: MessageId::random(&mut self.rng) };
        let tell = self.runs.wake_up(rule, WakeUp { waiter, call, life }, self.now);
        self.act();
        tell
    }

    fn nonce(&mut self, rule: usize, life: AgentLife) -> Nonce {
        match self.wake(rule, PeerId::random(), life) {
            Tell::WithNonce(nonce) => nonce,
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + STEP;
            let there = self.there;
            self.runs.tick(|| there, self.now);
            self.act();
        }
    }

    fn end(&mut self, run: u64, result: &Result<(), AdapterError>) {
        self.runs.ended(run, result);
        self.act();
    }

    fn awake(&mut self, nonce: &Nonce) -> Option<Proven> {
        let proven = self.runs.awake(nonce, self.now);
        self.act();
        proven
    }

    fn act(&mut self) {
        for action in self.runs.take_actions() {
            match action {
                Action::Start { run, call, replaces, .. } => {
                    self.started.push((run, call, replaces));
                }
                Action::Release { run } => self.released.push(run),
                Action::Stop { run } => self.stopped.push(run),
                Action::Answer { waiter, outcome, detail } => {
                    self.answers.push((waiter.peer, outcome, detail));
                }
            }
        }
    }

    fn outcomes(&self) -> Vec<WakeOutcome> {
        self.answers.iter().map(|(_, outcome, _)| *outcome).collect()
    }
}

#[test]
fn only_the_nonce_makes_an_agent_awake() {
    let mut rig = Rig::new(&[command(false)]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    assert_eq!(rig.started.len(), 1);
    // Started, ended well, attached: none of that is a proof.
    let run = rig.started[0].0;
    rig.pass(Duration::from_secs(1));
    rig.end(run, &Ok(()));
    rig.there = true;
    rig.pass(Duration::from_secs(1));
    assert!(rig.answers.is_empty());
    let wrong = Nonce::random(&mut rig.rng);
    assert!(rig.awake(&wrong).is_none());
    let proven = rig.awake(&nonce).unwrap();
    assert_eq!((proven.rule, proven.took), (0, Duration::from_secs(2)));
    assert_eq!(rig.outcomes(), [WakeOutcome::Awake]);
    assert!(rig.awake(&nonce).is_none(), "a nonce counts once");
    assert_eq!(rig.answers.len(), 1);
}

#[test]
fn a_nonce_that_comes_too_late_is_refused() {
    let mut rig = Rig::new(&[command(false)]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.now = rig.now + TIMEOUT;
    assert!(rig.awake(&nonce).is_none(), "even before the clock has ticked");
    rig.pass(STEP);
    assert!(rig.awake(&nonce).is_none());
    assert_eq!(rig.outcomes(), [WakeOutcome::NoAgent]);
    assert_eq!(rig.stopped, [rig.started[0].0], "what hangs is stopped");
}

#[test]
fn each_rule_takes_its_own_nonce() {
    let mut rig = Rig::new(&[command(false), command(false)]);
    let (first, second) = (rig.nonce(0, AgentLife::Absent), rig.nonce(1, AgentLife::Absent));
    assert_eq!(rig.awake(&second).unwrap().rule, 1);
    assert_eq!(rig.answers.len(), 1, "who waits for the first is not told");
    assert!(rig.awake(&second).is_none());
    assert_eq!(rig.awake(&first).unwrap().rule, 0);
}

#[test]
fn a_thousand_at_once_share_one_start() {
    let mut rig = Rig::new(&[command(false)]);
    let peers: Vec<_> = (0..10).map(|_| PeerId::random()).collect();
    let mut told = 0;
    let mut nonce = None;
    for number in 0..1000 {
        if let Tell::WithNonce(it) = rig.wake(0, peers[number % 10], AgentLife::Absent) {
            told += 1;
            nonce = Some(it);
        }
    }
    assert_eq!(rig.started.len(), 1);
    assert_eq!(told, 10, "the agent is told once of each peer");
    let proven = rig.awake(&nonce.unwrap()).unwrap();
    assert_eq!(proven.asked.len(), 10);
    assert_eq!(rig.outcomes(), [WakeOutcome::Awake; 1000]);
}

#[test]
fn who_waits_is_bounded() {
    let mut rig = Rig::new(&[command(false)]);
    for _ in 0..MAX_WAITERS + 10 {
        rig.wake(0, PeerId::random(), AgentLife::Absent);
    }
    assert_eq!(rig.outcomes(), [WakeOutcome::NoAgent; 10]);
}

#[test]
fn what_fails_is_told_at_once() {
    let mut rig = Rig::new(&[command(false)]);
    rig.nonce(0, AgentLife::Absent);
    let run = rig.started[0].0;
    rig.end(run, &Err(AdapterError::Failed { status: "exit status: 3".to_owned() }));
    assert_eq!(rig.outcomes(), [WakeOutcome::NoAgent]);
    assert!(rig.answers[0].2.contains("its program failed (exit status: 3)"), "{:?}", rig.answers);
}

#[test]
fn starts_are_a_cooldown_apart_and_whoever_asks_meanwhile_shares_the_next() {
    let mut rig = Rig::new(&[command(false)]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.awake(&nonce).unwrap();
    let run = rig.started[0].0;
    rig.end(run, &Ok(()));
    rig.pass(Duration::from_secs(1));
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.wake(0, PeerId::random(), AgentLife::Absent);
    rig.pass(Duration::from_millis(3900));
    assert_eq!(rig.started.len(), 1);
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.started.len(), 2);
    // The time for the proof begins with the start.
    rig.pass(TIMEOUT - Duration::from_millis(200));
    assert_eq!(rig.awake(&nonce).unwrap().asked.len(), 2);
}

#[test]
fn starts_within_an_hour_are_bounded() {
    let rule = WakeRule { max_per_hour: 3, cooldown: Duration::ZERO, ..command(false) };
    let mut rig = Rig::new(&[rule]);
    for _ in 0..5 {
        if let Tell::WithNonce(nonce) = rig.wake(0, PeerId::random(), AgentLife::Absent) {
            rig.awake(&nonce).unwrap();
            let run = rig.started.last().unwrap().0;
            rig.end(run, &Ok(()));
        }
        rig.pass(Duration::from_secs(10));
    }
    assert_eq!(rig.started.len(), 3);
    assert_eq!(rig.outcomes()[3..], [WakeOutcome::NoAgent; 2]);
    assert!(rig.answers[4].2.contains("3 times within an hour"), "{:?}", rig.answers[4]);
    rig.now = rig.now + HOUR;
    rig.nonce(0, AgentLife::Absent);
    assert_eq!(rig.started.len(), 4);
}

#[test]
fn an_agent_that_is_there_is_told_and_nothing_is_started() {
    for life in [AgentLife::Attached, AgentLife::Unknown] {
        let mut rig = Rig::new(&[command(false)]);
        let nonce = rig.nonce(0, life);
        rig.pass(TIMEOUT - STEP);
        assert!(rig.started.is_empty() && rig.answers.is_empty());
        rig.awake(&nonce).unwrap();
        assert_eq!(rig.outcomes(), [WakeOutcome::Awake]);
        rig.nonce(0, life);
        rig.pass(TIMEOUT);
        assert_eq!(rig.outcomes()[1], WakeOutcome::HandedToAgent, "told, without a word from it");
        assert!(rig.stopped.is_empty());
    }
}

#[test]
fn an_agent_that_leaves_after_it_was_told_is_started_anew() {
    let mut rig = Rig::new(&[command(false)]);
    let nonce = rig.nonce(0, AgentLife::Attached);
    rig.pass(Duration::from_secs(1));
    rig.there = false;
    rig.pass(STEP);
    assert_eq!(rig.started.len(), 1);
    assert_eq!(rig.started[0].1.nonce.to_string(), nonce.to_string());
    rig.awake(&nonce).unwrap();
}

#[test]
fn what_still_runs_is_waited_for_a_moment_and_left_alone() {
    let mut rig = Rig::new(&[WakeRule { cooldown: Duration::ZERO, ..command(false) }]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.awake(&nonce).unwrap();
    let run = rig.started[0].0;
    assert_eq!(rig.released, [run]);
    // Not noticed yet that it has died.
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.started.len(), 1);
    rig.end(run, &Err(AdapterError::Failed { status: "signal: 9".to_owned() }));
    rig.pass(STEP);
    assert_eq!(rig.started.len(), 2);
    rig.awake(&nonce).unwrap();
    // Alive, and at work without listening.
    rig.nonce(0, AgentLife::Absent);
    rig.pass(Duration::from_secs(1));
    assert_eq!((rig.started.len(), rig.stopped.len()), (2, 0));
    assert_eq!(rig.outcomes()[2], WakeOutcome::NoAgent);
    assert!(rig.answers[2].2.contains("still runs"), "{:?}", rig.answers[2]);
}

#[test]
fn an_agent_that_comes_before_its_start_is_due_is_not_started_twice() {
    let cooldown = 3 * TIMEOUT;
    let mut rig = Rig::new(&[WakeRule { cooldown, ..command(false) }]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.awake(&nonce).unwrap();
    let run = rig.started[0].0;
    rig.end(run, &Ok(()));
    // The next start is due after the cooldown; somebody starts the agent before.
    rig.nonce(0, AgentLife::Absent);
    rig.pass(TIMEOUT);
    rig.there = true;
    rig.pass(TIMEOUT - STEP);
    assert_eq!((rig.started.len(), rig.answers.len()), (1, 1));
    rig.pass(2 * STEP);
    assert_eq!(rig.outcomes()[1], WakeOutcome::HandedToAgent, "it had its time from when it came");
    // If it leaves before it has proved anything it is started after all.
    rig.nonce(0, AgentLife::Absent);
    rig.there = true;
    rig.pass(STEP);
    rig.there = false;
    rig.pass(cooldown);
    assert_eq!(rig.started.len(), 2);
}

#[test]
fn a_nonce_counts_while_the_start_is_waited_for() {
    let cooldown = 3 * TIMEOUT;
    let mut rig = Rig::new(&[WakeRule { cooldown, ..command(false) }]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.awake(&nonce).unwrap();
    let run = rig.started[0].0;
    rig.end(run, &Ok(()));
    let nonce = rig.nonce(0, AgentLife::Absent);
    // Longer than an agent has once it was told or started.
    rig.pass(2 * TIMEOUT);
    rig.awake(&nonce).unwrap();
    rig.pass(cooldown);
    assert_eq!((rig.started.len(), rig.outcomes()), (1, vec![WakeOutcome::Awake; 2]));
    assert_eq!(rig.released, [run], "nothing else was there to be left alone");
}

#[test]
fn what_is_stuck_is_replaced() {
    let mut rig = Rig::new(&[WakeRule { cooldown: Duration::ZERO, ..command(false) }]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.awake(&nonce).unwrap();
    rig.nonce(0, AgentLife::Unresponsive);
    assert_eq!(rig.stopped, [rig.started[0].0]);
    assert_eq!(rig.started.len(), 2);
    assert!(rig.started[1].2, "and the adapter knows");
    // The stuck one is still attached at the end; it was not reached.
    rig.there = true;
    rig.pass(TIMEOUT);
    assert_eq!(rig.outcomes()[1], WakeOutcome::NoAgent);
}

#[test]
fn the_operator_may_have_replaced_whatever_runs() {
    let mut rig = Rig::new(&[WakeRule { cooldown: Duration::ZERO, ..command(true) }]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.awake(&nonce).unwrap();
    rig.nonce(0, AgentLife::Absent);
    assert_eq!((rig.started.len(), &rig.stopped[..]), (2, &[rig.started[0].0][..]));
}

#[test]
fn a_client_may_come_while_it_is_waited_for() {
    let mut rig = Rig::new(&[rule(Adapter::Client)]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.pass(Duration::from_secs(5));
    rig.there = true;
    rig.pass(Duration::from_secs(5));
    assert!(rig.started.is_empty());
    rig.awake(&nonce).unwrap();
    rig.nonce(0, AgentLife::Absent);
    rig.pass(TIMEOUT);
    assert_eq!(rig.outcomes(), [WakeOutcome::Awake, WakeOutcome::NoAgent]);
}

#[test]
fn a_node_that_stops_wakes_nobody() {
    let mut rig = Rig::new(&[command(false)]);
    let nonce = rig.nonce(0, AgentLife::Absent);
    rig.runs.stop();
    rig.act();
    assert_eq!(rig.stopped.len(), 1);
    assert!(rig.awake(&nonce).is_none());
    rig.wake(0, PeerId::random(), AgentLife::Absent);
    assert_eq!(rig.started.len(), 1);
    assert_eq!(rig.outcomes(), [WakeOutcome::NoAgent; 2]);
}
