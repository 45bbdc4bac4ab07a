//! The model: where everything can stand, and how that changes.

use std::rc::Rc;

use crate::config::{Config, RunSpec};
use crate::hash::Map;
use crate::knowledge::Knowledge;
use crate::message::Message;
use crate::receive::Origin;
use crate::run::{Run, Runs, State};
use crate::term::{Agent, Id, RunNumber, Source, Term, Terms};
use crate::unify::Substitution;
use crate::variant::{Flaw, Variant};
use crate::wire::Kind;

/// A configuration of a variant, with all that came up in it so far.
#[derive(Debug)]
pub struct Model {
    /// All terms.
    pub terms: Terms,
    /// All runs.
    pub runs: Runs,
    /// What is searched.
    pub config: Config,
    /// In which protocol.
    pub variant: &'static Variant,
    /// What runs expect, worked out once.
    pub expectations: Map<(u32, Kind, Origin), Option<Rc<Message>>>,
    /// What runs do with a message, worked out once.
    pub advances: Map<(u32, Id, Origin), Option<Rc<Advance>>>,
}

/// A run after a message, and what it sent.
pub type Advance = (Run, Vec<Message>);

/// What happened between two states.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run took a message, and sent what answers it.
    Took {
        /// The run.
        run: RunNumber,
        /// What the attacker gave it.
        message: Message,
        /// What it sent.
        sent: Vec<Message>,
        /// What open fields turned out to stand for.
        fixed: Substitution,
    },
    /// Long-term keys leaked.
    Leaked,
}

impl Model {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(config: Config, variant: &'static Variant) -> Self {
        Self {
            terms: Terms::default(),
            runs: Runs::default(),
            config,
            variant,
            expectations: Map::default(),
            advances: Map::default(),
        }
    }

    /// Where it can begin: every initiator has sent its first message, to each choice of peers. Sending
    /// it depends on nothing, and the attacker need not deliver it, so that no order of events is lost.
    pub fn initial(&mut self) -> Vec<State> {
        let mut all = vec![Vec::new()];
        for (number, spec) in self.config.runs.iter().enumerate() {
            let number = RunNumber::try_from(number).unwrap_or(RunNumber::MAX);
            let choices: Vec<u32> = match spec {
                RunSpec::Responder(..) => vec![self.runs.number(Run::idle())],
                RunSpec::Initiator(_, handshake, targets) => targets
                    .iter()
                    .map(|target| {
                        let run = self.start(number, *handshake, *target);
                        self.runs.number(run)
                    })
                    .collect(),
            };
            all = all
                .into_iter()
                .flat_map(|runs| choices.iter().map(move |choice| [&runs[..], &[*choice]].concat()))
                .collect();
        }
        all.into_iter().map(|runs| State { runs, leaked: Vec::new() }).collect()
    }

    /// The runs of a state.
    #[must_use]
    pub fn runs_of(&self, state: &State) -> Vec<Rc<Run>> {
        state.runs.iter().map(|number| Rc::clone(self.runs.get(*number))).collect()
    }

    /// What the attacker knows in a state: all that was sent, and what leaked.
    pub fn knowledge(&mut self, state: &State) -> Knowledge {
        let seen = self.seen(state);
        Knowledge::new(&mut self.terms, seen)
    }

    /// What travelled or leaked.
    pub fn seen(&mut self, state: &State) -> Vec<Id> {
        let mut seen = Vec::new();
        for (place, number) in state.runs.iter().enumerate() {
            let run = Rc::clone(self.runs.get(*number));
            let begun = !run.sent.is_empty();
            seen.extend_from_slice(&run.sent);
            let place = RunNumber::try_from(place).unwrap_or(RunNumber::MAX);
            if begun && self.config.ephemeral.contains(&place) {
                seen.push(self.exponent(place));
            }
        }
        for agent in [Agent::A, Agent::B] {
            if self.variant.has(Flaw::StaticAuthentication) {
                let exponent = self.long_term(agent);
                seen.push(self.terms.power(&[exponent]));
            }
            if self.config.leaked.contains(&agent) || state.leaked.contains(&agent) {
                seen.push(self.terms.id(Term::Secret(agent)));
                seen.push(self.long_term(agent));
            }
        }
        seen
    }

    /// Everything that can happen next.
    pub fn successors(&mut self, state: &State, knowledge: &mut Knowledge) -> Vec<(State, Event)> {
        let runs = self.runs_of(state);
        let mut found = Vec::new();
        for (place, spec) in self.config.runs.iter().enumerate() {
            let answers = match spec {
                RunSpec::Responder(_, answers) => *answers,
                RunSpec::Initiator(..) => &[],
            };
            for kind in runs[place].awaits(answers) {
                self.receive(state, &runs, knowledge, place, kind, &mut found);
            }
        }
        // Before a session is in use there is nothing to lose, and of later ones nothing is claimed.
        let in_use = runs.iter().any(|run| run.is_done() && run.trusted);
        if in_use && state.leaked.is_empty() && !self.config.later.is_empty() {
            let leaked = self.config.later.to_vec();
            found.push((State { leaked, ..state.clone() }, Event::Leaked));
        }
        found
    }

    /// Whose run this is.
    #[must_use]
    pub fn owner(&self, place: usize) -> Agent {
        self.config.runs[place].owner()
    }

    /// Shares of the key exchange that the attacker can send: its own, those it saw, and those it saw
    /// raised to its own exponent.
    pub fn shares(&mut self, knowledge: &mut Knowledge) -> Vec<Id> {
        let own = self.terms.id(Term::Exponent(Source::Attacker));
        let mut shares = vec![self.terms.power(&[own])];
        for place in 0..self.config.runs.len() {
            let exponent = self.exponent(RunNumber::try_from(place).unwrap_or(RunNumber::MAX));
            let share = self.terms.power(&[exponent]);
            if !knowledge.deduces(&mut self.terms, share) || shares.contains(&share) {
                continue;
            }
            shares.push(share);
            shares.push(self.terms.power(&[exponent, own]));
        }
        shares
    }

    /// Whether the peer's long-term key is its own alone.
    #[must_use]
    pub fn is_trusted(&self, state: &State, peer: Agent) -> bool {
        peer != Agent::E && !self.config.leaked.contains(&peer) && !state.leaked.contains(&peer)
    }
}
