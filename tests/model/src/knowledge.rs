//! What the attacker knows, and what can be made of it.
//!
//! Reading: the parts of lists, and the plaintext of what a known key opens. Making: lists, hashes, and with
//! the keys signatures, MACs, derived keys, ciphertexts and powers. Nothing else: signatures, hashes and
//! MACs give nothing back, and a power gives no exponent.

use crate::hash::Map;
use crate::term::{Agent, Head, Id, Source, Term, Terms};
use crate::unify::Substitution;

/// A set of terms, closed under reading.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    list: Vec<Id>,
    /// Terms that were asked for, and all that are in `list`.
    answers: Map<Id, bool>,
}

impl Knowledge {
    /// What can be read from `seen`.
    pub fn new(terms: &mut Terms, seen: impl IntoIterator<Item = Id>) -> Self {
        let mut this = Self::default();
        let mut sealed = Vec::new();
        let mut waiting: Vec<Id> = seen.into_iter().collect();
        loop {
            while let Some(id) = waiting.pop() {
                if this.answers.insert(id, true) == Some(true) {
                    continue;
                }
                this.list.push(id);
                match terms.get(id) {
                    Term::Node(Head::Tuple, parts) => waiting.extend(parts.iter().copied()),
                    Term::Node(Head::Seal, _) => sealed.push(id),
                    _ => {}
                }
            }
            let mut closed = Vec::new();
            for id in std::mem::take(&mut sealed) {
                let Term::Node(_, parts) = terms.get(id).clone() else { continue };
                if this.deduces(terms, parts[0]) {
                    waiting.push(parts[3]);
                } else {
                    closed.push(id);
                }
            }
            sealed = closed;
            if waiting.is_empty() {
                return this;
            }
            // What could not be made before may be possible now.
            this.answers.retain(|_, known| *known);
        }
    }

    /// Whether `id` can be made. What is open can: the attacker put it there.
    pub fn deduces(&mut self, terms: &mut Terms, id: Id) -> bool {
        if let Some(known) = self.answers.get(&id) {
            return *known;
        }
        let known = match terms.get(id) {
            Term::Text(_)
            | Term::Name(_)
            | Term::Derived(_)
            | Term::Identity(_)
            | Term::Open(..)
            | Term::Exponent(Source::Attacker)
            | Term::Drawn(_, Source::Attacker)
            | Term::Secret(Agent::E) => true,
            Term::Secret(_) | Term::Exponent(_) | Term::Drawn(..) => false,
            Term::Power(exponents) => {
                let exponents = exponents.clone();
                exponents.is_empty()
                    || (0..exponents.len()).any(|place| {
                        let mut rest = exponents.to_vec();
                        let exponent = rest.remove(place);
                        self.deduces(terms, exponent) && {
                            let rest = terms.power(&rest);
                            self.deduces(terms, rest)
                        }
                    })
            }
            Term::Node(_, parts) => {
                let parts = parts.clone();
                parts.iter().all(|part| self.deduces(terms, *part))
            }
        };
        self.answers.insert(id, known);
        known
    }

    /// All ways to fix open fields so that every one of `goals` can be made. Fields left open stay so:
    /// whatever they stand for, it works. `is_new` says which open fields belong to what is being made,
    /// and occur nowhere in what is known.
    pub fn solve(
        &mut self,
        terms: &mut Terms,
        goals: Vec<Id>,
        fixed: Substitution,
        is_new: &impl Fn(&Term) -> bool,
        found: &mut Vec<Substitution>,
    ) {
        let mut goals = goals;
        while let Some(goal) = goals.pop() {
            let goal = fixed.apply(terms, goal);
            if self.deduces(terms, goal) {
                continue;
            }
            let Term::Node(head, parts) = terms.get(goal).clone() else { return };
            if !terms.is_open(goal) && !self.list.iter().any(|known| terms.is_open(*known)) {
                return;
            }
            for known in self.list.clone() {
                if !matches!(terms.get(known), Term::Node(other, _) if *other == head)
                    || head == Head::Tuple
                {
                    continue;
                }
                let mut more = fixed.clone();
                if !more.unify(terms, goal, known) {
                    continue;
                }
                let old: Vec<Id> = more
                    .bindings()
                    .filter(|(open, _)| fixed.bindings().all(|(other, _)| other != *open))
                    .filter(|(open, _)| !is_new(terms.get(*open)))
                    .map(|(_, term)| term)
                    .collect();
                let mut rest = goals.clone();
                if old.is_empty() {
                    self.solve(terms, rest, more, is_new, found);
                } else {
                    // The attacker put it there, so must have known it.
                    rest.extend(old);
                    self.fixed(terms, &more).solve(terms, rest, more, is_new, found);
                }
            }
            goals.extend(parts.iter().rev());
        }
        if !found.contains(&fixed) {
            found.push(fixed);
        }
    }

    /// The same knowledge with what is fixed put in.
    fn fixed(&self, terms: &mut Terms, fixed: &Substitution) -> Self {
        let seen: Vec<Id> = self.list.iter().map(|id| fixed.apply(terms, *id)).collect();
        Self::new(terms, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Value;
    use crate::wire::{Field, Kind};

    #[test]
    fn a_key_exchange_opens_to_whoever_has_an_exponent() {
        let terms = &mut Terms::default();
        let [x, y] = [0, 1].map(|run| terms.id(Term::Exponent(Source::Run(run))));
        let [gx, gy, gxy] = [terms.power(&[x]), terms.power(&[y]), terms.power(&[y, x])];
        assert_eq!(terms.raise(gx, y), Some(gxy));
        assert_eq!(terms.raise(gy, x), Some(gxy));
        let data = terms.id(Term::Drawn(Value::Data, Source::Run(0)));
        let salt = terms.text("salt");
        let key = terms.node(Head::Derive, &[gxy, salt, salt]);
        let sealed = terms.node(Head::Seal, &[key, salt, salt, data]);
        assert!(!Knowledge::new(terms, [gx, gy, sealed]).deduces(terms, data));
        assert!(Knowledge::new(terms, [gy, sealed, x]).deduces(terms, data));
        assert!(Knowledge::new(terms, [x, gy, sealed]).deduces(terms, gxy));
        assert!(Knowledge::new(terms, [gxy, sealed]).deduces(terms, data));
        assert!(!Knowledge::new(terms, [gxy, sealed]).deduces(terms, x));
    }

    #[test]
    fn what_cannot_be_made_is_taken_from_what_was_seen() {
        let terms = &mut Terms::default();
        let secret = terms.id(Term::Secret(Agent::A));
        let nonce = terms.id(Term::Drawn(Value::Nonce(Kind::Ready), Source::Run(0)));
        let open = terms.id(Term::Open(Field::Nonce, 1, Kind::Ready));
        let seen = terms.node(Head::Sign, &[secret, nonce]);
        let goal = terms.node(Head::Sign, &[secret, open]);
        let mut found = Vec::new();
        let all = |_: &Term| true;
        let mut knowledge = Knowledge::new(terms, [seen]);
        knowledge.solve(terms, vec![goal], Substitution::default(), &all, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].apply(terms, open), nonce);
        // With the key it can be made, whatever the nonce.
        found.clear();
        let mut knowledge = Knowledge::new(terms, [seen, secret]);
        knowledge.solve(terms, vec![goal], Substitution::default(), &all, &mut found);
        assert_eq!(found, [Substitution::default()]);
    }
}
