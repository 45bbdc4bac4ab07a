//! Envelopes as terms: what is signed, hashed and sealed, and under which keys (§2.3, §2.4, §3.4, §4.4).

use crate::model::Model;
use crate::term::{Agent, Head, Id, RunNumber, Source, Term, Value};
use crate::unify::Substitution;
use crate::variant::Flaw;
use crate::wire::{Field, Kind};

/// An envelope and its body, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its kind.
    pub kind: Kind,
    /// Its fields, in order.
    pub fields: Vec<(Field, Id)>,
}

impl Message {
    /// The content of `field`.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<Id> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, id)| *id)
    }

    /// Puts `id` into `field`.
    pub fn set(&mut self, field: Field, id: Id) {
        if let Some((_, place)) = self.fields.iter_mut().find(|(name, _)| *name == field) {
            *place = id;
        }
    }

    /// The same message with what is fixed put in.
    #[must_use]
    pub fn fixed(&self, model: &mut Model, fixed: &Substitution) -> Self {
        let fields = self.fields.iter();
        let fields = fields.map(|(name, id)| (*name, fixed.apply(&mut model.terms, *id))).collect();
        Self { kind: self.kind, fields }
    }
}

/// Who of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who began.
    Initiator,
    /// Who answered.
    Responder,
}

impl Side {
    /// The side of whoever began, or not.
    #[must_use]
    pub const fn of(initiator: bool) -> Self {
        if initiator { Self::Initiator } else { Self::Responder }
    }
}

/// Texts of the model.
pub const VERSION: &str = "1.1";
/// Where the model leaves something out.
pub const NONE: &str = "none";
/// What honest agents offer: two suites, the preferred first.
pub const SUITES: &str = "[suite 1, suite 2]";
/// What an attacker might make of it.
pub const FEWER_SUITES: &str = "[suite 2]";
/// The preferred suite.
pub const SUITE: &str = "suite 1";
/// The other suite.
pub const OTHER_SUITE: &str = "suite 2";
/// What honest agents offer.
pub const FEATURES: &str = "[feature]";
/// What an attacker might make of it.
pub const NO_FEATURES: &str = "[]";
/// The life that honest responders give to sessions.
pub const LIFETIME: &str = "30 min";

impl Model {
    /// The whole envelope: what travels.
    pub fn whole(&mut self, message: &Message) -> Id {
        let parts: Vec<Id> = message.fields.iter().map(|(_, id)| *id).collect();
        self.terms.node(Head::Tuple, &parts)
    }

    /// Its bound fields but those in `without`.
    fn bound(&mut self, message: &Message, without: &[Field]) -> Id {
        let variant = self.variant;
        let parts: Vec<Id> = message
            .fields
            .iter()
            .filter(|(field, _)| !variant.unbound(*field) && !without.contains(field))
            .map(|(_, id)| *id)
            .collect();
        self.terms.node(Head::Tuple, &parts)
    }

    /// The signature of `from` over `message`, meant for `to`.
    pub fn signature(&mut self, message: &Message, from: Agent, to: Agent) -> Id {
        if message.kind == Kind::Sealed && self.variant.has(Flaw::UnsignedRecords) {
            return self.terms.text(NONE);
        }
        let content = self.bound(message, &[Field::Signature]);
        self.authenticate(content, from, to)
    }

    /// What only `from` can make of `content`, and `to` can check.
    pub fn authenticate(&mut self, content: Id, from: Agent, to: Agent) -> Id {
        if self.variant.has(Flaw::Unsigned) {
            return self.terms.text(NONE);
        }
        if self.variant.has(Flaw::StaticAuthentication) {
            let pair = [self.long_term(from), self.long_term(to)];
            let shared = self.terms.power(&pair);
            let (salt, info) = (self.terms.text(""), self.terms.text("authentication"));
            let key = self.terms.node(Head::Derive, &[shared, salt, info]);
            return self.terms.node(Head::Mac, &[key, content]);
        }
        let secret = self.terms.id(Term::Secret(from));
        self.terms.node(Head::Sign, &[secret, content])
    }

    /// A long-term exponent, which only broken variants have.
    pub fn long_term(&mut self, agent: Agent) -> Id {
        let source = if agent == Agent::E { Source::Attacker } else { Source::LongTerm(agent) };
        self.terms.id(Term::Exponent(source))
    }

    /// The transcript with one more envelope. The model hashes step by step; what goes in is the same.
    pub fn transcript(&mut self, before: Option<Id>, message: &Message) -> Id {
        let item = self.bound(message, &[]);
        self.extend(before, item)
    }

    /// The transcript with the provisional form of `handshake_ack` (§4.4).
    pub fn provisional(&mut self, before: Option<Id>, message: &Message) -> Id {
        let mut message = message.clone();
        let zero = self.terms.text("zero");
        message.set(Field::Mac, zero);
        let item = self.bound(&message, &[Field::Signature]);
        self.extend(before, item)
    }

    fn extend(&mut self, before: Option<Id>, item: Id) -> Id {
        let before = before.unwrap_or_else(|| self.terms.text("peer-v1.1-transcript"));
        let list = self.terms.node(Head::Tuple, &[before, item]);
        self.terms.node(Head::Hash, &[list])
    }

    /// The session key of a shared secret and a handshake hash.
    pub fn session_key(&mut self, shared: Id, hash: Id) -> Id {
        let info = self.terms.text("peer-v1.1-session-key");
        let salt =
            if self.variant.has(Flaw::KeysWithoutTranscript) { self.terms.text("") } else { hash };
        self.terms.node(Head::Derive, &[shared, salt, info])
    }

    /// A key of one direction.
    fn direction_key(&mut self, key: Id, info: &'static str) -> Id {
        let info = if self.variant.has(Flaw::OneKeyForBoth) { "one key" } else { info };
        let (salt, info) = (self.terms.text(""), self.terms.text(info));
        self.terms.node(Head::Derive, &[key, salt, info])
    }

    /// The confirmation MAC of `side` over `transcript`.
    pub fn confirmation(&mut self, key: Id, side: Side, transcript: Id) -> Id {
        if self.variant.has(Flaw::NoConfirmation) {
            return self.terms.text(NONE);
        }
        let key = self.direction_key(
            key,
            match side {
                Side::Initiator => "peer-v1.1-initiator-confirm",
                Side::Responder => "peer-v1.1-responder-confirm",
            },
        );
        self.terms.node(Head::Mac, &[key, transcript])
    }

    /// The record number `number` of `side` with `text`, in the envelope `message`.
    pub fn seal(&mut self, key: Id, side: Side, number: u8, message: &Message, text: Id) -> Id {
        let key = self.direction_key(
            key,
            match side {
                Side::Initiator => "peer-v1.1-initiator-key",
                Side::Responder => "peer-v1.1-responder-key",
            },
        );
        let mut aad = message.clone();
        let outside = message.kind.envelope();
        aad.fields.retain(|(field, _)| outside.contains(field));
        let mut without = vec![Field::Signature];
        if self.variant.has(Flaw::RecordsWithoutNames) && message.kind == Kind::Sealed {
            without.extend([Field::SenderId, Field::RecipientId]);
        }
        let aad = self.bound(&aad, &without);
        let number = self.number(number);
        self.terms.node(Head::Seal, &[key, number, aad, text])
    }

    /// A record's number.
    pub fn number(&mut self, number: u8) -> Id {
        self.terms.text(if number == 0 { "0" } else { "1" })
    }

    /// Whose the random values of this run are.
    pub fn source(&self, run: RunNumber, value: Option<Value>) -> Source {
        let spec = &self.config.runs[usize::from(run)];
        let responder = matches!(spec, crate::config::RunSpec::Responder(..));
        let repeats = self.variant.has(Flaw::ResponderRepeats) && value != Some(Value::Data)
            || self.variant.has(Flaw::ChallengeRepeats) && value == Some(Value::Challenge);
        if value.is_none() && self.variant.has(Flaw::StaticExchange) {
            Source::LongTerm(spec.owner())
        } else if responder && repeats {
            Source::Kept(spec.owner())
        } else {
            Source::Run(run)
        }
    }

    /// A random value of this run.
    pub fn draw(&mut self, run: RunNumber, value: Value) -> Id {
        let source = self.source(run, Some(value));
        self.terms.id(Term::Drawn(value, source))
    }

    /// The private exponent of this run.
    pub fn exponent(&mut self, run: RunNumber) -> Id {
        let source = self.source(run, None);
        self.terms.id(Term::Exponent(source))
    }
}
