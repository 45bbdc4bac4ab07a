//! What the attacker can give to a run.
//!
//! Symbolic: a run says which message it would take, with what it checks filled in and the rest open.
//! [`Knowledge::solve`] finds all ways in which the attacker can make such a message. What the attacker
//! signs itself stays open and is fixed only when a later check of somebody honest needs it, so that no
//! choice of the attacker is left out and none is counted twice. Three things are never open, and tried one
//! by one: the peer's identity key and name, its share of the key exchange, and what is offered.

use std::rc::Rc;

use crate::config::{Handshake, Target, Trust};
use crate::knowledge::Knowledge;
use crate::message::{
    FEATURES, FEWER_SUITES, LIFETIME, Message, NO_FEATURES, NONE, OTHER_SUITE, SUITE, SUITES, Side,
    VERSION,
};
use crate::model::{Event, Model};
use crate::run::{Fact, Run, Stage, State};
use crate::term::{Agent, Head, Id, RunNumber, Term};
use crate::unify::Substitution;
use crate::variant::Flaw;
use crate::wire::{Field, Kind};

const AGENTS: [Agent; 3] = [Agent::A, Agent::B, Agent::E];

/// Whom and what a message that a run takes is from.
#[derive(Debug, Clone, Copy)]
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
        // A record from the attacker changes nothing but what the run received, about which nothing is claimed.
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
                let Some(message) = self.expected(run, origin, kind) else { continue };
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

    fn open(&mut self, origin: Origin, kind: Kind, field: Field) -> Id {
        let run = RunNumber::try_from(origin.place).unwrap_or(RunNumber::MAX);
        self.terms.id(Term::Open(field, run, kind))
    }

    /// The message that a run would take: what it checks is filled in.
    fn expected(&mut self, run: &Run, origin: Origin, kind: Kind) -> Option<Message> {
        let mut message = Message { kind, fields: Vec::new() };
        for field in kind.fields() {
            let content = self.content(run, origin, kind, field)?;
            message.fields.push((field, content));
        }
        let from = Side::of(!run.initiator);
        if matches!(kind, Kind::Ready | Kind::Sealed) {
            let text = match kind {
                Kind::Ready => run.fact(Fact::Transcript)?,
                _ => self.open(origin, kind, Field::Record),
            };
            let key = run.fact(Fact::Key)?;
            let record = if kind == Kind::Ready && self.variant.has(Flaw::NoConfirmation) {
                self.terms.text(NONE)
            } else {
                self.seal(key, from, origin.number, &message, text)
            };
            message.set(Field::Record, record);
        }
        let owner = self.owner(origin.place);
        let signature = self.signature(&message, origin.peer, owner);
        message.set(Field::Signature, signature);
        Some(message)
    }

    fn content(&mut self, run: &Run, origin: Origin, kind: Kind, field: Field) -> Option<Id> {
        let from = Side::of(!run.initiator);
        Some(match field {
            Field::Version | Field::Versions | Field::ChosenVersion => self.terms.text(VERSION),
            Field::MsgType => self.terms.text(kind.name()),
            Field::Encrypted => self.terms.text("true"),
            Field::Timestamp => self.terms.text("now"),
            Field::ChallengeLifetime => self.terms.text("30 s"),
            Field::SequenceNum if kind == Kind::Sealed => self.number(origin.number),
            Field::SequenceNum => self.terms.text(kind.sequence()),
            Field::SenderId => origin.name,
            Field::PublicKey => self.terms.id(Term::Identity(origin.peer)),
            Field::SessionId | Field::BodySessionId => match run.fact(Fact::Session) {
                Some(session) => session,
                // Both are the same.
                None => self.open(origin, kind, Field::SessionId),
            },
            Field::Transcript => run.fact(Fact::Transcript)?,
            Field::ChallengeSignature => {
                let (hash, challenge) = (run.fact(Fact::Transcript)?, run.fact(Fact::Challenge)?);
                let owner = self.owner(origin.place);
                self.answer_to_challenge(hash, challenge, origin.peer, owner)
            }
            // It depends on the message itself: filled in by `confirmed`.
            Field::Mac if kind == Kind::HandshakeAck && !self.variant.has(Flaw::NoConfirmation) => {
                self.open(origin, kind, field)
            }
            Field::Mac if kind == Kind::HandshakeAck => self.terms.text(NONE),
            Field::Mac => {
                let (key, hash) = (run.fact(Fact::Key)?, run.fact(Fact::Transcript)?);
                self.confirmation(key, from, hash)
            }
            // Filled in once the rest is there.
            Field::Record | Field::Signature => self.terms.text(NONE),
            Field::Nonce
            | Field::RecipientId
            | Field::Features
            | Field::CipherSuites
            | Field::EphemeralKey
            | Field::Suite
            | Field::Challenge
            | Field::Lifetime => self.open(origin, kind, field),
        })
    }

    /// The answer to a challenge (§3.5).
    pub fn answer_to_challenge(&mut self, hash: Id, challenge: Id, from: Agent, to: Agent) -> Id {
        if self.variant.has(Flaw::NoChallenge) {
            return self.terms.text(NONE);
        }
        let label = self.terms.text("peer-v1.1-challenge");
        let content = self.terms.node(Head::Tuple, &[label, hash, challenge]);
        self.authenticate(content, from, to)
    }

    /// All ways in which the attacker can make `message`.
    fn ways(
        &mut self,
        knowledge: &mut Knowledge,
        origin: Origin,
        message: &Message,
    ) -> Vec<(Message, Substitution)> {
        let mut found = Vec::new();
        for fixed in self.solve(knowledge, origin, message, Substitution::default()) {
            let half = message.fixed(self, &fixed);
            for fixed in self.tried(knowledge, &half, &fixed) {
                let Some(fixed) = self.confirmed(origin, message, fixed) else { continue };
                if !matches!(
                    message.kind,
                    Kind::HandshakeInit
                        | Kind::HandshakeInitAck
                        | Kind::Handshake
                        | Kind::HandshakeAck
                ) {
                    found.push((half.clone(), fixed));
                    continue;
                }
                for fixed in self.solve(knowledge, origin, message, fixed) {
                    found.push((message.fixed(self, &fixed), fixed));
                }
            }
        }
        found
    }

    fn solve(
        &mut self,
        knowledge: &mut Knowledge,
        origin: Origin,
        message: &Message,
        fixed: Substitution,
    ) -> Vec<Substitution> {
        // The last goal comes first: a signature that was seen fixes most of the rest.
        let last = |field: &Field| match field {
            Field::Signature => 2,
            Field::Mac | Field::Record | Field::ChallengeSignature => 1,
            _ => 0,
        };
        let mut fields = message.fields.clone();
        fields.sort_by_key(|(field, _)| last(field));
        let goals = fields.into_iter().map(|(_, id)| id).collect();
        let (place, kind) = (origin.place, message.kind);
        let is_new = move |term: &Term| matches!(term, Term::Open(_, run, of) if usize::from(*run) == place && *of == kind);
        let mut found = Vec::new();
        knowledge.solve(&mut self.terms, goals, fixed, &is_new, &mut found);
        found
    }

    /// Fixes the share of the key exchange and the offer, where they are still open, to all that there is.
    fn tried(
        &mut self,
        knowledge: &mut Knowledge,
        message: &Message,
        fixed: &Substitution,
    ) -> Vec<Substitution> {
        let mut all = vec![fixed.clone()];
        for (field, content) in &message.fields {
            if !matches!(self.terms.get(*content), Term::Open(..)) {
                continue;
            }
            let offer = matches!(message.kind, Kind::HandshakeInit | Kind::Handshake);
            let unbound = self.variant.unbound(*field);
            let texts: &[&'static str] = match field {
                Field::CipherSuites if unbound => &[SUITES, FEWER_SUITES],
                // What it offers under its own signature bears on no session but its own.
                Field::CipherSuites => &[SUITES],
                Field::Features if offer && unbound => &[FEATURES, NO_FEATURES],
                Field::Features if offer => &[FEATURES],
                _ => &[],
            };
            let mut choices: Vec<Id> = texts.iter().map(|text| self.terms.text(text)).collect();
            if *field == Field::EphemeralKey {
                choices = self.shares(knowledge);
            }
            if choices.is_empty() {
                continue;
            }
            all = all
                .iter()
                .flat_map(|fixed| choices.iter().map(move |choice| (fixed, choice)))
                .filter_map(|(fixed, choice)| {
                    let mut fixed = fixed.clone();
                    fixed.unify(&self.terms, *content, *choice).then_some(fixed)
                })
                .collect();
        }
        all
    }

    /// Fills in the MAC of `handshake_ack`, which covers the message that it is in.
    fn confirmed(
        &mut self,
        origin: Origin,
        message: &Message,
        fixed: Substitution,
    ) -> Option<Substitution> {
        if message.kind != Kind::HandshakeAck {
            return Some(fixed);
        }
        let message = message.fixed(self, &fixed);
        let (key, hash) = self.keys_of_ack(origin.place, &message)?;
        let expected = self.confirmation(key, Side::Responder, hash);
        let mut fixed = fixed;
        if self.variant.has(Flaw::NoConfirmation) {
            return Some(fixed);
        }
        fixed.unify(&self.terms, message.get(Field::Mac)?, expected).then_some(fixed)
    }

    /// Session key and handshake hash of a three-way handshake, at its initiator.
    pub fn keys_of_ack(&mut self, place: usize, message: &Message) -> Option<(Id, Id)> {
        let run = RunNumber::try_from(place).ok()?;
        let exponent = self.exponent(run);
        let shared = self.terms.raise(message.get(Field::EphemeralKey)?, exponent)?;
        let before = message.get(Field::Transcript);
        let hash = self.provisional(before, message);
        Some((self.session_key(shared, hash), hash))
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
        let runs: Vec<Rc<Run>> = if fixed.is_empty() {
            runs.to_vec()
        } else {
            runs.iter().map(|run| Rc::new(run.fixed(&mut self.terms, fixed))).collect()
        };
        if self.is_repeated(&runs, origin, &message) || !self.is_welcome(&runs, origin) {
            return;
        }
        let Some((mut run, sent)) = self.advance(&runs[origin.place], origin, &message) else {
            return;
        };
        if run.is_done() && !runs[origin.place].is_done() {
            run.trusted = self.is_trusted(state, origin.peer);
        }
        let mut next = state.clone();
        for (place, number) in next.runs.iter_mut().enumerate() {
            if place == origin.place {
                *number = self.runs.number(run.clone());
            } else if !fixed.is_empty() {
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
        let proved = matches!(
            (own.stage, own.handshake),
            (Stage::AwaitReady | Stage::AwaitConfirm, _)
                | (Stage::AwaitAck | Stage::AwaitHandshakeConfirm, Some(Handshake::ThreeWay))
        );
        let asked = match own.stage {
            Stage::Idle | Stage::AwaitInitAck | Stage::AwaitAck => true,
            _ => proved && !self.variant.has(Flaw::TrustAskedOnce),
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
