//! The search: breadth first, so that the first attack found is a shortest one. States are compared
//! exactly, not by a hash.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::hash::Set;
use crate::knowledge::Knowledge;
use crate::model::{Event, Model};
use crate::property::{Property, Violation};
use crate::run::State;
use crate::variant::Variant;

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    /// States reached.
    pub states: usize,
    /// Steps from one state to another, also to those known already.
    pub steps: usize,
    /// The longest of the shortest ways to a state, in steps.
    pub depth: usize,
    /// The most runs that came to a good end in one state.
    pub completed: usize,
    /// The first attack on each property that fell.
    pub attacks: Vec<Attack>,
    /// States in which a property does not hold, but to which the attacker could not have gone in this
    /// order. Where nothing may fall there may be none of these either.
    pub impossible: usize,
    /// How long it took.
    pub took: Duration,
}

/// A way to a state in which a property does not hold.
#[derive(Debug)]
pub struct Attack {
    /// What does not hold.
    pub violation: Violation,
    /// Where it began.
    pub initial: State,
    /// What happened.
    pub events: Vec<Event>,
}

impl Outcome {
    /// The attack on `property`.
    #[must_use]
    pub fn attack(&self, property: Property) -> Option<&Attack> {
        self.attacks.iter().find(|attack| attack.violation.property == property)
    }
}

struct Node {
    state: State,
    parent: Option<usize>,
    depth: usize,
}

/// Searches all of `config`, or until a property of `until` has fallen.
#[must_use]
pub fn search(
    config: Config,
    variant: &'static Variant,
    until: Option<Property>,
) -> (Model, Outcome) {
    let begun = Instant::now();
    let mut model = Model::new(config, variant);
    let mut nodes: Vec<Node> = Vec::new();
    let mut known: Set<State> = Set::default();
    let mut waiting = VecDeque::new();
    for state in model.initial() {
        known.insert(state.clone());
        waiting.push_back(nodes.len());
        nodes.push(Node { state, parent: None, depth: 0 });
    }
    let mut outcome = Outcome {
        states: 0,
        steps: 0,
        depth: 0,
        completed: 0,
        attacks: Vec::new(),
        impossible: 0,
        took: Duration::ZERO,
    };
    while let Some(at) = waiting.pop_front() {
        let (state, depth) = (nodes[at].state.clone(), nodes[at].depth);
        outcome.depth = outcome.depth.max(depth);
        outcome.completed = outcome.completed.max(model.completed(&state));
        let mut knowledge = model.knowledge(&state);
        for violation in model.violations(&state, &mut knowledge) {
            if outcome.attack(violation.property).is_some() {
                continue;
            }
            match way(&mut model, &nodes, at, violation) {
                Some(attack) => outcome.attacks.push(attack),
                None => outcome.impossible += 1,
            }
        }
        if until.is_some_and(|property| outcome.attack(property).is_some()) {
            break;
        }
        for (next, _) in model.successors(&state, &mut knowledge) {
            outcome.steps += 1;
            if known.insert(next.clone()) {
                waiting.push_back(nodes.len());
                nodes.push(Node { state: next, parent: Some(at), depth: depth + 1 });
            }
        }
    }
    outcome.states = nodes.len();
    outcome.took = begun.elapsed();
    (model, outcome)
}

/// The way to a node, if the attacker could go it: what open fields turned out to stand for must have been
/// known when the message was made, not only when it was fixed.
fn way(model: &mut Model, nodes: &[Node], end: usize, violation: Violation) -> Option<Attack> {
    let mut places = vec![end];
    let mut place = end;
    while let Some(parent) = nodes[place].parent {
        places.push(parent);
        place = parent;
    }
    places.reverse();
    let initial = nodes[place].state.clone();
    let mut events = Vec::new();
    for (from, to) in places.iter().zip(places.iter().skip(1)) {
        let (from, to) = (&nodes[*from].state, &nodes[*to].state);
        let mut knowledge = model.knowledge(from);
        let mut next = model.successors(from, &mut knowledge).into_iter();
        let (_, event) = next.find(|(state, _)| state == to)?;
        events.push((event, from.clone()));
    }
    let mut all = violation.fixed.clone();
    for (event, _) in &events {
        if let Event::Took { fixed, .. } = event {
            all.add(fixed);
        }
    }
    for (event, before) in &mut events {
        let Event::Took { message, sent, .. } = event else { continue };
        *message = message.fixed(model, &all);
        *sent = sent.iter().map(|message| message.fixed(model, &all)).collect();
        let seen = model.seen(before);
        let seen: Vec<_> = seen.iter().map(|id| all.apply(&mut model.terms, *id)).collect();
        let mut knowledge = Knowledge::new(&mut model.terms, seen);
        if !message.fields.iter().all(|(_, id)| knowledge.deduces(&mut model.terms, *id)) {
            return None;
        }
    }
    let events = events.into_iter().map(|(event, _)| event).collect();
    Some(Attack { violation, initial, events })
}
