//! An attack as people read it: a message sequence chart with A, the attacker E and B.

use std::fmt::Write as _;

use crate::config::{Handshake, RunSpec, Target};
use crate::message::Message;
use crate::model::{Event, Model};
use crate::search::Attack;
use crate::term::{Agent, Id, Term};
use crate::wire::{Field, Kind};

/// Between two lifelines.
const GAP: usize = 28;

/// Fields by which a message that the attacker made is told.
const TELLING: [Field; 6] = [
    Field::SenderId,
    Field::PublicKey,
    Field::EphemeralKey,
    Field::Suite,
    Field::Challenge,
    Field::SessionId,
];

impl Model {
    /// The attack, step by step.
    #[must_use]
    pub fn chart(&self, attack: &Attack) -> String {
        let gap = " ".repeat(GAP);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{} falls in `{}` if {}.\nAt the end: {}: {}.\n\n      A{gap}E{gap}B\n",
            attack.violation.property.name(),
            self.config.name,
            self.variant.what,
            self.run_name(usize::from(attack.violation.run)),
            attack.violation.why,
        );
        let mut sent: Vec<(usize, Message)> = Vec::new();
        let mut starts = Vec::new();
        for (place, run) in self.runs_of(&attack.initial).iter().enumerate() {
            let Some(first) = run.sent.first() else { continue };
            let kind = match run.handshake {
                Some(Handshake::ThreeWay) => Kind::Handshake,
                _ => Kind::HandshakeInit,
            };
            sent.push((place, self.read(kind, *first)));
            starts.push((place, run.target, false));
        }
        let initial = sent.clone();
        let mut rows = Vec::new();
        for event in &attack.events {
            let Event::Took { run, message, sent: replies, .. } = event else {
                rows.push(format!("      {:^1$}\n", "· the long-term keys leak ·", 2 * GAP + 3));
                continue;
            };
            let place = usize::from(*run);
            let (origin, note) = self.origin(&sent, message);
            for (start, _, used) in &mut starts {
                *used |= *start == place || origin == Some(*start);
            }
            let note = format!("{:?}#{place} takes {note}", self.owner(place));
            rows.push(self.row(place, message.kind, true, &note));
            for reply in replies {
                rows.push(self.row(place, reply.kind, false, ""));
                sent.push((place, reply.clone()));
            }
        }
        for (place, target, used) in starts {
            let Some((_, message)) = initial.iter().find(|(of, _)| *of == place) else { continue };
            if !used {
                continue;
            }
            let wanted = match target {
                Some(Target::Key(agent)) => format!("the holder of {agent:?}'s key"),
                Some(Target::Name(agent)) => format!("whoever is called {agent:?}"),
                None => String::new(),
            };
            let note = format!("{:?}#{place} begins, with {wanted}", self.owner(place));
            out.push_str(&self.row(place, message.kind, false, &note));
        }
        out.extend(rows);
        out
    }

    fn run_name(&self, place: usize) -> String {
        let role = match self.config.runs[place] {
            RunSpec::Initiator(..) => "initiator",
            RunSpec::Responder(..) => "responder",
        };
        format!("{:?}#{place} ({role})", self.owner(place))
    }

    fn read(&self, kind: Kind, whole: Id) -> Message {
        let parts = match self.terms.get(whole) {
            Term::Node(_, parts) => parts.to_vec(),
            _ => Vec::new(),
        };
        Message { kind, fields: kind.fields().into_iter().zip(parts).collect() }
    }

    /// Whose message it was, and what the attacker made of it.
    fn origin(&self, sent: &[(usize, Message)], message: &Message) -> (Option<usize>, String) {
        let changed = |original: &Message| -> Vec<String> {
            let fields = original.fields.iter().zip(&message.fields);
            let fields = fields.filter(|((_, was), (_, is))| was != is);
            fields
                .map(|(_, (field, is))| match field {
                    Field::Signature => "signed by E".to_owned(),
                    _ => format!("{} = {}", field.key(), self.terms.show(*is)),
                })
                .collect()
        };
        let best = sent
            .iter()
            .filter(|(_, original)| original.kind == message.kind)
            .map(|(place, original)| (*place, changed(original)))
            .min_by_key(|(_, changes)| changes.len());
        match best {
            Some((place, changes)) if changes.is_empty() => {
                (Some(place), format!("what {:?}#{place} sent", self.owner(place)))
            }
            Some((place, changes)) if changes.len() < message.fields.len() / 2 => {
                let changes = changes.join(", ");
                (Some(place), format!("what {:?}#{place} sent, but {changes}", self.owner(place)))
            }
            _ => {
                let told: Vec<String> = TELLING
                    .iter()
                    .filter_map(|field| Some((field.key(), message.get(*field)?)))
                    .map(|(key, id)| format!("{key} = {}", self.terms.show(id)))
                    .collect();
                (None, format!("what E made: {}", told.join(", ")))
            }
        }
    }

    /// An arrow between the owner of run `place` and E.
    fn row(&self, place: usize, kind: Kind, taken: bool, note: &str) -> String {
        let left = self.owner(place) == Agent::A;
        let name = kind.name();
        let line = "─".repeat(GAP.saturating_sub(name.len() + 5));
        // To the right if A sends, or if B is sent something.
        let arrow = if left == taken {
            format!("◀─ {name} {line}─")
        } else {
            format!("── {name} {line}▶")
        };
        let blank = " ".repeat(GAP);
        let (first, second) = if left { (&arrow, &blank) } else { (&blank, &arrow) };
        format!("      │{first}│{second}│  {note}").trim_end().to_owned() + "\n"
    }
}
