//! What a run is given, and whether it takes it: whom it is from, replay (§2.6) and trust (§1.4).

use std::rc::Rc;

use crate::config::{Target, Trust};
use crate::knowledge::Knowledge;
use crate::message::{
    FEATURES, FEWER_SUITES, LIFETIME, Message, NO_FEATURES, OTHER_SUITE, SUITE, SUITES,
};
use crate::model::{Event, Model};
use crate::run::{Fact, Run, Stage, State};
use crate::term::{Agent, Id, RunNumber, Term};
use crate::unify::Substitution;
use crate::variant::Flaw;
use crate::wire::{Field, Kind};

const AGENTS: [Agent; 3] = [Agent::A, Agent::B, Agent::E];

/// Whom and what a message that a run takes is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The run that takes it.
    pub place: usize,
    /// The identity key.
    pub peer: Agent,
    /// The name.
    pub name: Id,
    /// The number of a record.
    pub number: u8,
}

/// Whether this field was left open in the message of this kind to run `place`.
pub fn belongs(open: &Term, place: usize, kind: Kind) -> bool {
    matches!(open, Term::Open(_, run, of) if usize::from(*run) == place && *of == kind)
}

impl Model {
    /// All that run `place` can take as `kind`.
    pub fn receive(
        &mut self,
        state: &State,
        runs: &[Rc<Run>],
        knowledge: &mut Knowledge,
        place: usize,
        kind: Kind,
        found: &mut Vec<(State, Event)>,
    ) {
        let run = &runs[place];
        let numbers: &[u8] = if kind == Kind::Sealed { &[0, 1] } else { &[0] };
        // What it says in a session that nothing is claimed about changes nothing else.
        if run.is_done() && (!run.trusted || run.received.len() > 1) {
            return;
        }
        for (peer, name) in self.peers(run, place) {
            for number in numbers {
                let marked = run.received.iter().any(|(mark, _)| mark == number);
                if marked && !self.variant.has(Flaw::NoWindow) {
                    continue;
                }
                let origin = Origin { place, peer, name, number: *number };
                let asked = (state.runs[place], kind, origin);
                let message = match self.expectations.get(&asked) {
                    Some(message) => message.clone(),
                    None => {
                        let message = self.expected(run, origin, kind).map(Rc::new);
                        self.expectations.insert(asked, message.clone());
                        message
                    }
                };
                let Some(message) = message else { continue };
                for (message, fixed) in self.ways(knowledge, origin, &message) {
                    self.take(state, runs, origin, message, &fixed, found);
                }
            }
        }
    }

    /// Whom the next message can be from: keys and names.
    fn peers(&mut self, run: &Run, place: usize) -> Vec<(Agent, Id)> {
        if let (Some(peer), Some(name)) = (run.peer, run.fact(Fact::PeerName)) {
            return vec![(peer, name)];
        }
        let owner = self.owner(place);
        let mut found = Vec::new();
        for peer in AGENTS {
            if peer == owner && !self.variant.has(Flaw::OwnKeyAccepted)
                || matches!(run.target, Some(Target::Key(wanted)) if wanted != peer)
            {
                continue;
            }
            for name in AGENTS {
                // Who is honest signs under its own name.
                let free = self.variant.has(Flaw::NoTrust)
                    || self.config.trust == Trust::FirstUse && peer == Agent::E;
                if name != peer && !free
                    || matches!(run.target, Some(Target::Name(wanted)) if wanted != name)
                {
                    continue;
                }
                found.push((peer, self.terms.id(Term::Name(name))));
            }
        }
        found
    }

    /// What is not the attacker's to choose freely, but one of a few texts.
    fn is_choice(&self, message: &Message, owner: Agent) -> bool {
        message.fields.iter().all(|(field, id)| {
            let texts: &[&str] = match (field, self.terms.get(*id)) {
                (_, Term::Open(..)) => return true,
                (Field::RecipientId, Term::Name(name) | Term::Derived(name)) => {
                    return *name == owner;
                }
                (Field::RecipientId, _) => return false,
                (Field::Suite, _) => &[SUITE, OTHER_SUITE],
                (Field::Features, _) => &[FEATURES, NO_FEATURES],
                (Field::CipherSuites, _) => &[SUITES, FEWER_SUITES],
                (Field::Lifetime, _) => &[LIFETIME],
                _ => return true,
            };
            matches!(self.terms.get(*id), Term::Text(text) if texts.contains(text))
        })
    }

    /// Gives a message to a run.
    fn take(
        &mut self,
        state: &State,
        runs: &[Rc<Run>],
        origin: Origin,
        message: Message,
        fixed: &Substitution,
        found: &mut Vec<(State, Event)>,
    ) {
        if !self.is_choice(&message, self.owner(origin.place)) {
            return;
        }
        // What is open in this message is in no run yet.
        let (place, kind) = (origin.place, message.kind);
        let is_old = |open| !belongs(self.terms.get(open), place, kind);
        let same = !fixed.bindings().any(|(open, _)| is_old(open));
        let runs: Vec<Rc<Run>> = if same {
            runs.to_vec()
        } else {
            runs.iter().map(|run| Rc::new(run.fixed(&mut self.terms, fixed))).collect()
        };
        if self.is_repeated(&runs, origin, &message) || !self.is_welcome(&runs, origin) {
            return;
        }
        let before = if same {
            state.runs[origin.place]
        } else {
            self.runs.number(Run::clone(&runs[origin.place]))
        };
        let asked = (before, self.whole(&message), origin);
        let advance = match self.advances.get(&asked) {
            Some(advance) => advance.clone(),
            None => {
                let advance = self.advance(&runs[origin.place], origin, &message).map(Rc::new);
                self.advances.insert(asked, advance.clone());
                advance
            }
        };
        let Some((mut run, sent)) = advance.as_deref().cloned() else { return };
        if run.is_done() && !runs[origin.place].is_done() {
            run.trusted = self.is_trusted(state, origin.peer);
        }
        let mut next = state.clone();
        for (place, number) in next.runs.iter_mut().enumerate() {
            if place == origin.place {
                *number = self.runs.number(run.clone());
            } else if !same {
                *number = self.runs.number(Run::clone(&runs[place]));
            }
        }
        let run = RunNumber::try_from(origin.place).unwrap_or(RunNumber::MAX);
        let fixed = fixed.clone();
        found.push((next, Event::Took { run, message, sent, fixed }));
    }

    /// Whether a first message's nonce was seen before (§2.6). Later steps carry the transcript.
    fn is_repeated(&self, runs: &[Rc<Run>], origin: Origin, message: &Message) -> bool {
        if !self.config.guard
            || self.variant.has(Flaw::NoGuard)
            || !matches!(message.kind, Kind::HandshakeInit | Kind::Handshake)
        {
            return false;
        }
        let owner = self.owner(origin.place);
        runs.iter().enumerate().any(|(place, run)| {
            self.owner(place) == owner
                && !run.initiator
                && run.peer == Some(origin.peer)
                && run.fact(Fact::First) == message.get(Field::Nonce)
        })
    }

    /// Whether trust lets the peer pass (§1.4): asked when a key is shown, and again when it is proved.
    fn is_welcome(&mut self, runs: &[Rc<Run>], origin: Origin) -> bool {
        let own = &runs[origin.place];
        let asked = match own.stage {
            // An initiator of the three-way handshake sees the key and its proof at once.
            Stage::Idle | Stage::AwaitInitAck | Stage::AwaitAck => true,
            Stage::AwaitReady | Stage::AwaitConfirm | Stage::AwaitHandshakeConfirm => {
                !self.variant.has(Flaw::TrustAskedOnce)
            }
            Stage::AwaitEstablished | Stage::AwaitResponse | Stage::AwaitRecord | Stage::Done => {
                false
            }
        };
        if !asked || self.config.trust == Trust::Pinned || self.variant.has(Flaw::NoTrust) {
            return true;
        }
        let owner = self.owner(origin.place);
        runs.iter().enumerate().all(|(place, run)| {
            self.owner(place) != owner
                || !run.is_recorded()
                || run.fact(Fact::PeerName) != Some(origin.name)
                || run.peer == Some(origin.peer)
        })
    }
}
