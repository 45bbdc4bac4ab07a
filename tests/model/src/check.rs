//! Checking the properties in a state.
//!
//! Where a property says that things must be equal, they must be so whatever the attacker's open fields
//! stand for. Where it says that they must not be equal, no choice of them may make them so.

use std::rc::Rc;

use crate::config::{Handshake, Trust};
use crate::knowledge::Knowledge;
use crate::message::{FEATURES, SUITE};
use crate::model::Model;
use crate::property::{Property, Violation};
use crate::run::{Fact, Run, Stage, State};
use crate::term::{Agent, Id, RunNumber, Term, Value};
use crate::unify::Substitution;

impl Model {
    /// Everything that does not hold in a state.
    pub fn violations(&mut self, state: &State, knowledge: &mut Knowledge) -> Vec<Violation> {
        let runs = self.runs_of(state);
        let mut found = Vec::new();
        for place in 0..runs.len() {
            let run = RunNumber::try_from(place).unwrap_or(RunNumber::MAX);
            let mut note = |property, why, fixed| {
                found.push(Violation { property, run, why, fixed });
            };
            let mut plain = |property, why| note(property, why, Substitution::default());
            self.check_answers(&runs, place, &mut plain);
            if !runs[place].is_done() {
                continue;
            }
            self.check_peer(&runs, place, knowledge, &mut plain);
            if runs[place].trusted {
                self.check_session(state, &runs, place, knowledge, &mut plain);
            }
            self.check_others(&runs, place, &mut note);
        }
        found
    }

    /// How two terms can be equal.
    fn can_equal(&self, left: Option<Id>, right: Option<Id>) -> Option<Substitution> {
        let mut fixed = Substitution::default();
        fixed.unify(&self.terms, left?, right?).then_some(fixed)
    }

    fn check_answers(
        &self,
        runs: &[Rc<Run>],
        place: usize,
        note: &mut impl FnMut(Property, &'static str),
    ) {
        let run = &runs[place];
        if !self.config.guard || run.initiator {
            return;
        }
        let twice = runs.iter().take(place).enumerate().any(|(other, earlier)| {
            self.owner(other) == self.owner(place)
                && !earlier.initiator
                && earlier.peer == run.peer
                && earlier.fact(Fact::First).is_some()
                && earlier.fact(Fact::First) == run.fact(Fact::First)
        });
        if twice {
            note(Property::AnsweredOnce, "it answered a first message that was answered before");
        }
    }

    fn check_peer(
        &mut self,
        runs: &[Rc<Run>],
        place: usize,
        knowledge: &mut Knowledge,
        note: &mut impl FnMut(Property, &'static str),
    ) {
        let (run, owner) = (&runs[place], self.owner(place));
        let Some(peer) = run.peer else { return };
        if peer == owner {
            note(Property::NotItself, "its peer shows its own key");
        }
        if let Some(key) = run.fact(Fact::Key)
            && peer == Agent::E
            && !knowledge.deduces(&mut self.terms, key)
        {
            note(Property::Confirmation, "its peer E does not hold the session's key");
        }
        let right = self.terms.id(Term::Name(peer));
        if self.config.trust == Trust::Pinned && run.fact(Fact::PeerName) != Some(right) {
            note(Property::RightName, "a pinned name came with another key");
        }
    }

    fn check_others(
        &self,
        runs: &[Rc<Run>],
        place: usize,
        note: &mut impl FnMut(Property, &'static str, Substitution),
    ) {
        let (run, owner) = (&runs[place], self.owner(place));
        for (other, earlier) in runs.iter().enumerate().take(place) {
            if !earlier.is_done() {
                continue;
            }
            if self.owner(other) == owner
                && earlier.fact(Fact::PeerName) == run.fact(Fact::PeerName)
                && earlier.peer != run.peer
            {
                let why = "it knows one name under two keys";
                note(Property::OneKeyPerName, why, Substitution::default());
            }
            let Some(fixed) = self.can_equal(run.fact(Fact::Key), earlier.fact(Fact::Key)) else {
                continue;
            };
            let strangers = run.peer != Some(self.owner(other)) || earlier.peer != Some(owner);
            if run.initiator != earlier.initiator && strangers {
                note(Property::Binding, "who has the same key has another peer", fixed);
            } else if run.initiator == earlier.initiator && (run.trusted || earlier.trusted) {
                // The attacker may well repeat itself.
                let why = "another run has the same key in the same role";
                note(Property::Injective, why, fixed);
            }
        }
    }

    fn check_session(
        &mut self,
        state: &State,
        runs: &[Rc<Run>],
        place: usize,
        knowledge: &mut Knowledge,
        note: &mut impl FnMut(Property, &'static str),
    ) {
        let run = &runs[place];
        let impersonated = self.config.leaked.contains(&self.owner(place));
        let named = |property| if impersonated { Property::KeyCompromise } else { property };
        let partner = (0..runs.len()).find(|other| self.is_partner(runs, place, *other));
        if partner.is_none() {
            note(named(Property::Agreement), "no run of its peer agrees with it");
        }
        let (suite, features) = (self.terms.text(SUITE), self.terms.text(FEATURES));
        if run.fact(Fact::Suite) != Some(suite) || run.fact(Fact::Features) != Some(features) {
            note(Property::NoDowngrade, "less was chosen than both have");
        }
        if !self.shares_leaked(runs, place) {
            let number = RunNumber::try_from(place).unwrap_or(RunNumber::MAX);
            let data = self.draw(number, Value::Data);
            let property = if state.leaked.is_empty() {
                named(Property::Secrecy)
            } else {
                Property::ForwardSecrecy
            };
            let key = run.fact(Fact::Key);
            if key.is_some_and(|key| knowledge.deduces(&mut self.terms, key)) {
                note(property, "E holds its session key");
            } else if knowledge.deduces(&mut self.terms, data) {
                note(property, "E knows what it said");
            }
        }
        let said = partner.map(|partner| {
            let partner = RunNumber::try_from(partner).unwrap_or(RunNumber::MAX);
            self.draw(partner, Value::Data)
        });
        // The record in `ready` holds the transcript.
        let first = run.initiator && run.handshake == Some(Handshake::SixStep);
        let records = run.received.get(usize::from(first)..).unwrap_or_default();
        if records.iter().any(|(_, text)| Some(*text) != said) {
            note(Property::RecordOrigin, "it accepted what its peer did not say in this session");
        }
        let numbers = run.received.iter().map(|(number, _)| number);
        if numbers
            .enumerate()
            .any(|(at, number)| run.received[..at].iter().any(|(n, _)| n == number))
        {
            note(Property::RecordOnce, "it accepted a record twice");
        }
    }

    /// Whether `other` is a run of the peer of `place` that agrees with it on everything.
    fn is_partner(&mut self, runs: &[Rc<Run>], place: usize, other: usize) -> bool {
        let (run, partner) = (&runs[place], &runs[other]);
        if run.peer != Some(self.owner(other))
            || partner.peer != Some(self.owner(place))
            || run.initiator == partner.initiator
            || run.handshake != partner.handshake
            // Whoever was heard last has sent all that was heard.
            || !matches!(partner.stage, Stage::Done | Stage::AwaitReady | Stage::AwaitRecord)
        {
            return false;
        }
        let same = [
            Fact::Suites,
            Fact::Offered,
            Fact::Suite,
            Fact::Features,
            Fact::Lifetime,
            Fact::Session,
            Fact::Transcript,
            Fact::Key,
        ];
        same.iter().all(|fact| run.fact(*fact) == partner.fact(*fact))
            && self.knows(run, other)
            && self.knows(partner, place)
    }

    /// Whether `run` has the name and the share of run `other`.
    fn knows(&mut self, run: &Run, other: usize) -> bool {
        let owner = self.owner(other);
        let name = self.terms.id(Term::Name(owner));
        let exponent = self.exponent(RunNumber::try_from(other).unwrap_or(RunNumber::MAX));
        let share = self.terms.power(&[exponent]);
        run.fact(Fact::PeerName) == Some(name) && run.fact(Fact::PeerShare) == Some(share)
    }

    /// Whether an ephemeral key of the session leaked.
    fn shares_leaked(&mut self, runs: &[Rc<Run>], place: usize) -> bool {
        self.config.ephemeral.iter().any(|leaked| {
            let exponent = self.exponent(*leaked);
            let share = self.terms.power(&[exponent]);
            usize::from(*leaked) == place || runs[place].fact(Fact::PeerShare) == Some(share)
        })
    }

    /// How many honest runs have an honest peer, their session in use, and a record of the peer.
    #[must_use]
    pub fn completed(&self, state: &State) -> usize {
        let runs = self.runs_of(state);
        let done = runs.iter().filter(|run| {
            let first = usize::from(run.initiator && run.handshake == Some(Handshake::SixStep));
            run.is_done() && run.peer != Some(Agent::E) && run.received.len() > first
        });
        done.count()
    }
}
