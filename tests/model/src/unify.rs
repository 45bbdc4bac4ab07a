//! Making two terms equal by fixing what is open in them.

use std::cell::RefCell;

use crate::hash::{Map, Set};
use crate::term::{Id, Term, Terms};

/// What open fields stand for, where that is fixed.
#[derive(Debug, Default)]
pub struct Substitution {
    fixed: Vec<(Id, Id)>,
    /// What was put together before: transcripts hold each other many times over.
    applied: RefCell<Map<Id, Id>>,
}

impl Clone for Substitution {
    fn clone(&self) -> Self {
        Self { fixed: self.fixed.clone(), applied: RefCell::default() }
    }
}

impl PartialEq for Substitution {
    fn eq(&self, other: &Self) -> bool {
        self.fixed == other.fixed
    }
}

impl Substitution {
    /// Whether it fixes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fixed.is_empty()
    }

    /// The open fields that it fixes, and what each stands for at first hand.
    pub fn bindings(&self) -> impl Iterator<Item = (Id, Id)> {
        self.fixed.iter().copied()
    }

    /// Fixes all that `other` fixes, where it is not fixed yet.
    pub fn add(&mut self, other: &Self) {
        for (open, term) in &other.fixed {
            if self.find(*open).is_none() {
                self.fixed.push((*open, *term));
            }
        }
        self.applied.get_mut().clear();
    }

    fn find(&self, id: Id) -> Option<Id> {
        self.fixed.iter().find(|(open, _)| *open == id).map(|(_, term)| *term)
    }

    fn walk(&self, mut id: Id) -> Id {
        while let Some(next) = self.find(id) {
            id = next;
        }
        id
    }

    /// `id` with everything that is fixed put in.
    pub fn apply(&self, terms: &mut Terms, id: Id) -> Id {
        if self.is_empty() || !terms.is_open(id) {
            return id;
        }
        if let Some(applied) = self.applied.borrow().get(&id) {
            return *applied;
        }
        let applied = match terms.get(id).clone() {
            Term::Open(..) => match self.find(id) {
                Some(next) => self.apply(terms, next),
                None => id,
            },
            Term::Node(head, parts) => {
                let parts: Vec<Id> = parts.iter().map(|part| self.apply(terms, *part)).collect();
                terms.node(head, &parts)
            }
            _ => id,
        };
        self.applied.borrow_mut().insert(id, applied);
        applied
    }

    /// Makes `left` and `right` equal by fixing more, if that is possible. If not, what was fixed on the
    /// way is of no use.
    pub fn unify(&mut self, terms: &Terms, left: Id, right: Id) -> bool {
        let (left, right) = (self.walk(left), self.walk(right));
        if left == right {
            return true;
        }
        match (terms.get(left), terms.get(right)) {
            (Term::Open(..), _) => self.bind(terms, left, right),
            (_, Term::Open(..)) => self.bind(terms, right, left),
            (Term::Node(head, parts), Term::Node(other, others)) => {
                head == other
                    && parts.len() == others.len()
                    && (terms.is_open(left) || terms.is_open(right))
                    && parts
                        .iter()
                        .zip(others)
                        .all(|(part, other)| self.unify(terms, *part, *other))
            }
            _ => false,
        }
    }

    fn bind(&mut self, terms: &Terms, open: Id, term: Id) -> bool {
        if terms.width(open) != terms.width(term)
            || self.occurs(terms, open, term, &mut Set::default())
        {
            return false;
        }
        self.fixed.push((open, term));
        self.applied.get_mut().clear();
        true
    }

    fn occurs(&self, terms: &Terms, open: Id, term: Id, seen: &mut Set<Id>) -> bool {
        let term = self.walk(term);
        term == open
            || match terms.get(term) {
                Term::Node(_, parts) if terms.is_open(term) && seen.insert(term) => {
                    parts.iter().any(|part| self.occurs(terms, open, *part, seen))
                }
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{Agent, Head, Source, Value};
    use crate::wire::{Field, Kind};

    #[test]
    fn open_fields_take_what_fits_and_nothing_that_holds_them() {
        let terms = &mut Terms::default();
        let open = terms.id(Term::Open(Field::Challenge, 0, Kind::HandshakeInitAck));
        let challenge = terms.id(Term::Drawn(Value::Challenge, Source::Run(1)));
        let session = terms.id(Term::Drawn(Value::Session, Source::Run(1)));
        let name = terms.id(Term::Name(Agent::A));
        let left = terms.node(Head::Hash, &[open]);
        for (other, fits) in [(challenge, true), (session, false), (name, false), (left, false)] {
            let right = terms.node(Head::Hash, &[other]);
            let mut found = Substitution::default();
            assert_eq!(found.unify(terms, left, right), fits);
            if fits {
                assert_eq!(found.apply(terms, left), right);
            }
        }
    }
}
