//! What the attacker can give to a run.
//!
//! Symbolic: a run says which message it would take, with what it checks filled in and the rest open.
//! [`Knowledge::solve`] finds all ways in which the attacker can make such a message. What the attacker
//! signs itself stays open and is fixed only when a later check of somebody honest needs it, so that no
//! choice of the attacker is left out and none is counted twice. Three things are never open, and tried one
//! by one: the peer's identity key and name, its share of the key exchange, and what is offered.

use crate::knowledge::Knowledge;
use crate::message::{FEATURES, FEWER_SUITES, Message, NO_FEATURES, NONE, SUITES, Side, VERSION};
use crate::model::Model;
use crate::receive::{Origin, belongs};
use crate::run::{Fact, Run};
use crate::term::{Agent, Head, Id, RunNumber, Term};
use crate::unify::Substitution;
use crate::variant::Flaw;
use crate::wire::{Field, Kind};

impl Model {
    fn open(&mut self, origin: Origin, kind: Kind, field: Field) -> Id {
        let run = RunNumber::try_from(origin.place).unwrap_or(RunNumber::MAX);
        self.terms.id(Term::Open(field, run, kind))
    }

    /// The message that a run would take: what it checks is filled in.
    pub fn expected(&mut self, run: &Run, origin: Origin, kind: Kind) -> Option<Message> {
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
    pub fn ways(
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
        let is_new = move |term: &Term| belongs(term, place, kind);
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
                // What it offers under a signature of its own bears on nothing that is claimed.
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
}
