//! Terms: what messages, keys and secrets are made of. Each is kept once and named by its number, so
//! that two terms are equal exactly if their numbers are.
//!
//! Cryptography is perfect: different terms are different bytes, and the only ways from one term to
//! another are those of [`crate::knowledge`]. The one equation is that of the key exchange,
//! (g^x)^y = (g^y)^x: a power keeps its exponents sorted.

use std::fmt::Write as _;

use crate::hash::Map;
use crate::wire::{Field, Kind};

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agent {
    /// Honest.
    A,
    /// Honest.
    B,
    /// The attacker, under an identity of its own.
    E,
}

/// A run by its place in the configuration.
pub type RunNumber = u8;

/// The number of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

/// Who drew a random value, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// One run, as it should be.
    Run(RunNumber),
    /// An agent that uses the same value in all of its runs: only in broken variants.
    Kept(Agent),
    /// An agent's long-term secret, beside its identity key: only in broken variants.
    LongTerm(Agent),
    /// The attacker.
    Attacker,
}

/// A random value that is no exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// The nonce of an envelope.
    Nonce(Kind),
    /// The challenge of step 2.
    Challenge,
    /// A session id.
    Session,
    /// What an agent says in a session: a secret of its own.
    Data,
}

/// How a term is put together from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Head {
    /// A list. Its parts can be read.
    Tuple,
    /// `[message]`
    Hash,
    /// `[private key, message]`. Whoever sees it can verify it; the message is not in it.
    Sign,
    /// `[key, message]`
    Mac,
    /// `[input key, salt, info]`: HKDF.
    Derive,
    /// `[key, number, associated data, plaintext]`: an AEAD. The key opens it.
    Seal,
}

/// A term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// A constant that everybody knows.
    Text(&'static str),
    /// The name that an agent chose.
    Name(Agent),
    /// The name that its key derives (§1.2).
    Derived(Agent),
    /// Its public identity key.
    Identity(Agent),
    /// Its private identity key.
    Secret(Agent),
    /// A private exponent.
    Exponent(Source),
    /// Another random value.
    Drawn(Value, Source),
    /// What the attacker put into a field of the message of this kind that this run took. It stands for
    /// anything of the field's width that the attacker knew, until a check of somebody honest fixes it.
    Open(Field, RunNumber, Kind),
    /// g to the power of the product of exponents, sorted.
    Power(Box<[Id]>),
    /// Put together.
    Node(Head, Box<[Id]>),
}

/// How wide the field or term is on the wire. An open field takes only terms of its own width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 16 bytes: session ids and nonces.
    Sixteen,
    /// 32 bytes: challenges, hashes, MACs, public keys of both kinds.
    ThirtyTwo,
    /// A text or a list of them.
    Text,
    /// A plaintext.
    Data,
    /// Anything else, such as signatures and ciphertexts, which are never left open.
    Other,
}

/// All terms there are.
#[derive(Debug, Default)]
pub struct Terms {
    terms: Vec<Term>,
    open: Vec<bool>,
    numbers: Map<Term, Id>,
}

impl Terms {
    /// The number of `term`.
    pub fn id(&mut self, term: Term) -> Id {
        if let Some(id) = self.numbers.get(&term) {
            return *id;
        }
        let open = match &term {
            Term::Open(..) => true,
            Term::Power(parts) | Term::Node(_, parts) => parts.iter().any(|id| self.is_open(*id)),
            _ => false,
        };
        let id = Id(u32::try_from(self.terms.len()).unwrap_or(u32::MAX));
        self.terms.push(term.clone());
        self.open.push(open);
        self.numbers.insert(term, id);
        id
    }

    /// The term with this number.
    #[must_use]
    pub fn get(&self, id: Id) -> &Term {
        &self.terms[id.0 as usize]
    }

    /// Whether an open field is in it.
    #[must_use]
    pub fn is_open(&self, id: Id) -> bool {
        self.open[id.0 as usize]
    }

    /// How many terms there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether there are none yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// A constant.
    pub fn text(&mut self, text: &'static str) -> Id {
        self.id(Term::Text(text))
    }

    /// A term put together from others.
    pub fn node(&mut self, head: Head, parts: &[Id]) -> Id {
        self.id(Term::Node(head, parts.into()))
    }

    /// g to the power of the product of `exponents`.
    pub fn power(&mut self, exponents: &[Id]) -> Id {
        let mut exponents = exponents.to_vec();
        exponents.sort_unstable();
        self.id(Term::Power(exponents.into()))
    }

    /// `power` raised once more: what X25519 computes. `None` if it is no point.
    pub fn raise(&mut self, power: Id, exponent: Id) -> Option<Id> {
        let Term::Power(exponents) = self.get(power) else { return None };
        let mut exponents = exponents.to_vec();
        exponents.push(exponent);
        Some(self.power(&exponents))
    }

    /// How wide a term is.
    #[must_use]
    pub fn width(&self, id: Id) -> Width {
        match self.get(id) {
            Term::Drawn(Value::Nonce(_) | Value::Session, _) => Width::Sixteen,
            Term::Drawn(Value::Challenge, _)
            | Term::Identity(_)
            | Term::Power(_)
            | Term::Node(Head::Hash | Head::Mac, _) => Width::ThirtyTwo,
            Term::Drawn(Value::Data, _) => Width::Data,
            Term::Text(_) | Term::Name(_) | Term::Derived(_) => Width::Text,
            Term::Open(field, ..) => field.width(),
            Term::Secret(_) | Term::Exponent(_) | Term::Node(..) => Width::Other,
        }
    }

    /// A term for people. What lies deep is left out.
    #[must_use]
    pub fn show(&self, id: Id) -> String {
        let mut out = String::new();
        self.write(id, 2, &mut out);
        out
    }

    fn write(&self, id: Id, depth: u8, out: &mut String) {
        let source = |source: &Source| match source {
            Source::Run(run) => format!("#{run}"),
            Source::Kept(agent) => format!("(always of {agent:?})"),
            Source::LongTerm(agent) => format!("(long-term of {agent:?})"),
            Source::Attacker => "(E)".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = match self.get(id) {
            Term::Text(text) => write!(out, "{text}"),
            Term::Name(agent) => write!(out, "\"{agent:?}\""),
            Term::Derived(agent) => write!(out, "\"ent-{agent:?}\""),
            Term::Identity(agent) => write!(out, "key {agent:?}"),
            Term::Secret(agent) => write!(out, "private key of {agent:?}"),
            Term::Exponent(of) => write!(out, "x{}", source(of)),
            Term::Drawn(Value::Nonce(_), of) => write!(out, "nonce{}", source(of)),
            Term::Drawn(Value::Challenge, of) => write!(out, "challenge{}", source(of)),
            Term::Drawn(Value::Session, of) => write!(out, "session{}", source(of)),
            Term::Drawn(Value::Data, of) => write!(out, "data{}", source(of)),
            Term::Open(field, ..) => write!(out, "E's {}", field.key()),
            Term::Power(exponents) => {
                out.push_str("g^");
                for (place, exponent) in exponents.iter().enumerate() {
                    if place > 0 {
                        out.push('·');
                    }
                    self.write(*exponent, depth, out);
                }
                Ok(())
            }
            Term::Node(head, parts) => {
                let name = match head {
                    Head::Tuple => "",
                    Head::Hash => "H",
                    Head::Sign => "sign",
                    Head::Mac => "mac",
                    Head::Derive => "kdf",
                    Head::Seal => "seal",
                };
                let _ = write!(out, "{name}(");
                if depth == 0 {
                    out.push('…');
                } else {
                    for (place, part) in parts.iter().enumerate() {
                        if place > 0 {
                            out.push_str(", ");
                        }
                        self.write(*part, depth - 1, out);
                    }
                }
                out.push(')');
                Ok(())
            }
        };
    }
}
