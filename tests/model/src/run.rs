//! One run of an honest agent: where it stands, and what it holds.

use std::rc::Rc;

use crate::config::{Handshake, Target};
use crate::hash::Map;
use crate::term::{Agent, Id, Terms};
use crate::unify::Substitution;
use crate::wire::Kind;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A responder that has heard nothing.
    Idle,
    /// An initiator that waits for step 2.
    AwaitInitAck,
    /// An initiator that waits for step 4.
    AwaitEstablished,
    /// An initiator that waits for step 6.
    AwaitReady,
    /// A responder that waits for step 3.
    AwaitResponse,
    /// A responder that waits for step 5.
    AwaitConfirm,
    /// An initiator that waits for message 2.
    AwaitAck,
    /// An initiator that waits for the first record: until then it does not use the session (§4.1).
    AwaitRecord,
    /// A responder that waits for message 3.
    AwaitHandshakeConfirm,
    /// The session is in use.
    Done,
}

/// What a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The name that the peer uses.
    PeerName,
    /// Its share of the key exchange.
    PeerShare,
    /// The suites that were offered.
    Suites,
    /// The features that were offered.
    Offered,
    /// The suite that was chosen.
    Suite,
    /// The features that were agreed on.
    Features,
    /// The session's life.
    Lifetime,
    /// The session's id.
    Session,
    /// The challenge.
    Challenge,
    /// The hash of all envelopes so far.
    Transcript,
    /// The session key.
    Key,
    /// The nonce of the first envelope.
    First,
}

const FACTS: usize = Fact::First as usize + 1;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// Where it stands.
    pub stage: Stage,
    /// Which handshake it runs.
    pub handshake: Option<Handshake>,
    /// Whether it began.
    pub initiator: bool,
    /// Whom it wants, if it began.
    pub target: Option<Target>,
    /// Whose identity key the peer showed.
    pub peer: Option<Agent>,
    facts: [Option<Id>; FACTS],
    /// Numbers and plaintexts of the records that it accepted.
    pub received: Vec<(u8, Id)>,
    /// The envelopes that it sent.
    pub sent: Vec<Id>,
    /// Whether the peer's long-term key was the peer's alone when the session came into use.
    pub trusted: bool,
}

impl Run {
    /// A responder that has heard nothing.
    #[must_use]
    pub const fn idle() -> Self {
        Self {
            stage: Stage::Idle,
            handshake: None,
            initiator: false,
            target: None,
            peer: None,
            facts: [None; FACTS],
            received: Vec::new(),
            sent: Vec::new(),
            trusted: false,
        }
    }

    /// What it holds.
    #[must_use]
    pub const fn fact(&self, fact: Fact) -> Option<Id> {
        self.facts[fact as usize]
    }

    /// Holds `id` from now on.
    pub const fn set(&mut self, fact: Fact, id: Id) {
        self.facts[fact as usize] = Some(id);
    }

    /// Whether its session is in use.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether trust has recorded its peer: the key is proved.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::AwaitRecord)
    }

    /// What it waits for. `answers`: which handshakes it answers, for one that has heard nothing.
    #[must_use]
    pub fn awaits(&self, answers: &[Handshake]) -> Vec<Kind> {
        match self.stage {
            Stage::Idle => answers
                .iter()
                .map(|handshake| match handshake {
                    Handshake::SixStep => Kind::HandshakeInit,
                    Handshake::ThreeWay => Kind::Handshake,
                })
                .collect(),
            Stage::AwaitInitAck => vec![Kind::HandshakeInitAck],
            Stage::AwaitEstablished => vec![Kind::SessionEstablished],
            Stage::AwaitReady => vec![Kind::Ready],
            Stage::AwaitResponse => vec![Kind::ChallengeResponse],
            Stage::AwaitConfirm => vec![Kind::SessionConfirm],
            Stage::AwaitAck => vec![Kind::HandshakeAck],
            Stage::AwaitHandshakeConfirm => vec![Kind::HandshakeConfirm],
            Stage::AwaitRecord | Stage::Done => vec![Kind::Sealed],
        }
    }

    /// The same run with what is fixed put in.
    #[must_use]
    pub fn fixed(&self, terms: &mut Terms, fixed: &Substitution) -> Self {
        let mut run = self.clone();
        for id in run.facts.iter_mut().flatten() {
            *id = fixed.apply(terms, *id);
        }
        for id in run.received.iter_mut().map(|(_, text)| text).chain(&mut run.sent) {
            *id = fixed.apply(terms, *id);
        }
        run
    }
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The runs, as numbers in [`Runs`].
    pub runs: Vec<u32>,
    /// Agents whose long-term keys leaked on the way.
    pub leaked: Vec<Agent>,
}

/// All runs there are, each kept once.
#[derive(Debug, Default)]
pub struct Runs {
    runs: Vec<Rc<Run>>,
    numbers: Map<Rc<Run>, u32>,
}

impl Runs {
    /// The number of `run`.
    pub fn number(&mut self, run: Run) -> u32 {
        if let Some(number) = self.numbers.get(&run) {
            return *number;
        }
        let number = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let run = Rc::new(run);
        self.runs.push(Rc::clone(&run));
        self.numbers.insert(run, number);
        number
    }

    /// The run with this number.
    #[must_use]
    pub fn get(&self, number: u32) -> &Rc<Run> {
        &self.runs[number as usize]
    }
}
